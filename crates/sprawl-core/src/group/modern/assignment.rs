//! How is a set of partitions, by topic, written to and read from records?
//!
//! Source: the `TopicPartitions` structure of Kafka's group records: topic id and partition numbers
//! in the flexible encoding. Topics and partitions are written in order, so that equal assignments
//! have equal bytes.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TopicId;

use crate::coordinator::RecordError;
use crate::coordinator::wire::{Reader, Writer};

/// Partitions by topic; no topic has an empty set.
pub type Assignment = BTreeMap<TopicId, BTreeSet<i32>>;

pub(in crate::group) fn encode_assignment(writer: &mut Writer, assignment: &Assignment) {
    writer.count(assignment.len());
    for (topic_id, partitions) in assignment {
        writer.uuid(topic_id.0).count(partitions.len());
        for partition in partitions {
            writer.int32(*partition);
        }
        writer.no_tags();
    }
}

pub(in crate::group) fn decode_assignment(
    reader: &mut Reader<'_>,
) -> Result<Assignment, RecordError> {
    let mut assignment = Assignment::new();
    for _ in 0..reader.count()? {
        let topic_id = TopicId(reader.uuid()?);
        let mut partitions = BTreeSet::new();
        for _ in 0..reader.count()? {
            partitions.insert(reader.int32()?);
        }
        reader.tagged_fields()?;
        if !partitions.is_empty() {
            assignment.insert(topic_id, partitions);
        }
    }
    Ok(assignment)
}
