//! Which offsets are committed in transactions that are not decided yet?
//!
//! They count once the transaction's marker says so, unless a later commit, outside of a
//! transaction or in another one, stands behind them in the log. A marker ends all that its
//! producer has pending in this partition.
//!
//! Source: KIP-98, KIP-447; `OffsetMetadataManager` of Kafka 4.3.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::ProducerId;

use super::offsets::{Held, Partitions};

/// Where an offset is kept: group, topic, partition.
pub(super) type OffsetKey = (String, String, i32);

/// The undecided commits of a shard.
#[derive(Debug, Default)]
pub(super) struct PendingOffsets {
    by_producer: BTreeMap<ProducerId, BTreeMap<OffsetKey, Held>>,
    /// Who has something pending in a group.
    producers: BTreeMap<String, BTreeSet<ProducerId>>,
}

impl PendingOffsets {
    pub(super) fn insert(&mut self, producer_id: ProducerId, key: OffsetKey, held: Held) {
        let producers = self.producers.entry(key.0.clone()).or_default();
        producers.insert(producer_id);
        let of_producer = self.by_producer.entry(producer_id).or_default();
        of_producer.insert(key, held);
    }

    /// Takes out all that a producer has pending.
    pub(super) fn take(&mut self, producer_id: ProducerId) -> BTreeMap<OffsetKey, Held> {
        let taken = self.by_producer.remove(&producer_id).unwrap_or_default();
        for (group_id, _, _) in taken.keys() {
            self.forget_producer(group_id, producer_id);
        }
        taken
    }

    /// Drops what is pending for a partition: a tombstone stands behind it.
    pub(super) fn remove(&mut self, key: &OffsetKey) {
        let producers = self.producers.get(&key.0).cloned().unwrap_or_default();
        for producer_id in producers {
            let Some(of_producer) = self.by_producer.get_mut(&producer_id) else {
                continue;
            };
            of_producer.remove(key);
            let has_more = of_producer.keys().any(|(group_id, ..)| *group_id == key.0);
            if of_producer.is_empty() {
                self.by_producer.remove(&producer_id);
            }
            if !has_more {
                self.forget_producer(&key.0, producer_id);
            }
        }
    }

    fn forget_producer(&mut self, group_id: &str, producer_id: ProducerId) {
        if let Some(producers) = self.producers.get_mut(group_id) {
            producers.remove(&producer_id);
            if producers.is_empty() {
                self.producers.remove(group_id);
            }
        }
    }

    pub(super) fn contains(&self, group_id: &str, topic: &str, partition: i32) -> bool {
        // Most groups have nothing pending, and need no key made.
        self.producers.contains_key(group_id)
            && self
                .partitions(group_id)
                .contains(&(topic.to_owned(), partition))
    }

    /// Whether a group has anything pending.
    pub(super) fn has_any(&self, group_id: &str) -> bool {
        self.producers.contains_key(group_id)
    }

    /// The partitions for which a group has something pending.
    pub(super) fn partitions(&self, group_id: &str) -> Partitions {
        let producers = self.producers.get(group_id).into_iter().flatten();
        producers
            .filter_map(|producer_id| self.by_producer.get(producer_id))
            .flat_map(BTreeMap::keys)
            .filter(|(of_group, ..)| of_group == group_id)
            .map(|(_, topic, partition)| (topic.clone(), *partition))
            .collect()
    }

    pub(super) fn group_ids(&self) -> impl Iterator<Item = &String> {
        self.producers.keys()
    }
}
