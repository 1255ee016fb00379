//! Committed offsets and their topic.

use std::time::Duration;

use super::values::Values;
use crate::config::error::ConfigError;

/// Committed offsets and their topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetsSettings {
    /// `offsets.commit.timeout.ms`
    pub commit_timeout: Duration,
    /// `offset.metadata.max.bytes`
    pub metadata_size_max: usize,
    /// `offsets.retention.minutes`
    pub retention: Duration,
    /// `offsets.retention.check.interval.ms`
    pub retention_check_interval: Duration,
    /// `offsets.topic.num.partitions`
    pub topic_partition_count: i32,
    /// `offsets.topic.replication.factor`: the most, where fewer brokers are there.
    pub topic_replication_factor_max: i16,
    /// `offsets.topic.segment.bytes`
    pub topic_segment_bytes: u32,
}

impl OffsetsSettings {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let minutes: u64 = values.unsigned("offsets.retention.minutes")?;
        Ok(Self {
            commit_timeout: values.ms("offsets.commit.timeout.ms")?,
            metadata_size_max: values.unsigned("offset.metadata.max.bytes")?,
            retention: Duration::from_secs(minutes.saturating_mul(60)),
            retention_check_interval: values.ms("offsets.retention.check.interval.ms")?,
            topic_partition_count: values.int("offsets.topic.num.partitions")?,
            topic_replication_factor_max: values.unsigned("offsets.topic.replication.factor")?,
            topic_segment_bytes: values.unsigned("offsets.topic.segment.bytes")?,
        })
    }
}
