//! The range assignor: each topic's partitions, in order, cut into one run per subscriber.
//!
//! Static members come first, by instance id, so that a member that comes back under a new id gets
//! the same runs. O(members * topics + partitions).

use std::collections::BTreeMap;

use sprawl_model::TopicId;

use crate::group::modern::{Assignment, GroupSpec, MemberSpec};

/// What is left to give of one topic.
struct Topic {
    partition_count: i32,
    quota: i32,
    /// How many of the next members get one more than the quota.
    extra: i32,
    next: i32,
}

impl Topic {
    fn take(&mut self) -> std::ops::Range<i32> {
        let mut quota = self.quota;
        if self.extra > 0 {
            quota += 1;
            self.extra -= 1;
        }
        let start = self.next;
        self.next = self.partition_count.min(start + quota);
        start..self.next
    }
}

pub(super) fn assign(spec: &GroupSpec) -> BTreeMap<String, Assignment> {
    let mut members: Vec<(&String, &MemberSpec)> = spec.members.iter().collect();
    members.sort_by_key(|(member_id, member)| {
        let instance_id = member.instance_id.as_deref();
        (instance_id.is_none(), instance_id.unwrap_or(member_id))
    });
    let mut topics = topics(spec);
    let mut assignments = BTreeMap::new();
    for (member_id, member) in members {
        let mut assignment = Assignment::new();
        for topic_id in &member.topics {
            let run = topics.get_mut(topic_id).map(Topic::take);
            let run = run.filter(|run| !run.is_empty());
            if let Some(run) = run {
                assignment.insert(*topic_id, run.collect());
            }
        }
        assignments.insert(member_id.clone(), assignment);
    }
    assignments
}

fn topics(spec: &GroupSpec) -> BTreeMap<TopicId, Topic> {
    let mut subscriber_counts: BTreeMap<TopicId, i32> = BTreeMap::new();
    for topic_id in spec.members.values().flat_map(|member| &member.topics) {
        *subscriber_counts.entry(*topic_id).or_default() += 1;
    }
    let each = subscriber_counts
        .into_iter()
        .map(|(topic_id, subscribers)| {
            let partition_count = spec.partition_counts.get(&topic_id).copied().unwrap_or(0);
            let topic = Topic {
                partition_count,
                quota: partition_count / subscribers,
                extra: partition_count % subscribers,
                next: 0,
            };
            (topic_id, topic)
        });
    each.collect()
}
