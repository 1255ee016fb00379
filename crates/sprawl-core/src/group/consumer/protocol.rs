//! What do classic consumers say in their own protocol, and how are they answered in it?
//!
//! Source: Kafka's ConsumerProtocolSubscription 0 to 3 and ConsumerProtocolAssignment 0 to 3.

use std::collections::BTreeSet;

use bytes::Bytes;
use sprawl_model::TenantId;

use super::member::ClassicMetadata;
use crate::coordinator::RecordError;
use crate::coordinator::wire::{Reader, Writer};
use crate::group::modern::Assignment;
use crate::metadata::MetadataImage;

/// The newest version of subscription and assignment.
const VERSION_MAX: i16 = 3;

/// What a classic consumer subscribes to and has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) topics: BTreeSet<String>,
    /// By topic name.
    owned: Vec<(String, Vec<i32>)>,
    pub(super) rack_id: Option<String>,
}

/// Reads a subscription. Versions later than 3 begin with the fields of 3.
pub(super) fn subscription(metadata: &[u8]) -> Result<Subscription, RecordError> {
    let mut reader = Reader::new(metadata);
    let version = reader.int16()?;
    let mut read = Subscription::default();
    for _ in 0..reader.count()? {
        read.topics.insert(reader.string()?);
    }
    reader.nullable_bytes()?;
    if version >= 1 {
        read.owned = partitions_by_name(&mut reader)?;
    }
    if version >= 2 {
        // The generation in which these partitions were owned; the coordinator knows better.
        reader.int32()?;
    }
    if version >= 3 {
        read.rack_id = reader.nullable_string()?;
    }
    Ok(read)
}

fn partitions_by_name(reader: &mut Reader<'_>) -> Result<Vec<(String, Vec<i32>)>, RecordError> {
    let mut topics = Vec::new();
    for _ in 0..reader.count()? {
        let name = reader.string()?;
        let mut partitions = Vec::new();
        for _ in 0..reader.count()? {
            partitions.push(reader.int32()?);
        }
        topics.push((name, partitions));
    }
    Ok(topics)
}

impl Subscription {
    /// What the consumer has, of topics that exist.
    pub(super) fn owned(&self, image: &MetadataImage) -> Assignment {
        by_id(&self.owned, image)
    }
}

fn by_id(topics: &[(String, Vec<i32>)], image: &MetadataImage) -> Assignment {
    let mut assignment = Assignment::new();
    for (name, partitions) in topics {
        let Some(topic) = image.topic(TenantId::DEFAULT, name) else {
            continue;
        };
        if !partitions.is_empty() {
            let of_topic = assignment.entry(topic.id).or_default();
            of_topic.extend(partitions);
        }
    }
    assignment
}

/// Reads what a leader assigned to a consumer; nothing assigned is no bytes.
pub(super) fn assigned_partitions(
    bytes: &[u8],
    image: &MetadataImage,
) -> Result<Assignment, RecordError> {
    if bytes.is_empty() {
        return Ok(Assignment::new());
    }
    let mut reader = Reader::new(bytes);
    reader.int16()?;
    Ok(by_id(&partitions_by_name(&mut reader)?, image))
}

/// Writes an assignment in the version of the consumer's subscription.
pub(super) fn assignment_bytes(
    classic: &ClassicMetadata,
    assignment: &Assignment,
    image: &MetadataImage,
) -> Bytes {
    let subscription = classic.protocols.first().map(|first| &first.metadata);
    let version = subscription.and_then(|bytes| Reader::new(bytes).int16().ok());
    let mut writer = Writer::version(version.unwrap_or(0).clamp(0, VERSION_MAX));
    let named: Vec<_> = assignment
        .iter()
        .filter_map(|(topic_id, partitions)| Some((image.topic_by_id(*topic_id)?, partitions)))
        .collect();
    writer.count(named.len());
    for (topic, partitions) in named {
        writer.string(&topic.name).count(partitions.len());
        for partition in partitions {
            writer.int32(*partition);
        }
    }
    // No user data.
    writer.int32(-1);
    writer.finish()
}
