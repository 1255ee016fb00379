//! Limits of share groups, and the share coordinator (KIP-932).

use super::BrokerSettings;
use super::values::Values;
use crate::config::error::ConfigError;
use crate::config::resolve::ConfigMap;

/// The segment size of `__share_group_state`, in bytes.
const SHARE_STATE_SEGMENT_BYTES: u32 = 100 * 1024 * 1024;

/// What share groups may set: smallest, default and largest value.
pub(super) const SHARE_BOUNDS: [[&str; 3]; 5] = [
    [
        "group.share.min.session.timeout.ms",
        "group.share.session.timeout.ms",
        "group.share.max.session.timeout.ms",
    ],
    [
        "group.share.min.heartbeat.interval.ms",
        "group.share.heartbeat.interval.ms",
        "group.share.max.heartbeat.interval.ms",
    ],
    [
        "group.share.min.record.lock.duration.ms",
        "group.share.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ],
    [
        "group.share.min.delivery.count.limit",
        "group.share.delivery.count.limit",
        "group.share.max.delivery.count.limit",
    ],
    [
        "group.share.min.partition.max.record.locks",
        "group.share.partition.max.record.locks",
        "group.share.max.partition.max.record.locks",
    ],
];

/// What a group may set, and what it gets if it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Where the group sets nothing.
    pub default: i32,
    /// The smallest value a group gets.
    pub min: i32,
    /// The largest value a group gets.
    pub max: i32,
}

/// Limits of share groups (KIP-932).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareGroupLimits {
    /// `group.share.session.timeout.ms` and its bounds
    pub session_timeout_ms: Bound,
    /// `group.share.heartbeat.interval.ms` and its bounds
    pub heartbeat_interval_ms: Bound,
    /// `group.share.record.lock.duration.ms` and its bounds
    pub record_lock_duration_ms: Bound,
    /// `group.share.delivery.count.limit` and its bounds
    pub delivery_count_limit: Bound,
    /// `group.share.partition.max.record.locks` and its bounds
    pub record_locks_max: Bound,
    /// `group.share.max.size`
    pub size_max: usize,
    /// `group.share.max.share.sessions`
    pub sessions_max: usize,
    /// `errors.deadletterqueue.auto.create.topics.enable`
    pub dead_letter_topics_made: bool,
    /// `errors.deadletterqueue.topic.name.prefix`
    pub dead_letter_topic_prefix: String,
}

/// The share coordinator and its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareCoordinatorSettings {
    /// `share.coordinator.snapshot.update.records.per.snapshot`
    pub updates_per_snapshot: u32,
    /// `share.coordinator.state.topic.prune.interval.ms`
    pub prune_interval_ms: u64,
    /// `share.coordinator.cold.partition.snapshot.interval.ms`
    pub snapshot_interval_ms: u64,
    /// `share.coordinator.state.topic.num.partitions`
    pub topic_partition_count: i32,
    /// `share.coordinator.state.topic.replication.factor`: the most, where fewer brokers are there.
    pub topic_replication_factor_max: i16,
    /// Kafka's `share.coordinator.state.topic.segment.bytes`
    pub topic_segment_bytes: u32,
}

impl Default for ShareGroupLimits {
    fn default() -> Self {
        let settings = BrokerSettings::from_map(&ConfigMap::new());
        settings.expect("the defaults are valid").share_groups
    }
}

impl Bound {
    pub(super) fn resolve(
        values: &Values<'_>,
        [min, default, max]: [&'static str; 3],
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            default: values.int(default)?,
            min: values.int(min)?,
            max: values.int(max)?,
        })
    }
}

impl ShareGroupLimits {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let [session, heartbeat, lock, count, locks] = SHARE_BOUNDS;
        let made = "errors.deadletterqueue.auto.create.topics.enable";
        Ok(Self {
            session_timeout_ms: Bound::resolve(values, session)?,
            heartbeat_interval_ms: Bound::resolve(values, heartbeat)?,
            record_lock_duration_ms: Bound::resolve(values, lock)?,
            delivery_count_limit: Bound::resolve(values, count)?,
            record_locks_max: Bound::resolve(values, locks)?,
            size_max: values.unsigned("group.share.max.size")?,
            sessions_max: values.unsigned("group.share.max.share.sessions")?,
            dead_letter_topics_made: values.boolean(made)?,
            dead_letter_topic_prefix: values
                .text("errors.deadletterqueue.topic.name.prefix")?
                .unwrap_or_default(),
        })
    }
}

impl ShareCoordinatorSettings {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let factor = "share.coordinator.state.topic.replication.factor";
        Ok(Self {
            updates_per_snapshot: values
                .unsigned("share.coordinator.snapshot.update.records.per.snapshot")?,
            prune_interval_ms: values
                .unsigned("share.coordinator.state.topic.prune.interval.ms")?,
            snapshot_interval_ms: values
                .unsigned("share.coordinator.cold.partition.snapshot.interval.ms")?,
            topic_partition_count: values.int("share.coordinator.state.topic.num.partitions")?,
            topic_replication_factor_max: values.unsigned(factor)?,
            topic_segment_bytes: SHARE_STATE_SEGMENT_BYTES,
        })
    }
}
