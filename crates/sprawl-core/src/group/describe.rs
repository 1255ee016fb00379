//! What can be read about the groups of a shard?
//!
//! Reads see durable commits only, and the membership as it is.

use super::any::Group;
use super::classic::{ClassicGroup, DescribedGroup};
use super::consumer::DescribedConsumerGroup;
use super::error::GroupError;
use super::offsets::{CommittedOffset, OffsetEntry};
use super::shard::GroupShard;
use super::share::DescribedShareGroup;
use super::state::{GroupState, GroupType};
use super::streams::DescribedStreamsGroup;

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group_id: String,
    /// Its type.
    pub group_type: GroupType,
    /// Its protocol type; empty for a simple group.
    pub protocol_type: String,
    /// Its state.
    pub state: GroupState,
}

impl GroupShard {
    /// Lists every group.
    pub fn list(&self) -> impl Iterator<Item = ListedGroup> {
        self.groups.values().map(|group| ListedGroup {
            group_id: group.group_id().to_owned(),
            group_type: group.group_type(),
            protocol_type: group.protocol_type().to_owned(),
            state: group.state(),
        })
    }

    /// Describes a classic group.
    pub fn describe(&self, group_id: &str) -> Result<DescribedGroup, GroupError> {
        self.groups
            .get(group_id)
            .and_then(Group::as_classic)
            .map(ClassicGroup::describe)
            .ok_or(GroupError::GroupIdNotFound)
    }

    /// Describes a consumer group.
    pub fn describe_consumer(&self, group_id: &str) -> Result<DescribedConsumerGroup, GroupError> {
        match self.groups.get(group_id) {
            Some(Group::Consumer(group)) => Ok(group.describe()),
            Some(Group::Classic(_) | Group::Share(_) | Group::Streams(_)) | None => {
                Err(GroupError::GroupIdNotFound)
            }
        }
    }

    /// Describes a share group.
    pub fn describe_share(&self, group_id: &str) -> Result<DescribedShareGroup, GroupError> {
        match self.groups.get(group_id) {
            Some(Group::Share(group)) => Ok(group.describe()),
            Some(Group::Classic(_) | Group::Consumer(_) | Group::Streams(_)) | None => {
                Err(GroupError::GroupIdNotFound)
            }
        }
    }

    /// Describes a streams group.
    pub fn describe_streams(&self, group_id: &str) -> Result<DescribedStreamsGroup, GroupError> {
        match self.groups.get(group_id) {
            Some(Group::Streams(group)) => Ok(group.describe()),
            Some(Group::Classic(_) | Group::Consumer(_) | Group::Share(_)) | None => {
                Err(GroupError::GroupIdNotFound)
            }
        }
    }

    /// Whether a member may fetch the offsets of its group; who names no member may.
    pub fn check_fetch(
        &self,
        group_id: &str,
        member_id: Option<&str>,
        member_epoch: i32,
    ) -> Result<(), GroupError> {
        match self.groups.get(group_id) {
            Some(group) => group.check_fetch(member_id, member_epoch),
            None => Ok(()),
        }
    }

    /// The committed offset of a partition; `None` also when the group does not exist.
    pub fn committed(
        &self,
        group_id: &str,
        topic: &str,
        partition: i32,
    ) -> Option<&CommittedOffset> {
        self.groups.get(group_id)?;
        self.offsets.get(group_id, topic, partition)
    }

    /// Whether the offset of a partition is about to change: a transaction that has committed one
    /// is not decided yet.
    pub fn is_unstable(&self, group_id: &str, topic: &str, partition: i32) -> bool {
        self.offsets.pending.contains(group_id, topic, partition)
            || self.appends.has_pending(group_id, topic, partition)
    }

    /// Every committed offset of a group, by topic and partition.
    pub fn committed_all(&self, group_id: &str) -> impl Iterator<Item = OffsetEntry<'_>> {
        let group_id = self.groups.contains_key(group_id).then_some(group_id);
        group_id
            .into_iter()
            .flat_map(|group_id| self.offsets.of_group(group_id))
    }
}
