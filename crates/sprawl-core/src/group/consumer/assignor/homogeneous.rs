//! The uniform assignor where all members subscribe to the same topics.
//!
//! Balance first: the sizes of any two assignments differ by one at most. Then stickiness: a
//! partition moves only off a member that has too many, or has left. O(members + partitions), times
//! the logarithm of both.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TopicId;

use crate::group::modern::{Assignment, GroupSpec};

pub(super) fn assign(spec: &GroupSpec) -> BTreeMap<String, Assignment> {
    let subscribed = spec
        .members
        .values()
        .next()
        .map(|member| &member.topics)
        .expect("the caller has members");
    let mut unassigned = unassigned(spec, subscribed);
    let total: usize = subscribed
        .iter()
        .map(|topic_id| partition_count(spec, *topic_id))
        .sum();
    let quota = total / spec.members.len();
    let mut extra = total % spec.members.len();
    let mut assignments = BTreeMap::new();
    let mut unfilled = Vec::new();
    for (member_id, member) in &spec.members {
        let mut quota = quota;
        if extra > 0 {
            quota += 1;
            extra -= 1;
        }
        let mut kept = Assignment::new();
        for (topic_id, partitions) in &member.assigned {
            if !subscribed.contains(topic_id) {
                continue;
            }
            let keep: BTreeSet<i32> = partitions.iter().copied().take(quota).collect();
            quota -= keep.len();
            unassigned.extend(
                partitions
                    .difference(&keep)
                    .map(|partition| (*topic_id, *partition)),
            );
            if !keep.is_empty() {
                kept.insert(*topic_id, keep);
            }
        }
        if quota > 0 {
            unfilled.push((member_id.clone(), quota));
        }
        assignments.insert(member_id.clone(), kept);
    }
    let mut unassigned = unassigned.into_iter();
    for (member_id, quota) in unfilled {
        let assignment = assignments.entry(member_id).or_default();
        for (topic_id, partition) in unassigned.by_ref().take(quota) {
            assignment.entry(topic_id).or_default().insert(partition);
        }
    }
    assert!(
        unassigned.next().is_none(),
        "quotas add up to all partitions"
    );
    assignments
}

fn partition_count(spec: &GroupSpec, topic_id: TopicId) -> usize {
    let count = spec.partition_counts.get(&topic_id).copied().unwrap_or(0);
    usize::try_from(count).unwrap_or(0)
}

/// Partitions that no member had.
fn unassigned(spec: &GroupSpec, subscribed: &BTreeSet<TopicId>) -> Vec<(TopicId, i32)> {
    let mut assigned: BTreeMap<TopicId, BTreeSet<i32>> = BTreeMap::new();
    for (topic_id, partitions) in spec.members.values().flat_map(|member| &member.assigned) {
        assigned.entry(*topic_id).or_default().extend(partitions);
    }
    let mut unassigned = Vec::new();
    for topic_id in subscribed {
        let count = spec.partition_counts.get(topic_id).copied().unwrap_or(0);
        let taken = assigned.get(topic_id);
        let free = (0..count)
            .filter(|partition| taken.is_none_or(|taken| !taken.contains(partition)))
            .map(|partition| (*topic_id, partition));
        unassigned.extend(free);
    }
    unassigned
}
