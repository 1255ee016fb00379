//! What does a consumer group know about one member?

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TopicId;

use crate::group::modern::Assignment;
use crate::group::request::JoinProtocol;
use crate::group::vec_map::VecMap;

/// The member epoch of a request that joins.
pub(in crate::group) const JOIN_EPOCH: i32 = 0;
/// The member epoch of a request that leaves.
pub(in crate::group) const LEAVE_EPOCH: i32 = -1;
/// The member epoch of a static member that means to come back.
pub(in crate::group) const STATIC_LEAVE_EPOCH: i32 = -2;

/// How far a member is on its way to its target assignment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::group) enum MemberState {
    /// It has all that its epoch gives it.
    #[default]
    Stable,
    /// It has yet to say that it gave up partitions.
    UnrevokedPartitions,
    /// It waits for partitions that others have yet to give up.
    UnreleasedPartitions,
    /// Written by a later release.
    Unknown,
}

impl MemberState {
    /// The number in records.
    pub(in crate::group) fn number(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => 127,
        }
    }

    pub(in crate::group) fn numbered(number: i8) -> Self {
        match number {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }
}

/// Partitions by topic, each with the epoch in which the member got it.
pub(in crate::group) type Owned = VecMap<TopicId, BTreeMap<i32, i32>>;

/// Partitions without their epochs.
pub(in crate::group) fn without_epochs(owned: &Owned) -> Assignment {
    let each = owned.iter();
    each.map(|(topic_id, partitions)| (*topic_id, partitions.keys().copied().collect()))
        .collect()
}

/// What a member says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct MemberMetadata {
    pub(in crate::group) instance_id: Option<String>,
    pub(in crate::group) rack_id: Option<String>,
    pub(in crate::group) client_id: String,
    pub(in crate::group) client_host: String,
    pub(in crate::group) topics: BTreeSet<String>,
    /// A pattern of topic names; none if the member subscribes by names alone.
    pub(in crate::group) regex: Option<String>,
    pub(in crate::group) rebalance_timeout_ms: i32,
    pub(in crate::group) server_assignor: Option<String>,
    /// Of a member that speaks the classic protocol.
    pub(in crate::group) classic: Option<ClassicMetadata>,
}

impl Default for MemberMetadata {
    fn default() -> Self {
        Self {
            instance_id: None,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            topics: BTreeSet::new(),
            regex: None,
            rebalance_timeout_ms: -1,
            server_assignor: None,
            classic: None,
        }
    }
}

/// What a member said when it joined by the classic protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct ClassicMetadata {
    pub(in crate::group) session_timeout_ms: i32,
    /// Preferred first; never empty.
    pub(in crate::group) protocols: Vec<JoinProtocol>,
}

/// What a member has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct Current {
    pub(in crate::group) epoch: i32,
    /// Accepted as well: the response that told of `epoch` may be lost.
    pub(in crate::group) previous_epoch: i32,
    pub(in crate::group) state: MemberState,
    pub(in crate::group) assigned: Owned,
    pub(in crate::group) revoking: Owned,
}

impl Default for Current {
    fn default() -> Self {
        Self {
            epoch: JOIN_EPOCH,
            previous_epoch: LEAVE_EPOCH,
            state: MemberState::Stable,
            assigned: Owned::default(),
            revoking: Owned::default(),
        }
    }
}

impl Current {
    /// Whether the member has all that the target of this epoch gives it.
    pub(in crate::group) fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == target_epoch
    }

    /// The epoch in which the member got a partition that it has, or is giving up.
    pub(in crate::group) fn epoch_of(&self, topic_id: TopicId, partition: i32) -> Option<i32> {
        let of = |owned: &Owned| owned.get(&topic_id)?.get(&partition).copied();
        of(&self.assigned).or_else(|| of(&self.revoking))
    }

    /// Every partition that nobody else may have.
    pub(in crate::group) fn held(&self) -> impl Iterator<Item = (TopicId, i32)> + '_ {
        let both = self.assigned.iter().chain(self.revoking.iter());
        both.flat_map(|(topic_id, partitions)| {
            partitions.keys().map(|partition| (*topic_id, *partition))
        })
    }
}

/// A member of a consumer group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct ConsumerMember {
    pub(in crate::group) metadata: MemberMetadata,
    pub(in crate::group) current: Current,
}

impl ConsumerMember {
    pub(in crate::group) fn uses_classic_protocol(&self) -> bool {
        self.metadata.classic.is_some()
    }
}
