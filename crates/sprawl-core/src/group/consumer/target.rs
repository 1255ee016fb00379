//! When is the target assignment computed, and what is written of it?
//!
//! When the group epoch has grown, and the last target was computed long enough ago: changes of a
//! large group come in bursts, and one target for all of a burst moves less than one for each
//! (KIP-1263). The first heartbeat or join after the interval computes it; meanwhile members are
//! led to the last target. It is computed in the step itself: that takes well below a millisecond
//! for hundreds of members. Only what differs is written.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::group::ConsumerGroup;
use super::records::{ConsumerRecord, TargetEpoch};
use crate::group::modern::{Assignment, GroupSpec, MemberSpec, partition_counts};
use crate::group::shard::Context;

impl Draft<'_> {
    /// Computes the target assignment if that is due.
    pub(in crate::group) fn follow_epoch(&mut self, cx: &Context<'_>) {
        if !target_is_due(self.group, cx) {
            return;
        }
        let epoch = self.group.epoch.epoch;
        let targets = self.group.assignor().assign(&self.spec(cx));
        for (member_id, target) in targets {
            if self.group.targets.get(&member_id) != Some(&target) {
                self.put(ConsumerRecord::Target(member_id, Some(target)));
            }
        }
        self.put(ConsumerRecord::TargetEpoch(Some(TargetEpoch {
            epoch,
            timestamp_ms: cx.now.wall_ms,
        })));
    }

    fn spec(&self, cx: &Context<'_>) -> GroupSpec {
        let counts = partition_counts(cx.metadata, self.group.subscribed_topics().into_iter());
        let members = self.group.members.iter().map(|(member_id, member)| {
            let topics = self.group.topics_of(member);
            let spec = MemberSpec {
                instance_id: member.metadata.instance_id.clone(),
                topics: partition_counts(cx.metadata, topics.into_iter())
                    .into_keys()
                    .collect(),
                assigned: self
                    .group
                    .targets
                    .get(member_id)
                    .map_or_else(Assignment::new, |target| existing(target, &counts)),
            };
            (member_id.clone(), spec)
        });
        GroupSpec {
            members: members.collect(),
            partition_counts: counts.clone(),
        }
    }
}

/// Whether the next step of any member computes a new target: the last one is of an older epoch
/// than the group, and has stood for the assignment interval. One without a time was not computed
/// here.
pub(super) fn target_is_due(group: &ConsumerGroup, cx: &Context<'_>) -> bool {
    let TargetEpoch {
        epoch,
        timestamp_ms,
    } = group.target_epoch;
    let interval_ms = cx.consumer_assignment_interval_ms(&group.group_id);
    group.epoch.epoch > epoch
        && (timestamp_ms == 0
            || interval_ms == 0
            || cx.now.wall_ms >= timestamp_ms.saturating_add(interval_ms))
}

/// What of a target still exists: topics come and go, partitions only come.
fn existing(target: &Assignment, counts: &BTreeMap<sprawl_model::TopicId, i32>) -> Assignment {
    let mut existing = target.clone();
    existing.retain(|topic_id, partitions| {
        let count = counts.get(topic_id).copied().unwrap_or(0);
        partitions.retain(|partition| (0..count).contains(partition));
        !partitions.is_empty()
    });
    existing
}
