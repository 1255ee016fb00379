//! The group coordinator's metric names and handles.

use std::sync::Arc;

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use sprawl_core::group::{GroupShard, GroupState};

use crate::coordinator::shard::Shard;

/// Groups, by state.
const GROUPS: &str = "sprawl_groups";
/// Partitions for which a group has committed an offset.
const COMMITTED_OFFSETS: &str = "sprawl_group_committed_offsets";
/// Offsets committed, one a partition.
const OFFSET_COMMITS_TOTAL: &str = "sprawl_group_offset_commits_total";

/// Handles, looked up once.
pub(super) struct GroupMetrics {
    groups: Vec<(GroupState, Gauge)>,
    committed_offsets: Gauge,
    offset_commits: Counter,
}

impl std::fmt::Debug for GroupMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupMetrics").finish_non_exhaustive()
    }
}

impl GroupMetrics {
    /// Registers every metric with the process's recorder.
    pub(super) fn register() -> Self {
        describe_gauge!(GROUPS, "Consumer groups, by state");
        describe_gauge!(
            COMMITTED_OFFSETS,
            "Partitions with a committed offset, over all groups"
        );
        describe_counter!(OFFSET_COMMITS_TOTAL, "Offsets committed, one a partition");
        let groups = GroupState::ALL.map(|state| (state, gauge!(GROUPS, "state" => state.name())));
        Self {
            groups: groups.into(),
            committed_offsets: gauge!(COMMITTED_OFFSETS),
            offset_commits: counter!(OFFSET_COMMITS_TOTAL),
        }
    }

    pub(super) fn count_commits(&self, count: usize) {
        self.offset_commits
            .increment(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Brings the gauges up to date. O(groups + partitions with offsets).
    pub(super) fn update(&self, shards: &[Arc<Shard<GroupShard>>]) {
        let mut offset_count = 0;
        let mut group_counts = vec![0_usize; self.groups.len()];
        for shard in shards {
            let counted = shard.read(|groups| (groups.count_by_state(), groups.offset_count()));
            // A shard that is loading or given up has nothing to count.
            let Ok((by_state, offsets)) = counted else {
                continue;
            };
            offset_count += offsets;
            for (total, (state, _)) in group_counts.iter_mut().zip(&self.groups) {
                *total += by_state.get(state).copied().unwrap_or(0);
            }
        }
        self.committed_offsets.set(as_gauge(offset_count));
        for (count, (_, gauge)) in group_counts.into_iter().zip(&self.groups) {
            gauge.set(as_gauge(count));
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a gauge is a double; counts stay far below 2^53"
)]
fn as_gauge(count: usize) -> f64 {
    count as f64
}
