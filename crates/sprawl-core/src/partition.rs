//! What a partition leader decides about a batch from an idempotent or transactional producer:
//! append, or answer again what was answered before, or refuse; and which records are stable.
//!
//! Invariants: within one producer id and epoch, batches enter the log in sequence order with no
//! gap, and none enters twice; a batch sent again within the last [`BATCHES_RETAINED`] of its
//! producer gets the offset it got the first time (I12). A transaction begins only where its
//! coordinator knows of it (I19), a marker ends only the transaction it names (I18), and no offset
//! at or above the first open transaction is stable (I15).
//!
//! Source: KIP-98, KIP-890 (both parts), KIP-1228, and the behaviour of Kafka 4.3's
//! `ProducerStateManager` and `ProducerAppendInfo`. Two differences: idleness is measured by the
//! broker's clock and not by record timestamps, and the number of producers is capped.

mod producers;
mod sequence;
mod snapshot;
mod transactions;
mod verification;

pub use producers::{
    ActiveProducer, BATCHES_RETAINED, PRODUCER_EXPIRATION_MS_DEFAULT, PRODUCERS_PER_PARTITION_MAX,
    ProducerStates,
};
pub use sequence::{Claim, Origin, SequenceError, SequenceVerdict};
pub use snapshot::{SNAPSHOT_VERSION, SnapshotError};
pub use transactions::{CompletedTxn, EndTxn, MarkerError};
pub use verification::{Asking, EpochBump, VERIFICATIONS_PER_PARTITION_MAX, Verification};

#[cfg(test)]
mod tests;
