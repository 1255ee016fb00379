//! The table of group settings.

use super::definition::Definition;

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

/// In order of names. What a group does not set, its broker settings say, and then the default.
const TABLE: &[Definition] = &[];
