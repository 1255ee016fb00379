//! Names of what this crate measures; no label carries an unbounded value.

/// Histogram: seconds of each journal sync.
pub const JOURNAL_SYNC_SECONDS: &str = "sprawl_journal_sync_seconds";
/// Histogram: seconds of each journal write.
pub const JOURNAL_WRITE_SECONDS: &str = "sprawl_journal_write_seconds";
/// Histogram: bytes of each group commit, padding included.
pub const JOURNAL_GROUP_BYTES: &str = "sprawl_journal_group_bytes";
/// Histogram: frames of each group commit.
pub const JOURNAL_GROUP_FRAMES: &str = "sprawl_journal_group_frames";
/// Counter: bytes written to the journal, padding included.
pub const JOURNAL_WRITTEN_BYTES: &str = "sprawl_journal_written_bytes_total";
/// Gauge: journal bytes that a restart would replay.
pub const JOURNAL_LIVE_BYTES: &str = "sprawl_journal_live_bytes";
/// Gauge: bytes of batches in memory.
pub const HOT_BYTES: &str = "sprawl_hot_queue_bytes";
/// Gauge: bytes of batches in memory that are not in a segment yet.
pub const HOT_DIRTY_BYTES: &str = "sprawl_hot_queue_dirty_bytes";
/// Gauge: the limit of the hot queue.
pub const HOT_BYTES_MAX: &str = "sprawl_hot_queue_limit_bytes";
/// Counter: bytes written to segments, padding and rewritten blocks included.
pub const SEGMENT_WRITTEN_BYTES: &str = "sprawl_segment_written_bytes_total";
/// Gauge: bytes of all partitions' logs.
pub const LOG_BYTES: &str = "sprawl_log_bytes";
/// Histogram: seconds of each checkpoint.
pub const CHECKPOINT_SECONDS: &str = "sprawl_checkpoint_seconds";
/// Gauge: percent of the disk that is used.
pub const DISK_USED_PERCENT: &str = "sprawl_disk_used_percent";
/// Gauge: 1 while the store is offline after a disk failure.
pub const STORE_OFFLINE: &str = "sprawl_log_store_offline";
