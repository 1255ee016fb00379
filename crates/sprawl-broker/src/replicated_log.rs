//! The one interface through which the broker writes and reads a partition.
//!
//! A single node answers it with its own log ([`crate::partition::Partition`]); a cluster answers
//! it with the replication path. Handlers know nothing else, so adding replicas changes no handler.
//!
//! Source: `ReplicatedLog` in the plan of the house; Kafka's `ReplicaManager` for the semantics.

use sprawl_core::partition::{EndTxn, MarkerError, SequenceError};
use sprawl_io::net::BoxFuture;
use sprawl_log::{Durable, FlushError, LogRead, ReadError, ReadRequest};
use sprawl_model::{LeaderEpoch, Offset};

use crate::validate::ValidBatch;

/// Where an appended batch went, and the wait for its durability.
pub(crate) struct Appended {
    /// The offset of the batch's first record; for a duplicate the one it got the first time.
    pub(crate) base_offset: Offset,
    /// The broker's timestamp in ms, where the topic uses `LogAppendTime`.
    pub(crate) log_append_time: Option<i64>,
    /// Ends when the batch is durable on every in-sync replica (I5).
    pub(crate) durable: BoxFuture<'static, Result<Durable<Offset>, FlushError>>,
}

impl std::fmt::Debug for Appended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Appended")
            .field("base_offset", &self.base_offset)
            .finish_non_exhaustive()
    }
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// The idempotent producer's sequence or epoch does not fit.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// The log cannot take it.
    #[error(transparent)]
    Log(#[from] sprawl_log::AppendError),
}

/// Why no marker was appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendMarkerError {
    /// The marker belongs to another transaction, or comes from an older coordinator.
    #[error(transparent)]
    Marker(#[from] MarkerError),
    /// The log cannot take it.
    #[error(transparent)]
    Log(#[from] sprawl_log::AppendError),
}

/// A partition as its leader sees it.
pub(crate) trait ReplicatedLog {
    /// Gives `batch` its offsets, appends it, and returns the wait for its durability.
    ///
    /// Errors: `Sequence` (the producer resets or gives up), `Log` (retriable, or the disk is
    /// offline).
    fn append(&self, batch: ValidBatch) -> Result<Appended, AppendError>;

    /// Ends a producer's transaction here: appends its marker and returns the wait for that.
    ///
    /// Errors: `Marker` (it is not this transaction's), `Log` (retriable, or the disk is offline).
    fn append_marker(&self, end: &EndTxn) -> Result<Appended, AppendMarkerError>;

    /// Reads whole batches from the one that holds `request.offset`.
    fn read(&self, request: ReadRequest) -> Result<LogRead, ReadError>;

    /// The epoch in which this broker leads.
    fn leader_epoch(&self) -> LeaderEpoch;

    /// The first offset that can be read.
    fn log_start(&self) -> Offset;

    /// The end of what consumers may see, exclusive.
    fn high_watermark(&self) -> Offset;

    /// The end of what `read_committed` consumers may see, exclusive.
    fn last_stable_offset(&self) -> Offset;
}
