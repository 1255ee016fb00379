//! What can be asked of a group of any type?
//!
//! A group has one type at a time. An API that belongs to another type answers as if there were no
//! such group; what exactly that means is each API's own rule.

use super::classic::{ClassicGroup, ClassicState};
use super::error::GroupError;
use super::offsets::CommittedOffset;
use super::records::{RecordKey, group_key};
use super::request::OffsetCommitRequest;
use super::shard::Context;
use super::state::{GroupState, GroupType};
use crate::coordinator::Now;

/// A group.
#[derive(Clone, Debug)]
pub(super) enum Group {
    Classic(ClassicGroup),
}

impl Group {
    /// A group that so far only has an id; without a record it holds offsets and nothing else.
    pub(super) fn simple(group_id: &str, now: Option<Now>) -> Self {
        Self::Classic(ClassicGroup::empty(group_id, now))
    }

    pub(super) fn as_classic(&self) -> Option<&ClassicGroup> {
        match self {
            Self::Classic(group) => Some(group),
        }
    }

    pub(super) fn as_classic_mut(&mut self) -> Option<&mut ClassicGroup> {
        match self {
            Self::Classic(group) => Some(group),
        }
    }

    pub(super) fn group_id(&self) -> &str {
        match self {
            Self::Classic(group) => &group.group_id,
        }
    }

    pub(super) fn group_type(&self) -> GroupType {
        match self {
            Self::Classic(_) => GroupType::Classic,
        }
    }

    pub(super) fn state(&self) -> GroupState {
        match self {
            Self::Classic(group) => group.state().into(),
        }
    }

    /// The protocol type that lists show; empty for a simple group.
    pub(super) fn protocol_type(&self) -> &str {
        match self {
            Self::Classic(group) => group.protocol_type.as_deref().unwrap_or(""),
        }
    }

    /// Whether members use offsets of the topic.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed_to(topic),
        }
    }

    /// Whether this commit is allowed. A commit by a member is a sign of life.
    pub(super) fn check_commit(
        &self,
        cx: &mut Context<'_>,
        request: &OffsetCommitRequest,
    ) -> Result<(), GroupError> {
        match self {
            Self::Classic(group) => group.check_commit(cx, request),
        }
    }

    /// Whether the group may be deleted.
    pub(super) fn check_delete(&self) -> Result<(), GroupError> {
        match self {
            Self::Classic(group) => group.check_delete(),
        }
    }

    /// Whether single offsets of the group may be deleted.
    pub(super) fn check_offset_delete(&self) -> Result<(), GroupError> {
        match self {
            Self::Classic(group) => group.check_offset_delete(),
        }
    }

    /// When the retention of an offset began; `None` while the group may still need it.
    pub(super) fn retained_since_ms(&self, committed: &CommittedOffset) -> Option<i64> {
        match self {
            Self::Classic(group) => group.retained_since_ms(committed),
        }
    }

    /// The keys of every record that the group may have in the log, offsets aside.
    pub(super) fn record_keys(&self) -> Vec<RecordKey> {
        match self {
            Self::Classic(group) => vec![group_key(&group.group_id)],
        }
    }

    /// The log is replayed: sessions start.
    pub(super) fn on_loaded(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::Classic(group) => group.on_loaded(cx),
        }
    }

    /// The shard is given up: whoever waits is told so.
    pub(super) fn on_unload(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::Classic(group) => {
                group.refuse_parked(cx, GroupError::NotCoordinator);
                group.transition(cx.now, ClassicState::Dead);
            }
        }
    }

    /// Forgets the timers that an empty group may have.
    pub(super) fn cancel_timers(&self, cx: &mut Context<'_>) {
        match self {
            Self::Classic(group) => {
                for member_id in &group.pending_join {
                    cx.cancel_timer(group.heartbeat_timer(member_id));
                }
            }
        }
    }
}

impl From<ClassicState> for GroupState {
    fn from(state: ClassicState) -> Self {
        match state {
            ClassicState::PreparingRebalance => Self::PreparingRebalance,
            ClassicState::CompletingRebalance => Self::CompletingRebalance,
            ClassicState::Stable => Self::Stable,
            ClassicState::Dead => Self::Dead,
            ClassicState::Empty => Self::Empty,
        }
    }
}
