//! `WriteTxnMarkers` request, versions 1 and 2: ends transactions in partitions.
//!
//! v2 says under which `transaction.version` a transaction ran. Source: Kafka 4.3 message
//! definitions, KIP-98, KIP-1228.

use kafka_protocol::messages::{ProducerId, TopicName};

use crate::wire::structure;

structure! {
    /// Asks the leaders of partitions to end transactions there.
    WriteTxnMarkersRequest {
        /// The markers to write.
        markers: Vec<WritableTxnMarker>, 1..=2;
    }
}

structure! {
    /// The end of one producer's transaction.
    WritableTxnMarker {
        /// The producer.
        producer_id: ProducerId, 1..=2;
        /// The producer's epoch.
        producer_epoch: i16, 1..=2;
        /// Whether the transaction is committed; aborted otherwise.
        transaction_result: bool, 1..=2;
        /// Where, by topic.
        topics: Vec<WritableTxnMarkerTopic>, 1..=2;
        /// The epoch of the coordinator that says so.
        coordinator_epoch: i32, 1..=2;
        /// The `transaction.version` of the transaction.
        transaction_version: i8, 2..=2;
    }
}

structure! {
    /// The partitions of one topic.
    WritableTxnMarkerTopic {
        /// The topic's name.
        name: TopicName, 1..=2;
        /// The partitions.
        partition_indexes: Vec<i32>, 1..=2;
    }
}
