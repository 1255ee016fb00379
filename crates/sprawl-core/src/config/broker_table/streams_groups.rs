//! Broker settings: streams groups (KIP-1071).

use super::{INT_MAX, broker};
use crate::config::definition::ConfigType::Int;
use crate::config::definition::Importance::Medium;
use crate::config::definition::Update::ReadOnly;
use crate::config::definition::{Definition, Rule};

const fn streams(
    name: &'static str,
    (default, min): (&'static str, i64),
    doc: &'static str,
) -> Definition {
    let number = (Int, Some(default), Rule::Between(min, INT_MAX));
    broker(name, number, (Medium, ReadOnly), doc)
}

pub(super) const TABLE: &[Definition] = &[
    streams(
        "group.streams.assignment.interval.ms",
        ("1000", 0),
        "How long a streams group keeps an assignment at least, unless the group says; 0 assigns \
         anew at once.",
    ),
    streams(
        "group.streams.heartbeat.interval.ms",
        ("5000", 1),
        "How often members of streams groups (KIP-1071) beat, unless the group says.",
    ),
    streams(
        "group.streams.initial.rebalance.delay.ms",
        ("3000", 0),
        "How long an empty streams group waits for more members before its first assignment, \
         unless the group says.",
    ),
    streams(
        "group.streams.max.assignment.interval.ms",
        ("15000", 0),
        "The longest `streams.assignment.interval.ms` of a group.",
    ),
    streams(
        "group.streams.max.heartbeat.interval.ms",
        ("15000", 1),
        "The longest `streams.heartbeat.interval.ms` of a group.",
    ),
    streams(
        "group.streams.max.session.timeout.ms",
        ("60000", 1),
        "The longest `streams.session.timeout.ms` of a group.",
    ),
    streams(
        "group.streams.max.size",
        ("2147483647", 1),
        "The most members of a streams group (KIP-1071).",
    ),
    streams(
        "group.streams.max.standby.replicas",
        ("2", 0),
        "The largest `streams.num.standby.replicas` of a group.",
    ),
    streams(
        "group.streams.min.assignment.interval.ms",
        ("0", 0),
        "The shortest `streams.assignment.interval.ms` of a group.",
    ),
    streams(
        "group.streams.min.heartbeat.interval.ms",
        ("5000", 1),
        "The shortest `streams.heartbeat.interval.ms` of a group.",
    ),
    streams(
        "group.streams.min.session.timeout.ms",
        ("45000", 1),
        "The shortest `streams.session.timeout.ms` of a group.",
    ),
    streams(
        "group.streams.num.standby.replicas",
        ("0", 0),
        "How many standby tasks each stateful task has, unless the group says.",
    ),
    streams(
        "group.streams.session.timeout.ms",
        ("45000", 1),
        "How long a member of a streams group may be silent, unless its group says.",
    ),
];
