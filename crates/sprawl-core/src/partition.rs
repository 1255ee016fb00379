//! What a partition leader decides about a batch from an idempotent producer: append, or answer
//! again what was answered before, or refuse.
//!
//! Invariants: within one producer id and epoch, batches enter the log in sequence order with no
//! gap, and none enters twice; a batch sent again within the last [`BATCHES_RETAINED`] of its
//! producer gets the offset it got the first time.
//!
//! Source: KIP-98 and the behaviour of Kafka's `ProducerStateManager` and `ProducerAppendInfo`.
//! Two differences: idleness is measured by the broker's clock and not by record timestamps, and
//! the number of producers is capped. The transactional part of the state is not here yet.

mod producers;
mod snapshot;

pub use producers::{
    BATCHES_RETAINED, PRODUCER_EXPIRATION_MS_DEFAULT, PRODUCERS_PER_PARTITION_MAX, ProducerStates,
    SequenceError, SequenceVerdict,
};
pub use snapshot::{SNAPSHOT_VERSION, SnapshotError};

#[cfg(test)]
mod tests;
