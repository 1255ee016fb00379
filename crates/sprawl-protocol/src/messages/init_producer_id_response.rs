//! `InitProducerId` response, versions 0 to 6.
//!
//! v6 names the open transaction that was kept. Source: Kafka 4.3 message definitions, KIP-939.

use kafka_protocol::messages::ProducerId;

use crate::wire::structure;

structure! {
    /// The id and epoch to go on with.
    InitProducerIdResponse {
        /// How long the request was throttled, in milliseconds.
        throttle_time_ms: i32, 0..=6;
        /// The error, 0 for none.
        error_code: i16, 0..=6;
        /// The producer's id; -1 for none.
        producer_id: ProducerId, 0..=6, default ProducerId(-1);
        /// The producer's epoch.
        producer_epoch: i16, 0..=6;
        /// The producer id the open transaction was begun with; -1 where none was kept.
        ongoing_txn_producer_id: ProducerId, 6..=6, default ProducerId(-1);
        /// The epoch the open transaction was begun with; -1 where none was kept.
        ongoing_txn_producer_epoch: i16, 6..=6, default -1;
    }
}
