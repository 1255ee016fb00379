//! `OffsetCommit` response, versions 2 to 10.
//!
//! v10 names topics by id. Source: Kafka 4.3 message definitions, KIP-848.

use kafka_protocol::messages::TopicName;
use uuid::Uuid;

use crate::wire::structure;

structure! {
    /// Says which positions were kept.
    OffsetCommitResponse {
        /// How long the request was throttled, in milliseconds.
        throttle_time_ms: i32, 3..=10;
        /// The results, by topic.
        topics: Vec<OffsetCommitResponseTopic>, 2..=10;
    }
}

structure! {
    /// Results in one topic.
    OffsetCommitResponseTopic {
        /// The topic's name; not sent from v10.
        name: TopicName, 2..=9;
        /// The topic's id; not sent below v10.
        topic_id: Uuid, 10..=10;
        /// The results, by partition.
        partitions: Vec<OffsetCommitResponsePartition>, 2..=10;
    }
}

structure! {
    /// The result in one partition.
    OffsetCommitResponsePartition {
        /// The partition.
        partition_index: i32, 2..=10;
        /// The error, 0 for none.
        error_code: i16, 2..=10;
    }
}
