//! What do requests to a group carry, and what do they get back?
//!
//! Wire versions are resolved by the caller: what a version changes is a field here.

use bytes::Bytes;

use sprawl_model::ProducerIdAndEpoch;

use super::consumer::ConsumerBeat;
use super::error::GroupError;
use super::share::ShareBeat;
use super::streams::StreamsBeat;

/// Whether a new dynamic member must join a second time with its new id (JoinGroup v4, KIP-394).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberIdRule {
    /// The first join only hands out the id.
    Required,
    /// The first join already makes a member.
    Optional,
}

/// Whether the client understands `skip_assignment` (JoinGroup v9, KIP-814).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipAssignment {
    /// A returning static leader sees all members and is told not to assign.
    Supported,
    /// A returning static leader is told that its former self leads, so that it does not assign.
    Unsupported,
}

/// A protocol a member offers: for consumers, an assignor's name and the subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinProtocol {
    /// The protocol's name.
    pub name: String,
    /// The member's metadata for it, opaque to the coordinator.
    pub metadata: Bytes,
}

/// A JoinGroup request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// The group.
    pub group_id: String,
    /// The member's id; empty for a new member.
    pub member_id: String,
    /// The id to give to a new member; drawn by the caller, since this crate draws nothing.
    pub new_member_id: String,
    /// The static identity, if any (KIP-345).
    pub group_instance_id: Option<String>,
    /// The client id of the request header.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
    /// The member fails when it is silent this long.
    pub session_timeout_ms: i32,
    /// How long a rebalance may wait for this member.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect` and so on.
    pub protocol_type: String,
    /// Offered protocols, the preferred first.
    pub protocols: Vec<JoinProtocol>,
    /// Set by the request's version.
    pub member_id_rule: MemberIdRule,
    /// Set by the request's version.
    pub skip_assignment: SkipAssignment,
}

/// A SyncGroup request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRequest {
    /// The group.
    pub group_id: String,
    /// The member.
    pub member_id: String,
    /// The static identity, if any.
    pub group_instance_id: Option<String>,
    /// The generation the member joined.
    pub generation: i32,
    /// Checked when given.
    pub protocol_type: Option<String>,
    /// Checked when given.
    pub protocol_name: Option<String>,
    /// From the leader: each member's assignment.
    pub assignments: Vec<(String, Bytes)>,
}

/// A Heartbeat request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatRequest {
    /// The group.
    pub group_id: String,
    /// The member.
    pub member_id: String,
    /// The static identity, if any.
    pub group_instance_id: Option<String>,
    /// The generation the member is in.
    pub generation: i32,
}

/// A LeaveGroup request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveRequest {
    /// The group.
    pub group_id: String,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// One member of a LeaveGroup request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    /// The member; empty when an administrator removes a static member.
    pub member_id: String,
    /// The static identity, if any.
    pub group_instance_id: Option<String>,
}

/// What became of one member of a LeaveGroup request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    /// As in the request.
    pub member: LeavingMember,
    /// Whether it left.
    pub outcome: Result<(), GroupError>,
}

/// What a commit with a generation gets when there is no such group (changed by OffsetCommit v9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingGroup {
    /// Version 9 and later.
    GroupIdNotFound,
    /// Before version 9.
    IllegalGeneration,
}

/// An OffsetCommit request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitRequest {
    /// The group; may be empty, as Kafka allows for old clients.
    pub group_id: String,
    /// The member; empty for a consumer outside group management.
    pub member_id: String,
    /// The static identity, if any.
    pub group_instance_id: Option<String>,
    /// The member's generation; negative for a consumer outside group management.
    pub generation: i32,
    /// A retention of its own (OffsetCommit v2 to v4).
    pub retention_ms: Option<i64>,
    /// The transaction in which the offsets are committed: they count when it is.
    pub transaction: Option<ProducerIdAndEpoch>,
    /// Set by the request's version.
    pub missing_group: MissingGroup,
    /// What to commit.
    pub offsets: Vec<CommitOffset>,
}

/// One partition of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset to start from next time.
    pub offset: i64,
    /// The leader epoch of the last record consumed, or -1.
    pub leader_epoch: i32,
    /// The client's own note, returned as it was.
    pub metadata: String,
}

/// An OffsetDelete request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetDeleteRequest {
    /// The group.
    pub group_id: String,
    /// The partitions whose offsets go.
    pub partitions: Vec<(String, i32)>,
}

/// The answer to a request. Lists stand in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To JoinGroup.
    Join(Result<Joined, JoinRefusal>),
    /// To SyncGroup.
    Sync(Result<Synced, GroupError>),
    /// To Heartbeat.
    Heartbeat(Result<(), GroupError>),
    /// To ConsumerGroupHeartbeat.
    ConsumerHeartbeat(Result<ConsumerBeat, GroupError>),
    /// To a ShareGroupHeartbeat.
    ShareHeartbeat(Result<ShareBeat, GroupError>),
    /// To a change of share states.
    ShareStates(Result<(), GroupError>),
    /// To a StreamsGroupHeartbeat.
    StreamsHeartbeat(Result<StreamsBeat, GroupError>),
    /// To LeaveGroup.
    Leave(Result<Vec<LeftMember>, GroupError>),
    /// To OffsetCommit: one result a partition.
    OffsetCommit(Result<Vec<Result<(), GroupError>>, GroupError>),
    /// To OffsetDelete: one result a partition.
    OffsetDelete(Result<Vec<Result<(), GroupError>>, GroupError>),
    /// To the end of a transaction.
    EndTransaction(Result<(), GroupError>),
    /// To DeleteGroups: one result a group.
    DeleteGroups(Vec<(String, Result<(), GroupError>)>),
}

/// A generation, as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The generation.
    pub generation: i32,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The protocol chosen by vote.
    pub protocol_name: Option<String>,
    /// The leader's member id.
    pub leader: String,
    /// Whether the leader must not compute an assignment (KIP-814).
    pub skip_assignment: bool,
    /// The receiver's member id.
    pub member_id: String,
    /// For the leader: every member.
    pub members: Vec<JoinedMember>,
}

/// A member, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member's id.
    pub member_id: String,
    /// Its static identity, if any.
    pub group_instance_id: Option<String>,
    /// Its metadata for the chosen protocol.
    pub metadata: Bytes,
}

/// Why a join was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRefusal {
    /// The reason.
    pub error: GroupError,
    /// The member id of the response: a new one with `MemberIdRequired`, empty where the client
    /// must start over.
    pub member_id: String,
}

/// A member's assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The group's protocol.
    pub protocol_name: Option<String>,
    /// What the leader assigned, opaque.
    pub assignment: Bytes,
}

impl Response {
    pub(super) fn join_refused(error: GroupError, member_id: impl Into<String>) -> Self {
        Self::Join(Err(JoinRefusal {
            error,
            member_id: member_id.into(),
        }))
    }
}
