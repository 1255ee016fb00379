//! What can be read about a consumer group?

use super::group::ConsumerGroup;
use super::member::{ConsumerMember, without_epochs};
use crate::group::modern::Assignment;
use crate::group::state::GroupState;

/// A consumer group in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    /// Its state.
    pub state: GroupState,
    /// Its epoch.
    pub group_epoch: i32,
    /// The epoch of its target assignment.
    pub assignment_epoch: i32,
    /// The assignor that most members ask for.
    pub assignor: &'static str,
    /// Its members.
    pub members: Vec<DescribedConsumer>,
}

/// Which protocol a member of a consumer group speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberProtocol {
    /// JoinGroup and SyncGroup.
    Classic,
    /// ConsumerGroupHeartbeat.
    Consumer,
}

/// A member in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumer {
    /// The member.
    pub member_id: String,
    /// Its static identity, if any.
    pub instance_id: Option<String>,
    /// Its rack, if it said.
    pub rack_id: Option<String>,
    /// Its epoch.
    pub member_epoch: i32,
    /// The client id it joined with.
    pub client_id: String,
    /// The address it joined from.
    pub client_host: String,
    /// The topics it subscribes to by name.
    pub topics: Vec<String>,
    /// The pattern it subscribes by, if any.
    pub regex: Option<String>,
    /// What it has.
    pub assignment: Assignment,
    /// What it should have.
    pub target: Assignment,
    /// How it speaks.
    pub protocol: MemberProtocol,
}

impl ConsumerGroup {
    pub(in crate::group) fn describe(&self) -> DescribedConsumerGroup {
        let members = self.members.iter();
        DescribedConsumerGroup {
            state: self.state(),
            group_epoch: self.epoch.epoch,
            assignment_epoch: self.target_epoch.epoch,
            assignor: self.assignor().name(),
            members: members
                .map(|(member_id, member)| self.describe_member(member_id, member))
                .collect(),
        }
    }

    fn describe_member(&self, member_id: &str, member: &ConsumerMember) -> DescribedConsumer {
        let metadata = &member.metadata;
        DescribedConsumer {
            member_id: member_id.to_owned(),
            instance_id: metadata.instance_id.clone(),
            rack_id: metadata.rack_id.clone(),
            member_epoch: member.current.epoch,
            client_id: metadata.client_id.clone(),
            client_host: metadata.client_host.clone(),
            topics: metadata.topics.iter().cloned().collect(),
            regex: metadata.regex.clone(),
            assignment: without_epochs(&member.current.assigned),
            target: self.targets.get(member_id).cloned().unwrap_or_default(),
            protocol: if member.uses_classic_protocol() {
                MemberProtocol::Classic
            } else {
                MemberProtocol::Consumer
            },
        }
    }
}
