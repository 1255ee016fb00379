//! The nouns every other crate shares: ids, offsets, epochs, record batch v2, compression, limits.
//!
//! Nothing here performs I/O, reads a clock or draws a random number.

pub mod batch;
pub mod checksum;
pub mod compression;
pub mod ids;
pub mod limits;
pub mod mutant;
mod uuid_text;

pub use ids::{
    BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionId, PartitionKey, ProducerEpoch,
    ProducerId, ProducerIdAndEpoch, Sequence, TenantId, TopicId, TopicPartition,
};
pub use uuid_text::{kafka_uuid, parse_kafka_uuid};
