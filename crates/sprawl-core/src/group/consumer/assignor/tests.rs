//! What the assignors promise: every partition once, balance, and few moves.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sprawl_model::TopicId;
use uuid::Uuid;

use super::Assignor;
use crate::group::modern::{Assignment, GroupSpec, MemberSpec};

fn topic(number: u128) -> TopicId {
    TopicId(Uuid::from_u128(number + 1))
}

fn spec(members: &[(&str, &[u128])], counts: &[i32]) -> GroupSpec {
    let members = members.iter().map(|(member_id, topics)| {
        let member = MemberSpec {
            instance_id: None,
            topics: topics.iter().map(|number| topic(*number)).collect(),
            assigned: Assignment::new(),
        };
        ((*member_id).to_owned(), member)
    });
    let counts = counts.iter().enumerate();
    GroupSpec {
        members: members.collect(),
        partition_counts: counts
            .map(|(number, count)| (topic(u128::try_from(number).unwrap()), *count))
            .collect(),
    }
}

fn size(assignment: &Assignment) -> usize {
    assignment.values().map(BTreeSet::len).sum()
}

/// Every partition of a subscribed topic goes to one subscriber.
fn check(spec: &GroupSpec, assigned: &BTreeMap<String, Assignment>) {
    let mut owned = BTreeSet::new();
    for (member_id, assignment) in assigned {
        for (topic_id, partitions) in assignment {
            assert!(spec.members[member_id].topics.contains(topic_id));
            assert!(!partitions.is_empty());
            for partition in partitions {
                assert!(owned.insert((*topic_id, *partition)), "assigned twice");
            }
        }
    }
    let subscribed: BTreeSet<TopicId> = spec
        .members
        .values()
        .flat_map(|member| member.topics.iter().copied())
        .collect();
    let all = subscribed
        .iter()
        .map(|topic_id| usize::try_from(spec.partition_counts[topic_id]).unwrap())
        .sum::<usize>();
    assert_eq!(owned.len(), all, "something was left over");
}

#[test]
fn range_gives_equal_topics_alike() {
    let spec = spec(&[("a", &[0, 1]), ("b", &[0, 1])], &[3, 3]);
    let assigned = Assignor::Range.assign(&spec);
    check(&spec, &assigned);
    for topic_id in [topic(0), topic(1)] {
        assert_eq!(assigned["a"][&topic_id], [0, 1].into());
        assert_eq!(assigned["b"][&topic_id], [2].into());
    }
}

#[test]
fn range_puts_static_members_first_by_their_identity() {
    let mut spec = spec(&[("a", &[0]), ("b", &[0]), ("c", &[0])], &[3]);
    spec.members.get_mut("c").unwrap().instance_id = Some("i1".to_owned());
    spec.members.get_mut("b").unwrap().instance_id = Some("i2".to_owned());
    let assigned = Assignor::Range.assign(&spec);
    let firsts = ["c", "b", "a"].map(|id| assigned[id][&topic(0)].clone());
    assert_eq!(firsts, [[0].into(), [1].into(), [2].into()]);
}

#[test]
fn uniform_evens_out_members_that_can_read_more_topics() {
    // Only `b` reads topic 1, so `a` gets more of topic 0.
    let spec = spec(&[("a", &[0]), ("b", &[0, 1])], &[4, 4]);
    let assigned = Assignor::Uniform.assign(&spec);
    check(&spec, &assigned);
    assert_eq!(size(&assigned["a"]), 4);
    assert_eq!(size(&assigned["b"]), 4);
}

#[test]
fn uniform_moves_partitions_to_a_newcomer_only() {
    let mut spec = spec(&[("a", &[0]), ("b", &[0])], &[6]);
    let before = Assignor::Uniform.assign(&spec);
    for (member_id, assigned) in &before {
        spec.members.get_mut(member_id).unwrap().assigned = assigned.clone();
    }
    let newcomer = MemberSpec {
        instance_id: None,
        topics: [topic(0)].into(),
        assigned: Assignment::new(),
    };
    spec.members.insert("c".to_owned(), newcomer);
    let after = Assignor::Uniform.assign(&spec);
    check(&spec, &after);
    assert_eq!(size(&after["c"]), 2);
    for member_id in ["a", "b"] {
        assert!(after[member_id][&topic(0)].is_subset(&before[member_id][&topic(0)]));
    }
}

fn any_spec() -> impl Strategy<Value = GroupSpec> {
    let counts = prop::collection::vec(0_i32..12, 1..5);
    let members = prop::collection::vec(any::<u8>(), 1..8);
    (counts, members, any::<bool>()).prop_map(|(counts, members, same)| {
        let first = members[0];
        let topics = |bits: u8| {
            let numbers = 0..counts.len();
            numbers
                .filter(move |number| bits >> number & 1 == 1)
                .map(|number| u128::try_from(number).unwrap())
                .collect::<Vec<_>>()
        };
        let named: Vec<(String, Vec<u128>)> = members
            .iter()
            .enumerate()
            .map(|(index, bits)| {
                (
                    format!("m{index}"),
                    topics(if same { first } else { *bits }),
                )
            })
            .collect();
        let borrowed: Vec<(&str, &[u128])> = named
            .iter()
            .map(|(id, topics)| (id.as_str(), topics.as_slice()))
            .collect();
        spec(&borrowed, &counts)
    })
}

proptest! {
    #[test]
    fn every_partition_is_assigned_once(spec in any_spec()) {
        for assignor in Assignor::ALL {
            check(&spec, &assignor.assign(&spec));
        }
    }

    #[test]
    fn uniform_is_balanced_and_stays_as_it_is(spec in any_spec()) {
        let assigned = Assignor::Uniform.assign(&spec);
        if spec.is_homogeneous() {
            let sizes: Vec<usize> = assigned.values().map(size).collect();
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            prop_assert!(most - least <= 1);
        }
        let mut again = spec.clone();
        for (member_id, member) in &mut again.members {
            member.assigned = assigned[member_id].clone();
        }
        prop_assert_eq!(Assignor::Uniform.assign(&again), assigned);
    }

    #[test]
    fn uniform_moves_nothing_that_its_owner_may_keep_when_a_member_leaves(spec in any_spec()) {
        prop_assume!(spec.members.len() > 1 && spec.is_homogeneous());
        let before = Assignor::Uniform.assign(&spec);
        let mut fewer = spec.clone();
        let gone = fewer.members.pop_first().unwrap().0;
        for (member_id, member) in &mut fewer.members {
            member.assigned = before[member_id].clone();
        }
        let after = Assignor::Uniform.assign(&fewer);
        check(&fewer, &after);
        for (member_id, assignment) in &before {
            if *member_id != gone {
                for (topic_id, partitions) in assignment {
                    prop_assert!(partitions.is_subset(&after[member_id][topic_id]));
                }
            }
        }
    }
}
