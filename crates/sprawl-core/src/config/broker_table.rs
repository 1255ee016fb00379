//! The broker settings, a table for each part. A default that differs from Kafka's says so.

mod cleaner;
mod connections;
mod groups;
mod logs;
mod offsets;
mod quotas;
mod share_groups;
mod storage;
mod streams_groups;
mod topics;
mod transactions;

use std::sync::LazyLock;

use super::definition::{ConfigType, Definition, Importance, Rule, Update, find};

const MAX: i64 = i64::MAX;
const INT_MAX: i64 = i32::MAX as i64;

const PARTS: &[&[Definition]] = &[
    connections::TABLE,
    topics::TABLE,
    logs::TABLE,
    cleaner::TABLE,
    storage::TABLE,
    groups::TABLE,
    share_groups::TABLE,
    streams_groups::TABLE,
    offsets::TABLE,
    transactions::TABLE,
    quotas::TABLE,
];

/// All parts, by name.
static TABLE: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    let mut table = PARTS.concat();
    table.sort_unstable_by_key(|definition| definition.name);
    table
});

/// Returns all broker settings, by name.
pub fn broker_definitions() -> &'static [Definition] {
    &TABLE
}

/// Returns the broker setting called `name`.
pub fn broker_definition(name: &str) -> Option<&'static Definition> {
    find(&TABLE, name)
}

const fn broker(
    name: &'static str,
    (config_type, default, rule): (ConfigType, Option<&'static str>, Rule),
    (importance, update): (Importance, Update),
    doc: &'static str,
) -> Definition {
    Definition {
        name,
        config_type,
        default,
        rule,
        importance,
        update,
        synonyms: &[],
        doc,
    }
}
