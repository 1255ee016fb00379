//! How does a member get from what it has to what it should have?
//!
//! ```text
//! STABLE ---new target---> UNREVOKED_TASKS (it has to give something up, in its old epoch)
//! UNREVOKED_TASKS ---it says that it has them no more---> next epoch, as below
//! any ---nothing to give up---> target epoch: STABLE, or UNRELEASED_TASKS while others hold tasks
//!                               that it should get
//! ```
//!
//! An active task is given only when nobody has it, and no task is given to a process that has it
//! in another role: state on disk has one user.
//!
//! Source: KIP-1071, Kafka's `CurrentAssignmentBuilder`; KIP-1251 (assignment epochs).

use std::collections::{BTreeMap, BTreeSet};

use super::group::StreamsGroup;
use super::member::{Current, MemberState};
use super::tasks::{ActiveSince, OwnedTasks, TaskIds, Tasks};

/// Where a member is led.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal<'a> {
    /// The epoch of the target assignment.
    pub(super) epoch: i32,
    pub(super) tasks: &'a Tasks,
}

/// The next step of a member towards its target; `None` where it stays as it is. `owned` is what
/// the member says that it has, if it says so.
pub(super) fn next_step(
    group: &StreamsGroup,
    member_id: &str,
    goal: Goal<'_>,
    owned: Option<&Tasks>,
) -> Option<Current> {
    let current = &group.members.get(member_id)?.current;
    let epoch = match current.state {
        MemberState::Stable if current.epoch == goal.epoch => return None,
        MemberState::Stable | MemberState::UnreleasedTasks => current.epoch,
        MemberState::UnrevokedTasks if has_any(owned, &current.revoking) => return None,
        MemberState::UnrevokedTasks => current.epoch.saturating_add(1),
        MemberState::Unknown if owned.is_none_or(|owned| !owned.is_empty()) => return None,
        MemberState::Unknown => goal.epoch,
    };
    let next = step_from(group, member_id, (goal, epoch), owned)?;
    (next != *current).then_some(next)
}

/// Whether the member still has some of `tasks`, or does not say.
fn has_any(owned: Option<&Tasks>, tasks: &OwnedTasks) -> bool {
    owned.is_none_or(|owned| owned.has_any(tasks))
}

fn step_from(
    group: &StreamsGroup,
    member_id: &str,
    (goal, epoch): (Goal<'_>, i32),
    owned: Option<&Tasks>,
) -> Option<Current> {
    let member = group.members.get(member_id)?;
    let (current, process) = (&member.current, member.metadata.process_id.as_str());
    let (mut assigned, revoking) = split(&current.assigned, goal.tasks);
    if !revoking.is_empty() && has_any(owned, &revoking) {
        return Some(Current {
            epoch,
            previous_epoch: current.epoch,
            state: MemberState::UnrevokedTasks,
            assigned,
            revoking,
        });
    }
    let is_active_held =
        |task: (&str, i32)| group.is_active_anywhere(task) || group.is_prepared_in(task, process);
    let is_held_here = |task: (&str, i32)| {
        group.is_active_in(task, process) || group.is_prepared_in(task, process)
    };
    let mut has_unreleased = add_active(&mut assigned.active, goal, is_active_held);
    has_unreleased |= add(&mut assigned.standby, &goal.tasks.standby, is_held_here);
    has_unreleased |= add(&mut assigned.warmup, &goal.tasks.warmup, is_held_here);
    Some(Current {
        epoch: goal.epoch,
        previous_epoch: current.epoch,
        state: if has_unreleased {
            MemberState::UnreleasedTasks
        } else {
            MemberState::Stable
        },
        assigned,
        revoking: OwnedTasks::default(),
    })
}

/// What of `assigned` the target keeps, and what it takes away.
fn split(assigned: &OwnedTasks, target: &Tasks) -> (OwnedTasks, OwnedTasks) {
    let (mut kept, mut revoking) = (OwnedTasks::default(), OwnedTasks::default());
    for (subtopology, partitions) in &assigned.active {
        let wanted = target.active.get(subtopology);
        for (partition, epoch) in partitions {
            let is_wanted = wanted.is_some_and(|wanted| wanted.contains(partition));
            let side = if is_wanted { &mut kept } else { &mut revoking };
            let of_subtopology = side.active.entry(subtopology.clone()).or_default();
            of_subtopology.insert(*partition, *epoch);
        }
    }
    (kept.standby, revoking.standby) = split_ids(&assigned.standby, &target.standby);
    (kept.warmup, revoking.warmup) = split_ids(&assigned.warmup, &target.warmup);
    (kept, revoking)
}

fn split_ids(assigned: &TaskIds, target: &TaskIds) -> (TaskIds, TaskIds) {
    let (mut kept, mut revoking) = (TaskIds::new(), TaskIds::new());
    let nothing = BTreeSet::new();
    for (subtopology, partitions) in assigned {
        let wanted = target.get(subtopology).unwrap_or(&nothing);
        let (stay, go): (BTreeSet<i32>, BTreeSet<i32>) = partitions
            .iter()
            .partition(|partition| wanted.contains(partition));
        if !stay.is_empty() {
            kept.insert(subtopology.clone(), stay);
        }
        if !go.is_empty() {
            revoking.insert(subtopology.clone(), go);
        }
    }
    (kept, revoking)
}

/// Adds the active tasks that are free; says whether there are more that are held.
fn add_active(
    assigned: &mut ActiveSince,
    goal: Goal<'_>,
    is_held: impl Fn((&str, i32)) -> bool,
) -> bool {
    let mut has_held = false;
    for (subtopology, partitions) in &goal.tasks.active {
        let has = assigned.get(subtopology);
        let is_missing = |partition: &&i32| {
            has.is_none_or(|has: &BTreeMap<i32, i32>| !has.contains_key(partition))
        };
        let missing = partitions.iter().filter(is_missing).copied();
        let (held, free): (Vec<i32>, Vec<i32>) =
            missing.partition(|partition| is_held((subtopology, *partition)));
        has_held |= !held.is_empty();
        if !free.is_empty() {
            let of_subtopology = assigned.entry(subtopology.clone()).or_default();
            of_subtopology.extend(free.into_iter().map(|partition| (partition, goal.epoch)));
        }
    }
    has_held
}

/// As [`add_active`], for tasks whose epochs do not matter.
fn add(assigned: &mut TaskIds, target: &TaskIds, is_held: impl Fn((&str, i32)) -> bool) -> bool {
    let mut has_held = false;
    for (subtopology, partitions) in target {
        let has = assigned.get(subtopology);
        let is_missing =
            |partition: &&i32| has.is_none_or(|has: &BTreeSet<i32>| !has.contains(partition));
        let missing = partitions.iter().filter(is_missing).copied();
        let (held, free): (Vec<i32>, Vec<i32>) =
            missing.partition(|partition| is_held((subtopology, *partition)));
        has_held |= !held.is_empty();
        if !free.is_empty() {
            let of_subtopology = assigned.entry(subtopology.clone()).or_default();
            of_subtopology.extend(free);
        }
    }
    has_held
}
