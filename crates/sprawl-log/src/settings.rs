//! How a log store and each of its partitions behave. Values are validated by the caller.

use std::time::Duration;

use sprawl_model::TopicPartition;

use crate::compaction::CompactionConfig;

/// When an append counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlushMode {
    /// After a journal write and a sync: survives a power cut.
    #[default]
    Fsync,
    /// After a journal write: survives the death of the process, not a power cut.
    Async,
    /// At once: lost with the process until written behind.
    Memory,
}

/// Whether retention by time and size deletes old segments (`cleanup.policy` contains `delete`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cleanup {
    /// Old segments are deleted by the retention limits.
    #[default]
    Yes,
    /// Only `DeleteRecords` deletes (`cleanup.policy=compact`).
    No,
}

/// What a topic's configuration says about one partition's log.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionConfig {
    /// The partition's name, for logs and metrics only.
    pub name: TopicPartition,
    /// Records older than this are deleted by segment; `None` keeps them (`retention.ms`).
    pub retention_ms: Option<i64>,
    /// The log is kept below this size by deleting segments; `None` keeps them (`retention.bytes`).
    pub retention_bytes: Option<u64>,
    /// A segment is sealed before it grows beyond this (`segment.bytes`).
    pub segment_bytes: u32,
    /// A segment is sealed when its timestamps span more than this (`segment.ms`).
    pub segment_ms: i64,
    /// When an append counts as durable.
    pub flush: FlushMode,
    /// Whether the retention limits apply.
    pub cleanup_delete: Cleanup,
    /// How the log is compacted; `None` is not at all.
    pub compaction: Option<CompactionConfig>,
}

impl PartitionConfig {
    /// Returns Kafka's defaults under a name.
    pub fn new(name: TopicPartition) -> Self {
        Self {
            name,
            retention_ms: Some(604_800_000),
            retention_bytes: None,
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
            flush: FlushMode::Fsync,
            cleanup_delete: Cleanup::Yes,
            compaction: None,
        }
    }
}

/// Limits and intervals of a whole log store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Size of each journal file.
    pub journal_file_bytes: u64,
    /// All journal files together; appends wait for a checkpoint beyond it.
    pub journal_bytes_max: u64,
    /// One group commit takes at most this many bytes (a larger single batch goes alone).
    pub group_bytes_max: usize,
    /// One group commit takes at most this many frames.
    pub group_frames_max: usize,
    /// A checkpoint is due after this many journal bytes.
    pub checkpoint_bytes: u64,
    /// A checkpoint is due when this long passed since something was written and none was taken.
    pub checkpoint_idle: Duration,
    /// The hot queue's limit: 25 % of the memory the process may use.
    pub hot_bytes_max: u64,
    /// Clean batches are dropped from memory, oldest first, beyond this.
    pub clean_bytes_max: u64,
    /// A partition is written behind when it has this many bytes.
    pub run_bytes_min: usize,
    /// One write to a segment takes at most this many bytes (a larger single batch goes alone).
    pub run_bytes_max: usize,
    /// A partition is written behind when its oldest unwritten batch is this old.
    pub run_age_max: Duration,
    /// How often the write-behind worker looks around while there is something to write.
    pub write_behind_interval: Duration,
    /// Distance between index entries of a segment.
    pub index_interval_bytes: u32,
    /// How often retention is applied (`log.retention.check.interval.ms`).
    pub retention_interval: Duration,
    /// How often the free space is looked up.
    pub space_interval: Duration,
    /// A file kept to be given up when the disk is full; 0 keeps none.
    pub ballast_bytes: u64,
    /// Producers are throttled from here.
    pub disk_throttle_percent: u8,
    /// Appends are refused from here.
    pub disk_full_percent: u8,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            journal_file_bytes: 64 << 20,
            journal_bytes_max: 1 << 30,
            group_bytes_max: 4 << 20,
            group_frames_max: 4096,
            checkpoint_bytes: 256 << 20,
            checkpoint_idle: Duration::from_secs(30),
            hot_bytes_max: 512 << 20,
            clean_bytes_max: 128 << 20,
            run_bytes_min: 128 << 10,
            run_bytes_max: 1 << 20,
            run_age_max: Duration::from_secs(1),
            write_behind_interval: Duration::from_millis(100),
            index_interval_bytes: 32 << 10,
            retention_interval: Duration::from_secs(300),
            space_interval: Duration::from_secs(1),
            ballast_bytes: 128 << 20,
            disk_throttle_percent: 90,
            disk_full_percent: 95,
        }
    }
}
