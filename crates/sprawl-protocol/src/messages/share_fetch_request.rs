//! `ShareFetch` request, versions 1 and 2: a member of a share group asks for records, and says
//! what became of others.
//!
//! v2 has acquire modes and renewal. Source: Kafka 4.3 message definitions, KIP-932, KIP-1206,
//! KIP-1222.

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::wire::structure;

structure! {
    /// Asks for records of the partitions of a share session.
    ShareFetchRequest {
        /// The group.
        group_id: Option<StrBytes>, 1..=2;
        /// The member.
        member_id: Option<StrBytes>, 1..=2;
        /// The session's epoch: 0 opens it, -1 closes it.
        share_session_epoch: i32, 1..=2;
        /// How long to wait for `min_bytes`, in milliseconds.
        max_wait_ms: i32, 1..=2;
        /// How many bytes to wait for.
        min_bytes: i32, 1..=2;
        /// How many bytes at most.
        max_bytes: i32, 1..=2, default i32::MAX;
        /// How many records at most, about.
        max_records: i32, 1..=2;
        /// How many records go into one run of acquired ones, about.
        batch_size: i32, 1..=2;
        /// 0: batches are taken whole; 1: `max_records` is exact.
        share_acquire_mode: i8, 2..=2;
        /// Whether locks are renewed: such a request fetches nothing.
        is_renew_ack: bool, 2..=2;
        /// What joins the session, and what is said of records.
        topics: Vec<FetchTopic>, 1..=2;
        /// What leaves the session.
        forgotten_topics_data: Vec<ForgottenTopic>, 1..=2;
    }
}

structure! {
    /// Partitions of one topic.
    FetchTopic {
        /// The topic.
        topic_id: Uuid, 1..=2;
        /// Its partitions.
        partitions: Vec<FetchPartition>, 1..=2;
    }
}

structure! {
    /// One partition.
    FetchPartition {
        /// The partition.
        partition_index: i32, 1..=2;
        /// What became of records that were acquired before.
        acknowledgement_batches: Vec<AcknowledgementBatch>, 1..=2;
    }
}

structure! {
    /// What became of a run of records.
    AcknowledgementBatch {
        /// The first offset.
        first_offset: i64, 1..=2;
        /// The last offset.
        last_offset: i64, 1..=2;
        /// One for all or one each: 0 gap, 1 accept, 2 release, 3 reject, 4 renew.
        acknowledge_types: Vec<i8>, 1..=2;
    }
}

structure! {
    /// Partitions of one topic that leave the session.
    ForgottenTopic {
        /// The topic.
        topic_id: Uuid, 1..=2;
        /// Its partitions.
        partitions: Vec<i32>, 1..=2;
    }
}
