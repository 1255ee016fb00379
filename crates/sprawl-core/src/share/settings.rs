//! What does a share group set for its partitions?

use super::retry::RetryDelay;

/// What becomes of records that die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetters {
    /// They are archived.
    Dropped,
    /// They are moved to the group's dead-letter topic first.
    Moved,
}

/// The settings in effect for one share-partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharePartitionSettings {
    /// How long a member holds what it was given, in ms (`share.record.lock.duration.ms`).
    pub record_lock_duration_ms: u64,
    /// How often a record is delivered at most (`share.delivery.count.limit`).
    pub delivery_count_limit: i16,
    /// How many offsets are tracked at most (`share.partition.max.record.locks`).
    pub record_locks_max: u64,
    /// How long a record rests before it is delivered again.
    pub retry_delay: RetryDelay,
    /// What becomes of records that die.
    pub dead_letters: DeadLetters,
}
