//! `ShareAcknowledge` response, versions 1 and 2.
//!
//! v2 tells for how long renewed locks hold. Source: Kafka 4.3 message definitions, KIP-932,
//! KIP-1222.

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::wire::structure;

structure! {
    /// What came of a member's answers.
    ShareAcknowledgeResponse {
        /// How long the request was throttled, in milliseconds.
        throttle_time_ms: i32, 1..=2;
        /// The error of the whole request, 0 for none.
        error_code: i16, 1..=2;
        /// The error in words.
        error_message: Option<StrBytes>, 1..=2;
        /// How long acquired records are locked, in milliseconds.
        acquisition_lock_timeout_ms: i32, 2..=2;
        /// By topic.
        responses: Vec<ShareAcknowledgeTopicResponse>, 1..=2;
        /// Addresses of the leaders named in the partitions.
        node_endpoints: Vec<NodeEndpoint>, 1..=2;
    }
}

structure! {
    /// What came of one topic's.
    ShareAcknowledgeTopicResponse {
        /// The topic.
        topic_id: Uuid, 1..=2;
        /// By partition.
        partitions: Vec<PartitionData>, 1..=2;
    }
}

structure! {
    /// What came of one partition's.
    PartitionData {
        /// The partition.
        partition_index: i32, 1..=2;
        /// The error, 0 for none.
        error_code: i16, 1..=2;
        /// The error in words.
        error_message: Option<StrBytes>, 1..=2;
        /// Who leads the partition.
        current_leader: LeaderIdAndEpoch, 1..=2;
    }
}

structure! {
    /// A partition's leader.
    LeaderIdAndEpoch {
        /// The broker, -1 where unknown.
        leader_id: i32, 1..=2;
        /// The epoch, -1 where unknown.
        leader_epoch: i32, 1..=2;
    }
}

structure! {
    /// A broker's address.
    NodeEndpoint {
        /// The broker.
        node_id: i32, 1..=2;
        /// Its host name.
        host: StrBytes, 1..=2;
        /// Its port.
        port: i32, 1..=2;
        /// Its rack.
        rack: Option<StrBytes>, 1..=2;
    }
}
