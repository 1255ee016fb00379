//! What is a consumer group, and what does each of its records change?
//!
//! Invariants: the group is what its records say, in log order; a partition has one owner at a time
//! (I20): whoever has it assigned, or has yet to say that it gave it up.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TopicId;

use super::assignor::Assignor;
use super::member::{ConsumerMember, Current, MemberMetadata};
use super::records::{ConsumerRecord, GroupEpoch, ResolvedRegex, TargetEpoch};
use crate::group::effect::TimerId;
use crate::group::modern::Assignment;
use crate::group::state::GroupState;
use crate::group::vec_map::VecMap;

/// A consumer group.
#[derive(Clone, Debug, Default)]
pub(in crate::group) struct ConsumerGroup {
    pub(in crate::group) group_id: String,
    pub(in crate::group) epoch: GroupEpoch,
    pub(in crate::group) target_epoch: TargetEpoch,
    /// Boxed: a tree's node has room for eleven, most groups have one or two.
    pub(in crate::group) members: BTreeMap<String, Box<ConsumerMember>>,
    pub(in crate::group) targets: VecMap<String, Assignment>,
    pub(in crate::group) regexes: VecMap<String, ResolvedRegex>,
    pub(in crate::group) has_partition_metadata: bool,
    static_members: BTreeMap<String, String>,
    /// Who holds each partition.
    holders: VecMap<TopicId, BTreeMap<i32, String>>,
    /// The metadata for which `epoch.metadata_hash` was last computed; nothing that is stored.
    pub(in crate::group) metadata_seen: Option<u64>,
    /// Members of the classic protocol that were told to join again, and have a timer for it.
    pub(in crate::group) awaiting_rejoin: BTreeSet<String>,
}

impl ConsumerGroup {
    pub(in crate::group) fn new(group_id: &str) -> Self {
        Self {
            group_id: group_id.to_owned(),
            ..Self::default()
        }
    }

    /// Takes over a record; returns the one that takes it back.
    pub(in crate::group) fn apply(&mut self, record: ConsumerRecord) -> ConsumerRecord {
        match record {
            ConsumerRecord::Group(value) => {
                let old = std::mem::replace(&mut self.epoch, value.unwrap_or_default());
                ConsumerRecord::Group(Some(old))
            }
            ConsumerRecord::PartitionMetadata(value) => {
                let old = std::mem::replace(&mut self.has_partition_metadata, value.is_some());
                ConsumerRecord::PartitionMetadata(old.then_some(()))
            }
            ConsumerRecord::TargetEpoch(value) => {
                let old = std::mem::replace(&mut self.target_epoch, value.unwrap_or_default());
                ConsumerRecord::TargetEpoch(Some(old))
            }
            ConsumerRecord::Member(member_id, value) => {
                let old = self.put_metadata(&member_id, value);
                ConsumerRecord::Member(member_id, old)
            }
            ConsumerRecord::Target(member_id, value) => {
                let old = put(&mut self.targets, &member_id, value);
                ConsumerRecord::Target(member_id, old)
            }
            ConsumerRecord::Current(member_id, value) => {
                let old = self.put_current(&member_id, value);
                ConsumerRecord::Current(member_id, old)
            }
            ConsumerRecord::Regex(regex, value) => {
                let old = put(&mut self.regexes, &regex, value);
                ConsumerRecord::Regex(regex, old)
            }
        }
    }

    fn put_metadata(
        &mut self,
        member_id: &str,
        value: Option<MemberMetadata>,
    ) -> Option<MemberMetadata> {
        let Some(metadata) = value else {
            let removed = self.members.remove(member_id)?;
            self.release(member_id, &removed.current);
            self.forget_instance(member_id, &removed.metadata);
            return Some(removed.metadata);
        };
        if let Some(instance_id) = &metadata.instance_id {
            self.static_members
                .insert(instance_id.clone(), member_id.to_owned());
        }
        match self.members.get_mut(member_id) {
            Some(member) => Some(std::mem::replace(&mut member.metadata, metadata)),
            None => {
                let member = ConsumerMember {
                    metadata,
                    current: Current::default(),
                };
                self.members.insert(member_id.to_owned(), Box::new(member));
                None
            }
        }
    }

    fn forget_instance(&mut self, member_id: &str, metadata: &MemberMetadata) {
        if let Some(instance_id) = &metadata.instance_id {
            // The identity may have passed on to another member already.
            if self
                .static_members
                .get(instance_id)
                .is_some_and(|holder| holder == member_id)
            {
                self.static_members.remove(instance_id);
            }
        }
    }

    /// A compacted log may have a member's assignment before the member itself.
    fn put_current(&mut self, member_id: &str, value: Option<Current>) -> Option<Current> {
        let Some(current) = value else {
            let member = self.members.get_mut(member_id)?;
            let old = std::mem::take(&mut member.current);
            self.release(member_id, &old);
            return Some(old);
        };
        let member = self.members.entry(member_id.to_owned()).or_default();
        let old = std::mem::replace(&mut member.current, current.clone());
        self.release(member_id, &old);
        for (topic_id, partition) in current.held() {
            let of_topic = self.holders.or_default(topic_id);
            of_topic.insert(partition, member_id.to_owned());
        }
        Some(old)
    }

    fn release(&mut self, member_id: &str, current: &Current) {
        for (topic_id, partition) in current.held() {
            let Some(of_topic) = self.holders.get_mut(&topic_id) else {
                continue;
            };
            // Between two records of a compacted log, the next owner may be known before the former
            // one's release is.
            if of_topic
                .get(&partition)
                .is_some_and(|holder| holder == member_id)
            {
                of_topic.remove(&partition);
            }
            if of_topic.is_empty() {
                drop(self.holders.remove(&topic_id));
            }
        }
    }

    /// Who has a partition, or has yet to say that it gave it up.
    pub(in crate::group) fn holder(&self, topic_id: TopicId, partition: i32) -> Option<&String> {
        self.holders.get(&topic_id)?.get(&partition)
    }

    pub(in crate::group) fn static_member_id(&self, instance_id: &str) -> Option<&String> {
        self.static_members.get(instance_id)
    }

    pub(in crate::group) fn state(&self) -> GroupState {
        if self.members.is_empty() {
            GroupState::Empty
        } else if self.epoch.epoch > self.target_epoch.epoch {
            GroupState::Assigning
        } else if self.is_reconciled() {
            GroupState::Stable
        } else {
            GroupState::Reconciling
        }
    }

    fn is_reconciled(&self) -> bool {
        let mut members = self.members.values();
        members.all(|member| member.current.is_reconciled_to(self.target_epoch.epoch))
    }

    /// The assignor that most members ask for; the default where none does.
    pub(in crate::group) fn assignor(&self) -> Assignor {
        let mut votes: BTreeMap<Assignor, usize> = BTreeMap::new();
        for member in self.members.values() {
            let named = member.metadata.server_assignor.as_deref();
            if let Some(assignor) = named.and_then(Assignor::named) {
                *votes.entry(assignor).or_default() += 1;
            }
        }
        let most = votes.into_iter().max_by_key(|(assignor, count)| {
            // Of two with equal votes, the default.
            (*count, std::cmp::Reverse(*assignor))
        });
        most.map_or(Assignor::Uniform, |(assignor, _)| assignor)
    }

    /// The topics a member subscribes to, by name and by pattern.
    pub(in crate::group) fn topics_of<'a>(
        &'a self,
        member: &'a ConsumerMember,
    ) -> BTreeSet<&'a str> {
        let by_regex = member.metadata.regex.as_ref();
        let resolved = by_regex.and_then(|regex| self.regexes.get(regex));
        let matched = resolved.into_iter().flat_map(|regex| &regex.topics);
        let named = member.metadata.topics.iter();
        named.chain(matched).map(String::as_str).collect()
    }

    /// The topics that any member subscribes to, in order of names.
    pub(in crate::group) fn subscribed_topics(&self) -> BTreeSet<&str> {
        let each = self.members.values();
        each.flat_map(|member| self.topics_of(member)).collect()
    }

    pub(in crate::group) fn is_subscribed_to(&self, topic: &str) -> bool {
        let by_name = |member: &ConsumerMember| member.metadata.topics.contains(topic);
        self.members.values().any(|member| by_name(member))
            || self
                .regexes
                .values()
                .any(|resolved| resolved.topics.contains(topic))
    }

    /// How many members subscribe by this pattern.
    pub(in crate::group) fn regex_member_count(&self, regex: &str) -> usize {
        let each = self.members.values();
        each.filter(|member| member.metadata.regex.as_deref() == Some(regex))
            .count()
    }

    pub(in crate::group) fn classic_member_count(&self) -> usize {
        let each = self.members.values();
        each.filter(|member| member.uses_classic_protocol()).count()
    }

    pub(in crate::group) fn session_timer(&self, member_id: &str) -> TimerId {
        TimerId::Heartbeat {
            group_id: self.group_id.clone(),
            member_id: member_id.to_owned(),
        }
    }

    pub(in crate::group) fn rebalance_timer(&self, member_id: &str) -> TimerId {
        TimerId::Rebalance {
            group_id: self.group_id.clone(),
            member_id: member_id.to_owned(),
        }
    }

    pub(in crate::group) fn rejoin_timer(&self, member_id: &str) -> TimerId {
        TimerId::MemberJoin {
            group_id: self.group_id.clone(),
            member_id: member_id.to_owned(),
        }
    }

    pub(in crate::group) fn sync_timer(&self, member_id: &str) -> TimerId {
        TimerId::MemberSync {
            group_id: self.group_id.clone(),
            member_id: member_id.to_owned(),
        }
    }

    /// Every timer a member may have.
    pub(in crate::group) fn timers(&self, member_id: &str) -> [TimerId; 4] {
        [
            self.session_timer(member_id),
            self.rebalance_timer(member_id),
            self.rejoin_timer(member_id),
            self.sync_timer(member_id),
        ]
    }
}

fn put<V>(map: &mut VecMap<String, V>, key: &str, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    }
}

impl ConsumerGroup {
    /// The records that delete the group, members first.
    pub(in crate::group) fn tombstones(&self) -> Vec<ConsumerRecord> {
        let members = || self.members.keys().cloned();
        let mut records = Vec::new();
        records.extend(members().map(|id| ConsumerRecord::Current(id, None)));
        let targets = self.targets.keys().cloned();
        records.extend(targets.map(|id| ConsumerRecord::Target(id, None)));
        records.push(ConsumerRecord::TargetEpoch(None));
        records.extend(members().map(|id| ConsumerRecord::Member(id, None)));
        let regexes = self.regexes.keys().cloned();
        records.extend(regexes.map(|regex| ConsumerRecord::Regex(regex, None)));
        if self.has_partition_metadata {
            records.push(ConsumerRecord::PartitionMetadata(None));
        }
        records.push(ConsumerRecord::Group(None));
        records
    }
}
