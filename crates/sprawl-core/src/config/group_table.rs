//! The table of group settings.

use super::definition::ConfigType::Int;
use super::definition::{ConfigType, Definition, Importance, Rule, Update};

const INT_MAX: i64 = i32::MAX as i64;

/// Returns all group settings, by name.
pub fn group_definitions() -> &'static [Definition] {
    TABLE
}

/// Returns the group setting called `name`.
pub fn group_definition(name: &str) -> Option<&'static Definition> {
    TABLE
        .binary_search_by_key(&name, |definition| definition.name)
        .ok()
        .map(|at| &TABLE[at])
}

const fn group(
    name: &'static str,
    (config_type, default, rule): (ConfigType, &'static str, Rule),
    synonyms: &'static [&'static str],
    doc: &'static str,
) -> Definition {
    let (importance, update) = (Importance::Medium, Update::ClusterWide);
    let default = Some(default);
    Definition {
        name,
        config_type,
        default,
        rule,
        importance,
        update,
        synonyms,
        doc,
    }
}

/// In order of names. What a group does not set, its broker settings say, and then the default.
const TABLE: &[Definition] = &[
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
];
