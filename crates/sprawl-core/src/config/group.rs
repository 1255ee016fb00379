//! A group's settings as values: what the group coordinator looks at.
//!
//! Source: `GroupConfig` of Kafka's group coordinator. Bounds that a broker sets count when a
//! setting is made and again when it is used, since they may change between.

use super::broker_settings::{Bound, ShareGroupLimits, StreamsGroupLimits};
use super::definition::Value;
use super::error::{ConfigError, nearest};
use super::group_table::{group_definition, group_definitions};
use super::offset_reset::OffsetReset;
use super::resolve::{ConfigLayers, ConfigMap, broker_value};
use super::topic::topic_value;
use crate::share::RetryDelay;

/// Checks the names and values of settings made on a group, but for what a broker bounds.
pub fn check_group(settings: &ConfigMap) -> Result<(), ConfigError> {
    settings.iter().try_for_each(|(name, value)| {
        let definition = group_definition(name).ok_or_else(|| ConfigError::Unknown {
            name: name.clone(),
            nearest: nearest(name, group_definitions().iter().map(|known| known.name)),
        })?;
        definition.parse(value).map(drop)
    })
}

/// Settings made on one group.
#[derive(Clone, Copy, Debug)]
pub struct GroupConfigs<'a> {
    set: Option<&'a ConfigMap>,
}

impl<'a> GroupConfigs<'a> {
    /// The settings of a group, if it has any.
    pub fn new(set: Option<&'a ConfigMap>) -> Self {
        Self { set }
    }

    /// A value that was set on the group; `None` leaves it to the broker.
    pub fn value(&self, name: &str) -> Option<Value> {
        let raw = self.set?.get(name)?;
        // The metadata takes no value that does not parse.
        group_definition(name)?.parse(raw).ok()
    }

    /// A number that was set on the group; `None` leaves it to the broker.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Integer(value) => Some(value),
            Value::Boolean(_) | Value::Double(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// Text that was set on the group, or the default.
    fn text(&self, name: &str) -> String {
        match self.value_or_default(name) {
            Some(Value::Text(value)) => value,
            _ => String::new(),
        }
    }

    fn boolean(&self, name: &str) -> bool {
        matches!(self.value_or_default(name), Some(Value::Boolean(true)))
    }

    fn natural(&self, name: &str) -> u64 {
        match self.value_or_default(name) {
            Some(Value::Integer(value)) => u64::try_from(value).unwrap_or(0),
            _ => 0,
        }
    }

    /// A fraction, in hundredths.
    fn percent(&self, name: &str) -> u64 {
        match self.value_or_default(name) {
            // The table bounds it between 0 and 100.
            Some(Value::Double(value)) => (value * 100.0).round().clamp(0.0, 1e6) as u64,
            _ => 0,
        }
    }

    fn value_or_default(&self, name: &str) -> Option<Value> {
        let default = || {
            let definition = group_definition(name)?;
            definition.parse(definition.default?).ok()
        };
        self.value(name).or_else(default)
    }

    /// A number that was set on the group, or the broker's, within the bounds of the broker.
    fn within(&self, name: &str, bound: Bound) -> i32 {
        let set = self
            .integer(name)
            .and_then(|value| i32::try_from(value).ok());
        set.map_or(bound.default, |value| value.clamp(bound.min, bound.max))
    }

    /// The settings of a streams group, within the bounds of the broker.
    pub fn streams(&self, limits: &StreamsGroupLimits) -> StreamsGroupConfig {
        let delay = Bound {
            default: limits.initial_rebalance_delay_ms,
            min: 0,
            max: i32::MAX,
        };
        StreamsGroupConfig {
            session_timeout_ms: self
                .within("streams.session.timeout.ms", limits.session_timeout_ms),
            heartbeat_interval_ms: self.within(
                "streams.heartbeat.interval.ms",
                limits.heartbeat_interval_ms,
            ),
            assignment_interval_ms: self.within(
                "streams.assignment.interval.ms",
                limits.assignment_interval_ms,
            ),
            standby_replica_count: self
                .within("streams.num.standby.replicas", limits.standby_replica_count),
            initial_rebalance_delay_ms: self.within("streams.initial.rebalance.delay.ms", delay),
        }
    }

    /// The settings of a share group, within the bounds of the broker.
    pub fn share(&self, limits: &ShareGroupLimits) -> ShareGroupConfig {
        let within = |name: &str, bound: Bound| self.within(name, bound);
        let topic = self.text("errors.deadletterqueue.topic.name");
        ShareGroupConfig {
            session_timeout_ms: within("share.session.timeout.ms", limits.session_timeout_ms),
            heartbeat_interval_ms: within(
                "share.heartbeat.interval.ms",
                limits.heartbeat_interval_ms,
            ),
            record_lock_duration_ms: within(
                "share.record.lock.duration.ms",
                limits.record_lock_duration_ms,
            ),
            delivery_count_limit: within("share.delivery.count.limit", limits.delivery_count_limit),
            record_locks_max: within("share.partition.max.record.locks", limits.record_locks_max),
            offset_reset: OffsetReset::parse(&self.text("share.auto.offset.reset"))
                .unwrap_or(OffsetReset::Latest),
            read_committed: self.text("share.isolation.level") == "read_committed",
            renewal_enabled: self.boolean("share.renew.acknowledge.enable"),
            retry_delay: RetryDelay {
                first_ms: self.natural("sprawl.share.retry.delay.ms"),
                multiplier_percent: self.percent("sprawl.share.retry.multiplier"),
                max_ms: self.natural("sprawl.share.retry.delay.max.ms"),
                jitter_percent: self.percent("sprawl.share.retry.jitter"),
            },
            dead_letter_topic: (!topic.is_empty()).then_some(topic),
            dead_letters_whole: self.boolean("errors.deadletterqueue.copy.record.enable"),
        }
    }
}

/// The settings in effect for a share group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareGroupConfig {
    /// `share.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `share.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `share.record.lock.duration.ms`
    pub record_lock_duration_ms: i32,
    /// `share.delivery.count.limit`
    pub delivery_count_limit: i32,
    /// `share.partition.max.record.locks`
    pub record_locks_max: i32,
    /// `share.auto.offset.reset`
    pub offset_reset: OffsetReset,
    /// `share.isolation.level`
    pub read_committed: bool,
    /// `share.renew.acknowledge.enable`
    pub renewal_enabled: bool,
    /// `sprawl.share.retry.*`
    pub retry_delay: RetryDelay,
    /// `errors.deadletterqueue.topic.name`; `None` drops dead records.
    pub dead_letter_topic: Option<String>,
    /// `errors.deadletterqueue.copy.record.enable`
    pub dead_letters_whole: bool,
}

/// The settings in effect for a streams group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamsGroupConfig {
    /// `streams.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `streams.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `streams.assignment.interval.ms`
    pub assignment_interval_ms: i32,
    /// `streams.num.standby.replicas`
    pub standby_replica_count: i32,
    /// `streams.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
}

/// Checks settings made on a group against the bounds of a broker, and against each other.
pub fn check_group_bounds(
    settings: &ConfigMap,
    layers: &ConfigLayers<'_>,
) -> Result<(), ConfigError> {
    for (name, min, max) in BOUNDS {
        let value = effective(name, settings, layers)?;
        let (low, high) = (bound(min, layers)?, bound(max, layers)?);
        if !(low..=high).contains(&value) {
            return Err(ConfigError::Invalid {
                name: (*name).to_owned(),
                value: value.to_string(),
                expected: format!("{low} to {high}, as {min} and {max} say"),
            });
        }
    }
    let (replicas, max) = (
        "streams.num.standby.replicas",
        "group.streams.max.standby.replicas",
    );
    let (count, high) = (effective(replicas, settings, layers)?, bound(max, layers)?);
    if count > high {
        return Err(ConfigError::Invalid {
            name: replicas.to_owned(),
            value: count.to_string(),
            expected: format!("0 to {high}, as {max} says"),
        });
    }
    for (shorter, longer) in SHORTER {
        let (short, long) = (
            effective(shorter, settings, layers)?,
            effective(longer, settings, layers)?,
        );
        if short >= long {
            return Err(ConfigError::Contradiction {
                name: shorter,
                value: short.to_string(),
                other: longer,
                other_value: long.to_string(),
                expected: "the first below the second",
            });
        }
    }
    Ok(())
}

/// A group setting, and the broker settings that bound it.
const BOUNDS: &[(&str, &str, &str)] = &[
    (
        "consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
    (
        "consumer.heartbeat.interval.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    (
        "consumer.session.timeout.ms",
        "group.consumer.min.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ),
    (
        "share.delivery.count.limit",
        "group.share.min.delivery.count.limit",
        "group.share.max.delivery.count.limit",
    ),
    (
        "share.heartbeat.interval.ms",
        "group.share.min.heartbeat.interval.ms",
        "group.share.max.heartbeat.interval.ms",
    ),
    (
        "share.partition.max.record.locks",
        "group.share.min.partition.max.record.locks",
        "group.share.max.partition.max.record.locks",
    ),
    (
        "share.record.lock.duration.ms",
        "group.share.min.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ),
    (
        "share.session.timeout.ms",
        "group.share.min.session.timeout.ms",
        "group.share.max.session.timeout.ms",
    ),
    (
        "streams.assignment.interval.ms",
        "group.streams.min.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ),
    (
        "streams.heartbeat.interval.ms",
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ),
    (
        "streams.session.timeout.ms",
        "group.streams.min.session.timeout.ms",
        "group.streams.max.session.timeout.ms",
    ),
];

/// Group settings of which the first must stay below the second.
const SHORTER: &[(&str, &str)] = &[
    (
        "consumer.heartbeat.interval.ms",
        "consumer.session.timeout.ms",
    ),
    ("share.heartbeat.interval.ms", "share.session.timeout.ms"),
    (
        "streams.heartbeat.interval.ms",
        "streams.session.timeout.ms",
    ),
];

fn effective(
    name: &str,
    settings: &ConfigMap,
    layers: &ConfigLayers<'_>,
) -> Result<i64, ConfigError> {
    let definition = group_definition(name).expect("named after the table");
    match topic_value(definition, settings, layers)? {
        Value::Integer(value) => Ok(value),
        _ => unreachable!("{name} is a number"),
    }
}

fn bound(name: &str, layers: &ConfigLayers<'_>) -> Result<i64, ConfigError> {
    match broker_value(name, layers)? {
        Some(Value::Integer(value)) => Ok(value),
        _ => unreachable!("{name} is a number with a default"),
    }
}
