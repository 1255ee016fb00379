//! Which cluster features exist here (KIP-584): what could be finalized, and what a new cluster
//! starts with.
//!
//! A feature is listed only when all it promises is served: clients switch protocols by these
//! levels.

use std::collections::BTreeMap;

use sprawl_core::metadata::MetadataImage;

/// A feature and the levels this binary can run at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) min: i16,
    pub(crate) max: i16,
}

/// Level 1: the consumer group protocol (KIP-848).
pub(crate) const GROUP_VERSION: &str = "group.version";

/// Level 1: share groups (KIP-932).
pub(crate) const SHARE_VERSION: &str = "share.version";

/// Level 1: streams groups (KIP-1071).
pub(crate) const STREAMS_VERSION: &str = "streams.version";

/// `metadata.version` at Kafka's levels: 7 is 3.3, the oldest that 4.x knows; 30 is 4.3-IV0.
pub(crate) const SUPPORTED: &[Feature] = &[
    Feature {
        name: GROUP_VERSION,
        min: 0,
        max: 1,
    },
    Feature {
        name: "metadata.version",
        min: 7,
        max: 30,
    },
    Feature {
        name: SHARE_VERSION,
        min: 0,
        max: 1,
    },
    Feature {
        name: STREAMS_VERSION,
        min: 0,
        max: 1,
    },
    Feature {
        name: "transaction.version",
        min: 0,
        max: 2,
    },
];

/// Whether a feature is finalized at this level or a later one.
pub(crate) fn is_at_least(image: &MetadataImage, name: &str, level: i16) -> bool {
    image.features().get(name).copied().unwrap_or(0) >= level
}

/// Whether share groups are finalized.
pub(crate) fn has_share_groups(image: &MetadataImage) -> bool {
    is_at_least(image, SHARE_VERSION, 1)
}

/// Whether streams groups are finalized.
pub(crate) fn has_streams_groups(image: &MetadataImage) -> bool {
    is_at_least(image, STREAMS_VERSION, 1)
}

/// The levels of a new cluster: the newest of each.
pub(crate) fn initial() -> BTreeMap<String, i16> {
    SUPPORTED
        .iter()
        .map(|feature| (feature.name.to_owned(), feature.max))
        .collect()
}
