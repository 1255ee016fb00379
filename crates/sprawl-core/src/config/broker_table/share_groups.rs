//! Broker settings: share groups and the share coordinator (KIP-932, KIP-1191).

use super::{INT_MAX, broker};
use crate::config::definition::ConfigType::{Boolean, Int, Short, String};
use crate::config::definition::Importance::{High, Low, Medium};
use crate::config::definition::Update::{ClusterWide, ReadOnly};
use crate::config::definition::{Definition, Rule};

pub(super) const TABLE: &[Definition] = &[
    broker(
        "errors.deadletterqueue.auto.create.topics.enable",
        (Boolean, Some("false"), Rule::Any),
        (Medium, ClusterWide),
        "Whether dead-letter topics of share groups are made when needed (KIP-1191).",
    ),
    broker(
        "errors.deadletterqueue.topic.name.prefix",
        (String, Some("dlq."), Rule::Any),
        (Medium, ClusterWide),
        "How names of dead-letter topics of share groups begin (KIP-1191).",
    ),
    broker(
        "group.share.delivery.count.limit",
        (Int, Some("5"), Rule::Between(2, 10)),
        (Medium, ReadOnly),
        "How often a record is delivered to a share group, unless the group says.",
    ),
    broker(
        "group.share.heartbeat.interval.ms",
        (Int, Some("5000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How often members of share groups (KIP-932) beat, unless the group says.",
    ),
    broker(
        "group.share.max.delivery.count.limit",
        (Int, Some("10"), Rule::Between(5, 25)),
        (Medium, ReadOnly),
        "The largest `share.delivery.count.limit` of a group.",
    ),
    broker(
        "group.share.max.heartbeat.interval.ms",
        (Int, Some("15000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The longest `share.heartbeat.interval.ms` of a group.",
    ),
    broker(
        "group.share.max.partition.max.record.locks",
        (Int, Some("4000"), Rule::Between(2_000, 10_000)),
        (Medium, ReadOnly),
        "The largest `share.partition.max.record.locks` of a group.",
    ),
    broker(
        "group.share.max.record.lock.duration.ms",
        (Int, Some("60000"), Rule::Between(30_000, 3_600_000)),
        (Medium, ReadOnly),
        "The longest `share.record.lock.duration.ms` of a group.",
    ),
    broker(
        "group.share.max.session.timeout.ms",
        (Int, Some("60000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The longest `share.session.timeout.ms` of a group.",
    ),
    broker(
        "group.share.max.share.sessions",
        (Int, Some("2000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The most share sessions; a member that needs one more is refused.",
    ),
    broker(
        "group.share.max.size",
        (Int, Some("200"), Rule::Between(1, 1_000)),
        (Medium, ReadOnly),
        "The most members of a share group (KIP-932).",
    ),
    broker(
        "group.share.min.delivery.count.limit",
        (Int, Some("2"), Rule::Between(2, 5)),
        (Medium, ReadOnly),
        "The smallest `share.delivery.count.limit` of a group.",
    ),
    broker(
        "group.share.min.heartbeat.interval.ms",
        (Int, Some("5000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The shortest `share.heartbeat.interval.ms` of a group.",
    ),
    broker(
        "group.share.min.partition.max.record.locks",
        (Int, Some("100"), Rule::Between(100, 2_000)),
        (Medium, ReadOnly),
        "The smallest `share.partition.max.record.locks` of a group.",
    ),
    broker(
        "group.share.min.record.lock.duration.ms",
        (Int, Some("15000"), Rule::Between(1_000, 30_000)),
        (Medium, ReadOnly),
        "The shortest `share.record.lock.duration.ms` of a group.",
    ),
    broker(
        "group.share.min.session.timeout.ms",
        (Int, Some("45000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The shortest `share.session.timeout.ms` of a group.",
    ),
    broker(
        "group.share.partition.max.record.locks",
        (Int, Some("2000"), Rule::Between(100, 10_000)),
        (Medium, ReadOnly),
        "How many records of a partition a share group has under way.",
    ),
    broker(
        "group.share.record.lock.duration.ms",
        (Int, Some("30000"), Rule::Between(1_000, 3_600_000)),
        (Medium, ReadOnly),
        "How long a member of a share group holds a record, unless the group says.",
    ),
    broker(
        "group.share.session.timeout.ms",
        (Int, Some("45000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How long a member of a share group may be silent, unless the group says.",
    ),
    broker(
        "share.coordinator.cold.partition.snapshot.interval.ms",
        (Int, Some("300000"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How often share-partitions without a snapshot since their last changes get one.",
    ),
    broker(
        "share.coordinator.snapshot.update.records.per.snapshot",
        (Int, Some("500"), Rule::Between(0, 500)),
        (Low, ReadOnly),
        "How many changes of a share-partition are written between two snapshots of it.",
    ),
    broker(
        "share.coordinator.state.topic.num.partitions",
        (Int, Some("50"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How many partitions `__share_group_state` is made with.",
    ),
    broker(
        "share.coordinator.state.topic.prune.interval.ms",
        (Int, Some("300000"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How often records of `__share_group_state` that nobody needs are deleted.",
    ),
    broker(
        "share.coordinator.state.topic.replication.factor",
        (Short, Some("3"), Rule::Between(1, 32_767)),
        (High, ReadOnly),
        "The most replicas `__share_group_state` is made with.",
    ),
];
