//! Who gets which partitions under the `range` assignor: per topic, contiguous runs in member
//! order, the first members one more where it does not divide.
//!
//! Source: Kafka's `RangeAssignor` (without racks). Static members come first, by instance id, then
//! the others by member id, so that restarts of static members change nothing.

use std::collections::BTreeMap;

/// A member as the group's leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub(crate) member_id: String,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) topics: Vec<String>,
}

/// Partitions by member and topic.
pub(crate) type Assignments = BTreeMap<String, BTreeMap<String, Vec<i32>>>;

/// Assigns every partition of every subscribed topic to exactly one subscriber of that topic.
/// O(members x topics + partitions).
pub(crate) fn assign(
    subscribers: &[Subscriber],
    partition_counts: &BTreeMap<String, i32>,
) -> Assignments {
    let mut ordered: Vec<&Subscriber> = subscribers.iter().collect();
    ordered.sort_by_key(|subscriber| {
        let instance = &subscriber.group_instance_id;
        (
            instance.is_none(),
            instance.clone(),
            subscriber.member_id.clone(),
        )
    });
    let nothing = |subscriber: &Subscriber| (subscriber.member_id.clone(), BTreeMap::new());
    let mut assignments: Assignments = subscribers.iter().map(nothing).collect();
    for (topic, partition_count) in partition_counts {
        let takers = ordered
            .iter()
            .filter(|subscriber| subscriber.topics.contains(topic));
        let takers: Vec<_> = takers.collect();
        let Ok(taker_count) = i32::try_from(takers.len()) else {
            continue;
        };
        if taker_count == 0 {
            continue;
        }
        let (share, extra) = (partition_count / taker_count, partition_count % taker_count);
        let mut next = 0;
        for (index, taker) in (0..).zip(takers) {
            let end = next + share + i32::from(index < extra);
            if let Some(mine) = assignments.get_mut(&taker.member_id).filter(|_| next < end) {
                mine.insert(topic.clone(), (next..end).collect());
            }
            next = end;
        }
    }
    assignments
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(id: &str, topics: &[&str]) -> Subscriber {
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        Subscriber {
            member_id: id.to_owned(),
            group_instance_id: None,
            topics,
        }
    }

    #[test]
    fn first_members_get_the_remainder() {
        let members = [member("b", &["t"]), member("a", &["t"])];
        let assignments = assign(&members, &BTreeMap::from([("t".to_owned(), 3)]));
        assert_eq!(assignments["a"]["t"], [0, 1]);
        assert_eq!(assignments["b"]["t"], [2]);
    }

    #[test]
    fn static_members_come_first() {
        let fixed = Subscriber {
            group_instance_id: Some("z".to_owned()),
            ..member("z", &["t"])
        };
        let assignments = assign(
            &[member("a", &["t"]), fixed],
            &BTreeMap::from([("t".to_owned(), 1)]),
        );
        assert_eq!(assignments["z"]["t"], [0]);
        assert!(assignments["a"].is_empty());
    }

    proptest! {
        #[test]
        fn each_partition_has_one_owner(members in 1..9, partitions in 0..40) {
            let members: Vec<_> = (0..members).map(|m| member(&m.to_string(), &["t"])).collect();
            let counts = BTreeMap::from([("t".to_owned(), partitions)]);
            let assignments = assign(&members, &counts);
            let topics = assignments.values().flat_map(BTreeMap::values);
            let mut owned: Vec<i32> = topics.flatten().copied().collect();
            owned.sort_unstable();
            prop_assert_eq!(owned, (0..partitions).collect::<Vec<_>>());
        }
    }
}
