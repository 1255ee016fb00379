//! Which tasks are there? A task is one partition of one subtopology.

use std::collections::{BTreeMap, BTreeSet};

/// Tasks by subtopology, as partition numbers; no subtopology has an empty set.
pub type TaskIds = BTreeMap<String, BTreeSet<i32>>;

/// Active tasks with the member epoch in which each was given.
pub(super) type ActiveSince = BTreeMap<String, BTreeMap<i32, i32>>;

/// What a member runs, or should run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tasks {
    /// Tasks that read, compute and write.
    pub active: TaskIds,
    /// Tasks whose state is kept at hand.
    pub standby: TaskIds,
    /// Tasks whose state is being brought here.
    pub warmup: TaskIds,
}

impl Tasks {
    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    /// Whether any of `other` is among these, in the same role.
    pub(super) fn has_any(&self, other: &OwnedTasks) -> bool {
        let active = without_epochs(&other.active);
        overlap(&self.active, &active)
            || overlap(&self.standby, &other.standby)
            || overlap(&self.warmup, &other.warmup)
    }
}

fn overlap(one: &TaskIds, other: &TaskIds) -> bool {
    one.iter().any(|(subtopology, partitions)| {
        let other = other.get(subtopology);
        other.is_some_and(|other| !partitions.is_disjoint(other))
    })
}

/// Whether `tasks` are all among `others`.
pub(super) fn is_within(tasks: &TaskIds, others: &TaskIds) -> bool {
    tasks.iter().all(|(subtopology, partitions)| {
        let others = others.get(subtopology);
        others.is_some_and(|others| partitions.is_subset(others))
    })
}

/// What a member has, or is giving up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct OwnedTasks {
    pub(super) active: ActiveSince,
    pub(super) standby: TaskIds,
    pub(super) warmup: TaskIds,
}

impl OwnedTasks {
    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    pub(super) fn without_epochs(&self) -> Tasks {
        Tasks {
            active: without_epochs(&self.active),
            standby: self.standby.clone(),
            warmup: self.warmup.clone(),
        }
    }

    /// In which epoch an active task was given.
    pub(super) fn active_since(&self, subtopology: &str, partition: i32) -> Option<i32> {
        self.active.get(subtopology)?.get(&partition).copied()
    }
}

pub(super) fn without_epochs(active: &ActiveSince) -> TaskIds {
    let each = active.iter();
    each.map(|(subtopology, partitions)| {
        let partitions = partitions.keys().copied();
        (subtopology.clone(), partitions.collect())
    })
    .collect()
}

/// Every task of a set, one by one.
pub(super) fn each(tasks: &TaskIds) -> impl Iterator<Item = (&str, i32)> {
    tasks.iter().flat_map(|(subtopology, partitions)| {
        let partitions = partitions.iter();
        partitions.map(move |partition| (subtopology.as_str(), *partition))
    })
}
