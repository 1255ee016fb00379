//! `ReadShareGroupStateSummary` response, versions 0 and 1: where share-partitions stand, in short.
//!
//! v1 counts what is over. Source: Kafka 4.3 message definitions, KIP-932, KIP-1226.

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::wire::structure;

structure! {
    /// Where share-partitions stand.
    ReadShareGroupStateSummaryResponse {
        /// By topic.
        results: Vec<ReadStateSummaryResult>, 0..=1;
    }
}

structure! {
    /// Where one topic's stand.
    ReadStateSummaryResult {
        /// The topic.
        topic_id: Uuid, 0..=1;
        /// By partition.
        partitions: Vec<PartitionResult>, 0..=1;
    }
}

structure! {
    /// Where one share-partition stands.
    PartitionResult {
        /// The partition.
        partition: i32, 0..=1;
        /// The error, 0 for none.
        error_code: i16, 0..=1;
        /// The error in words.
        error_message: Option<StrBytes>, 0..=1;
        /// The epoch of the state.
        state_epoch: i32, 0..=1;
        /// The partition's leader epoch.
        leader_epoch: i32, 0..=1;
        /// The first offset that is not over; -1 where nothing is kept.
        start_offset: i64, 0..=1;
        /// How many offsets from there on are over; -1 where unknown.
        delivery_complete_count: i32, 1..=1, default -1;
    }
}
