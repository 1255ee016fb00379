//! What is asked of the coordinator, and what does it answer?

use std::collections::BTreeSet;
use std::sync::Arc;

use sprawl_model::{ProducerId, ProducerIdAndEpoch, TopicPartition};

use super::error::TransactionError;
use super::value::TransactionVersion;
use crate::coordinator::{AppendId, AppendOutcome, Event, Token};
use crate::metadata::MetadataImage;

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its records become visible.
    Commit,
    /// Its records are passed over.
    Abort,
}

/// What becomes of a transaction that is open when a producer is initialised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenTransaction {
    /// It is aborted.
    #[default]
    Abort,
    /// It stays open, for the new producer to end (KIP-939).
    Keep,
}

/// A request to initialise the producer of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitProducerIdRequest {
    /// The transactional id.
    pub transactional_id: String,
    /// How long a transaction may stay open; not looked at with `two_phase_commit`.
    pub timeout_ms: i32,
    /// Whether the producer takes part in two-phase commit (KIP-939): its transactions stay open
    /// until somebody ends them.
    pub two_phase_commit: bool,
    /// What becomes of a transaction that is open.
    pub open_transaction: OpenTransaction,
    /// What the producer believes it is (KIP-360); `None` for a new instance.
    pub expected: Option<ProducerIdAndEpoch>,
    /// An id that nobody has, where the coordinator has asked for one
    /// ([`Response::NeedsProducerId`]).
    pub fresh_producer_id: Option<ProducerId>,
}

/// A request to add partitions to the current transaction, or to begin one with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddPartitionsRequest {
    /// The transactional id.
    pub transactional_id: String,
    /// The producer.
    pub producer: ProducerIdAndEpoch,
    /// The partitions.
    pub partitions: BTreeSet<TopicPartition>,
    /// The version the client runs the transaction with.
    pub client_version: TransactionVersion,
}

/// A request to end the current transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndTransactionRequest {
    /// The transactional id.
    pub transactional_id: String,
    /// The producer.
    pub producer: ProducerIdAndEpoch,
    /// How it ends.
    pub outcome: Outcome,
    /// The version the client runs the transaction with.
    pub client_version: TransactionVersion,
    /// As in [`InitProducerIdRequest`].
    pub fresh_producer_id: Option<ProducerId>,
}

/// Names a timer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerId {
    /// The next look for transactions that are open for too long.
    AbortTimedOut,
    /// The next look for transactional ids that nobody uses.
    ForgetExpired,
    /// Another try to store that a transaction's markers are written.
    Complete {
        /// The transactional id.
        transactional_id: String,
    },
}

/// Markers to be written to partitions, all of them, however long it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkersErrand {
    /// The transactional id, for the report.
    pub transactional_id: String,
    /// The producer whose transaction ends, and the epoch of the markers.
    pub producer: ProducerIdAndEpoch,
    /// How it ends.
    pub outcome: Outcome,
    /// The version the transaction ran with.
    pub version: TransactionVersion,
    /// Where its records and offsets are.
    pub partitions: BTreeSet<TopicPartition>,
}

/// What is done outside of the shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Write markers, and report with [`Input::MarkersWritten`].
    WriteMarkers(MarkersErrand),
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// All records are replayed: decided transactions go on.
    Loaded,
    /// The partition is given up: everything parked is answered `NotCoordinator`.
    Unload,
    /// Partitions are gone from the cluster.
    PartitionsDeleted(Vec<TopicPartition>),
    /// The cluster's features may have changed.
    MetadataChanged(Arc<MetadataImage>),
    /// An InitProducerId request.
    InitProducerId(Token, InitProducerIdRequest),
    /// An AddPartitionsToTxn or AddOffsetsToTxn request, or a produce request that adds.
    AddPartitions(Token, AddPartitionsRequest),
    /// An EndTxn request.
    EndTransaction(Token, EndTransactionRequest),
    /// Every marker of the errand is durable, or its partition is gone.
    MarkersWritten {
        /// The errand's transactional id.
        transactional_id: String,
        /// The errand's producer.
        producer: ProducerIdAndEpoch,
    },
    /// A timer is due.
    Timer(TimerId),
    /// What became of an append.
    Appended(AppendId, AppendOutcome),
}

impl From<Event<TimerId>> for Input {
    fn from(event: Event<TimerId>) -> Self {
        match event {
            Event::Loaded => Self::Loaded,
            Event::Unload => Self::Unload,
            Event::PartitionsDeleted(partitions) => Self::PartitionsDeleted(partitions),
            Event::MetadataChanged(image) => Self::MetadataChanged(image),
            Event::Timer(timer) => Self::Timer(timer),
            Event::Appended(append, outcome) => Self::Appended(append, outcome),
        }
    }
}

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The producer to go on with.
    Producer(ProducerIdAndEpoch),
    /// The producer to go on with, and the open transaction it is to end first.
    Kept {
        /// The producer.
        producer: ProducerIdAndEpoch,
        /// What the open transaction was begun with.
        ongoing: ProducerIdAndEpoch,
    },
    /// The partitions are part of the transaction.
    Added,
    /// The request must come again with a fresh producer id; nothing was changed.
    NeedsProducerId,
    /// The request is refused.
    Refused(TransactionError),
}
