//! `ShareAcknowledge` request, versions 1 and 2: a member of a share group says what became of
//! records.
//!
//! v2 has renewal. Source: Kafka 4.3 message definitions, KIP-932, KIP-1222.

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub use super::share_fetch_request::AcknowledgementBatch;
use crate::wire::structure;

structure! {
    /// Says what became of acquired records.
    ShareAcknowledgeRequest {
        /// The group.
        group_id: Option<StrBytes>, 1..=2;
        /// The member.
        member_id: Option<StrBytes>, 1..=2;
        /// The session's epoch: 0 opens it, -1 closes it.
        share_session_epoch: i32, 1..=2;
        /// Whether locks are renewed.
        is_renew_ack: bool, 2..=2;
        /// The records, by topic.
        topics: Vec<AcknowledgeTopic>, 1..=2;
    }
}

structure! {
    /// Records of one topic.
    AcknowledgeTopic {
        /// The topic.
        topic_id: Uuid, 1..=2;
        /// The records, by partition.
        partitions: Vec<AcknowledgePartition>, 1..=2;
    }
}

structure! {
    /// Records of one partition.
    AcknowledgePartition {
        /// The partition.
        partition_index: i32, 1..=2;
        /// What became of them.
        acknowledgement_batches: Vec<AcknowledgementBatch>, 1..=2;
    }
}
