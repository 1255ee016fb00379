//! What can be asked of a group of any type?
//!
//! A group has one type at a time. An API that belongs to another type answers as if there were no
//! such group; what exactly that means is each API's own rule.

use super::classic::subscription::CONSUMER_PROTOCOL_TYPE;
use super::classic::{ClassicGroup, ClassicState};
use super::consumer::{ConsumerGroup, start_sessions};
use super::error::GroupError;
use super::offsets::CommittedOffset;
use super::records::group_key;
use super::request::OffsetCommitRequest;
use super::shard::Context;
use super::share::{self, ShareGroup};
use super::state::{GroupState, GroupType};
use super::streams::{self, StreamsGroup};
use crate::coordinator::Now;
use crate::coordinator::Record;

/// The protocol type of share groups in lists.
const SHARE_PROTOCOL_TYPE: &str = "share";

/// The protocol type of streams groups in lists.
const STREAMS_PROTOCOL_TYPE: &str = "streams";

/// A group.
#[derive(Clone, Debug)]
pub(super) enum Group {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
    Share(ShareGroup),
    Streams(StreamsGroup),
}

impl Group {
    /// A group that so far only has an id; without a record it holds offsets and nothing else.
    pub(super) fn simple(group_id: &str, now: Option<Now>) -> Self {
        Self::Classic(ClassicGroup::empty(group_id, now))
    }

    pub(super) fn as_classic(&self) -> Option<&ClassicGroup> {
        match self {
            Self::Classic(group) => Some(group),
            Self::Consumer(_) | Self::Share(_) | Self::Streams(_) => None,
        }
    }

    pub(super) fn as_classic_mut(&mut self) -> Option<&mut ClassicGroup> {
        match self {
            Self::Classic(group) => Some(group),
            Self::Consumer(_) | Self::Share(_) | Self::Streams(_) => None,
        }
    }

    pub(super) fn group_id(&self) -> &str {
        match self {
            Self::Classic(group) => &group.group_id,
            Self::Consumer(group) => &group.group_id,
            Self::Share(group) => &group.group_id,
            Self::Streams(group) => &group.group_id,
        }
    }

    pub(super) fn group_type(&self) -> GroupType {
        match self {
            Self::Classic(_) => GroupType::Classic,
            Self::Consumer(_) => GroupType::Consumer,
            Self::Share(_) => GroupType::Share,
            Self::Streams(_) => GroupType::Streams,
        }
    }

    pub(super) fn state(&self) -> GroupState {
        match self {
            Self::Classic(group) => group.state().into(),
            Self::Consumer(group) => group.state(),
            Self::Share(group) => group.state(),
            Self::Streams(group) => group.state(),
        }
    }

    /// The protocol type that lists show; empty for a simple group.
    pub(super) fn protocol_type(&self) -> &str {
        match self {
            Self::Classic(group) => group.protocol_type.as_deref().unwrap_or(""),
            Self::Consumer(_) => CONSUMER_PROTOCOL_TYPE,
            Self::Share(_) => SHARE_PROTOCOL_TYPE,
            Self::Streams(_) => STREAMS_PROTOCOL_TYPE,
        }
    }

    /// Whether members use offsets of the topic.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed_to(topic),
            Self::Consumer(group) => group.is_subscribed_to(topic),
            Self::Share(group) => group.is_subscribed_to(topic),
            Self::Streams(group) => group.is_subscribed_to(topic),
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
            Self::Consumer(group) => group.check_commit(cx, request),
            Self::Streams(group) => group.check_commit(request),
            // Share groups have no offsets of this kind.
            Self::Share(_) => Err(GroupError::GroupIdNotFound),
        }
    }

    /// Whether the group may be deleted.
    pub(super) fn check_delete(&self) -> Result<(), GroupError> {
        match self {
            Self::Classic(group) => group.check_delete(),
            Self::Consumer(group) if group.members.is_empty() => Ok(()),
            Self::Share(group) if group.is_empty() => Ok(()),
            Self::Streams(group) if group.is_empty() => Ok(()),
            Self::Consumer(_) | Self::Share(_) | Self::Streams(_) => Err(GroupError::NonEmptyGroup),
        }
    }

    /// Whether single offsets of the group may be deleted.
    pub(super) fn check_offset_delete(&self) -> Result<(), GroupError> {
        match self {
            Self::Classic(group) => group.check_offset_delete(),
            // Members that use a topic protect it, and nothing else.
            Self::Consumer(_) | Self::Streams(_) => Ok(()),
            Self::Share(_) => Err(GroupError::GroupIdNotFound),
        }
    }

    /// When the retention of an offset began; `None` while the group may still need it.
    pub(super) fn retained_since_ms(&self, committed: &CommittedOffset) -> Option<i64> {
        match self {
            Self::Classic(group) => group.retained_since_ms(committed),
            Self::Consumer(_) | Self::Share(_) | Self::Streams(_) => {
                Some(committed.commit_timestamp_ms)
            }
        }
    }

    /// The records that delete the group, offsets aside.
    pub(super) fn tombstones(&self) -> Vec<Record> {
        match self {
            Self::Classic(group) => vec![group_key(&group.group_id).tombstone()],
            Self::Consumer(group) => {
                let records = group.tombstones();
                let each = records.iter();
                each.map(|record| record.encode(&group.group_id)).collect()
            }
            Self::Share(group) => {
                let records = group.tombstones();
                let each = records.iter();
                each.map(|record| record.encode(&group.group_id)).collect()
            }
            Self::Streams(group) => {
                let records = group.tombstones();
                let each = records.iter();
                each.map(|record| record.encode(&group.group_id)).collect()
            }
        }
    }

    /// Whether a member may fetch the group's offsets.
    pub(super) fn check_fetch(
        &self,
        member_id: Option<&str>,
        member_epoch: i32,
    ) -> Result<(), GroupError> {
        match self {
            Self::Classic(_) => Ok(()),
            Self::Consumer(group) => group.check_fetch(member_id, member_epoch),
            Self::Streams(group) => group.check_fetch(member_id, member_epoch),
            Self::Share(_) => Err(GroupError::GroupIdNotFound),
        }
    }

    /// The log is replayed: sessions start.
    pub(super) fn on_loaded(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::Classic(group) => group.on_loaded(cx),
            Self::Consumer(group) => start_sessions(group, cx),
            Self::Share(group) => share::start_sessions(group, cx),
            Self::Streams(group) => streams::start_sessions(group, cx),
        }
    }

    /// The shard is given up: whoever waits is told so.
    pub(super) fn on_unload(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::Classic(group) => {
                group.refuse_parked(cx, GroupError::NotCoordinator);
                group.transition(cx.now, ClassicState::Dead);
            }
            // Its replies wait for appends, and nothing else.
            Self::Consumer(_) | Self::Share(_) | Self::Streams(_) => {}
        }
    }

    /// The group is back after a change that the log refused; its timers were cancelled.
    pub(super) fn on_restored(&mut self) {
        match self {
            Self::Streams(group) => group.forget_conclusions(),
            Self::Classic(_) | Self::Consumer(_) | Self::Share(_) => {}
        }
    }

    /// Forgets the timers of a group that goes, or changes its type.
    pub(super) fn cancel_timers(&self, cx: &mut Context<'_>) {
        match self {
            Self::Classic(group) => {
                let members = group.members.keys().chain(&group.pending_join);
                for member_id in members {
                    cx.cancel_timer(group.heartbeat_timer(member_id));
                }
                cx.cancel_timer(group.join_timer());
                cx.cancel_timer(group.sync_timer());
            }
            Self::Consumer(group) => {
                for timer in group.members.keys().flat_map(|id| group.timers(id)) {
                    cx.cancel_timer(timer);
                }
            }
            Self::Share(group) => {
                for timer in group.timers() {
                    cx.cancel_timer(timer);
                }
            }
            Self::Streams(group) => {
                for timer in group.timers() {
                    cx.cancel_timer(timer);
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
