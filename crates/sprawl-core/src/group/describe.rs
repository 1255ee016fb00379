//! What can be read about the groups of a shard?
//!
//! Reads see durable commits only, and the membership as it is.

use bytes::Bytes;

use super::error::GroupError;
use super::offsets::{CommittedOffset, OffsetEntry};
use super::shard::GroupShard;
use super::state::GroupState;

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group_id: String,
    /// Its protocol type; empty for a simple group.
    pub protocol_type: String,
    /// Its state.
    pub state: GroupState,
}

/// A group in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// Its state.
    pub state: GroupState,
    /// Its protocol type; empty for a simple group.
    pub protocol_type: String,
    /// The chosen protocol, while the group is stable; else empty.
    pub protocol_name: String,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member.
    pub member_id: String,
    /// Its static identity, if any.
    pub group_instance_id: Option<String>,
    /// The client id it joined with.
    pub client_id: String,
    /// The address it joined from.
    pub client_host: String,
    /// Its metadata for the chosen protocol, while the group is stable; else empty.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

impl GroupShard {
    /// Lists every group.
    pub fn list(&self) -> impl Iterator<Item = ListedGroup> {
        self.groups.values().map(|group| ListedGroup {
            group_id: group.group_id.clone(),
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            state: group.state(),
        })
    }

    /// Describes a group.
    pub fn describe(&self, group_id: &str) -> Result<DescribedGroup, GroupError> {
        let group = self
            .groups
            .get(group_id)
            .ok_or(GroupError::GroupIdNotFound)?;
        let is_stable = group.state() == GroupState::Stable;
        let chosen = group.protocol_name.clone().filter(|_| is_stable);
        let describe_member = |member: &super::member::Member| DescribedMember {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: chosen
                .as_deref()
                .map(|name| member.metadata(name))
                .unwrap_or_default(),
            assignment: member.assignment.clone(),
        };
        let members = group.members.values().map(describe_member).collect();
        Ok(DescribedGroup {
            state: group.state(),
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            protocol_name: chosen.unwrap_or_default(),
            members,
        })
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

    /// Every committed offset of a group, by topic and partition.
    pub fn committed_all(&self, group_id: &str) -> impl Iterator<Item = OffsetEntry<'_>> {
        let group_id = self.groups.contains_key(group_id).then_some(group_id);
        group_id
            .into_iter()
            .flat_map(|group_id| self.offsets.of_group(group_id))
    }
}
