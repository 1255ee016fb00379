//! Broker settings: classic and consumer groups.

use super::{INT_MAX, broker};
use crate::config::definition::ConfigType::{Int, String};
use crate::config::definition::Importance::Medium;
use crate::config::definition::Update::ReadOnly;
use crate::config::definition::{Definition, Rule};
use crate::config::topic_table::MIGRATION_POLICIES;

pub(super) const TABLE: &[Definition] = &[
    broker(
        "group.consumer.assignment.interval.ms",
        (Int, Some("1000"), Rule::Between(0, INT_MAX)),
        (Medium, ReadOnly),
        "How long the assignment of a consumer group (KIP-848) stays at least before the next is \
         computed, unless the group says (KIP-1263).",
    ),
    broker(
        "group.consumer.heartbeat.interval.ms",
        (Int, Some("5000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How often members of consumer groups (KIP-848) beat, unless their group says.",
    ),
    broker(
        "group.consumer.max.assignment.interval.ms",
        (Int, Some("15000"), Rule::Between(0, INT_MAX)),
        (Medium, ReadOnly),
        "The longest `consumer.assignment.interval.ms` of a group.",
    ),
    broker(
        "group.consumer.max.heartbeat.interval.ms",
        (Int, Some("15000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The longest `consumer.heartbeat.interval.ms` of a group.",
    ),
    broker(
        "group.consumer.max.session.timeout.ms",
        (Int, Some("60000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The longest `consumer.session.timeout.ms` of a group.",
    ),
    broker(
        "group.consumer.max.size",
        (Int, Some("2147483647"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The most members of a consumer group (KIP-848).",
    ),
    broker(
        "group.consumer.migration.policy",
        (
            String,
            Some("bidirectional"),
            Rule::OneOf(MIGRATION_POLICIES),
        ),
        (Medium, ReadOnly),
        "Between which protocols a group may change while it has members: `upgrade` lets a classic \
         group become a consumer group (KIP-848), `downgrade` the reverse.",
    ),
    broker(
        "group.consumer.min.assignment.interval.ms",
        (Int, Some("0"), Rule::Between(0, INT_MAX)),
        (Medium, ReadOnly),
        "The shortest `consumer.assignment.interval.ms` of a group.",
    ),
    broker(
        "group.consumer.min.heartbeat.interval.ms",
        (Int, Some("5000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The shortest `consumer.heartbeat.interval.ms` of a group.",
    ),
    broker(
        "group.consumer.min.session.timeout.ms",
        (Int, Some("45000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The shortest `consumer.session.timeout.ms` of a group.",
    ),
    broker(
        "group.consumer.session.timeout.ms",
        (Int, Some("45000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How long a member of a consumer group (KIP-848) may be silent, unless its group says.",
    ),
    broker(
        "group.initial.rebalance.delay.ms",
        (Int, Some("3000"), Rule::Between(0, INT_MAX)),
        (Medium, ReadOnly),
        "How long an empty group waits for more members before its first rebalance.",
    ),
    broker(
        "group.max.session.timeout.ms",
        (Int, Some("1800000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The longest session timeout a member of a classic group may ask for.",
    ),
    broker(
        "group.max.size",
        (Int, Some("2147483647"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The most members of a classic group.",
    ),
    broker(
        "group.min.session.timeout.ms",
        (Int, Some("6000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The shortest session timeout a member of a classic group may ask for.",
    ),
];
