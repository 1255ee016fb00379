//! Which of the records that were read does a member get?
//!
//! What was read is walked once, in order: a record that nobody has and that is due is taken; one
//! that another member has is passed over. Behind the end of what is tracked everything is taken,
//! up to the limit on locks. Control batches, aborted batches and holes in the log are no records:
//! they are over at once.
//!
//! Source: `SharePartition.acquire` (KIP-932); KIP-1206 for the two modes.

use std::sync::Arc;

use super::partition::SharePartition;
use super::record::{Slot, Standing};

/// Whether a limit on records may cut a batch in two (KIP-1206).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcquireMode {
    /// The batch in which the limit is reached is taken whole.
    BatchOptimized,
    /// No more records than asked for.
    RecordLimit,
}

/// What a batch of the log holds for consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogBatchKind {
    /// Records.
    Records,
    /// Nothing: a control batch, or one of an aborted transaction.
    NoRecords,
}

/// A batch that was read from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBatch {
    /// Its first offset.
    pub first: i64,
    /// Its last offset.
    pub last: i64,
    /// What it holds.
    pub kind: LogBatchKind,
}

/// What a member asks for.
#[derive(Clone, Debug)]
pub struct AcquireRequest<'a> {
    /// Who.
    pub member_id: &'a str,
    /// Where the read began.
    pub from: i64,
    /// What was read, in order.
    pub batches: &'a [LogBatch],
    /// How many records, as the mode says.
    pub records_max: u64,
    /// How many records go into one run of the answer, about.
    pub batch_size: u64,
    /// Whether batches may be cut.
    pub mode: AcquireMode,
}

/// A run of records that a member was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquiredRecords {
    /// The first offset.
    pub first: i64,
    /// The last offset.
    pub last: i64,
    /// How often each was delivered, this time included.
    pub delivery_count: i16,
}

impl AcquiredRecords {
    /// How many offsets the run has.
    pub fn offset_count(&self) -> u64 {
        (self.last - self.first + 1).unsigned_abs()
    }
}

/// A walk over what was read.
struct Taking {
    member: Arc<str>,
    deadline_ms: u64,
    left: u64,
    batch_size: u64,
    acquired: Vec<AcquiredRecords>,
}

impl SharePartition {
    /// Gives a member what may be given of what was read; the locks run from `now_ms`.
    pub fn acquire(&mut self, now_ms: u64, request: &AcquireRequest<'_>) -> Vec<AcquiredRecords> {
        let mut taking = Taking {
            member: Arc::from(request.member_id),
            deadline_ms: now_ms.saturating_add(self.settings.record_lock_duration_ms),
            left: request.records_max,
            batch_size: request.batch_size.max(1),
            acquired: Vec::new(),
        };
        let mut next = request.from.max(self.start_offset);
        if next > self.next_offset {
            return taking.acquired;
        }
        for batch in request.batches {
            if batch.last < next {
                continue;
            }
            let first = batch.first.max(next);
            if first > next {
                // The log has no such offsets any more.
                self.pass_over(next, first - 1);
            }
            match batch.kind {
                LogBatchKind::NoRecords => self.pass_over(first, batch.last),
                LogBatchKind::Records => {
                    if taking.left == 0 {
                        break;
                    }
                    let cut = match request.mode {
                        AcquireMode::BatchOptimized => u64::MAX,
                        AcquireMode::RecordLimit => taking.left,
                    };
                    let taken = self.take(now_ms, first, batch.last, cut, &mut taking);
                    taking.left = taking.left.saturating_sub(taken);
                }
            }
            next = batch.last + 1;
            if self.next_offset < next {
                // Not all of it was taken: what follows would leave a hole.
                break;
            }
        }
        self.advance_start();
        self.check();
        taking.acquired
    }

    /// Takes what is free of `first..=last`, at most `cut` records; returns how many.
    fn take(&mut self, now_ms: u64, first: i64, last: i64, cut: u64, taking: &mut Taking) -> u64 {
        let mut left = cut;
        for span in self.tracked(first, last) {
            if left == 0 {
                return cut;
            }
            if !span.slot.is_due(now_ms) {
                continue;
            }
            let end = span.last.min(end_of(span.first, left));
            let delivery_count = span.slot.delivery_count.saturating_add(1);
            self.put(span.first, end, taking.slot(delivery_count));
            left -= taking.note(span.first, end, delivery_count);
        }
        let fresh = first.max(self.next_offset);
        let room = self
            .settings
            .record_locks_max
            .saturating_sub(self.tracked_count());
        if fresh > last || left == 0 || room == 0 {
            return cut - left;
        }
        assert!(fresh == self.next_offset, "tracking has no holes");
        // A batch is not cut for want of locks, only for the limit on records.
        let end = last.min(end_of(fresh, left));
        self.extend(end, taking.slot(1));
        left -= taking.note(fresh, end, 1);
        cut - left
    }

    /// Ends offsets that hold no record.
    fn pass_over(&mut self, first: i64, last: i64) {
        for span in self.tracked(first, last) {
            let is_open = matches!(span.slot.standing, Standing::Available { .. });
            if is_open && span.slot.pending.is_none() {
                self.put(span.first, span.last, Slot::new(Standing::Gap, 0));
            }
        }
        if last >= self.next_offset {
            self.extend(last, Slot::new(Standing::Gap, 0));
        }
    }
}

impl Taking {
    fn slot(&self, delivery_count: i16) -> Slot {
        let standing = Standing::Acquired {
            member: self.member.clone(),
            deadline_ms: self.deadline_ms,
        };
        Slot::new(standing, delivery_count)
    }

    /// Notes a run in the answer, cut to the size wanted; returns how many records it has.
    fn note(&mut self, first: i64, last: i64, delivery_count: i16) -> u64 {
        let run = AcquiredRecords {
            first,
            last,
            delivery_count,
        };
        match self.acquired.last_mut() {
            Some(before)
                if before.last + 1 == first
                    && before.delivery_count == delivery_count
                    && before.offset_count() < self.batch_size =>
            {
                before.last = last;
            }
            _ => self.acquired.push(run),
        }
        run.offset_count()
    }
}

/// The last of `count` offsets from `first` on.
fn end_of(first: i64, count: u64) -> i64 {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    first.saturating_add(count - 1)
}
