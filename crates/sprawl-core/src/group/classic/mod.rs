//! What does a classic consumer group do with each request, timer and finished write?
//!
//! Invariant: every parked join or sync is answered exactly once: by its rebalance, by a removal,
//! or when the shard is unloaded.
//!
//! Source: Kafka's classic group protocol (group coordinator of Apache Kafka 4), KIP-62, KIP-134
//! (initial rebalance delay), KIP-345 (static members), KIP-394 (member id required), KIP-429
//! (cooperative rebalance; invisible to the coordinator), KIP-814 (skip assignment).

mod describe;
mod heartbeat;
mod join;
mod leave;
mod member;
mod membership;
mod offsets;
mod rebalance;
pub(in crate::group) mod records;
mod state;
mod static_member;
pub(in crate::group) mod subscription;
mod sync;

pub use describe::{DescribedGroup, DescribedMember};
pub(in crate::group) use heartbeat::{on_heartbeat, on_session_timeout};
pub(in crate::group) use join::on_join;
pub(in crate::group) use leave::on_leave;
pub(in crate::group) use member::Member;
pub(in crate::group) use membership::ClassicGroup;
pub use state::ClassicState;
pub(in crate::group) use static_member::{StaticReturn, on_static_return_appended};
pub(in crate::group) use sync::{AssignmentStored, on_assignment_appended, on_sync};
