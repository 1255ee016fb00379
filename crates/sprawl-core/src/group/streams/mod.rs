//! What does a streams group do with each heartbeat, timer and finished write?
//!
//! An application of Kafka Streams says what it consists of, its topology, and its members only
//! beat. The coordinator checks the topology against the cluster's topics, names the internal
//! topics that are to be made, computes who runs which task, and leads each member there: first it
//! gives up what it must, then it gets what others have given up.
//!
//! Invariants:
//! - An active task is held by one member at a time; it is given away only after its holder has
//!   said that it has it no more, or is no member any more. A process holds a task once, whether
//!   active, standby or warm-up.
//! - What a reply tells a member is in the log: replies wait for every append before them.
//! - The state is what the records say ([`group::StreamsGroup::apply`]); a change that the log
//!   refuses is taken back.
//!
//! Source: KIP-1071 as in Apache Kafka 4.3 (`GroupMetadataManager.streamsGroupHeartbeat`). As
//! there, static members, patterns of source topics, warm-up tasks and topologies that change are
//! refused.

mod assignor;
mod configure;
mod describe;
mod draft;
mod endpoints;
mod group;
mod heartbeat;
mod leave;
mod member;
mod offsets;
mod partitions;
mod reconcile;
mod records;
mod request;
mod target;
mod tasks;
#[cfg(test)]
mod tests;
mod topology;
mod validate;

pub use describe::{DescribedStreamsGroup, DescribedStreamsMember, DescribedTopology};
pub(in crate::group) use group::StreamsGroup;
pub(in crate::group) use heartbeat::{on_initial_delay_over, on_streams_heartbeat};
pub(in crate::group) use leave::{
    on_streams_member_timeout, on_streams_rebalance_timeout, start_sessions,
};
pub(in crate::group) use records::StreamsRecord;
pub use request::{
    EndpointPartitions, StreamsBeat, StreamsHeartbeat, StreamsStatus, StreamsStatusCode,
    UserEndpoint,
};
pub use tasks::{TaskIds, Tasks};
pub use topology::{CopartitionGroup, InternalTopic, Subtopology, Topology};
