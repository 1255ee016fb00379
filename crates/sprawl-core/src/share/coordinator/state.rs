//! What is kept of one share-partition?

use super::request::ShareStateWrite;
use crate::share::StateBatch;
use crate::share::write::overlay;

/// The state of a share-partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareState {
    /// Counts the snapshots.
    pub snapshot_epoch: i32,
    /// Counts the initialisations; a write of another epoch is refused.
    pub state_epoch: i32,
    /// The newest leader epoch seen; -1 before the first leader.
    pub leader_epoch: i32,
    /// The first offset that is not over; -1 where its leader has yet to find out.
    pub start_offset: i64,
    /// How many offsets from there on are over; -1 where unknown.
    pub delivery_complete_count: i32,
    /// When the state was made, ms since the Unix epoch.
    pub create_timestamp: i64,
    /// When it was last written, ms since the Unix epoch.
    pub write_timestamp: i64,
    /// The runs, in order.
    pub batches: Vec<StateBatch>,
}

/// The state of a share-partition in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareStateSummary {
    /// Counts the initialisations.
    pub state_epoch: i32,
    /// The newest leader epoch seen.
    pub leader_epoch: i32,
    /// The first offset that is not over.
    pub start_offset: i64,
    /// How many offsets from there on are over.
    pub delivery_complete_count: i32,
}

impl ShareState {
    /// A share-partition that begins.
    pub(super) fn new(state_epoch: i32, start_offset: i64, now_ms: i64) -> Self {
        Self {
            snapshot_epoch: 0,
            state_epoch,
            leader_epoch: -1,
            start_offset,
            delivery_complete_count: if start_offset < 0 { -1 } else { 0 },
            create_timestamp: now_ms,
            write_timestamp: now_ms,
            batches: Vec::new(),
        }
    }

    /// Takes over a change.
    pub(super) fn apply(&mut self, write: &ShareStateWrite) {
        *self = self.with(write);
    }

    /// The state after a change. The start never moves back: writes under way at once may end in
    /// any order at their leader.
    pub(super) fn with(&self, write: &ShareStateWrite) -> Self {
        let start_offset = self.start_offset.max(write.start_offset);
        let or = |told: i32, known: i32| if told >= 0 { told } else { known };
        Self {
            start_offset,
            leader_epoch: or(write.leader_epoch, self.leader_epoch),
            delivery_complete_count: or(
                write.delivery_complete_count,
                self.delivery_complete_count,
            ),
            batches: overlay(&self.batches, &write.batches, start_offset),
            ..*self
        }
    }

    /// The state in short.
    pub(super) fn summary(&self) -> ShareStateSummary {
        ShareStateSummary {
            state_epoch: self.state_epoch,
            leader_epoch: self.leader_epoch,
            start_offset: self.start_offset,
            delivery_complete_count: self.delivery_complete_count,
        }
    }
}

/// Whether runs are ones, in order, without overlap.
pub(super) fn are_in_order(batches: &[StateBatch]) -> bool {
    let mut next = 0;
    batches.iter().all(|batch| {
        let is_next = next <= batch.first && batch.first <= batch.last && batch.last < i64::MAX;
        next = batch.last.saturating_add(1);
        is_next
    })
}
