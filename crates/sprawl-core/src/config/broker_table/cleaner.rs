//! Broker settings: compaction, and the defaults of topics for it.

use super::{INT_MAX, MAX, broker};
use crate::config::definition::ConfigType::{Boolean, Double, Int, Long};
use crate::config::definition::Importance::Medium;
use crate::config::definition::Update::{ClusterWide, ReadOnly};
use crate::config::definition::{Definition, Rule};

pub(super) const TABLE: &[Definition] = &[
    broker(
        "log.cleaner.backoff.ms",
        (Long, Some("15000"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "How long a cleaner thread sleeps when no log is to be compacted, in ms.",
    ),
    broker(
        "log.cleaner.dedupe.buffer.size",
        (Long, Some("134217728"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "The most memory that all cleaner threads use to find the last record of each key, in bytes. \
         24 bytes a key; taken only while a log is compacted, and only as much as its keys may need.",
    ),
    broker(
        "log.cleaner.delete.retention.ms",
        (Long, Some("86400000"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `delete.retention.ms`.",
    ),
    broker(
        "log.cleaner.enable",
        (Boolean, Some("true"), Rule::Any),
        (Medium, ReadOnly),
        "Whether topics with `cleanup.policy=compact` are compacted, the broker's own among them.",
    ),
    broker(
        "log.cleaner.io.buffer.load.factor",
        (Double, Some("0.9"), Rule::Fraction(0.0, 1.0)),
        (Medium, ClusterWide),
        "How full the buffer of `log.cleaner.dedupe.buffer.size` may become.",
    ),
    broker(
        "log.cleaner.io.buffer.size",
        (Int, Some("524288"), Rule::Between(0, INT_MAX)),
        (Medium, ClusterWide),
        "How much all cleaner threads read and write at a time, in bytes.",
    ),
    broker(
        "log.cleaner.io.max.bytes.per.second",
        (Double, Some("1.7976931348623157E308"), Rule::Any),
        (Medium, ClusterWide),
        "The most that all cleaner threads read and write in a second, in bytes.",
    ),
    broker(
        "log.cleaner.max.compaction.lag.ms",
        (Long, Some("9223372036854775807"), Rule::Between(1, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `max.compaction.lag.ms`.",
    ),
    broker(
        "log.cleaner.min.cleanable.ratio",
        (Double, Some("0.5"), Rule::Fraction(0.0, 1.0)),
        (Medium, ClusterWide),
        "Default of the topic setting `min.cleanable.dirty.ratio`.",
    ),
    broker(
        "log.cleaner.min.compaction.lag.ms",
        (Long, Some("0"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `min.compaction.lag.ms`.",
    ),
    broker(
        "log.cleaner.threads",
        (Int, Some("1"), Rule::Between(0, INT_MAX)),
        (Medium, ClusterWide),
        "How many logs are compacted at once; at most 64.",
    ),
];
