//! How much does each process have to do?

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::{Place, Task};
use crate::group::streams::tasks::Tasks;

/// In which role a task is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Active,
    Standby,
}

/// Tasks for each member of a process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    tasks: usize,
    members: usize,
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> Ordering {
        // As fractions, without dividing: both are far below 2^32.
        let (one, another) = (self.tasks * other.members, other.tasks * self.members);
        one.cmp(&another)
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Load {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Load {}

/// An instance of the application with its members.
#[derive(Debug, Default)]
struct Process<'a> {
    /// By member: how many tasks it has.
    counts: BTreeMap<&'a str, usize>,
    /// The members, those with the fewest tasks first.
    by_count: BTreeSet<(usize, &'a str)>,
    tasks: BTreeSet<Task<'a>>,
    task_count: usize,
    given: Vec<(&'a str, Task<'a>, Role)>,
}

impl<'a> Process<'a> {
    fn load(&self) -> Load {
        Load {
            tasks: self.task_count,
            members: self.counts.len(),
        }
    }

    fn add(&mut self, member_id: &'a str, task: Task<'a>, role: Role) -> usize {
        let before = self.counts.get(member_id).copied().unwrap_or(0);
        let count = before + 1;
        self.by_count.remove(&(before, member_id));
        self.by_count.insert((count, member_id));
        self.counts.insert(member_id, count);
        self.tasks.insert(task);
        self.task_count += 1;
        self.given.push((member_id, task, role));
        count
    }
}

/// Every process of a group.
#[derive(Debug, Default)]
pub(super) struct Processes<'a> {
    by_id: BTreeMap<&'a str, Process<'a>>,
    by_load: BTreeSet<(Load, &'a str)>,
}

impl<'a> Processes<'a> {
    pub(super) fn add_member(&mut self, place: Place<'a>) {
        self.change(place.process_id, |process| {
            process.counts.insert(place.member_id, 0);
            process.by_count.insert((0, place.member_id));
        });
    }

    /// Changes a process and keeps the order by load.
    fn change<T>(&mut self, id: &'a str, change: impl FnOnce(&mut Process<'a>) -> T) -> T {
        let process = self.by_id.entry(id).or_default();
        self.by_load.remove(&(process.load(), id));
        let result = change(process);
        self.by_load.insert((process.load(), id));
        result
    }

    /// Gives a task to a member; returns how many it has now.
    pub(super) fn add(&mut self, place: Place<'a>, task: Task<'a>, role: Role) -> usize {
        self.change(place.process_id, |process| {
            process.add(place.member_id, task, role)
        })
    }

    /// Gives a task to the process with the least load that does not have it, and there to the
    /// member with the fewest tasks; returns how many that one has now.
    pub(super) fn add_to_least_loaded(&mut self, task: Task<'a>, role: Role) -> Option<usize> {
        let mut ids = self.by_load.iter().map(|(_, id)| *id);
        let id = ids.find(|id| !self.has_task(id, task))?;
        self.change(id, |process| {
            let (_, member_id) = process.by_count.first().copied()?;
            Some(process.add(member_id, task, role))
        })
    }

    pub(super) fn has_task(&self, process_id: &str, task: Task<'_>) -> bool {
        let process = self.by_id.get(process_id);
        process.is_some_and(|process| process.tasks.contains(&task))
    }

    /// How many tasks a member has.
    pub(super) fn count_of(&self, place: Place<'_>) -> usize {
        let process = self.by_id.get(place.process_id);
        let count = process.and_then(|process| process.counts.get(place.member_id));
        count.copied().unwrap_or(0)
    }

    /// The load of a member's process.
    pub(super) fn load(&self, place: Place<'_>) -> Load {
        let process = self.by_id.get(place.process_id);
        process.map_or(
            Load {
                tasks: 0,
                members: 1,
            },
            Process::load,
        )
    }

    /// Moves what was given into the members' assignments.
    pub(super) fn take_all(self, assigned: &mut BTreeMap<String, Tasks>) {
        for (member_id, (subtopology, partition), role) in
            self.by_id.into_values().flat_map(|process| process.given)
        {
            let Some(tasks) = assigned.get_mut(member_id) else {
                continue;
            };
            let ids = match role {
                Role::Active => &mut tasks.active,
                Role::Standby => &mut tasks.standby,
            };
            ids.entry(subtopology.to_owned())
                .or_default()
                .insert(partition);
        }
    }
}
