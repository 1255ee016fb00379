//! Who gets which partitions of a share group?
//!
//! Every partition has a member, and where there are more members than partitions, every member has
//! a partition. Members that subscribe to the same topics share their partitions in turn, topic
//! after topic.
//!
//! Source: `SimpleAssignor` (KIP-932).

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TopicId;

use crate::group::modern::Assignment;

/// Computes what each member gets: `subscriptions` by member, `partitions` by topic.
pub(super) fn assign(
    subscriptions: &BTreeMap<&str, BTreeSet<TopicId>>,
    partitions: &BTreeMap<TopicId, BTreeSet<i32>>,
) -> BTreeMap<String, Assignment> {
    let mut assigned: BTreeMap<String, Assignment> = subscriptions
        .keys()
        .map(|member_id| ((*member_id).to_owned(), Assignment::new()))
        .collect();
    for (topics, members) in alike(subscriptions, partitions) {
        let all: Vec<(TopicId, i32)> = topics
            .iter()
            .flat_map(|topic| partitions[topic].iter().map(|number| (*topic, *number)))
            .collect();
        if all.is_empty() {
            continue;
        }
        for turn in 0..all.len().max(members.len()) {
            let (topic, number) = all[turn % all.len()];
            let member = assigned.get_mut(members[turn % members.len()]);
            let member = member.expect("every member has an entry");
            member.entry(topic).or_default().insert(number);
        }
    }
    assigned
}

/// Topics that have the same subscribers, with these; topics nobody subscribes to are left out.
fn alike<'a>(
    subscriptions: &BTreeMap<&'a str, BTreeSet<TopicId>>,
    partitions: &BTreeMap<TopicId, BTreeSet<i32>>,
) -> Vec<(Vec<TopicId>, Vec<&'a str>)> {
    let mut by_members: BTreeMap<Vec<&str>, Vec<TopicId>> = BTreeMap::new();
    for topic in partitions.keys() {
        let subscribers = subscriptions.iter();
        let members: Vec<&str> = subscribers
            .filter(|(_, topics)| topics.contains(topic))
            .map(|(member, _)| *member)
            .collect();
        if !members.is_empty() {
            by_members.entry(members).or_default().push(*topic);
        }
    }
    by_members
        .into_iter()
        .map(|(members, topics)| (topics, members))
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn topic(number: u128) -> TopicId {
        TopicId(Uuid::from_u128(number))
    }

    fn check(members: usize, partition_count: i32) -> Vec<Vec<i32>> {
        let names: Vec<String> = (0..members).map(|at| format!("m{at}")).collect();
        let subscriptions = names
            .iter()
            .map(|name| (name.as_str(), BTreeSet::from([topic(1)])))
            .collect();
        let partitions = BTreeMap::from([(topic(1), (0..partition_count).collect())]);
        let assigned = assign(&subscriptions, &partitions);
        let numbers = |assignment: &Assignment| {
            let numbers = assignment.values().flatten();
            numbers.copied().collect::<Vec<i32>>()
        };
        assigned.values().map(numbers).collect()
    }

    #[test]
    fn partitions_go_round_among_the_members() {
        assert_eq!(check(2, 5), [vec![0, 2, 4], vec![1, 3]]);
    }

    #[test]
    fn more_members_than_partitions_share_them() {
        assert_eq!(check(5, 2), [[0], [1], [0], [1], [0]]);
    }

    #[test]
    fn a_member_gets_no_topic_it_does_not_subscribe_to() {
        let subscriptions = BTreeMap::from([
            ("a", BTreeSet::from([topic(1), topic(2)])),
            ("b", BTreeSet::from([topic(2), topic(3)])),
        ]);
        let partitions = BTreeMap::from([
            (topic(1), BTreeSet::from([0, 1])),
            (topic(2), BTreeSet::from([0, 1])),
        ]);
        let assigned = assign(&subscriptions, &partitions);
        let expected = Assignment::from([
            (topic(1), BTreeSet::from([0, 1])),
            (topic(2), BTreeSet::from([0])),
        ]);
        assert_eq!(assigned["a"], expected);
        assert_eq!(
            assigned["b"],
            Assignment::from([(topic(2), BTreeSet::from([1]))])
        );
    }
}
