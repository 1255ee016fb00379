//! Broker settings: committed offsets and their topic.

use super::{INT_MAX, MAX, broker};
use crate::config::definition::ConfigType::{Int, Long, Short};
use crate::config::definition::Importance::High;
use crate::config::definition::Update::ReadOnly;
use crate::config::definition::{Definition, Rule};

pub(super) const TABLE: &[Definition] = &[
    broker(
        "offset.metadata.max.bytes",
        (Int, Some("4096"), Rule::Between(0, INT_MAX)),
        (High, ReadOnly),
        "The longest text that may go with a committed offset.",
    ),
    broker(
        "offsets.commit.timeout.ms",
        (Int, Some("5000"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How long an offset commit waits for its disk before it fails with an error that clients \
         retry.",
    ),
    broker(
        "offsets.retention.check.interval.ms",
        (Long, Some("600000"), Rule::Between(1, MAX)),
        (High, ReadOnly),
        "How often committed offsets are checked for expiry.",
    ),
    broker(
        "offsets.retention.minutes",
        (Int, Some("10080"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How long the offsets of a group without members are kept.",
    ),
    broker(
        "offsets.topic.num.partitions",
        (Int, Some("50"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How many partitions the topic of committed offsets gets. It cannot change once the \
         topic exists.",
    ),
    broker(
        "offsets.topic.replication.factor",
        (Short, Some("3"), Rule::Between(1, 32_767)),
        (High, ReadOnly),
        "How many replicas the topic of committed offsets gets; at most one for each broker \
         there is, where Kafka would wait for more brokers.",
    ),
    broker(
        "offsets.topic.segment.bytes",
        (Int, Some("104857600"), Rule::Between(1_048_576, INT_MAX)),
        (High, ReadOnly),
        "The segment size of the topic of committed offsets.",
    ),
];
