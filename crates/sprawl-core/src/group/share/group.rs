//! A share group: what its records say.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TopicId;

use super::records::{Current, Member, ShareRecord, States};
use super::request::{DescribedShareGroup, DescribedShareMember};
use crate::group::effect::TimerId;
use crate::group::modern::Assignment;
use crate::group::state::GroupState;

/// The name of the assignor.
pub(super) const ASSIGNOR: &str = "simple";

/// A group of the share protocol.
#[derive(Clone, Debug)]
pub(in crate::group) struct ShareGroup {
    pub(in crate::group) group_id: String,
    pub(super) epoch: i32,
    pub(super) metadata_hash: i64,
    pub(super) target_epoch: i32,
    pub(super) target_timestamp_ms: i64,
    pub(super) members: BTreeMap<String, Member>,
    pub(super) currents: BTreeMap<String, Current>,
    pub(super) targets: BTreeMap<String, Assignment>,
    pub(super) states: States,
}

impl ShareGroup {
    pub(in crate::group) fn new(group_id: &str) -> Self {
        Self {
            group_id: group_id.to_owned(),
            epoch: 0,
            metadata_hash: 0,
            target_epoch: 0,
            target_timestamp_ms: 0,
            members: BTreeMap::new(),
            currents: BTreeMap::new(),
            targets: BTreeMap::new(),
            states: States::default(),
        }
    }

    pub(in crate::group) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(in crate::group) fn state(&self) -> GroupState {
        if self.is_empty() {
            GroupState::Empty
        } else {
            GroupState::Stable
        }
    }

    pub(in crate::group) fn is_subscribed_to(&self, topic: &str) -> bool {
        let mut members = self.members.values();
        members.any(|member| member.topics.contains(topic))
    }

    /// The topics that members subscribe to, in order.
    pub(super) fn subscribed(&self) -> BTreeSet<&str> {
        let topics = self.members.values().flat_map(|member| &member.topics);
        topics.map(String::as_str).collect()
    }

    /// The session of a member.
    pub(super) fn session_timer(&self, member_id: &str) -> TimerId {
        TimerId::Heartbeat {
            group_id: self.group_id.clone(),
            member_id: member_id.to_owned(),
        }
    }

    pub(in crate::group) fn timers(&self) -> Vec<TimerId> {
        self.members
            .keys()
            .map(|id| self.session_timer(id))
            .collect()
    }

    /// Takes over a record; returns the one that takes it back.
    pub(in crate::group) fn apply(&mut self, record: ShareRecord) -> ShareRecord {
        match record {
            ShareRecord::Group(value) => {
                let before = (self.epoch != 0).then_some((self.epoch, self.metadata_hash));
                (self.epoch, self.metadata_hash) = value.unwrap_or_default();
                ShareRecord::Group(before)
            }
            ShareRecord::TargetEpoch(value) => {
                let has_target = self.target_epoch != 0;
                let before = (self.target_epoch, self.target_timestamp_ms);
                (self.target_epoch, self.target_timestamp_ms) = value.unwrap_or_default();
                ShareRecord::TargetEpoch(has_target.then_some(before))
            }
            ShareRecord::Member(id, value) => {
                let before = replace(&mut self.members, &id, value);
                ShareRecord::Member(id, before)
            }
            ShareRecord::Target(id, value) => {
                let before = replace(&mut self.targets, &id, value);
                ShareRecord::Target(id, before)
            }
            ShareRecord::Current(id, value) => {
                let before = replace(&mut self.currents, &id, value);
                ShareRecord::Current(id, before)
            }
            ShareRecord::States(value) => {
                let before = std::mem::replace(&mut self.states, value.unwrap_or_default());
                let had_any = before != States::default();
                ShareRecord::States(had_any.then_some(before))
            }
        }
    }

    /// The records that delete the group; members are gone before.
    pub(in crate::group) fn tombstones(&self) -> Vec<ShareRecord> {
        let ids: BTreeSet<&String> = self
            .members
            .keys()
            .chain(self.currents.keys())
            .chain(self.targets.keys())
            .collect();
        let mut records = Vec::new();
        for id in ids {
            records.push(ShareRecord::Current(id.clone(), None));
            records.push(ShareRecord::Target(id.clone(), None));
            records.push(ShareRecord::Member(id.clone(), None));
        }
        records.push(ShareRecord::TargetEpoch(None));
        records.push(ShareRecord::States(None));
        records.push(ShareRecord::Group(None));
        records
    }

    pub(in crate::group) fn describe(&self) -> DescribedShareGroup {
        let members = self.members.iter().map(|(id, member)| {
            let current = self.currents.get(id).cloned().unwrap_or_default();
            DescribedShareMember {
                member_id: id.clone(),
                rack_id: member.rack_id.clone(),
                member_epoch: current.epoch,
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                topics: member.topics.clone(),
                assignment: current.assigned,
            }
        });
        DescribedShareGroup {
            state: self.state(),
            group_epoch: self.epoch,
            assignment_epoch: self.target_epoch,
            assignor: ASSIGNOR,
            members: members.collect(),
            states: self.states.initialized.clone(),
        }
    }

    /// The partitions that may be given out, by topic.
    pub(super) fn begun(&self) -> BTreeMap<TopicId, BTreeSet<i32>> {
        let initialized = self.states.initialized.iter();
        initialized
            .map(|(topic_id, (_, numbers))| (*topic_id, numbers.clone()))
            .collect()
    }
}

fn replace<V>(map: &mut BTreeMap<String, V>, id: &str, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(id.to_owned(), value),
        None => map.remove(id),
    }
}
