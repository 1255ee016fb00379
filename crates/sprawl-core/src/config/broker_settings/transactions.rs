//! Transactions and the topic of transactional ids.

use std::time::Duration;

use super::values::Values;
use crate::config::error::ConfigError;

/// Transactions and the topic of transactional ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionLimits {
    /// `transaction.max.timeout.ms`
    pub timeout_ms_max: i32,
    /// `transaction.two.phase.commit.enable`
    pub two_phase_commit: bool,
    /// `transactional.id.expiration.ms`
    pub id_expiration_ms: i32,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    pub abort_interval: Duration,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub expiry_interval: Duration,
    /// `transaction.state.log.num.partitions`
    pub topic_partition_count: i32,
    /// `transaction.state.log.replication.factor`: the most, where fewer brokers are there.
    pub topic_replication_factor_max: i16,
    /// `transaction.state.log.min.isr`: the most, where fewer replicas are there.
    pub topic_min_isr_max: i16,
    /// `transaction.state.log.segment.bytes`
    pub topic_segment_bytes: u32,
}

impl TransactionLimits {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let min_isr = values.int("transaction.state.log.min.isr")?;
        Ok(Self {
            timeout_ms_max: values.int("transaction.max.timeout.ms")?,
            two_phase_commit: values.boolean("transaction.two.phase.commit.enable")?,
            id_expiration_ms: values.int("transactional.id.expiration.ms")?,
            abort_interval: values
                .ms("transaction.abort.timed.out.transaction.cleanup.interval.ms")?,
            expiry_interval: values
                .ms("transaction.remove.expired.transaction.cleanup.interval.ms")?,
            topic_partition_count: values.int("transaction.state.log.num.partitions")?,
            topic_replication_factor_max: values
                .unsigned("transaction.state.log.replication.factor")?,
            topic_min_isr_max: i16::try_from(min_isr).unwrap_or(i16::MAX),
            topic_segment_bytes: values.unsigned("transaction.state.log.segment.bytes")?,
        })
    }
}
