//! Who gets which partitions of a share group?
//!
//! Every partition gets the same number of members, the smallest that leaves no member without a
//! partition; every member gets about the same number of partitions. A member keeps what it has, as
//! far as that goes. Where all members subscribe to the same topics, the partitions of all topics
//! are shared out together, else topic by topic.
//!
//! Source: `SimpleAssignor` of Kafka 4.3 (KIP-932). Its order among equals is that of a hash table,
//! ours that of ids. Where it goes on to no further partition once one finds no taker, we do.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TopicId;

use crate::group::modern::Assignment;

/// A partition, by topic id.
type Place = (TopicId, i32);

/// Computes what each member gets: `subscriptions` by member, `partitions` by topic, `before` what
/// members have.
pub(super) fn assign(
    subscriptions: &BTreeMap<&str, BTreeSet<TopicId>>,
    partitions: &BTreeMap<TopicId, BTreeSet<i32>>,
    before: &BTreeMap<String, Assignment>,
) -> BTreeMap<String, Assignment> {
    let mut assigned: BTreeMap<String, Assignment> = subscriptions
        .keys()
        .map(|member_id| ((*member_id).to_owned(), Assignment::new()))
        .collect();
    for (members, places) in pools(subscriptions, partitions) {
        let mut pool = Pool::new(&members, places, before);
        pool.take_from_overfilled();
        pool.take_overshared();
        pool.give_out();
        for (member_id, held) in members.into_iter().zip(pool.held) {
            let member = assigned.get_mut(member_id);
            let member = member.expect("every member has an entry");
            for (topic, number) in held {
                member.entry(topic).or_default().insert(number);
            }
        }
    }
    assigned
}

/// The members and partitions that are shared out together.
fn pools<'a>(
    subscriptions: &BTreeMap<&'a str, BTreeSet<TopicId>>,
    partitions: &BTreeMap<TopicId, BTreeSet<i32>>,
) -> Vec<(Vec<&'a str>, BTreeSet<Place>)> {
    let places = |topic: &TopicId| {
        let numbers = partitions.get(topic).into_iter().flatten();
        let topic = *topic;
        numbers.map(move |number| (topic, *number))
    };
    let mut kinds = subscriptions.values();
    let first = kinds.next();
    if let Some(topics) = first.filter(|first| kinds.all(|other| other == *first)) {
        let members = subscriptions.keys().copied().collect();
        return vec![(members, topics.iter().flat_map(places).collect())];
    }
    let topics: BTreeSet<TopicId> = subscriptions.values().flatten().copied().collect();
    let pool = |topic: &TopicId| {
        let subscribers = subscriptions.iter();
        let subscribers = subscribers.filter(|(_, topics)| topics.contains(topic));
        let members = subscribers.map(|(member, _)| *member).collect();
        (members, places(topic).collect())
    };
    topics.iter().map(pool).collect()
}

/// A sharing-out under way.
struct Pool {
    places: BTreeSet<Place>,
    /// What each member has, and how much it is to have.
    held: Vec<BTreeSet<Place>>,
    wanted: Vec<usize>,
    /// How many members each partition is to have.
    sharing: usize,
}

impl Pool {
    /// Members with what they have of the partitions.
    fn new(
        members: &[&str],
        places: BTreeSet<Place>,
        before: &BTreeMap<String, Assignment>,
    ) -> Self {
        let sharing = members.len().div_ceil(places.len().max(1));
        let total = if places.is_empty() {
            0
        } else {
            sharing * places.len()
        };
        // Up to and with each member: its part of the total, rounded up.
        let up_to = |count: usize| (total * count).div_ceil(members.len().max(1));
        let held = members.iter().map(|member_id| {
            let had = before.get(*member_id).into_iter().flatten();
            let had = had.flat_map(|(topic, numbers)| numbers.iter().map(|one| (*topic, *one)));
            had.filter(|place| places.contains(place)).collect()
        });
        Self {
            held: held.collect(),
            wanted: (0..members.len())
                .map(|at| up_to(at + 1) - up_to(at))
                .collect(),
            sharing,
            places,
        }
    }

    /// Takes partitions from members that have more than their part.
    fn take_from_overfilled(&mut self) {
        for (held, wanted) in self.held.iter_mut().zip(&self.wanted) {
            while held.len() > *wanted {
                held.pop_first();
            }
        }
    }

    /// Takes partitions that more members have than should from the first of these.
    fn take_overshared(&mut self) {
        for place in &self.places {
            let sharers = self.held.iter().filter(|held| held.contains(place)).count();
            let mut surplus = sharers.saturating_sub(self.sharing);
            for held in &mut self.held {
                if surplus > 0 && held.remove(place) {
                    surplus -= 1;
                }
            }
        }
    }

    /// Gives partitions to members that have less than their part, in turn. A partition that all of
    /// these have already stays below its number: that is a slight imbalance and no more, since a
    /// partition without any member is had by none of them.
    fn give_out(&mut self) {
        let mut turn = 0;
        let count = self.held.len();
        for place in &self.places {
            let sharers = self.held.iter().filter(|held| held.contains(place)).count();
            let mut missing = self.sharing.saturating_sub(sharers);
            let start = turn;
            for step in 0..count {
                let at = (start + step) % count;
                if missing > 0
                    && self.held[at].len() < self.wanted[at]
                    && self.held[at].insert(*place)
                {
                    missing -= 1;
                    turn = at + 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn topic(number: u128) -> TopicId {
        TopicId(Uuid::from_u128(number))
    }

    /// Shares the partitions of one topic out among members `m0`, `m1` and so on, with gaps where
    /// `names` has them.
    fn share(
        names: &[usize],
        partition_count: i32,
        before: &BTreeMap<String, Assignment>,
    ) -> BTreeMap<String, Assignment> {
        let names: Vec<String> = names.iter().map(|at| format!("m{at}")).collect();
        let subscriptions = names
            .iter()
            .map(|name| (name.as_str(), BTreeSet::from([topic(1)])))
            .collect();
        let partitions = BTreeMap::from([(topic(1), (0..partition_count).collect())]);
        assign(&subscriptions, &partitions, before)
    }

    fn numbers(assigned: &BTreeMap<String, Assignment>) -> Vec<Vec<i32>> {
        let numbers = |assignment: &Assignment| {
            let numbers = assignment.values().flatten();
            numbers.copied().collect::<Vec<i32>>()
        };
        assigned.values().map(numbers).collect()
    }

    fn fresh(members: usize, partition_count: i32) -> Vec<Vec<i32>> {
        let names: Vec<usize> = (0..members).collect();
        numbers(&share(&names, partition_count, &BTreeMap::new()))
    }

    #[test]
    fn partitions_go_round_among_the_members() {
        assert_eq!(fresh(2, 5), [vec![0, 2, 4], vec![1, 3]]);
    }

    #[test]
    fn every_partition_gets_as_many_members_as_the_others() {
        // Three a partition: six places for five members.
        let shared = fresh(5, 2);
        let members_of = |number: i32| shared.iter().filter(|one| one.contains(&number)).count();
        assert_eq!([members_of(0), members_of(1)], [3, 3]);
        let counts: Vec<usize> = shared.iter().map(Vec::len).collect();
        assert_eq!(counts, [2, 1, 1, 1, 1]);
    }

    #[test]
    fn members_keep_what_they_have() {
        let two = share(&[1, 2], 4, &BTreeMap::new());
        assert_eq!(numbers(&two), [[0, 2], [1, 3]]);
        // A third comes in front: each of the others gives up no more than it must.
        let three = share(&[0, 1, 2], 4, &two);
        assert_eq!(numbers(&three), [vec![0, 1], vec![2], vec![3]]);
        // It goes again: what it had comes back to those that are left.
        let again = share(&[1, 2], 4, &three);
        assert_eq!(numbers(&again), [[0, 2], [1, 3]]);
    }

    #[test]
    fn nothing_moves_where_nothing_changes() {
        for (members, partitions) in [(3, 7), (7, 3), (4, 4), (5, 2), (1, 9)] {
            let names: Vec<usize> = (0..members).collect();
            let first = share(&names, partitions, &BTreeMap::new());
            assert_eq!(share(&names, partitions, &first), first);
        }
    }

    #[test]
    fn whatever_came_before_no_partition_and_no_member_is_left_out() {
        for members in 1..7_usize {
            for partitions in 1..7 {
                for from in 1..7_usize {
                    let before = share(&(0..from).collect::<Vec<_>>(), 6, &BTreeMap::new());
                    let names: Vec<usize> = (2..2 + members).collect();
                    let shared = numbers(&share(&names, partitions, &before));
                    let seen: BTreeSet<i32> = shared.iter().flatten().copied().collect();
                    assert_eq!(seen, (0..partitions).collect(), "{shared:?}");
                    assert!(shared.iter().all(|one| !one.is_empty()), "{shared:?}");
                    let counts = || shared.iter().map(Vec::len);
                    let spread = counts().max().unwrap() - counts().min().unwrap();
                    assert!(spread <= 1, "{shared:?}");
                }
            }
        }
    }

    #[test]
    fn a_member_gets_no_topic_it_does_not_subscribe_to() {
        let mut subscriptions = BTreeMap::from([
            ("a", BTreeSet::from([topic(1), topic(2)])),
            ("b", BTreeSet::from([topic(2), topic(3)])),
        ]);
        let partitions = BTreeMap::from([
            (topic(1), BTreeSet::from([0, 1])),
            (topic(2), BTreeSet::from([0, 1])),
        ]);
        let assigned = assign(&subscriptions, &partitions, &BTreeMap::new());
        let expected = Assignment::from([
            (topic(1), BTreeSet::from([0, 1])),
            (topic(2), BTreeSet::from([0])),
        ]);
        assert_eq!(assigned["a"], expected);
        let of_b = Assignment::from([(topic(2), BTreeSet::from([1]))]);
        assert_eq!(assigned["b"], of_b);
        // What it no longer subscribes to goes to the other.
        subscriptions.insert("a", BTreeSet::from([topic(1)]));
        let assigned = assign(&subscriptions, &partitions, &assigned);
        let of_b = Assignment::from([(topic(2), BTreeSet::from([0, 1]))]);
        assert_eq!(assigned["b"], of_b);
    }
}
