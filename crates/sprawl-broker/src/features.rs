//! Which cluster features exist here (KIP-584): what could be finalized, and what a new cluster
//! starts with.
//!
//! A feature is listed only when all it promises is served: clients switch protocols by these
//! levels.

use std::collections::BTreeMap;

/// A feature and the levels this binary can run at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) min: i16,
    pub(crate) max: i16,
}

/// `metadata.version` at Kafka's levels: 7 is 3.3, the oldest that 4.x knows; 30 is 4.3-IV0.
pub(crate) const SUPPORTED: &[Feature] = &[
    Feature {
        name: "metadata.version",
        min: 7,
        max: 30,
    },
    Feature {
        name: "transaction.version",
        min: 0,
        max: 2,
    },
];

/// The levels of a new cluster: the newest of each.
pub(crate) fn initial() -> BTreeMap<String, i16> {
    SUPPORTED
        .iter()
        .map(|feature| (feature.name.to_owned(), feature.max))
        .collect()
}
