//! Which offsets has a group committed?
//!
//! Only durable commits are in here; fetches read nothing else.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::ProducerId;
use sprawl_model::batch::TxnOutcome;
use sprawl_model::mutant::{Mutant, active};

use super::pending::{OffsetKey, PendingOffsets};
use super::vec_map::VecMap;

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
    /// Whose transaction it belongs to; it counts when that is committed.
    pub(super) transaction: Option<ProducerId>,
}

/// A commit and its place among all of the shard, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    committed: CommittedOffset,
    place: u64,
}

type ByTopic = VecMap<Box<str>, VecMap<i32, Held>>;

/// The committed offsets of a shard.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    by_group: BTreeMap<String, ByTopic>,
    pub(super) pending: PendingOffsets,
    next_place: u64,
}

impl Offsets {
    pub(super) fn get(
        &self,
        group_id: &str,
        topic: &str,
        partition: i32,
    ) -> Option<&CommittedOffset> {
        let held = self.by_group.get(group_id)?.get(topic)?.get(&partition);
        held.map(|held| &held.committed)
    }

    pub(super) fn of_group<'a>(
        &'a self,
        group_id: &str,
    ) -> impl Iterator<Item = OffsetEntry<'a>> + use<'a> {
        self.by_group
            .get(group_id)
            .into_iter()
            .flat_map(VecMap::iter)
            .flat_map(|(topic, partitions)| {
                partitions.iter().map(move |(partition, held)| OffsetEntry {
                    topic,
                    partition: *partition,
                    committed: &held.committed,
                })
            })
    }

    pub(super) fn group_ids(&self) -> impl Iterator<Item = &String> {
        self.by_group.keys()
    }

    /// Applies a change; changes are applied in the order of the log.
    pub(super) fn apply(&mut self, change: OffsetChange) {
        let key = (change.group_id, change.topic, change.partition);
        let place = self.next_place;
        self.next_place += 1;
        let transaction = change
            .transaction
            .filter(|_| !active(Mutant::PendingOffsetsCount));
        match (change.committed, transaction) {
            (Some(committed), None) => self.insert(key, Held { committed, place }),
            (Some(committed), Some(producer_id)) => {
                self.pending
                    .insert(producer_id, key, Held { committed, place });
            }
            (None, _) => {
                self.remove(&key.0, &key.1, key.2);
                self.pending.remove(&key);
            }
        }
    }

    /// Ends a producer's transaction: what it has pending counts, or is dropped.
    pub(super) fn end_transaction(&mut self, producer_id: ProducerId, outcome: TxnOutcome) {
        let pending = self.pending.take(producer_id);
        if outcome == TxnOutcome::Commit {
            for (key, held) in pending {
                self.insert(key, held);
            }
        }
    }

    /// Keeps a commit, unless one that stands behind it in the log is there already.
    fn insert(&mut self, (group_id, topic, partition): OffsetKey, held: Held) {
        let topics = self.by_group.entry(group_id).or_default();
        let partitions = topics.or_default(topic.into_boxed_str());
        match partitions.get_mut(&partition) {
            Some(known) if known.place < held.place => *known = held,
            Some(_) => {}
            None => drop(partitions.insert(partition, held)),
        }
    }

    fn remove(&mut self, group_id: &str, topic: &str, partition: i32) {
        let Some(topics) = self.by_group.get_mut(group_id) else {
            return;
        };
        if let Some(partitions) = topics.get_mut(topic) {
            drop(partitions.remove(&partition));
            if partitions.is_empty() {
                drop(topics.remove(topic));
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
            .flat_map(VecMap::values)
            .map(VecMap::len)
            .sum()
    }
}

/// Partitions of one group, by topic and number.
pub(super) type Partitions = BTreeSet<(String, i32)>;
