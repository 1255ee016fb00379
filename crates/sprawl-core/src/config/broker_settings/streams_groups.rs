//! Limits of streams groups (KIP-1071).

use super::BrokerSettings;
use super::share_groups::Bound;
use super::values::Values;
use crate::config::error::ConfigError;
use crate::config::resolve::ConfigMap;

/// Limits of streams groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsGroupLimits {
    /// `group.streams.session.timeout.ms` and its bounds
    pub session_timeout_ms: Bound,
    /// `group.streams.heartbeat.interval.ms` and its bounds
    pub heartbeat_interval_ms: Bound,
    /// `group.streams.assignment.interval.ms` and its bounds
    pub assignment_interval_ms: Bound,
    /// `group.streams.num.standby.replicas`, from 0 to `group.streams.max.standby.replicas`
    pub standby_replica_count: Bound,
    /// `group.streams.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `group.streams.max.size`
    pub size_max: usize,
}

impl Default for StreamsGroupLimits {
    fn default() -> Self {
        let settings = BrokerSettings::from_map(&ConfigMap::new());
        settings.expect("the defaults are valid").streams_groups
    }
}

/// What streams groups may set: smallest, default and largest value.
pub(super) const STREAMS_BOUNDS: [[&str; 3]; 3] = [
    [
        "group.streams.min.session.timeout.ms",
        "group.streams.session.timeout.ms",
        "group.streams.max.session.timeout.ms",
    ],
    [
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ],
    [
        "group.streams.min.assignment.interval.ms",
        "group.streams.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ],
];

impl StreamsGroupLimits {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let [session, heartbeat, assignment] = STREAMS_BOUNDS;
        Ok(Self {
            session_timeout_ms: Bound::resolve(values, session)?,
            heartbeat_interval_ms: Bound::resolve(values, heartbeat)?,
            assignment_interval_ms: Bound::resolve(values, assignment)?,
            standby_replica_count: Bound {
                default: values.int("group.streams.num.standby.replicas")?,
                min: 0,
                max: values.int("group.streams.max.standby.replicas")?,
            },
            initial_rebalance_delay_ms: values.int("group.streams.initial.rebalance.delay.ms")?,
            size_max: values.unsigned("group.streams.max.size")?,
        })
    }
}
