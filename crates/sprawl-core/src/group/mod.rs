//! What does a group of consumers do with each request, timer and finished write?
//!
//! One [`GroupShard`] holds every group of one `__consumer_offsets` partition. It is a pure state
//! machine: its [`step`](crate::coordinator::Machine::step) takes the time and one [`Input`] and
//! returns [`Effect`]s, which the broker's coordinator carries out. Each type of group has a module
//! of its own; what they share (committed offsets, deletion, records, timers) is beside it.
//!
//! Invariants:
//! - A reply that confirms a write is emitted only after [`Input::Appended`] has said that the
//!   write is durable; committed offsets become readable at that moment and not before.
//! - Replaying the records of all durable appends in log order gives the same offsets, generations,
//!   members and assignments ([`replay`](crate::coordinator::Machine::replay)).
//! - A group has one type at a time.
//!
//! Source: Kafka's group coordinator (Apache Kafka 4), KIP-211 (offset expiry). Record formats are
//! those of Kafka's `__consumer_offsets`. Left out: pending transactional offsets.

mod any;
mod classic;
mod commit;
mod consumer;
mod describe;
mod effect;
mod error;
mod expiry;
mod modern;
mod offsets;
mod pending;
mod records;
mod remove;
mod request;
mod revert;
mod settings;
mod shard;
mod share;
mod state;
mod streams;
#[cfg(test)]
mod tests;
mod vec_map;

pub use classic::{ClassicState, DescribedGroup, DescribedMember};
pub use consumer::{
    Assignor, ConsumerBeat, ConsumerHeartbeat, DescribedConsumer, DescribedConsumerGroup,
    MemberIdOrigin, MemberProtocol,
};
pub use describe::ListedGroup;
pub use effect::{Effect, Input, TimerId};
pub use error::GroupError;
pub use modern::Assignment;
pub use offsets::{CommittedOffset, OffsetEntry};
pub use records::RecordKey;
pub use request::{
    CommitOffset, HeartbeatRequest, JoinProtocol, JoinRefusal, JoinRequest, Joined, JoinedMember,
    LeaveRequest, LeavingMember, LeftMember, MemberIdRule, MissingGroup, OffsetCommitRequest,
    OffsetDeleteRequest, Response, SkipAssignment, SyncRequest, Synced,
};
pub use settings::{ConsumerGroupSettings, GroupSettings, MigrationPolicy};
pub use shard::GroupShard;
pub use share::{
    DescribedShareGroup, DescribedShareMember, ShareBeat, ShareHeartbeat, ShareStates,
    StatePartitions,
};
pub use state::{GroupState, GroupType};
pub use streams::{
    CopartitionGroup, DescribedStreamsGroup, DescribedStreamsMember, DescribedTopology,
    EndpointPartitions, InternalTopic, StreamsBeat, StreamsHeartbeat, StreamsStatus,
    StreamsStatusCode, Subtopology, TaskIds, Tasks, Topology, UserEndpoint,
};
