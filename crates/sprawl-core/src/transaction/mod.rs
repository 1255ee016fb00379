//! What does a transaction coordinator do with each request, timer and finished write?
//!
//! One [`TransactionShard`] holds every transactional id of one `__transaction_state` partition. It
//! is a [`Machine`](crate::coordinator::Machine): the broker's coordinator runtime gives it inputs
//! and carries out its effects.
//!
//! Invariants:
//! - A transactional id changes state only once the record of the change is durable; until then
//!   the next change is refused `CONCURRENT_TRANSACTIONS`.
//! - Markers are asked for only after the record that decides the outcome is durable, and again
//!   after every restart until the record that closes the transaction is: no transaction hangs
//!   (I19), and none is decided twice (I16).
//! - A transaction is ended by a request only if the request names the epoch the transaction was
//!   begun in; a request of an earlier transaction is refused (I18).
//! - Every fencing takes a greater epoch to the log before anybody learns of it (I14).
//! - An open transaction without a timeout is ended only by the producer that was initialised
//!   last, by a new one that does not keep it, or by a person (two-phase commit): no timer ends it,
//!   and no producer that has been fenced.
//! - Replaying the log gives the same state, but for the epoch before the last bump: a retry of
//!   InitProducerId across a restart is fenced, as in Kafka.
//!
//! Source: KIP-98, KIP-360 (recovery of producers), KIP-588 (PRODUCER_FENCED), KIP-664 (tools),
//! KIP-890 (epoch bump at every end, verification), KIP-994 and KIP-1152 (filters); Kafka's
//! `TransactionCoordinator`, `TransactionMetadata` and `TransactionStateManager`. Fencing by the
//! coordinator bumps the epoch once, at every transaction version (KAFKA-19367). Two-phase commit
//! is KIP-939's: Kafka 4.3.1 has the fields but refuses to keep a transaction, so that there the
//! text of the KIP decides.

mod add_partitions;
mod describe;
mod end_transaction;
mod error;
mod expiry;
mod init_producer_id;
mod markers;
mod records;
mod request;
mod settings;
mod shard;
mod state;
#[cfg(test)]
mod tests;
mod value;

pub use describe::{DescribedTransaction, ListFilter, ListedTransaction, TransactionIdPattern};
pub use error::TransactionError;
pub use request::{
    AddPartitionsRequest, EndTransactionRequest, Errand, InitProducerIdRequest, Input,
    MarkersErrand, OpenTransaction, Outcome, Response, TimerId,
};
pub use settings::TransactionSettings;
pub use shard::TransactionShard;
pub use state::TransactionState;
pub use value::TransactionVersion;
