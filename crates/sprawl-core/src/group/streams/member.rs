//! What does a streams group know about one member?

use std::collections::BTreeMap;

use super::request::UserEndpoint;
use super::tasks::OwnedTasks;

/// The member epoch of a request that joins.
pub(super) const JOIN_EPOCH: i32 = 0;
/// The member epoch of a request that leaves.
pub(super) const LEAVE_EPOCH: i32 = -1;
/// The member epoch of a static member that means to come back.
pub(super) const STATIC_LEAVE_EPOCH: i32 = -2;

/// How far a member is on its way to its target assignment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::group) enum MemberState {
    /// It has all that its epoch gives it.
    #[default]
    Stable,
    /// It has yet to say that it gave up tasks.
    UnrevokedTasks,
    /// It waits for tasks that others have yet to give up.
    UnreleasedTasks,
    /// Written by a later release.
    Unknown,
}

impl MemberState {
    /// The number in records.
    pub(super) fn number(self) -> i8 {
        match self {
            Self::Stable => 1,
            Self::UnrevokedTasks => 2,
            Self::UnreleasedTasks => 3,
            Self::Unknown => 127,
        }
    }

    pub(super) fn numbered(number: i8) -> Self {
        match number {
            1 => Self::Stable,
            2 => Self::UnrevokedTasks,
            3 => Self::UnreleasedTasks,
            _ => Self::Unknown,
        }
    }
}

/// What a member says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct MemberMetadata {
    pub(super) instance_id: Option<String>,
    pub(super) rack_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) topology_epoch: i32,
    /// The instance; its threads are members with the same one.
    pub(super) process_id: String,
    pub(super) user_endpoint: Option<UserEndpoint>,
    pub(super) client_tags: BTreeMap<String, String>,
}

impl Default for MemberMetadata {
    fn default() -> Self {
        Self {
            instance_id: None,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout_ms: -1,
            topology_epoch: -1,
            process_id: String::new(),
            user_endpoint: None,
            client_tags: BTreeMap::new(),
        }
    }
}

/// What a member has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct Current {
    pub(super) epoch: i32,
    /// Accepted as well: the response that told of `epoch` may be lost.
    pub(super) previous_epoch: i32,
    pub(super) state: MemberState,
    pub(super) assigned: OwnedTasks,
    pub(super) revoking: OwnedTasks,
}

impl Current {
    /// Whether the member has all that the target of this epoch gives it.
    pub(super) fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == target_epoch
    }

    /// The epoch in which the member got an active task that it has, or is giving up.
    pub(super) fn active_since(&self, subtopology: &str, partition: i32) -> Option<i32> {
        let assigned = self.assigned.active_since(subtopology, partition);
        assigned.or_else(|| self.revoking.active_since(subtopology, partition))
    }
}

/// A member of a streams group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct StreamsMember {
    pub(super) metadata: MemberMetadata,
    pub(super) current: Current,
}
