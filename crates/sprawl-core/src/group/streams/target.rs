//! When is the target assignment computed, and what is written of it?
//!
//! When the group epoch has grown, but not while an empty group waits for more members
//! (`streams.initial.rebalance.delay.ms`), and not twice within an interval
//! (`streams.assignment.interval.ms`): a heartbeat later does it. Only what differs is written.
//!
//! Source: Kafka's `maybeUpdateStreamsTargetAssignment` and `TargetAssignmentBuilder`.

use std::collections::BTreeMap;

use super::assignor::{self, MemberSpec};
use super::draft::Draft;
use super::group::StreamsGroup;
use super::records::{StreamsRecord, TargetEpoch};
use super::request::{StreamsStatus, StreamsStatusCode};
use super::tasks::Tasks;
use crate::coordinator::Now;

/// The name that the number of standby tasks has in records, as in Kafka's.
pub(super) const STANDBY_REPLICAS: &str = "num.standby.replicas";

impl Draft<'_> {
    /// Computes the target assignment if it is of an older epoch than the group; says why it waits.
    pub(super) fn follow_epoch(&mut self, now: Now, interval_ms: i32) -> Option<StreamsStatus> {
        let delayed = |detail| Some(StreamsStatusCode::AssignmentDelayed.with(detail));
        if self.group.waits_for_members {
            let detail = "Assignment delayed due to the configured initial rebalance delay.";
            return delayed(detail);
        }
        if self.group.target_epoch.epoch >= self.group.epoch.epoch {
            return None;
        }
        let last_ms = self.group.target_epoch.timestamp_ms;
        let due_ms = last_ms.saturating_add(i64::from(interval_ms));
        if last_ms != 0 && interval_ms != 0 && now.wall_ms < due_ms {
            let detail = "Assignment delayed due to the configured assignment interval.";
            return delayed(detail);
        }
        for (member_id, target) in compute(self.group) {
            if self.group.targets.get(&member_id) != Some(&target) {
                self.put(StreamsRecord::Target(member_id, Some(target)));
            }
        }
        let epoch = TargetEpoch {
            epoch: self.group.epoch.epoch,
            timestamp_ms: now.wall_ms,
        };
        self.put(StreamsRecord::TargetEpoch(Some(epoch)));
        None
    }
}

/// What each member should have. Nobody has anything while the topology is not ready.
fn compute(group: &StreamsGroup) -> BTreeMap<String, Tasks> {
    let configured = group.configured.as_ref();
    let Some(subtopologies) = configured.and_then(|configured| configured.ready()) else {
        let members = group.members.keys().cloned();
        return members.map(|id| (id, Tasks::default())).collect();
    };
    let replicas = group.epoch.assignment_configs.get(STANDBY_REPLICAS);
    let standby_count = replicas.and_then(|count| count.parse().ok()).unwrap_or(0);
    let nothing = Tasks::default();
    let members = group.members.iter().map(|(id, member)| {
        let before = group.targets.get(id).unwrap_or(&nothing);
        let spec = MemberSpec {
            process_id: &member.metadata.process_id,
            active: &before.active,
            standby: &before.standby,
        };
        (id.as_str(), spec)
    });
    assignor::assign(&members.collect(), subtopologies, standby_count)
}
