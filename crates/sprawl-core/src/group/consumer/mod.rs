//! What does a consumer group do with each request, timer and finished write?
//!
//! Members only beat. The coordinator computes a target assignment for every group epoch and leads
//! each member to it: first it gives up what it must, then it gets what others have given up.
//! Classic members live in the same group and are led by the same rules.
//!
//! Invariants:
//! - A partition is held by one member at a time (I20); it is given away only after its holder has
//!   said that it has it no more, or is no member any more.
//! - What a reply tells a member is in the log: replies wait for every append before them.
//! - The state is what the records say ([`group::ConsumerGroup::apply`]); a change that the log
//!   refuses is taken back.
//!
//! Source: KIP-848 as in Apache Kafka 4.3, KIP-1082 (ids made by clients), KIP-1099 (member type),
//! KIP-1101 (metadata hash), KIP-1251 (commits in older epochs), KIP-1263 (assignments batched over
//! time). Left out, as in Kafka 4.3: racks.

mod assignor;
mod classic_member;
mod convert;
mod describe;
mod draft;
mod group;
mod heartbeat;
mod leave;
pub(in crate::group) mod member;
mod offsets;
mod protocol;
mod reconcile;
pub(in crate::group) mod records;
mod request;
mod settings;
mod subscription;
mod target;

pub use assignor::Assignor;
pub(in crate::group) use classic_member::{
    classic_heartbeat, on_classic_join, on_classic_leave, on_classic_sync,
};
pub(in crate::group) use convert::start_sessions;
pub use describe::{DescribedConsumer, DescribedConsumerGroup, MemberProtocol};
pub(in crate::group) use group::ConsumerGroup;
pub(in crate::group) use heartbeat::on_consumer_heartbeat;
pub(in crate::group) use leave::{on_member_timeout, on_rebalance_timeout};
pub(in crate::group) use records::ConsumerRecord;
pub use request::{ConsumerBeat, ConsumerHeartbeat, MemberIdOrigin};
