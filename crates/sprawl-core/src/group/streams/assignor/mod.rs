//! Who runs which task of a streams group?
//!
//! Sticky: a task stays where it was, or goes where its state is kept at hand, as long as nobody
//! has more than a fair share; what is left goes to the process with the least load for its number
//! of threads. Standby tasks go to other processes than their active task, as many as are asked for
//! and there is room for. Warm-up tasks are never assigned.
//!
//! Complexity: O(tasks x log processes + standby tasks x processes).
//! Source: Kafka's `StickyTaskAssignor`; members and processes with equal load come in the order of
//! their ids.

mod process;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::configure::ConfiguredSubtopology;
use super::tasks::{TaskIds, Tasks, each};
use process::{Processes, Role};

/// A member, as the assignor sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberSpec<'a> {
    pub(super) process_id: &'a str,
    /// What it should have run until now.
    pub(super) active: &'a TaskIds,
    /// What it should have kept at hand until now.
    pub(super) standby: &'a TaskIds,
}

/// One partition of one subtopology.
type Task<'a> = (&'a str, i32);

/// A member with its process.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    process_id: &'a str,
    member_id: &'a str,
}

/// Computes what each member should have.
pub(super) fn assign(
    members: &BTreeMap<&str, MemberSpec<'_>>,
    subtopologies: &BTreeMap<String, ConfiguredSubtopology>,
    standby_count: usize,
) -> BTreeMap<String, Tasks> {
    let every = tasks_of(subtopologies.iter());
    let stateful = subtopologies.iter().filter(|(_, one)| one.is_stateful());
    let stateful = tasks_of(stateful);
    let mut sticky = Sticky::new(members, (every.len(), stateful.len() * standby_count));
    sticky.assign_active(every);
    if standby_count > 0 {
        sticky.assign_standby(stateful, standby_count);
    }
    let ids = members
        .keys()
        .map(|id| ((*id).to_owned(), Tasks::default()));
    let mut assigned: BTreeMap<String, Tasks> = ids.collect();
    sticky.processes.take_all(&mut assigned);
    assigned
}

fn tasks_of<'a>(
    subtopologies: impl Iterator<Item = (&'a String, &'a ConfiguredSubtopology)>,
) -> Vec<Task<'a>> {
    subtopologies
        .flat_map(|(id, one)| (0..one.task_count).map(|partition| (id.as_str(), partition)))
        .collect()
}

/// How many tasks each member gets of those that are not spoken for yet.
#[derive(Debug)]
struct Quota {
    tasks: usize,
    members: usize,
    per_member: usize,
}

impl Quota {
    fn new(tasks: usize, members: usize) -> Self {
        Self {
            tasks,
            members,
            per_member: tasks.div_ceil(members.max(1)),
        }
    }

    /// A member has reached so many tasks: if that is its share, the others share the rest.
    fn note(&mut self, count: usize) {
        if count == self.per_member {
            let members = self.members.saturating_sub(1);
            let tasks = self.tasks.saturating_sub(count);
            *self = if members == 0 {
                Self {
                    tasks,
                    members,
                    per_member: 0,
                }
            } else {
                Self::new(tasks, members)
            };
        }
    }
}

struct Sticky<'a> {
    active: Quota,
    total: Quota,
    processes: Processes<'a>,
    was_active: BTreeMap<Task<'a>, Place<'a>>,
    was_standby: BTreeMap<Task<'a>, Vec<Place<'a>>>,
}

impl<'a> Sticky<'a> {
    fn new(
        members: &BTreeMap<&'a str, MemberSpec<'a>>,
        (active_count, standby_count): (usize, usize),
    ) -> Self {
        let mut sticky = Self {
            active: Quota::new(active_count, members.len()),
            total: Quota::new(active_count + standby_count, members.len()),
            processes: Processes::default(),
            was_active: BTreeMap::new(),
            was_standby: BTreeMap::new(),
        };
        for (member_id, spec) in members {
            let place = Place {
                process_id: spec.process_id,
                member_id,
            };
            sticky.processes.add_member(place);
            for task in each(spec.active) {
                sticky.was_active.insert(task, place);
            }
            for task in each(spec.standby) {
                sticky.was_standby.entry(task).or_default().push(place);
            }
        }
        sticky
    }

    fn assign_active(&mut self, mut tasks: Vec<Task<'a>>) {
        // Tasks of one partition first, so that they stay together.
        tasks.sort_by_key(|(subtopology, partition)| (*partition, *subtopology));
        tasks.retain(|task| {
            let before = self.was_active.get(task).copied();
            !before.is_some_and(|before| self.give_active(before, *task))
        });
        tasks.retain(|task| {
            let before = self.was_standby.get(task).map_or(&[][..], Vec::as_slice);
            let before = self.least_loaded(before, None);
            !before.is_some_and(|before| self.give_active(before, *task))
        });
        // The rest in runs, as ranges of partitions.
        tasks.sort_unstable();
        for task in tasks {
            let given = self.processes.add_to_least_loaded(task, Role::Active);
            if let Some(count) = given {
                self.active.note(count);
                self.total.note(count);
            }
        }
    }

    /// Gives a task to a member, unless it has its share.
    fn give_active(&mut self, place: Place<'a>, task: Task<'a>) -> bool {
        if self.processes.count_of(place) >= self.active.per_member {
            return false;
        }
        let count = self.processes.add(place, task, Role::Active);
        self.active.note(count);
        self.total.note(count);
        true
    }

    /// Of the members that had a task, the one with the least load. `task` is left out of processes
    /// that have it already.
    fn least_loaded(&self, places: &[Place<'a>], task: Option<Task<'a>>) -> Option<Place<'a>> {
        let (first, others) = places.split_first()?;
        let has_task = |place: &Place<'a>| {
            task.is_some_and(|task| self.processes.has_task(place.process_id, task))
        };
        let mut best = *first;
        for place in others {
            let is_less = self.processes.load(*place) < self.processes.load(best)
                && self.processes.count_of(*place) < self.processes.count_of(best);
            if is_less && !has_task(place) {
                best = *place;
            }
        }
        // The first one decides whether there is any, as in Kafka.
        (!has_task(first)).then_some(best)
    }

    fn assign_standby(&mut self, mut tasks: Vec<Task<'a>>, standby_count: usize) {
        tasks.sort_by_key(|(subtopology, partition)| std::cmp::Reverse((*partition, *subtopology)));
        let mut left: Vec<(Task<'a>, usize)> = Vec::new();
        for task in tasks {
            let given = (0..standby_count)
                .take_while(|_| self.keep_standby(task))
                .count();
            if given < standby_count {
                left.push((task, standby_count - given));
            }
        }
        left.sort_by_key(|(task, _)| std::cmp::Reverse(*task));
        for (task, count) in left {
            for _ in 0..count {
                // Where there is no process without the task, there are fewer standby tasks.
                let Some(count) = self.processes.add_to_least_loaded(task, Role::Standby) else {
                    break;
                };
                self.total.note(count);
            }
        }
    }

    /// Gives a standby task to a member that ran the task or kept it at hand, if one has room.
    fn keep_standby(&mut self, task: Task<'a>) -> bool {
        let was_active = self.was_active.get(&task).copied();
        let was_active =
            was_active.filter(|place| !self.processes.has_task(place.process_id, task));
        if was_active.is_some_and(|place| self.give_standby(place, task)) {
            return true;
        }
        let before = self.was_standby.get(&task).map_or(&[][..], Vec::as_slice);
        let before = self.least_loaded(before, Some(task));
        before.is_some_and(|place| self.give_standby(place, task))
    }

    fn give_standby(&mut self, place: Place<'a>, task: Task<'a>) -> bool {
        if self.processes.count_of(place) >= self.total.per_member {
            return false;
        }
        let count = self.processes.add(place, task, Role::Standby);
        self.total.note(count);
        true
    }
}
