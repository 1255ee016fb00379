//! Broker settings: defaults of the logs of topics.

use super::{INT_MAX, MAX, broker};
use crate::config::definition::ConfigType::{Boolean, Int, List, Long, String};
use crate::config::definition::Importance::{High, Medium};
use crate::config::definition::Update::{ClusterWide, ReadOnly};
use crate::config::definition::{Definition, Rule};
use crate::config::topic_table::{CLEANUP_POLICIES, FLUSH_MODES, TIMESTAMP_TYPES};

pub(super) const TABLE: &[Definition] = &[
    broker(
        "log.cleanup.policy",
        (List, Some("delete"), Rule::OneOf(CLEANUP_POLICIES)),
        (Medium, ClusterWide),
        "Default of the topic setting `cleanup.policy`.",
    ),
    broker(
        "log.flush.interval.messages",
        (Long, Some("9223372036854775807"), Rule::Between(1, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `flush.messages`.",
    ),
    broker(
        "log.flush.interval.ms",
        (Long, None, Rule::Between(0, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `flush.ms`.",
    ),
    broker(
        "log.flush.scheduler.interval.ms",
        (Long, Some("9223372036854775807"), Rule::Between(0, MAX)),
        (High, ReadOnly),
        "Default of the topic setting `flush.ms` where `log.flush.interval.ms` is not set.",
    ),
    broker(
        "log.index.interval.bytes",
        (Int, Some("4096"), Rule::Between(0, INT_MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `index.interval.bytes`.",
    ),
    broker(
        "log.index.size.max.bytes",
        (Int, Some("10485760"), Rule::Between(4, INT_MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `segment.index.bytes`.",
    ),
    broker(
        "log.local.retention.bytes",
        (Long, Some("-2"), Rule::Between(-2, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `local.retention.bytes`.",
    ),
    broker(
        "log.local.retention.ms",
        (Long, Some("-2"), Rule::Between(-2, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `local.retention.ms`.",
    ),
    broker(
        "log.message.timestamp.after.max.ms",
        (Long, Some("3600000"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `message.timestamp.after.max.ms`.",
    ),
    broker(
        "log.message.timestamp.before.max.ms",
        (Long, Some("9223372036854775807"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `message.timestamp.before.max.ms`.",
    ),
    broker(
        "log.message.timestamp.type",
        (String, Some("CreateTime"), Rule::OneOf(TIMESTAMP_TYPES)),
        (Medium, ClusterWide),
        "Default of the topic setting `message.timestamp.type`.",
    ),
    broker(
        "log.preallocate",
        (Boolean, Some("false"), Rule::Any),
        (Medium, ClusterWide),
        "Default of the topic setting `preallocate`.",
    ),
    broker(
        "log.retention.bytes",
        (Long, Some("-1"), Rule::Any),
        (High, ClusterWide),
        "Default of the topic setting `retention.bytes`.",
    ),
    broker(
        "log.retention.check.interval.ms",
        (Long, Some("300000"), Rule::Between(1, MAX)),
        (Medium, ReadOnly),
        "How often retention limits are applied.",
    ),
    broker(
        "log.retention.hours",
        (Int, Some("168"), Rule::Any),
        (High, ReadOnly),
        "Default of the topic setting `retention.ms`, in hours, where neither the minutes nor \
         the ms are set.",
    ),
    broker(
        "log.retention.minutes",
        (Int, None, Rule::Any),
        (High, ReadOnly),
        "Default of the topic setting `retention.ms`, in minutes, where the ms are not set.",
    ),
    broker(
        "log.retention.ms",
        (Long, None, Rule::Between(-1, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `retention.ms`.",
    ),
    broker(
        "log.roll.hours",
        (Int, Some("168"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "Default of the topic setting `segment.ms`, in hours, where the ms are not set.",
    ),
    broker(
        "log.roll.jitter.hours",
        (Int, Some("0"), Rule::Between(0, INT_MAX)),
        (High, ReadOnly),
        "Default of the topic setting `segment.jitter.ms`, in hours, where the ms are not \
         set.",
    ),
    broker(
        "log.roll.jitter.ms",
        (Long, None, Rule::Between(0, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `segment.jitter.ms`.",
    ),
    broker(
        "log.roll.ms",
        (Long, None, Rule::Between(1, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `segment.ms`.",
    ),
    broker(
        "log.segment.bytes",
        (Int, Some("1073741824"), Rule::Between(1_048_576, INT_MAX)),
        (High, ClusterWide),
        "Default of the topic setting `segment.bytes`.",
    ),
    broker(
        "log.segment.delete.delay.ms",
        (Long, Some("60000"), Rule::Between(0, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `file.delete.delay.ms`.",
    ),
    broker(
        "sprawl.flush",
        (String, Some("fsync"), Rule::OneOf(FLUSH_MODES)),
        (High, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
];
