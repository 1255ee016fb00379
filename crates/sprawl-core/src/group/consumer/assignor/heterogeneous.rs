//! The uniform assignor where members subscribe to different topics.
//!
//! Partitions without an owner go to the least loaded subscriber, the topics with the most
//! partitions a subscriber first. Then, topic by topic, partitions move from the most to the least
//! loaded subscribers while that evens out their loads, until a round moves nothing. Each move
//! lowers the sum of the squares of all loads, so that this ends; the number of rounds is bounded
//! besides. O(rounds * partitions * log(members)).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TopicId;

use crate::group::modern::{Assignment, GroupSpec};

/// As Kafka bounds its rounds.
const ROUNDS_MAX: usize = 16;

/// A member by its place in the list of ids.
type Member = usize;

struct Builder<'a> {
    spec: &'a GroupSpec,
    subscribers: BTreeMap<TopicId, Vec<Member>>,
    /// The owner of each partition of each topic.
    owners: BTreeMap<TopicId, Vec<Option<Member>>>,
    /// How many partitions each member has.
    loads: Vec<usize>,
}

pub(super) fn assign(spec: &GroupSpec) -> BTreeMap<String, Assignment> {
    let mut builder = Builder::new(spec);
    builder.keep();
    let topics = builder.topics_in_order();
    for topic_id in &topics {
        builder.assign_free(*topic_id);
    }
    for _ in 0..ROUNDS_MAX {
        let mut moved = 0;
        for topic_id in &topics {
            moved += builder.balance(*topic_id);
        }
        if moved == 0 {
            break;
        }
    }
    builder.finish()
}

impl<'a> Builder<'a> {
    fn new(spec: &'a GroupSpec) -> Self {
        let mut subscribers: BTreeMap<TopicId, Vec<Member>> = BTreeMap::new();
        for (index, member) in spec.members.values().enumerate() {
            for topic_id in &member.topics {
                subscribers.entry(*topic_id).or_default().push(index);
            }
        }
        let owners = subscribers
            .keys()
            .map(|topic_id| {
                let count = spec.partition_counts.get(topic_id).copied().unwrap_or(0);
                (*topic_id, vec![None; usize::try_from(count).unwrap_or(0)])
            })
            .collect();
        Self {
            spec,
            subscribers,
            owners,
            loads: vec![0; spec.members.len()],
        }
    }

    /// Takes over what members have of topics they subscribe to.
    fn keep(&mut self) {
        for (index, member) in self.spec.members.values().enumerate() {
            for (topic_id, partitions) in &member.assigned {
                if !member.topics.contains(topic_id) {
                    continue;
                }
                for partition in partitions {
                    self.give(*topic_id, *partition, index);
                }
            }
        }
    }

    fn give(&mut self, topic_id: TopicId, partition: i32, to: Member) {
        let owner = usize::try_from(partition)
            .ok()
            .and_then(|partition| self.owners.get_mut(&topic_id)?.get_mut(partition));
        let Some(owner) = owner else {
            return;
        };
        if let Some(from) = owner.replace(to) {
            self.loads[from] -= 1;
        }
        self.loads[to] += 1;
    }

    /// The topics with the most partitions a subscriber first, then those with few subscribers.
    fn topics_in_order(&self) -> Vec<TopicId> {
        let mut topics: Vec<TopicId> = self.subscribers.keys().copied().collect();
        topics.sort_by(|left, right| {
            let (left_count, right_count) = (self.owners[left].len(), self.owners[right].len());
            let left_subscribers = self.subscribers[left].len();
            let right_subscribers = self.subscribers[right].len();
            // Fractions are compared crosswise, so that nothing is rounded.
            let by_share = (right_count * left_subscribers).cmp(&(left_count * right_subscribers));
            by_share
                .then(left_subscribers.cmp(&right_subscribers))
                .then(left.cmp(right))
        });
        topics
    }

    fn assign_free(&mut self, topic_id: TopicId) {
        let mut by_load: BTreeSet<(usize, Member)> = self.subscribers[&topic_id]
            .iter()
            .map(|member| (self.loads[*member], *member))
            .collect();
        let partitions = self.owners[&topic_id].iter().enumerate();
        let free: Vec<usize> = partitions
            .filter(|(_, owner)| owner.is_none())
            .map(|(partition, _)| partition)
            .collect();
        for partition in free {
            let (load, member) = by_load.pop_first().expect("a topic has a subscriber");
            self.give(topic_id, number(partition), member);
            by_load.insert((load + 1, member));
        }
    }

    /// Moves partitions of a topic from its most to its least loaded subscribers; returns how many.
    fn balance(&mut self, topic_id: TopicId) -> usize {
        let subscribers = &self.subscribers[&topic_id];
        let mut owned: BTreeMap<Member, Vec<usize>> = BTreeMap::new();
        for (partition, owner) in self.owners[&topic_id].iter().enumerate() {
            if let Some(owner) = owner {
                owned.entry(*owner).or_default().push(partition);
            }
        }
        let mut by_load: BTreeSet<(usize, Member)> = subscribers
            .iter()
            .map(|member| (self.loads[*member], *member))
            .collect();
        // Only who owns a partition of this topic can give one up.
        let mut givers: BTreeSet<(Reverse<usize>, Member)> = owned
            .keys()
            .map(|member| (Reverse(self.loads[*member]), *member))
            .collect();
        let mut moved = 0;
        while let Some((Reverse(high), from)) = givers.pop_first() {
            let (low, to) = *by_load.first().expect("a topic has a subscriber");
            if high <= low + 1 {
                break;
            }
            let partition = owned.get_mut(&from).and_then(Vec::pop);
            let Some(partition) = partition else {
                continue;
            };
            self.give(topic_id, number(partition), to);
            moved += 1;
            by_load.remove(&(low, to));
            by_load.insert((low + 1, to));
            by_load.remove(&(high, from));
            by_load.insert((high - 1, from));
            // A receiver gives nothing back in this round: its loads only approach the mean.
            givers.insert((Reverse(high - 1), from));
            if givers.remove(&(Reverse(low), to)) {
                givers.insert((Reverse(low + 1), to));
            }
        }
        moved
    }

    fn finish(self) -> BTreeMap<String, Assignment> {
        let mut assignments = vec![Assignment::new(); self.spec.members.len()];
        for (topic_id, owners) in &self.owners {
            for (partition, owner) in owners.iter().enumerate() {
                if let Some(owner) = owner {
                    let of_topic = assignments[*owner].entry(*topic_id).or_default();
                    of_topic.insert(number(partition));
                }
            }
        }
        let member_ids = self.spec.members.keys().cloned();
        member_ids.zip(assignments).collect()
    }
}

fn number(partition: usize) -> i32 {
    i32::try_from(partition).expect("partition numbers are 32 bits")
}
