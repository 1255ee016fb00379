//! The hot queue, the journal, the disk and compaction.

use std::time::Duration;

use super::values::Values;
use crate::config::error::ConfigError;

/// The hot queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotSettings {
    /// `sprawl.hot.queue.bytes`; `None` follows the memory there is.
    pub bytes_max: Option<u64>,
}

/// The journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// `sprawl.journal.file.bytes`
    pub file_bytes: u64,
    /// `sprawl.journal.bytes.max`
    pub bytes_max: u64,
}

/// What compaction may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerSettings {
    /// `log.cleaner.enable`
    pub is_enabled: bool,
    /// `log.cleaner.threads`
    pub thread_count: u32,
    /// `log.cleaner.dedupe.buffer.size`
    pub dedupe_bytes_max: u64,
    /// `log.cleaner.io.buffer.load.factor`
    pub load_factor: f64,
    /// `log.cleaner.io.buffer.size`
    pub io_buffer_bytes: u64,
    /// `log.cleaner.io.max.bytes.per.second`
    pub io_bytes_per_second_max: f64,
    /// `log.cleaner.backoff.ms`
    pub backoff: Duration,
}

/// What happens as the disk fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSettings {
    /// `sprawl.disk.throttle.percent`
    pub throttle_percent: u8,
    /// `sprawl.disk.full.percent`
    pub full_percent: u8,
    /// `sprawl.disk.ballast.bytes`
    pub ballast_bytes: u64,
}

impl HotSettings {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            bytes_max: values.natural("sprawl.hot.queue.bytes")?,
        })
    }
}

impl JournalSettings {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            file_bytes: values.unsigned("sprawl.journal.file.bytes")?,
            bytes_max: values.unsigned("sprawl.journal.bytes.max")?,
        })
    }
}

impl CleanerSettings {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            is_enabled: values.boolean("log.cleaner.enable")?,
            thread_count: values.unsigned("log.cleaner.threads")?,
            dedupe_bytes_max: values.unsigned("log.cleaner.dedupe.buffer.size")?,
            load_factor: values.double("log.cleaner.io.buffer.load.factor")?,
            io_buffer_bytes: values.unsigned("log.cleaner.io.buffer.size")?,
            io_bytes_per_second_max: values.double("log.cleaner.io.max.bytes.per.second")?,
            backoff: values.ms("log.cleaner.backoff.ms")?,
        })
    }
}

impl DiskSettings {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            throttle_percent: values.unsigned("sprawl.disk.throttle.percent")?,
            full_percent: values.unsigned("sprawl.disk.full.percent")?,
            ballast_bytes: values.unsigned("sprawl.disk.ballast.bytes")?,
        })
    }
}
