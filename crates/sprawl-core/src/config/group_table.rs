//! The table of group settings.

use super::definition::ConfigType::{Boolean, Double, Int, Long, String};
use super::definition::{Definition, Rule, changeable as group, find};

const INT_MAX: i64 = i32::MAX as i64;

/// How share groups may read transactions.
const ISOLATION_LEVELS: &[&str] = &["read_committed", "read_uncommitted"];

/// Returns all group settings, by name.
pub fn group_definitions() -> &'static [Definition] {
    TABLE
}

/// Returns the group setting called `name`.
pub fn group_definition(name: &str) -> Option<&'static Definition> {
    find(TABLE, name)
}

/// In order of names. What a group does not set, its broker settings say, and then the default.
const TABLE: &[Definition] = &[
    group(
        "consumer.assignment.interval.ms",
        (Int, "1000", Rule::Between(0, INT_MAX)),
        &["group.consumer.assignment.interval.ms"],
        "How long the assignment of this group stays at least before the next is computed, if it is \
         a consumer group (KIP-1263). Within the bounds of the broker.",
    ),
    group(
        "consumer.heartbeat.interval.ms",
        (Int, "5000", Rule::Between(1, INT_MAX)),
        &["group.consumer.heartbeat.interval.ms"],
        "How often the members of this group beat, if it is a consumer group (KIP-848). Within the \
         bounds of the broker.",
    ),
    group(
        "consumer.session.timeout.ms",
        (Int, "45000", Rule::Between(1, INT_MAX)),
        &["group.consumer.session.timeout.ms"],
        "How long a member of this group may be silent before it is given up, if it is a consumer \
         group (KIP-848). Within the bounds of the broker.",
    ),
    group(
        "errors.deadletterqueue.copy.record.enable",
        (Boolean, "false", Rule::Any),
        &[],
        "Whether key, value and headers of a dead record go to the dead-letter topic too, and not \
         only where it was (KIP-1191). Without them a record cannot be redriven.",
    ),
    group(
        "errors.deadletterqueue.topic.name",
        (String, "", Rule::Any),
        &[],
        "The topic to which dead records of this share group are moved; empty drops them \
         (KIP-1191). Its name begins as `errors.deadletterqueue.topic.name.prefix` of the broker \
         says, and it has `errors.deadletterqueue.group.enable`.",
    ),
    group(
        "share.auto.offset.reset",
        (String, "latest", Rule::OffsetReset),
        &[],
        "Where this share group begins in a partition that it never consumed.",
    ),
    group(
        "share.delivery.count.limit",
        (Int, "5", Rule::Between(2, INT_MAX)),
        &["group.share.delivery.count.limit"],
        "How often a record is delivered to this share group at most; after that it is dead. Within \
         the bounds of the broker.",
    ),
    group(
        "share.heartbeat.interval.ms",
        (Int, "5000", Rule::Between(1, INT_MAX)),
        &["group.share.heartbeat.interval.ms"],
        "How often the members of this share group beat. Within the bounds of the broker.",
    ),
    group(
        "share.isolation.level",
        (String, "read_uncommitted", Rule::OneOf(ISOLATION_LEVELS)),
        &[],
        "Whether records of aborted transactions are delivered to this share group.",
    ),
    group(
        "share.partition.max.record.locks",
        (Int, "2000", Rule::Between(100, INT_MAX)),
        &["group.share.partition.max.record.locks"],
        "How many records of a partition this share group has under way at most. Within the bounds \
         of the broker.",
    ),
    group(
        "share.record.lock.duration.ms",
        (Int, "30000", Rule::Between(1_000, INT_MAX)),
        &["group.share.record.lock.duration.ms"],
        "How long a member of this share group holds a record before it is delivered again. Within \
         the bounds of the broker.",
    ),
    group(
        "share.renew.acknowledge.enable",
        (Boolean, "true", Rule::Any),
        &[],
        "Whether members of this share group may hold records for longer than the lock duration \
         (KIP-1222).",
    ),
    group(
        "share.session.timeout.ms",
        (Int, "45000", Rule::Between(1, INT_MAX)),
        &["group.share.session.timeout.ms"],
        "How long a member of this share group may be silent before it is given up. Within the \
         bounds of the broker.",
    ),
    group(
        "sprawl.share.retry.delay.max.ms",
        (Long, "60000", Rule::Between(0, 86_400_000)),
        &[],
        "The longest a record rests before it is delivered to this share group again.",
    ),
    group(
        "sprawl.share.retry.delay.ms",
        (Long, "0", Rule::Between(0, 86_400_000)),
        &[],
        "How long a record rests after its first delivery to this share group before the second; 0 \
         delivers again at once, as Kafka does.",
    ),
    group(
        "sprawl.share.retry.jitter",
        (Double, "0.2", Rule::Fraction(0.0, 1.0)),
        &[],
        "How much of each rest chance may take away, so that records that failed together do not \
         come back together.",
    ),
    group(
        "sprawl.share.retry.multiplier",
        (Double, "2", Rule::Fraction(1.0, 100.0)),
        &[],
        "How much longer a record rests after each further delivery.",
    ),
    group(
        "streams.assignment.interval.ms",
        (Int, "1000", Rule::Between(0, INT_MAX)),
        &["group.streams.assignment.interval.ms"],
        "How long this streams group keeps an assignment at least; 0 assigns anew at once. Within \
         the bounds of the broker.",
    ),
    group(
        "streams.heartbeat.interval.ms",
        (Int, "5000", Rule::Between(1, INT_MAX)),
        &["group.streams.heartbeat.interval.ms"],
        "How often the members of this streams group (KIP-1071) beat. Within the bounds of the \
         broker.",
    ),
    group(
        "streams.initial.rebalance.delay.ms",
        (Int, "3000", Rule::Between(0, INT_MAX)),
        &["group.streams.initial.rebalance.delay.ms"],
        "How long this streams group, if it is empty, waits for more members before its first \
         assignment.",
    ),
    group(
        "streams.num.standby.replicas",
        (Int, "0", Rule::Between(0, INT_MAX)),
        &["group.streams.num.standby.replicas"],
        "How many standby tasks each stateful task of this streams group has, where there are \
         processes for them. Within the bound of the broker.",
    ),
    group(
        "streams.session.timeout.ms",
        (Int, "45000", Rule::Between(1, INT_MAX)),
        &["group.streams.session.timeout.ms"],
        "How long a member of this streams group may be silent before it is given up. Within the \
         bounds of the broker.",
    ),
];
