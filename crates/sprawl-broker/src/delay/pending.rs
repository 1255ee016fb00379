//! What waits in one partition: the sum of its log, kept in the state store batch by batch.
//!
//! Invariant: after [`Pending::catch_up`] to an offset, the store says what the log below it says,
//! whatever was applied before and however often. Memory holds a few numbers, none per record.

use std::sync::Arc;

use sprawl_log::{
    KeyHash, PartitionLog, ReadError, Timer, TimerChanges, TimerMeta, TimerStore, Waiting,
};
use sprawl_model::Offset;
use sprawl_model::batch::{
    BatchHeader, Delivery, RecordRef, Records, delivery_of, payload, released_offset,
};
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;

use super::DelayError;

/// Changes of so many records are written at a time.
const WRITE_COUNT: usize = 1024;

/// How many records one step of a cancellation looks up.
const CANCEL_COUNT: usize = 1024;

/// What waits in a partition.
#[derive(Debug)]
pub(crate) struct Pending {
    timers: TimerStore,
    meta: TimerMeta,
    /// No record that waits is due before this one.
    due_from: (i64, Offset),
    /// No record waits below.
    first_from: Offset,
    /// Some of what is applied next may be in the store already.
    is_repeating: bool,
}

/// What catching up has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caught {
    /// How many records were cancelled.
    pub(crate) cancelled_count: u64,
    /// The earliest due time of records that were added.
    pub(crate) earliest_due_ms: i64,
}

impl Caught {
    const NOTHING: Self = Self {
        cancelled_count: 0,
        earliest_due_ms: i64::MAX,
    };
}

impl Pending {
    /// Begins with what the state store knows.
    pub(crate) fn new(timers: TimerStore, meta: TimerMeta) -> Self {
        Self {
            timers,
            meta,
            due_from: (0, Offset(0)),
            first_from: Offset(0),
            is_repeating: true,
        }
    }

    /// What is known of all waiting records.
    pub(crate) fn meta(&self) -> &TimerMeta {
        &self.meta
    }

    /// Applies all batches from an offset up to another. No batch below `from` is unapplied.
    pub(crate) fn catch_up(
        &mut self,
        log: &Arc<PartitionLog>,
        from: Offset,
        end: Offset,
    ) -> Result<Caught, DelayError> {
        let from = from.max(self.meta.applied_end).max(log.log_start());
        if from >= end {
            return Ok(Caught::NOTHING);
        }
        let mut work = Work {
            pending: self,
            changes: TimerChanges::default(),
            meta: TimerMeta::NONE,
            caught: Caught::NOTHING,
            has_unwritten_arms: false,
        };
        work.meta = work.pending.meta;
        let applied = work.apply_all(log, from, end);
        let caught = work.caught;
        // After a failure in the middle some changes are written and some are not.
        self.is_repeating = applied.is_err();
        applied.map(|()| caught)
    }

    /// The first records that are due, in order of due time and offset.
    pub(crate) fn due(&mut self, now_ms: i64, count: usize) -> Result<Vec<Timer>, DelayError> {
        let timers = self.timers.due(self.due_from, now_ms, count)?;
        if let Some(first) = timers.first() {
            self.due_from = (first.due_ms, first.offset);
        }
        Ok(timers)
    }

    /// When the next record is due.
    pub(crate) fn next_due_ms(&mut self) -> Result<Option<i64>, DelayError> {
        let next = self.due(i64::MAX, 1)?;
        Ok(next.first().map(|timer| timer.due_ms))
    }

    /// The first record that waits.
    pub(crate) fn first(&mut self) -> Result<Option<Offset>, DelayError> {
        let first = self.timers.first_from(self.first_from)?;
        self.first_from = first.unwrap_or(self.meta.applied_end);
        Ok(first)
    }

    /// Gives up records that are lost to damage.
    pub(crate) fn give_up(&mut self, lost: &[Timer]) -> Result<(), DelayError> {
        if lost.is_empty() {
            return Ok(());
        }
        let (mut changes, mut meta) = (TimerChanges::default(), self.meta);
        for timer in lost {
            if let Some(waiting) = self.timers.at(timer.offset)? {
                self.timers.disarm(&mut changes, &waiting);
                meta.pending_count = meta.pending_count.saturating_sub(1);
            }
        }
        self.timers.write(changes, &meta)?;
        self.meta = meta;
        Ok(())
    }
}

/// One run over the log.
struct Work<'a> {
    pending: &'a mut Pending,
    changes: TimerChanges,
    meta: TimerMeta,
    caught: Caught,
    has_unwritten_arms: bool,
}

impl Work<'_> {
    fn apply_all(
        &mut self,
        log: &Arc<PartitionLog>,
        from: Offset,
        end: Offset,
    ) -> Result<(), DelayError> {
        let mut is_changed = false;
        for header in log.headers_from(from)? {
            let header = header?;
            if header.base_offset >= end {
                break;
            }
            if !header.attributes.changes_timers() {
                continue;
            }
            is_changed = true;
            if header.attributes.holds_delayed() {
                self.meta.held_end = header.next_offset();
            }
            match log.read_batch(header.base_offset) {
                Ok(batch) => self.apply(&header, &batch)?,
                Err(ReadError::Damaged { from, to }) => {
                    tracing::error!(partition = %log.key(), from = from.0, to = to.0, "delayed records are lost to damage");
                }
                Err(error) => return Err(error.into()),
            }
            self.meta.applied_end = header.next_offset();
            if self.changes.count() >= WRITE_COUNT {
                self.write()?;
            }
        }
        self.meta.applied_end = end;
        if is_changed {
            self.write()?;
        } else {
            self.pending.meta.applied_end = end;
        }
        Ok(())
    }

    /// Writes what has come together, with the batches that are applied whole.
    fn write(&mut self) -> Result<(), DelayError> {
        let changes = std::mem::take(&mut self.changes);
        self.pending.timers.write(changes, &self.meta)?;
        self.pending.meta = self.meta;
        self.has_unwritten_arms = false;
        Ok(())
    }

    fn apply(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<(), DelayError> {
        let damaged = || ReadError::Damaged {
            from: header.base_offset,
            to: header.next_offset(),
        };
        let records = payload(batch, DECOMPRESSED_BYTES_MAX).map_err(|_| damaged())?;
        for record in Records::new(header, &records) {
            let record = record.map_err(|_| damaged())?;
            if header.attributes.is_release() {
                if let Some(original) = released_offset(&record) {
                    self.disarm(original)?;
                }
                continue;
            }
            match delivery_of(&record) {
                Ok(Delivery::At(due_ms)) => self.arm(header, &record, due_ms)?,
                Ok(Delivery::Cancel) => self.cancel(&record)?,
                // Relative times were made absolute before the batch was appended.
                Ok(Delivery::Now | Delivery::After(_)) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn arm(
        &mut self,
        header: &BatchHeader,
        record: &RecordRef<'_>,
        due_ms: i64,
    ) -> Result<(), DelayError> {
        let timers = &self.pending.timers;
        let is_known = self.pending.is_repeating && timers.at(record.offset)?.is_some();
        if !is_known {
            self.meta.pending_count = self.meta.pending_count.saturating_add(1);
        }
        let timer = Timer {
            due_ms,
            offset: record.offset,
            batch: header.base_offset,
        };
        let key = record.key.map(KeyHash::of);
        timers.arm(&mut self.changes, &Waiting { timer, key });
        self.has_unwritten_arms = true;
        let place = (due_ms, record.offset);
        self.pending.due_from = self.pending.due_from.min(place);
        self.pending.first_from = self.pending.first_from.min(record.offset);
        self.caught.earliest_due_ms = self.caught.earliest_due_ms.min(due_ms);
        Ok(())
    }

    fn cancel(&mut self, record: &RecordRef<'_>) -> Result<(), DelayError> {
        let Some(key) = record.key.map(KeyHash::of) else {
            return Ok(());
        };
        loop {
            self.write_partly()?;
            let timers = &self.pending.timers;
            let offsets = timers.of_key(key, record.offset, CANCEL_COUNT)?;
            let mut count = 0;
            for offset in offsets {
                count += u64::from(self.disarm(offset)?);
            }
            if count == 0 {
                return Ok(());
            }
            self.caught.cancelled_count = self.caught.cancelled_count.saturating_add(count);
        }
    }

    /// Takes a record out, and says whether it waited.
    fn disarm(&mut self, offset: Offset) -> Result<bool, DelayError> {
        if self.has_unwritten_arms {
            self.write_partly()?;
        }
        let Some(waiting) = self.pending.timers.at(offset)? else {
            return Ok(false);
        };
        self.pending.timers.disarm(&mut self.changes, &waiting);
        self.meta.pending_count = self.meta.pending_count.saturating_sub(1);
        Ok(true)
    }

    /// Writes what has come together in the middle of a batch, so that it can be looked up. After a
    /// crash the batch is applied again, which leads to the same.
    fn write_partly(&mut self) -> Result<(), DelayError> {
        if self.changes.count() > 0 {
            self.write()?;
        }
        Ok(())
    }
}
