//! What does a classic consumer group do with each request, timer and finished write?
//!
//! One [`GroupShard`] holds every group of one `__consumer_offsets` partition. It is a pure state
//! machine: [`GroupShard::step`] takes the time and one [`Input`] and returns [`Effect`]s, which
//! the broker's coordinator carries out.
//!
//! Invariants:
//! - A reply that confirms a write is emitted only after [`Input::Appended`] has said that the
//!   write is durable; committed offsets become readable at that moment and not before.
//! - Replaying the records of all durable appends in log order gives the same offsets, generations,
//!   members and assignments ([`GroupShard::replay`]).
//! - Every parked join or sync is answered exactly once: by its rebalance, by a removal, or by
//!   [`Input::Unload`].
//!
//! Source: Kafka's classic group protocol (group coordinator of Apache Kafka 4), KIP-62, KIP-134
//! (initial rebalance delay), KIP-345 (static members), KIP-394 (member id required), KIP-429
//! (cooperative rebalance; invisible to the coordinator), KIP-814 (skip assignment), KIP-211
//! (offset expiry). Record formats are those of Kafka's `__consumer_offsets`. Left out: pending
//! transactional offsets and the KIP-848 protocol.

mod commit;
mod describe;
mod effect;
mod error;
mod expiry;
mod heartbeat;
mod join;
mod leave;
mod member;
mod membership;
mod offsets;
mod rebalance;
mod records;
mod remove;
mod request;
mod settings;
mod shard;
mod state;
mod static_member;
mod subscription;
mod sync;
#[cfg(test)]
mod tests;
mod wire;

pub use describe::{DescribedGroup, DescribedMember, ListedGroup};
pub use effect::{AppendId, AppendOutcome, Effect, Input, Now, TimerId, Token};
pub use error::GroupError;
pub use offsets::{CommittedOffset, OffsetEntry};
pub use records::{Record, RecordError, RecordKey};
pub use request::{
    CommitOffset, HeartbeatRequest, JoinProtocol, JoinRefusal, JoinRequest, Joined, JoinedMember,
    LeaveRequest, LeavingMember, LeftMember, MemberIdRule, MissingGroup, OffsetCommitRequest,
    OffsetDeleteRequest, Response, SkipAssignment, SyncRequest, Synced,
};
pub use settings::GroupSettings;
pub use shard::{GroupShard, Replayed};
pub use state::GroupState;
