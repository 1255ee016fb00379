//! What does a share group know of one partition?

use std::collections::BTreeSet;

use super::counts::ShareCounts;
use super::record::{Slot, Standing, StateBatch};
use super::settings::SharePartitionSettings;
use super::spans::{Span, Spans};
use super::write::WriteId;

/// One partition as one share group consumes it.
#[derive(Debug)]
pub struct SharePartition {
    pub(super) settings: SharePartitionSettings,
    /// Everything before is over.
    pub(super) start_offset: i64,
    /// The first offset that no member was ever given; `spans` reaches up to it, without a hole.
    pub(super) next_offset: i64,
    pub(super) state_epoch: i32,
    pub(super) leader_epoch: i32,
    pub(super) spans: Spans,
    pub(super) writes: BTreeSet<WriteId>,
    pub(super) next_write: u64,
    pub(super) counts: ShareCounts,
    pub(super) lock_timeouts: u64,
}

impl SharePartition {
    /// The first offset that is not over.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The first offset that no member was ever given.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The epoch of the stored state.
    pub fn state_epoch(&self) -> i32 {
        self.state_epoch
    }

    /// The epoch in which this broker leads the partition.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The settings in effect.
    pub fn settings(&self) -> &SharePartitionSettings {
        &self.settings
    }

    /// Takes over changed settings. Locks and delays that run keep their end.
    pub fn set_settings(&mut self, settings: SharePartitionSettings) {
        self.settings = settings;
    }

    /// Where offsets stand, in numbers.
    pub fn counts(&self) -> ShareCounts {
        self.counts
    }

    /// How many locks of single offsets ran out, since the state was loaded.
    pub fn lock_timeouts(&self) -> u64 {
        self.lock_timeouts
    }

    /// How many offsets are tracked: from the start offset to the last one ever given out.
    pub fn tracked_count(&self) -> u64 {
        (self.next_offset - self.start_offset).unsigned_abs()
    }

    /// Where to read for the next delivery: at a record that may be delivered again, else behind
    /// the last one; `None` where no more may be given out now.
    pub fn fetch_offset(&self, now_ms: u64) -> Option<i64> {
        let again = self.spans.iter().find(|(_, _, slot)| slot.is_due(now_ms));
        match again {
            Some((first, _, _)) => Some(first),
            None if self.tracked_count() < self.settings.record_locks_max => Some(self.next_offset),
            None => None,
        }
    }

    /// What is stored of the tracked offsets, were it stored now.
    pub fn state(&self) -> Vec<StateBatch> {
        let batches = self.spans.iter().map(|(first, last, slot)| StateBatch {
            first,
            last,
            state: slot.standing.stored(),
            delivery_count: slot.delivery_count,
        });
        batches.collect()
    }

    /// Gives offsets that are tracked already another slot.
    pub(super) fn put(&mut self, first: i64, last: i64, slot: Slot) {
        for span in self.spans.within(first, last) {
            self.counts.leave(&span.slot, span.offset_count());
        }
        self.counts.arrive(&slot, (last - first + 1).unsigned_abs());
        self.spans.set(first, last, slot);
    }

    /// Starts tracking the offsets from the end up to `last`.
    pub(super) fn extend(&mut self, last: i64, slot: Slot) {
        let first = self.next_offset;
        assert!(first <= last, "tracking grows at its end");
        let count = (last - first + 1).unsigned_abs();
        self.counts.entered += count;
        self.counts.arrive(&slot, count);
        self.spans.set(first, last, slot);
        self.next_offset = last + 1;
    }

    /// Moves the start over everything at the front that is over.
    pub(super) fn advance_start(&mut self) {
        while let Some((_, last, slot)) = self.spans.first()
            && slot.is_over()
        {
            self.start_offset = last + 1;
            self.spans.pop_first();
        }
    }

    /// The runs that overlap `first..=last`, cut to it and to what is tracked.
    pub(super) fn tracked(&self, first: i64, last: i64) -> Vec<Span> {
        self.spans.within(first.max(self.start_offset), last)
    }

    /// Holds what must hold after every step.
    pub(super) fn check(&self) {
        assert!(
            self.start_offset <= self.next_offset,
            "the start is not behind the end"
        );
        assert!(self.counts.add_up(), "in = acked + dead + expired + live");
        debug_assert_eq!(self.counted_live(), self.counts.live, "live is counted");
        let end = self.spans.last_offset().map(|last| last + 1);
        assert!(
            end.is_none_or(|end| end == self.next_offset),
            "what is tracked reaches up to the end"
        );
    }

    fn counted_live(&self) -> u64 {
        let live = self.spans.iter().filter(|(_, _, slot)| !slot.is_over());
        live.map(|(first, last, _)| (last - first + 1).unsigned_abs())
            .sum()
    }

    /// The next moment at which something is due: a lock that runs out, a rest that ends, a dead
    /// record to be moved. In monotonic milliseconds.
    pub fn next_deadline_ms(&self, now_ms: u64) -> Option<u64> {
        let deadlines = self.spans.iter().filter_map(|(_, _, slot)| {
            if slot.pending.is_some() {
                return None;
            }
            match slot.standing {
                Standing::Available { due_ms } if due_ms > now_ms => Some(due_ms),
                Standing::Acquired { deadline_ms, .. } => Some(deadline_ms),
                Standing::Archiving { due_ms, .. } if due_ms < u64::MAX => Some(due_ms),
                _ => None,
            }
        });
        deadlines.min()
    }
}
