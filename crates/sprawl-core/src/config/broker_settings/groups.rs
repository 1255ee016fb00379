//! Limits of classic and consumer groups.

use super::values::Values;
use crate::config::definition::Value;
use crate::config::error::ConfigError;
use crate::group::MigrationPolicy;

/// Limits of classic groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// `group.min.session.timeout.ms`
    pub session_timeout_ms_min: i32,
    /// `group.max.session.timeout.ms`
    pub session_timeout_ms_max: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`
    pub size_max: usize,
    /// Consumer groups.
    pub consumer: ConsumerGroupLimits,
}

/// Limits of consumer groups (KIP-848).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupLimits {
    /// `group.consumer.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `group.consumer.min.session.timeout.ms`
    pub session_timeout_ms_min: i32,
    /// `group.consumer.max.session.timeout.ms`
    pub session_timeout_ms_max: i32,
    /// `group.consumer.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `group.consumer.min.heartbeat.interval.ms`
    pub heartbeat_interval_ms_min: i32,
    /// `group.consumer.max.heartbeat.interval.ms`
    pub heartbeat_interval_ms_max: i32,
    /// `group.consumer.assignment.interval.ms`
    pub assignment_interval_ms: i32,
    /// `group.consumer.min.assignment.interval.ms`
    pub assignment_interval_ms_min: i32,
    /// `group.consumer.max.assignment.interval.ms`
    pub assignment_interval_ms_max: i32,
    /// `group.consumer.max.size`
    pub size_max: usize,
    /// `group.consumer.migration.policy`
    pub migration: MigrationPolicy,
}

impl GroupLimits {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            session_timeout_ms_min: values.int("group.min.session.timeout.ms")?,
            session_timeout_ms_max: values.int("group.max.session.timeout.ms")?,
            initial_rebalance_delay_ms: values.int("group.initial.rebalance.delay.ms")?,
            size_max: values.unsigned("group.max.size")?,
            consumer: ConsumerGroupLimits::resolve(values)?,
        })
    }
}

impl ConsumerGroupLimits {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let policy = match values.value("group.consumer.migration.policy")? {
            Some(Value::Text(policy)) => policy,
            _ => unreachable!("the policy is a word with a default"),
        };
        Ok(Self {
            session_timeout_ms: values.int("group.consumer.session.timeout.ms")?,
            session_timeout_ms_min: values.int("group.consumer.min.session.timeout.ms")?,
            session_timeout_ms_max: values.int("group.consumer.max.session.timeout.ms")?,
            heartbeat_interval_ms: values.int("group.consumer.heartbeat.interval.ms")?,
            heartbeat_interval_ms_min: values.int("group.consumer.min.heartbeat.interval.ms")?,
            heartbeat_interval_ms_max: values.int("group.consumer.max.heartbeat.interval.ms")?,
            assignment_interval_ms: values.int("group.consumer.assignment.interval.ms")?,
            assignment_interval_ms_min: values.int("group.consumer.min.assignment.interval.ms")?,
            assignment_interval_ms_max: values.int("group.consumer.max.assignment.interval.ms")?,
            size_max: values.unsigned("group.consumer.max.size")?,
            migration: match policy.as_str() {
                "upgrade" => MigrationPolicy::Upgrade,
                "downgrade" => MigrationPolicy::Downgrade,
                "disabled" => MigrationPolicy::Disabled,
                _ => MigrationPolicy::Bidirectional,
            },
        })
    }
}
