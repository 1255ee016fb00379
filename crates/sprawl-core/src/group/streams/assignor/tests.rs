//! One test a rule of the assignor. Members `a1` and `a2` are of process `a`, and so on.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::group::streams::topology::InternalTopic;

fn subtopologies(all: &[(&str, i32, bool)]) -> BTreeMap<String, ConfiguredSubtopology> {
    let each = all.iter().map(|(id, task_count, is_stateful)| {
        let changelog = (format!("changelog-{id}"), InternalTopic::default());
        let one = ConfiguredSubtopology {
            task_count: *task_count,
            source_topics: BTreeSet::new(),
            repartition_sinks: BTreeSet::new(),
            repartition_sources: BTreeMap::new(),
            changelogs: is_stateful.then_some(changelog).into_iter().collect(),
        };
        ((*id).to_owned(), one)
    });
    each.collect()
}

/// The process of a member.
fn process(member: &str) -> &str {
    member.split_at(1).0
}

type Before = BTreeMap<String, Tasks>;

fn run(
    members: &[&str],
    before: &Before,
    topology: &BTreeMap<String, ConfiguredSubtopology>,
    standby_count: usize,
) -> Before {
    let nothing = Tasks::default();
    let specs = members.iter().map(|member| {
        let before = before.get(*member).unwrap_or(&nothing);
        let spec = MemberSpec {
            process_id: process(member),
            active: &before.active,
            standby: &before.standby,
        };
        (*member, spec)
    });
    assign(&specs.collect(), topology, standby_count)
}

fn shown(assigned: &Before) -> Vec<String> {
    let show = |ids: &TaskIds| {
        let each = each(ids).map(|(id, partition)| format!("{id}_{partition}"));
        each.collect::<Vec<_>>().join(" ")
    };
    let each = assigned.iter();
    each.map(|(member, tasks)| {
        format!(
            "{member}: {} / {}",
            show(&tasks.active),
            show(&tasks.standby)
        )
    })
    .collect()
}

fn check(assigned: &Before, expected: &[&str]) {
    assert_eq!(shown(assigned), expected);
}

#[test]
fn tasks_go_round_among_processes_and_their_members() {
    let topology = subtopologies(&[("0", 3, false), ("1", 3, false)]);
    let assigned = run(&["a1", "b1"], &Before::new(), &topology, 0);
    check(&assigned, &["a1: 0_0 0_2 1_1 / ", "b1: 0_1 1_0 1_2 / "]);
    let assigned = run(&["a1", "a2", "b1"], &Before::new(), &topology, 0);
    let counts: Vec<usize> = assigned
        .values()
        .map(|one| each(&one.active).count())
        .collect();
    assert_eq!(
        counts,
        [2, 2, 2],
        "a process with two members has twice as much"
    );
}

#[test]
fn a_new_member_gets_its_share_and_the_others_keep_the_rest() {
    let topology = subtopologies(&[("0", 4, false)]);
    let alone = run(&["a1"], &Before::new(), &topology, 0);
    check(&alone, &["a1: 0_0 0_1 0_2 0_3 / "]);
    let shared = run(&["a1", "b1"], &alone, &topology, 0);
    check(&shared, &["a1: 0_0 0_1 / ", "b1: 0_2 0_3 / "]);
    let again = run(&["a1", "b1"], &shared, &topology, 0);
    assert_eq!(again, shared, "nothing moves without need");
    let left = run(&["b1"], &shared, &topology, 0);
    check(&left, &["b1: 0_0 0_1 0_2 0_3 / "]);
}

#[test]
fn standby_tasks_are_in_other_processes_and_only_of_tasks_with_state() {
    let topology = subtopologies(&[("0", 2, true), ("1", 1, false)]);
    let assigned = run(&["a1", "b1"], &Before::new(), &topology, 1);
    check(&assigned, &["a1: 0_0 1_0 / 0_1", "b1: 0_1 / 0_0"]);
    // A process holds a task once, however many members it has.
    let one_process = run(&["a1", "a2"], &Before::new(), &topology, 2);
    assert!(one_process.values().all(|tasks| tasks.standby.is_empty()));
    let three = run(&["a1", "b1", "c1"], &Before::new(), &topology, 2);
    let standby: usize = three
        .values()
        .map(|tasks| each(&tasks.standby).count())
        .sum();
    assert_eq!(standby, 4);
}

#[test]
fn a_task_whose_member_is_gone_goes_where_its_state_is() {
    let topology = subtopologies(&[("0", 2, true)]);
    let three = run(&["a1", "b1", "c1"], &Before::new(), &topology, 1);
    check(&three, &["a1: 0_0 / ", "b1: 0_1 / 0_0", "c1:  / 0_1"]);
    let without = run(&["a1", "c1"], &three, &topology, 1);
    assert_eq!(without["c1"].active, three["c1"].standby);
}

#[test]
fn nobody_and_nothing_to_assign_are_no_harm() {
    let topology = subtopologies(&[("0", 2, true)]);
    assert_eq!(run(&[], &Before::new(), &topology, 1), Before::new());
    let nothing = run(&["a1"], &Before::new(), &BTreeMap::new(), 1);
    check(&nothing, &["a1:  / "]);
}

fn members() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[a-e][1-3]", 1..8)
}

proptest! {
    /// Every task has one member, whoever comes and goes; nobody has more than a fair share; no
    /// process has a task twice; nothing moves when nothing changes.
    #[test]
    fn every_task_is_assigned_once_and_fairly(
        counts in prop::collection::vec((1_i32..9, any::<bool>()), 1..4),
        generations in prop::collection::vec(members(), 1..5),
        standby_count in 0_usize..3,
    ) {
        let named: Vec<String> = (0..counts.len()).map(|id| id.to_string()).collect();
        let all: Vec<(&str, i32, bool)> = named
            .iter()
            .zip(&counts)
            .map(|(id, (count, is_stateful))| (id.as_str(), *count, *is_stateful))
            .collect();
        let topology = subtopologies(&all);
        let total: usize = counts.iter().map(|(count, _)| *count as usize).sum();
        let mut before = Before::new();
        for members in &generations {
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            let assigned = run(&members, &before, &topology, standby_count);
            let mut active = BTreeMap::new();
            for (member, tasks) in &assigned {
                for task in each(&tasks.active) {
                    prop_assert_eq!(active.insert(task, member), None);
                }
            }
            prop_assert_eq!(active.len(), total);
            let mut in_process = BTreeSet::new();
            for (member, tasks) in &assigned {
                for task in each(&tasks.active).chain(each(&tasks.standby)) {
                    prop_assert!(in_process.insert((process(member), task)), "{:?} twice", task);
                }
            }
            before = assigned;
        }
        let members: Vec<&str> = before.keys().map(String::as_str).collect();
        let settled = run(&members, &before, &topology, 0);
        let again = run(&members, &settled, &topology, 0);
        prop_assert_eq!(again, settled);
    }
}
