//! What goes into a step of the state machine, and what comes out?

use std::sync::Arc;

use sprawl_model::TopicPartition;

use super::consumer::ConsumerHeartbeat;
use super::request::{
    HeartbeatRequest, JoinRequest, LeaveRequest, OffsetCommitRequest, OffsetDeleteRequest,
    Response, SyncRequest,
};
use super::share::{ShareHeartbeat, ShareStates};
use super::streams::StreamsHeartbeat;
use crate::coordinator::{AppendId, AppendOutcome, Event, Token};
use crate::metadata::MetadataImage;
use crate::partition::EndTxn;

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
    /// The patience with a member of a consumer group that has to give up partitions.
    Rebalance {
        /// The group.
        group_id: String,
        /// The member.
        member_id: String,
    },
    /// The patience with a classic member of a consumer group that was told to join again.
    MemberJoin {
        /// The group.
        group_id: String,
        /// The member.
        member_id: String,
    },
    /// The patience with a classic member of a consumer group that has joined and has yet to sync.
    MemberSync {
        /// The group.
        group_id: String,
        /// The member.
        member_id: String,
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
    /// A ConsumerGroupHeartbeat request.
    ConsumerHeartbeat(Token, ConsumerHeartbeat),
    /// A ShareGroupHeartbeat request.
    ShareHeartbeat(Token, ShareHeartbeat),
    /// States of a share group's partitions were begun or deleted.
    ShareStates(Token, String, ShareStates),
    /// A StreamsGroupHeartbeat request.
    StreamsHeartbeat(Token, StreamsHeartbeat),
    /// A LeaveGroup request.
    Leave(Token, LeaveRequest),
    /// An OffsetCommit request.
    OffsetCommit(Token, OffsetCommitRequest),
    /// An OffsetDelete request.
    OffsetDelete(Token, OffsetDeleteRequest),
    /// A producer's transaction has ended: its marker is to be written, and its offsets count or
    /// not.
    EndTransaction(Token, EndTxn),
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

impl From<Event<TimerId>> for Input {
    fn from(event: Event<TimerId>) -> Self {
        match event {
            Event::Loaded => Self::Loaded,
            Event::Unload => Self::Unload,
            Event::PartitionsDeleted(partitions) => Self::PartitionsDeleted(partitions),
            Event::MetadataChanged(image) => Self::MetadataChanged(image),
            Event::Timer(timer) => Self::Timer(timer),
            Event::Appended(append, outcome) => Self::Appended(append, outcome),
        }
    }
}

/// One thing to do.
pub type Effect = crate::coordinator::Effect<Response, TimerId>;
