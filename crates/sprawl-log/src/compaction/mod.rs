//! Log compaction: what of a compacted topic may go, and how it goes without anybody noticing.
//!
//! One round cleans one partition: read the dirty part and note the last offset of every key; then
//! rewrite the sealed segments, in groups of at most one segment's size, without the records that a
//! later one makes superfluous; each group's new file takes the place of the old ones by one rename
//! (see [`crate::segment::name`]). Offsets and order stay. A round is a chain of short steps, so
//! that it can pause for its I/O budget and end at any point.
//!
//! Never touched: the active segment, anything at or above the stable end, anything that no
//! checkpoint has covered, a partition with damage in what would be read.
//!
//! Source: Kafka's LogCleaner, Cleaner and LogCleanerManager; KIP-58 (minimum lag), KIP-354
//! (maximum lag), KIP-534 (delete horizon). Left out: message formats before v2.

mod filter;
mod job;
mod offset_map;
pub(crate) mod plan;
mod transactions;
mod worker;

use std::collections::BTreeMap;
use std::time::Duration;

use sprawl_model::{Offset, ProducerEpoch, ProducerId};

use crate::partition::{AbortedTxn, PartitionLog};

pub use job::CompactionStats;
pub(crate) use worker::Cleaner;

/// The name of the snapshot that says how far a partition is clean.
pub(crate) const CLEANED_SNAPSHOT: &str = "cleaned";

/// How a topic is compacted (`cleanup.policy` contains `compact`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactionConfig {
    /// A log is cleaned when more than this part of it is dirty (`min.cleanable.dirty.ratio`).
    pub dirty_ratio_min: f64,
    /// Records younger than this stay as they are, in ms (`min.compaction.lag.ms`).
    pub lag_ms_min: i64,
    /// A log with older dirty records is cleaned whatever its ratio, in ms
    /// (`max.compaction.lag.ms`).
    pub lag_ms_max: i64,
    /// How long a tombstone stays after it was cleaned first, in ms (`delete.retention.ms`).
    pub delete_retention_ms: i64,
}

impl Default for CompactionConfig {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            dirty_ratio_min: 0.5,
            lag_ms_min: 0,
            lag_ms_max: i64::MAX,
            delete_retention_ms: 86_400_000,
        }
    }
}

/// What all compaction of a store may use (`log.cleaner.*`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerSettings {
    /// Whether anything is compacted (`log.cleaner.enable`).
    pub is_enabled: bool,
    /// How many partitions are cleaned at once (`log.cleaner.threads`).
    pub thread_count: u32,
    /// Memory for the offset maps of all threads (`log.cleaner.dedupe.buffer.size`).
    pub dedupe_bytes_max: u64,
    /// How full an offset map may become (`log.cleaner.io.buffer.load.factor`).
    pub load_factor: f64,
    /// Memory for the reads and writes of all threads (`log.cleaner.io.buffer.size`).
    pub io_buffer_bytes: u64,
    /// Bytes read and written a second, by all threads together
    /// (`log.cleaner.io.max.bytes.per.second`).
    pub io_bytes_per_second_max: f64,
    /// How long a thread sleeps when nothing is to be cleaned (`log.cleaner.backoff.ms`).
    pub backoff: Duration,
}

impl Default for CleanerSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            is_enabled: true,
            thread_count: 1,
            dedupe_bytes_max: 128 << 20,
            load_factor: 0.9,
            io_buffer_bytes: 512 << 10,
            io_bytes_per_second_max: f64::MAX,
            backoff: Duration::from_secs(15),
        }
    }
}

/// What is known of a producer that is still active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastOfProducer {
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// The offset of its last record; `None` where only a marker of it is known.
    pub last_data_offset: Option<Offset>,
}

/// What the layer above knows of a partition and compaction has to respect.
#[derive(Clone, Debug, Default)]
pub struct CompactionBounds {
    /// Nothing at or above is touched: the last stable offset, at most the high watermark.
    pub stable_end: Offset,
    /// The last batches of these producers stay, at least their headers.
    pub producers: BTreeMap<ProducerId, LastOfProducer>,
    /// All aborted transactions below the stable end.
    pub aborted: Vec<AbortedTxn>,
}

/// The layer above, which knows what of a partition is stable.
pub trait CompactionGuard: Send + Sync {
    /// Returns the last stable offset, at most the high watermark; `None` leaves the partition
    /// alone. Asked often.
    fn stable_end(&self, partition: &PartitionLog) -> Option<Offset>;
    /// Returns all that a round has to respect.
    fn bounds(&self, partition: &PartitionLog) -> Option<CompactionBounds>;
}
