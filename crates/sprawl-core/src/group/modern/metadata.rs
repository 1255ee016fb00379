//! What does the metadata say about the topics a group subscribes to?
//!
//! A group remembers no topics but one hash over them (KIP-1101): when the hash differs, the group
//! is rebalanced. Kafka's hash is over other bytes, so that a group loaded from Kafka's log is
//! rebalanced once; the assignors being sticky, that moves no partition.

use std::collections::BTreeMap;

use sprawl_model::{TenantId, TopicId};
use xxhash_rust::xxh3::xxh3_64;

use crate::metadata::MetadataImage;

/// Returns a hash over id, name and partition count of every topic that exists; 0 without any.
/// `names` are in order.
pub(in crate::group) fn metadata_hash<'a>(
    image: &MetadataImage,
    names: impl Iterator<Item = &'a str>,
) -> i64 {
    let mut bytes = Vec::new();
    for name in names {
        let Some(topic) = image.topic(TenantId::DEFAULT, name) else {
            continue;
        };
        bytes.extend_from_slice(topic.id.0.as_bytes());
        bytes.extend_from_slice(&topic.partition_count().to_be_bytes());
        bytes.extend_from_slice(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
    }
    if bytes.is_empty() {
        return 0;
    }
    i64::from_be_bytes(xxh3_64(&bytes).to_be_bytes())
}

/// Returns the topics that exist, by id, with their partition counts.
pub(in crate::group) fn partition_counts<'a>(
    image: &MetadataImage,
    names: impl Iterator<Item = &'a str>,
) -> BTreeMap<TopicId, i32> {
    names
        .filter_map(|name| image.topic(TenantId::DEFAULT, name))
        .map(|topic| (topic.id, topic.partition_count()))
        .collect()
}
