//! Broker settings: who this node is, its listener and what the listener allows.

use super::{INT_MAX, broker};
use crate::config::definition::ConfigType::{Int, List, Long, String};
use crate::config::definition::Importance::{High, Low, Medium};
use crate::config::definition::Update::ReadOnly;
use crate::config::definition::{Definition, Rule};

pub(super) const TABLE: &[Definition] = &[
    broker(
        "advertised.listeners",
        (List, None, Rule::Any),
        (High, ReadOnly),
        "The address clients are told to connect to, as PLAINTEXT://host:port; unset is what \
         `listeners` says.",
    ),
    broker(
        "broker.id",
        (Int, Some("0"), Rule::Between(0, INT_MAX)),
        (High, ReadOnly),
        "The older name of `node.id`: either says both, and two values that differ are refused. \
         Kafka's default is to have none.",
    ),
    broker(
        "broker.rack",
        (String, None, Rule::Any),
        (Medium, ReadOnly),
        "The rack this broker stands in.",
    ),
    broker(
        "connections.max.idle.ms",
        (Long, Some("600000"), Rule::Any),
        (Medium, ReadOnly),
        "A connection on which nothing happened for this long is closed; negative is never.",
    ),
    broker(
        "fetch.max.bytes",
        (Int, Some("57671680"), Rule::Between(1024, INT_MAX)),
        (Medium, ReadOnly),
        "The most bytes one fetch returns, whatever the client asks for.",
    ),
    broker(
        "listeners",
        (List, Some("PLAINTEXT://127.0.0.1:9092"), Rule::Any),
        (High, ReadOnly),
        "The address to listen on, as PLAINTEXT://host:port. Kafka's default is every \
         interface; here it is this machine alone, as there is no authentication yet.",
    ),
    broker(
        "max.connections",
        (Int, Some("2147483647"), Rule::Between(0, INT_MAX)),
        (Medium, ReadOnly),
        "The most connections at once.",
    ),
    broker(
        "max.connections.per.ip",
        (Int, Some("2147483647"), Rule::Between(0, INT_MAX)),
        (Medium, ReadOnly),
        "The most connections at once from one address.",
    ),
    broker(
        "max.incremental.fetch.session.cache.slots",
        (Int, Some("1000"), Rule::Between(0, INT_MAX)),
        (Medium, ReadOnly),
        "How many fetch sessions are remembered.",
    ),
    broker(
        "max.request.partition.size.limit",
        (Int, Some("2000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The most partitions one DescribeTopicPartitions answer holds.",
    ),
    broker(
        "node.id",
        (Int, Some("0"), Rule::Between(0, INT_MAX)),
        (High, ReadOnly),
        "The number of this node. It never changes for a data directory.",
    ),
    broker(
        "queued.max.request.bytes",
        (Long, Some("-1"), Rule::Any),
        (Medium, ReadOnly),
        "The most bytes of requests read and not yet answered; no more is read beyond it. -1 \
         is a quarter of the memory this process may use.",
    ),
    broker(
        "socket.request.max.bytes",
        (Int, Some("104857600"), Rule::Between(1, 104_857_600)),
        (High, ReadOnly),
        "The largest request that is read.",
    ),
    broker(
        "telemetry.max.bytes",
        (Int, Some("1048576"), Rule::Between(1, 104_857_600)),
        (Low, ReadOnly),
        "The most bytes of metrics that a client pushes at once (KIP-714), compressed and again \
         decompressed.",
    ),
];
