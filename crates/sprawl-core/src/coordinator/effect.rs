//! What goes into a step of any coordinator's state machine, and what comes out?

use std::convert::Infallible;
use std::sync::Arc;

use sprawl_model::{Offset, ProducerIdAndEpoch, TopicPartition};

use super::record::Record;
use crate::metadata::MetadataImage;
use crate::partition::EndTxn;

/// The time of a step. Timers run on the monotonic clock, so that a jump of the wall clock expires
/// no member; timestamps that are stored come from the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the Unix epoch.
    pub wall_ms: i64,
    /// Milliseconds since the clock was made.
    pub monotonic_ms: u64,
}

/// Names one request until its reply; the caller chooses it and never uses it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// Names one append of a shard; later appends have larger ids and stand later in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppendId(pub u64);

/// What the header of a batch says about its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// The records count once they are durable.
    Plain,
    /// The records count once the producer's transaction is committed.
    Transactional(ProducerIdAndEpoch),
    /// A control record read back: it ends the producer's transaction in this partition.
    Control(ProducerIdAndEpoch),
    /// A control record to be written, built by the partition; the append brings no records.
    Marker(EndTxn),
}

/// One thing that happened to a shard, whichever coordinator it belongs to.
#[derive(Clone, Debug)]
pub enum Event<Timer> {
    /// All records are replayed: timers may be set.
    Loaded,
    /// The partition is given up: everything parked is answered, nothing is written any more.
    Unload,
    /// These partitions are gone from the cluster.
    PartitionsDeleted(Vec<TopicPartition>),
    /// The cluster's topics or settings have changed. Also the first event, before
    /// [`Self::Loaded`].
    MetadataChanged(Arc<MetadataImage>),
    /// A timer is due.
    Timer(Timer),
    /// What became of an append.
    Appended(AppendId, AppendOutcome),
}

/// How an append ended. An append that fails in any other way takes the partition out of service
/// ([`Event::Unload`]), since what stands in the log is then unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// The records, and those of every earlier append, are durable. The offset is the first
    /// record's.
    Durable(Offset),
    /// Nothing was written, and nothing will be.
    Refused(AppendRefusal),
}

/// Why a log that is in good health took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendRefusal {
    /// The batch is larger than the topic takes.
    TooLarge,
    /// The disk is full.
    DiskFull,
    /// The producer has a newer epoch in this partition.
    FencedProducer,
    /// The partition knows of no open transaction of the producer.
    NotInTransaction,
    /// A newer transaction coordinator has written here.
    FencedCoordinator,
}

/// One thing to do. `Errand` is what a machine asks for beyond its log, replies and timers; most
/// have none.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect<Response, Timer, Errand = Infallible> {
    /// Answer a request.
    Reply(Token, Response),
    /// Append the records as one batch, in the order of the effects, and report with
    /// [`Event::Appended`].
    Append {
        /// Names the append in the report.
        append: AppendId,
        /// What the batch's header says.
        kind: BatchKind,
        /// The records, at least one, and none with a marker.
        records: Vec<Record>,
    },
    /// Raise [`Event::Timer`] at the deadline, in monotonic milliseconds. Setting a timer again
    /// replaces its deadline.
    SetTimer {
        /// Which timer.
        timer: Timer,
        /// When, on the clock of [`Now::monotonic_ms`].
        deadline_ms: u64,
    },
    /// Forget the timer, if it is set.
    CancelTimer(Timer),
    /// Have something done outside of the shard; its end comes back as an input.
    Errand(Errand),
}
