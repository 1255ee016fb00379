//! What goes into a step of the state machine, and what comes out?

use std::sync::Arc;

use sprawl_model::{Offset, TopicPartition};

use super::error::GroupError;
use super::records::Record;
use super::request::{
    HeartbeatRequest, JoinRequest, LeaveRequest, OffsetCommitRequest, OffsetDeleteRequest,
    Response, SyncRequest,
};
use crate::metadata::MetadataImage;

/// The time of a step. Timers run on the monotonic clock, so that a jump of the wall clock expires
/// no member; timestamps that are stored come from the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the Unix epoch.
    pub wall_ms: i64,
    /// Milliseconds since the clock was made.
    pub monotonic_ms: u64,
}

/// Names one request until its reply; the caller chooses it and never uses it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// Names one append of a shard; later appends have larger ids and stand later in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppendId(pub u64);

/// Names a timer. Setting a timer again replaces its deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerId {
    /// The session of a member, or the patience with a member that got its id and has yet to join.
    Heartbeat {
        /// The group.
        group_id: String,
        /// The member.
        member_id: String,
    },
    /// The end of the join phase: the initial delay or the rebalance timeout.
    Join {
        /// The group.
        group_id: String,
    },
    /// The end of the sync phase.
    Sync {
        /// The group.
        group_id: String,
    },
    /// The next look for expired offsets.
    OffsetExpiry,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// All records are replayed: sessions of loaded members start.
    Loaded,
    /// The partition is given up: everything parked is answered `NotCoordinator`.
    Unload,
    /// A JoinGroup request.
    Join(Token, JoinRequest),
    /// A SyncGroup request.
    Sync(Token, SyncRequest),
    /// A Heartbeat request.
    Heartbeat(Token, HeartbeatRequest),
    /// A LeaveGroup request.
    Leave(Token, LeaveRequest),
    /// An OffsetCommit request.
    OffsetCommit(Token, OffsetCommitRequest),
    /// An OffsetDelete request.
    OffsetDelete(Token, OffsetDeleteRequest),
    /// The groups of a DeleteGroups request that live in this shard.
    DeleteGroups(Token, Vec<String>),
    /// These partitions are gone from the cluster; their committed offsets go too.
    PartitionsDeleted(Vec<TopicPartition>),
    /// The cluster's topics or the settings of groups have changed. Also the first input, before
    /// [`Input::Loaded`].
    MetadataChanged(Arc<MetadataImage>),
    /// A timer is due.
    Timer(TimerId),
    /// What became of an append.
    Appended(AppendId, AppendOutcome),
}

/// How an append ended. An append that fails in any other way takes the partition out of service
/// ([`Input::Unload`]), since what stands in the log is then unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// The records, and those of every earlier append, are durable. The offset is the first
    /// record's.
    Durable(Offset),
    /// Nothing was written, and nothing will be: the batch is larger than the log takes
    /// (`UnknownServerError`), or the disk is full (`CoordinatorNotAvailable`).
    Refused(GroupError),
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer a request.
    Reply(Token, Response),
    /// Append the records as one batch, in the order of the effects, and report with
    /// [`Input::Appended`].
    Append {
        /// Names the append in the report.
        append: AppendId,
        /// The records, at least one.
        records: Vec<Record>,
    },
    /// Raise [`Input::Timer`] at the deadline, in monotonic milliseconds.
    SetTimer {
        /// Which timer.
        timer: TimerId,
        /// When, on the clock of [`Now::monotonic_ms`].
        deadline_ms: u64,
    },
    /// Forget the timer, if it is set.
    CancelTimer(TimerId),
}
