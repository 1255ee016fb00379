//! Which limits and delays govern every group of a broker?
//!
//! Source: Kafka's broker settings of the same meaning; the defaults are Kafka's.

use crate::config::{ShareGroupLimits, StreamsGroupLimits};

/// Limits and delays of the group coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// `group.min.session.timeout.ms`.
    pub session_timeout_ms_min: i32,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_ms_max: i32,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members.
    pub initial_rebalance_delay_ms: u64,
    /// `group.max.size`: members of one group.
    pub size_max: usize,
    /// How long a join of a member that has no id yet may stay parked. Not a setting in Kafka
    /// either.
    pub new_member_join_timeout_ms: u64,
    /// Groups of the consumer protocol.
    pub consumer: ConsumerGroupSettings,
    /// Share groups.
    pub share: ShareGroupLimits,
    /// Streams groups.
    pub streams: StreamsGroupLimits,
    /// `offset.metadata.max.bytes`, counted in UTF-16 units as Kafka does.
    pub offset_metadata_size_max: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: u64,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            size_max: i32::MAX as usize,
            new_member_join_timeout_ms: 5 * 60 * 1_000,
            consumer: ConsumerGroupSettings::default(),
            share: ShareGroupLimits::default(),
            streams: StreamsGroupLimits::default(),
            offset_metadata_size_max: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
        }
    }
}

/// Limits and delays of groups of the consumer protocol (KIP-848).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupSettings {
    /// `group.consumer.session.timeout.ms`, unless the group sets its own.
    pub session_timeout_ms: i32,
    /// `group.consumer.min.session.timeout.ms`
    pub session_timeout_ms_min: i32,
    /// `group.consumer.max.session.timeout.ms`
    pub session_timeout_ms_max: i32,
    /// `group.consumer.heartbeat.interval.ms`, unless the group sets its own.
    pub heartbeat_interval_ms: i32,
    /// `group.consumer.min.heartbeat.interval.ms`
    pub heartbeat_interval_ms_min: i32,
    /// `group.consumer.max.heartbeat.interval.ms`
    pub heartbeat_interval_ms_max: i32,
    /// `group.consumer.assignment.interval.ms`, unless the group sets its own.
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

impl Default for ConsumerGroupSettings {
    fn default() -> Self {
        Self {
            session_timeout_ms: 45_000,
            session_timeout_ms_min: 45_000,
            session_timeout_ms_max: 60_000,
            heartbeat_interval_ms: 5_000,
            heartbeat_interval_ms_min: 5_000,
            heartbeat_interval_ms_max: 15_000,
            assignment_interval_ms: 1_000,
            assignment_interval_ms_min: 0,
            assignment_interval_ms_max: 15_000,
            size_max: i32::MAX as usize,
            migration: MigrationPolicy::Bidirectional,
        }
    }
}

/// Between which protocols a group may change while it has members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// Either way.
    Bidirectional,
    /// From classic to consumer.
    Upgrade,
    /// From consumer to classic.
    Downgrade,
    /// Neither way.
    Disabled,
}

impl MigrationPolicy {
    /// Whether a classic group may become a consumer group.
    pub(super) fn allows_upgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Upgrade)
    }

    /// Whether a consumer group may become a classic group.
    pub(super) fn allows_downgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Downgrade)
    }
}
