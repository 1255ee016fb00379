//! What is a streams group, and what does each of its records change?
//!
//! Invariants: the group is what its records say, in log order; beside them it has notes that a
//! restart forgets, which are all to be had again: what the topology comes to with the cluster's
//! topics, what endpoints were told, who asked for a shutdown, whether the first assignment waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::configure::Configured;
use super::member::{Current, MemberMetadata, StreamsMember};
use super::records::{GroupEpoch, StreamsRecord, TargetEpoch};
use super::tasks::{TaskIds, Tasks, each, without_epochs};
use super::topology::Topology;
use crate::group::effect::TimerId;
use crate::group::state::GroupState;

/// A group of the streams protocol.
#[derive(Clone, Debug, Default)]
pub(in crate::group) struct StreamsGroup {
    pub(in crate::group) group_id: String,
    pub(super) epoch: GroupEpoch,
    pub(super) target_epoch: TargetEpoch,
    pub(super) members: BTreeMap<String, StreamsMember>,
    pub(super) targets: BTreeMap<String, Tasks>,
    pub(super) topology: Option<Topology>,
    holders: Holders,
    /// What the topology comes to; nothing that is stored.
    pub(super) configured: Option<Arc<Configured>>,
    /// The metadata for which `epoch.metadata_hash` was last computed; nothing that is stored.
    pub(super) metadata_seen: Option<u64>,
    /// Whether the first assignment waits for more members to join.
    pub(super) waits_for_members: bool,
    /// Who asked every instance to stop; until the group is empty.
    pub(super) shutdown_member: Option<String>,
    /// Grows when an endpoint has other partitions.
    pub(super) endpoint_epoch: i32,
}

/// Which members have each task, or have yet to say that they gave it up.
#[derive(Clone, Debug, Default)]
struct Holders {
    active: HoldersByTask,
    standby: HoldersByTask,
    warmup: HoldersByTask,
}

type HoldersByTask = BTreeMap<String, BTreeMap<i32, BTreeSet<String>>>;

fn hold(holders: &mut HoldersByTask, member_id: &str, tasks: &TaskIds) {
    for (subtopology, partition) in each(tasks) {
        let partitions = holders.entry(subtopology.to_owned()).or_default();
        let members = partitions.entry(partition).or_default();
        members.insert(member_id.to_owned());
    }
}

fn release(holders: &mut HoldersByTask, member_id: &str, tasks: &TaskIds) {
    for (subtopology, partition) in each(tasks) {
        let Some(partitions) = holders.get_mut(subtopology) else {
            continue;
        };
        if let Some(members) = partitions.get_mut(&partition) {
            members.remove(member_id);
            if members.is_empty() {
                partitions.remove(&partition);
            }
        }
        if partitions.is_empty() {
            holders.remove(subtopology);
        }
    }
}

impl Holders {
    fn change(
        &mut self,
        change: fn(&mut HoldersByTask, &str, &TaskIds),
        (member_id, current): (&str, &Current),
    ) {
        for owned in [&current.revoking, &current.assigned] {
            change(&mut self.active, member_id, &without_epochs(&owned.active));
            change(&mut self.standby, member_id, &owned.standby);
            change(&mut self.warmup, member_id, &owned.warmup);
        }
    }
}

fn members_of<'a>(
    holders: &'a HoldersByTask,
    (subtopology, partition): (&str, i32),
) -> impl Iterator<Item = &'a String> + use<'a> {
    let partitions = holders.get(subtopology);
    let members = partitions.and_then(|partitions| partitions.get(&partition));
    members.into_iter().flatten()
}

impl StreamsGroup {
    pub(in crate::group) fn new(group_id: &str) -> Self {
        Self {
            group_id: group_id.to_owned(),
            ..Self::default()
        }
    }

    pub(in crate::group) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Takes over a record; returns the one that takes it back.
    pub(in crate::group) fn apply(&mut self, record: StreamsRecord) -> StreamsRecord {
        match record {
            StreamsRecord::Group(value) => {
                let old = std::mem::replace(&mut self.epoch, value.unwrap_or_default());
                StreamsRecord::Group(Some(old))
            }
            StreamsRecord::TargetEpoch(value) => {
                let old = std::mem::replace(&mut self.target_epoch, value.unwrap_or_default());
                StreamsRecord::TargetEpoch(Some(old))
            }
            StreamsRecord::Topology(value) => {
                let old = std::mem::replace(&mut self.topology, value);
                self.configured = None;
                StreamsRecord::Topology(old)
            }
            StreamsRecord::Member(member_id, value) => {
                let old = self.put_metadata(&member_id, value);
                StreamsRecord::Member(member_id, old)
            }
            StreamsRecord::Target(member_id, value) => {
                let old = match value {
                    Some(target) => self.targets.insert(member_id.clone(), target),
                    None => self.targets.remove(&member_id),
                };
                StreamsRecord::Target(member_id, old)
            }
            StreamsRecord::Current(member_id, value) => {
                let old = self.put_current(&member_id, value);
                StreamsRecord::Current(member_id, old)
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
            self.holders.change(release, (member_id, &removed.current));
            if self.members.is_empty() {
                self.shutdown_member = None;
            }
            return Some(removed.metadata);
        };
        match self.members.get_mut(member_id) {
            Some(member) => Some(std::mem::replace(&mut member.metadata, metadata)),
            None => {
                let current = Current::default();
                let member = StreamsMember { metadata, current };
                self.members.insert(member_id.to_owned(), member);
                None
            }
        }
    }

    /// A compacted log may have a member's tasks before the member itself.
    fn put_current(&mut self, member_id: &str, value: Option<Current>) -> Option<Current> {
        let current = match value {
            Some(current) => current,
            None if self.members.contains_key(member_id) => Current::default(),
            None => return None,
        };
        let member = self.members.entry(member_id.to_owned()).or_default();
        let old = std::mem::replace(&mut member.current, current.clone());
        self.holders.change(release, (member_id, &old));
        self.holders.change(hold, (member_id, &current));
        Some(old)
    }

    /// Whether anybody has an active task, or has yet to say that it gave it up.
    pub(super) fn is_active_anywhere(&self, task: (&str, i32)) -> bool {
        members_of(&self.holders.active, task).next().is_some()
    }

    /// Whether a process has the active task.
    pub(super) fn is_active_in(&self, task: (&str, i32), process_id: &str) -> bool {
        self.is_in(&self.holders.active, task, process_id)
    }

    /// Whether a process has the task as a standby or warm-up task.
    pub(super) fn is_prepared_in(&self, task: (&str, i32), process_id: &str) -> bool {
        self.is_in(&self.holders.standby, task, process_id)
            || self.is_in(&self.holders.warmup, task, process_id)
    }

    fn is_in(&self, holders: &HoldersByTask, task: (&str, i32), process_id: &str) -> bool {
        members_of(holders, task)
            .filter_map(|member_id| self.members.get(member_id))
            .any(|member| member.metadata.process_id == process_id)
    }

    pub(in crate::group) fn state(&self) -> GroupState {
        let topology_epoch = self.topology.as_ref().map(|topology| topology.epoch);
        if self.members.is_empty() {
            GroupState::Empty
        } else if topology_epoch != Some(self.epoch.validated_topology_epoch) {
            GroupState::NotReady
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

    /// Whether members read the topic; nobody reads anything in an empty group.
    pub(in crate::group) fn is_subscribed_to(&self, topic: &str) -> bool {
        let topology = self.topology.as_ref().filter(|_| !self.is_empty());
        topology.is_some_and(|topology| topology.reader_of(topic).is_some())
    }

    pub(super) fn session_timer(&self, member_id: &str) -> TimerId {
        TimerId::Heartbeat {
            group_id: self.group_id.clone(),
            member_id: member_id.to_owned(),
        }
    }

    pub(super) fn rebalance_timer(&self, member_id: &str) -> TimerId {
        TimerId::Rebalance {
            group_id: self.group_id.clone(),
            member_id: member_id.to_owned(),
        }
    }

    /// The end of the wait for more members.
    pub(super) fn initial_timer(&self) -> TimerId {
        TimerId::Join {
            group_id: self.group_id.clone(),
        }
    }

    pub(in crate::group) fn timers(&self) -> Vec<TimerId> {
        let members = self.members.keys();
        let of_members = members.flat_map(|id| [self.session_timer(id), self.rebalance_timer(id)]);
        of_members.chain([self.initial_timer()]).collect()
    }

    /// The log has refused a record: what was concluded from it counts no more, and nobody waits
    /// for a timer that may be cancelled.
    pub(in crate::group) fn forget_conclusions(&mut self) {
        self.configured = None;
        self.metadata_seen = None;
        self.waits_for_members = false;
    }

    /// The records that delete the group.
    pub(in crate::group) fn tombstones(&self) -> Vec<StreamsRecord> {
        let ids: BTreeSet<&String> = self.members.keys().chain(self.targets.keys()).collect();
        let ids = || ids.iter().map(|id| (*id).clone());
        let mut records: Vec<StreamsRecord> = ids()
            .map(|id| StreamsRecord::Current(id, None))
            .chain(ids().map(|id| StreamsRecord::Target(id, None)))
            .collect();
        records.push(StreamsRecord::TargetEpoch(None));
        records.extend(ids().map(|id| StreamsRecord::Member(id, None)));
        records.push(StreamsRecord::Topology(None));
        records.push(StreamsRecord::Group(None));
        records
    }
}
