//! Why a command is refused. Each variant is one protocol error code.

use serde::{Deserialize, Serialize};
use sprawl_model::{BrokerEpoch, BrokerId, TopicId};

/// Why a command is refused. The image is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum MetadataError {
    /// INVALID_TOPIC_EXCEPTION: the name is not a topic name, or collides with another.
    #[error("invalid topic name {name:?}: {reason}")]
    InvalidTopicName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TOPIC_ALREADY_EXISTS.
    #[error("expected a new topic name, found topic {name} there already")]
    TopicExists {
        /// The name.
        name: String,
    },
    /// UNKNOWN_TOPIC_OR_PARTITION.
    #[error("unknown topic {name}")]
    UnknownTopic {
        /// The name.
        name: String,
    },
    /// UNKNOWN_TOPIC_ID.
    #[error("unknown topic id {topic_id}")]
    UnknownTopicId {
        /// The id.
        topic_id: TopicId,
    },
    /// INVALID_REQUEST: a proposer's mistake.
    #[error("expected an unused topic id, found {topic_id}")]
    TopicIdTaken {
        /// The id.
        topic_id: TopicId,
    },
    /// INVALID_PARTITIONS.
    #[error("invalid number of partitions: {reason}")]
    InvalidPartitions {
        /// What was expected and found.
        reason: String,
    },
    /// POLICY_VIOLATION: more partitions than one request may make.
    #[error("expected at most {max} partitions in one request, found {found}")]
    TooManyPartitions {
        /// The limit.
        max: usize,
        /// How many were asked for.
        found: usize,
    },
    /// INVALID_REPLICATION_FACTOR.
    #[error("invalid replication factor: {reason}")]
    InvalidReplicationFactor {
        /// What was expected and found.
        reason: String,
    },
    /// INVALID_REPLICA_ASSIGNMENT.
    #[error("invalid replica assignment: {reason}")]
    InvalidReplicaAssignment {
        /// What was expected and found.
        reason: String,
    },
    /// INVALID_CONFIG.
    #[error("{reason}")]
    InvalidConfig {
        /// What was expected and found.
        reason: String,
    },
    /// INVALID_REQUEST.
    #[error("{reason}")]
    InvalidRequest {
        /// What was expected and found.
        reason: String,
    },
    /// POLICY_VIOLATION: more than a cluster keeps.
    #[error("expected at most {max} {what}")]
    TooMany {
        /// Of what.
        what: String,
        /// The limit.
        max: usize,
    },
    /// BROKER_ID_NOT_REGISTERED.
    #[error("unknown broker {broker_id}")]
    UnknownBroker {
        /// The broker.
        broker_id: BrokerId,
    },
    /// STALE_BROKER_EPOCH.
    #[error("expected broker {broker_id} with epoch {current}, found epoch {found}")]
    StaleBrokerEpoch {
        /// The broker.
        broker_id: BrokerId,
        /// Its registration.
        current: BrokerEpoch,
        /// What it said.
        found: BrokerEpoch,
    },
    /// UNKNOWN_SERVER_ERROR: 2^63 producer ids were handed out.
    #[error("no producer ids are left")]
    ProducerIdsExhausted,
}
