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
/// Counter: bytes that compaction read, once for the keys and once to clean.
pub const CLEANER_READ_BYTES: &str = "sprawl_log_cleaner_read_bytes_total";
/// Counter: bytes that compaction wrote.
pub const CLEANER_WRITTEN_BYTES: &str = "sprawl_log_cleaner_written_bytes_total";
/// Counter: records that compaction removed.
pub const CLEANER_REMOVED_RECORDS: &str = "sprawl_log_cleaner_removed_records_total";
/// Histogram: seconds of each compaction of a partition, pauses included.
pub const CLEANER_SECONDS: &str = "sprawl_log_cleaner_seconds";
/// Gauge: percent of the bytes read that the last compaction wrote again.
pub const CLEANER_RECOPY_PERCENT: &str = "sprawl_log_cleaner_recopy_percent";
/// Gauge: percent of the dirtiest log that is dirty.
pub const CLEANER_DIRTY_PERCENT_MAX: &str = "sprawl_log_cleaner_dirty_percent_max";
/// Gauge: partitions that are not compacted because of damage.
pub const CLEANER_UNCLEANABLE_PARTITIONS: &str = "sprawl_log_cleaner_uncleanable_partitions";
