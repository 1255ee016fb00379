//! `InitProducerId` request, versions 0 to 6: an id and epoch for a producer.
//!
//! v6 is for producers that take part in two-phase commit. Source: Kafka 4.3 message definitions
//! (which call v6 unstable), KIP-98, KIP-360, KIP-939.

use kafka_protocol::messages::{ProducerId, TransactionalId};

use crate::wire::structure;

structure! {
    /// Asks for an id and epoch.
    InitProducerIdRequest {
        /// The transactional id; null for a producer without one.
        transactional_id: Option<TransactionalId>, 0..=6;
        /// How long a transaction may stay open, in milliseconds; not looked at without a
        /// transactional id.
        transaction_timeout_ms: i32, 0..=6;
        /// What the producer believes its id is; -1 for a new instance.
        producer_id: ProducerId, 3..=6, default ProducerId(-1);
        /// What the producer believes its epoch is; -1 for a new instance.
        producer_epoch: i16, 3..=6, default -1;
        /// Whether transactions of this producer take part in two-phase commit, and so never time
        /// out.
        enable_2_pc: bool, 6..=6;
        /// Whether an open transaction is kept, to be ended by this producer, instead of aborted.
        keep_prepared_txn: bool, 6..=6;
    }
}
