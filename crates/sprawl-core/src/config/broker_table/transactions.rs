//! Broker settings: transactions, their topic and producer ids.

use super::{INT_MAX, broker};
use crate::config::definition::ConfigType::{Boolean, Int};
use crate::config::definition::Importance::{High, Low};
use crate::config::definition::Update::{ClusterWide, ReadOnly};
use crate::config::definition::{Definition, Rule};

pub(super) const TABLE: &[Definition] = &[
    broker(
        "producer.id.expiration.ms",
        (Int, Some("86400000"), Rule::Between(1, INT_MAX)),
        (Low, ClusterWide),
        "How long an idle idempotent producer is remembered.",
    ),
    broker(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        (Int, Some("10000"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How often transactions that are open for longer than their timeout are looked for.",
    ),
    broker(
        "transaction.max.timeout.ms",
        (Int, Some("900000"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "The longest timeout a transactional producer may ask for.",
    ),
    broker(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        (Int, Some("3600000"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How often transactional ids that nobody uses are looked for.",
    ),
    broker(
        "transaction.state.log.min.isr",
        (Int, Some("2"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How many replicas of the topic of transactional ids must have a write; no more than there \
         are.",
    ),
    broker(
        "transaction.state.log.num.partitions",
        (Int, Some("50"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How many partitions the topic of transactional ids is made with.",
    ),
    broker(
        "transaction.state.log.replication.factor",
        (Int, Some("3"), Rule::Between(1, 32_767)),
        (High, ReadOnly),
        "How many replicas the topic of transactional ids gets, at most as many as there are \
         brokers.",
    ),
    broker(
        "transaction.state.log.segment.bytes",
        (Int, Some("104857600"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "The segment size of the topic of transactional ids.",
    ),
    broker(
        "transaction.two.phase.commit.enable",
        (Boolean, Some("false"), Rule::Any),
        (Low, ReadOnly),
        "Whether producers may take part in two-phase commit (KIP-939): their transactions never \
         time out, and hold back read_committed readers until somebody ends them. Where it is on, \
         InitProducerId 6 is advertised.",
    ),
    broker(
        "transactional.id.expiration.ms",
        (Int, Some("604800000"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How long a transactional id without an open transaction is remembered.",
    ),
];
