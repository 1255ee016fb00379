//! Broker settings: what topics get unless their creator says.

use super::{INT_MAX, broker};
use crate::config::definition::ConfigType::{Boolean, Int, String};
use crate::config::definition::Importance::{High, Medium};
use crate::config::definition::Update::{ClusterWide, ReadOnly};
use crate::config::definition::{Definition, Rule};
use crate::config::topic_table::COMPRESSION_TYPES;

pub(super) const TABLE: &[Definition] = &[
    broker(
        "auto.create.topics.enable",
        (Boolean, Some("true"), Rule::Any),
        (High, ReadOnly),
        "Whether asking for an unknown topic creates it.",
    ),
    broker(
        "compression.gzip.level",
        (Int, Some("-1"), Rule::BetweenOr(1, 9, -1)),
        (Medium, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
    broker(
        "compression.lz4.level",
        (Int, Some("9"), Rule::Between(1, 17)),
        (Medium, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
    broker(
        "compression.type",
        (String, Some("producer"), Rule::OneOf(COMPRESSION_TYPES)),
        (High, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
    broker(
        "compression.zstd.level",
        (Int, Some("3"), Rule::Between(-131_072, 22)),
        (Medium, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
    broker(
        "default.replication.factor",
        (Int, Some("1"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How many replicas a topic gets unless its creator says.",
    ),
    broker(
        "delete.topic.enable",
        (Boolean, Some("true"), Rule::Any),
        (High, ReadOnly),
        "Whether topics can be deleted.",
    ),
    broker(
        "message.max.bytes",
        (Int, Some("1048588"), Rule::Between(0, INT_MAX)),
        (High, ClusterWide),
        "Default of the topic setting `max.message.bytes`.",
    ),
    broker(
        "min.insync.replicas",
        (Int, Some("1"), Rule::Between(1, INT_MAX)),
        (High, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
    broker(
        "num.partitions",
        (Int, Some("1"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How many partitions a topic gets unless its creator says.",
    ),
    broker(
        "unclean.leader.election.enable",
        (Boolean, Some("false"), Rule::Any),
        (High, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
];
