//! Which offsets has a group committed?
//!
//! Only durable commits are in here; fetches read nothing else.

use std::collections::{BTreeMap, BTreeSet};

/// What a group committed for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset to start from.
    pub offset: i64,
    /// The leader epoch of the last consumed record, or -1.
    pub leader_epoch: i32,
    /// The client's note.
    pub metadata: String,
    /// When it was committed, in wall clock milliseconds.
    pub commit_timestamp_ms: i64,
    /// When it expires, for commits that said so themselves (OffsetCommit v2 to v4).
    pub expire_timestamp_ms: Option<i64>,
}

/// A committed offset with its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetEntry<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// What was committed.
    pub committed: &'a CommittedOffset,
}

/// A change to the committed offsets, carried out once its record is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OffsetChange {
    pub(super) group_id: String,
    pub(super) topic: String,
    pub(super) partition: i32,
    /// `None` deletes.
    pub(super) committed: Option<CommittedOffset>,
}

type ByTopic = BTreeMap<String, BTreeMap<i32, CommittedOffset>>;

/// The committed offsets of a shard.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    by_group: BTreeMap<String, ByTopic>,
}

impl Offsets {
    pub(super) fn get(
        &self,
        group_id: &str,
        topic: &str,
        partition: i32,
    ) -> Option<&CommittedOffset> {
        self.by_group.get(group_id)?.get(topic)?.get(&partition)
    }

    pub(super) fn of_group<'a>(
        &'a self,
        group_id: &str,
    ) -> impl Iterator<Item = OffsetEntry<'a>> + use<'a> {
        self.by_group
            .get(group_id)
            .into_iter()
            .flatten()
            .flat_map(|(topic, partitions)| {
                partitions
                    .iter()
                    .map(move |(partition, committed)| OffsetEntry {
                        topic,
                        partition: *partition,
                        committed,
                    })
            })
    }

    pub(super) fn group_ids(&self) -> impl Iterator<Item = &String> {
        self.by_group.keys()
    }

    pub(super) fn apply(&mut self, change: OffsetChange) {
        match change.committed {
            Some(committed) => {
                self.by_group
                    .entry(change.group_id)
                    .or_default()
                    .entry(change.topic)
                    .or_default()
                    .insert(change.partition, committed);
            }
            None => self.remove(&change.group_id, &change.topic, change.partition),
        }
    }

    fn remove(&mut self, group_id: &str, topic: &str, partition: i32) {
        let Some(topics) = self.by_group.get_mut(group_id) else {
            return;
        };
        if let Some(partitions) = topics.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                topics.remove(topic);
            }
        }
        if topics.is_empty() {
            self.by_group.remove(group_id);
        }
    }

    /// How many partitions have a committed offset.
    pub(super) fn count(&self) -> usize {
        self.by_group
            .values()
            .flat_map(BTreeMap::values)
            .map(BTreeMap::len)
            .sum()
    }
}

/// Partitions of one group, by topic and number.
pub(super) type Partitions = BTreeSet<(String, i32)>;
