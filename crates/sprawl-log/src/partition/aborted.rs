//! Which transactions of this partition were aborted: consumers and compaction skip their records.
//!
//! The layer above says so as it writes the marker, and again as it replays the log after a start,
//! so the index can be built again from the log. Entries are in the order of their markers. A
//! checkpoint saves those whose marker is in synced segments; the newest [`RECENT_MAX`] stay in
//! memory, older ones are looked up in the state store. Those below the log start go.
//!
//! Source: Kafka's `TransactionIndex`.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use sprawl_model::{Offset, ProducerId};

use super::PartitionLog;
use crate::error::ReadError;
use crate::state::record::{aborted_key, decode_aborted};
use crate::state::{ColumnFamily, StateError, StateStore, WriteBatch};

/// How many entries of one partition stay in memory once they are saved: 32 bytes each.
const RECENT_MAX: usize = 1024;

/// How many saved entries are read, or deleted, at a time.
const STEP_COUNT: usize = 256;

/// How many entries below the log start one checkpoint deletes.
const TRIM_COUNT_MAX: usize = 16 * STEP_COUNT;

/// A transaction whose records in this partition are to be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose it was.
    pub producer_id: ProducerId,
    /// The offset of its first record.
    pub first_offset: Offset,
    /// The offset of its abort marker.
    pub last_offset: Offset,
    /// The last stable offset after it ended: no entry behind this one begins below.
    pub last_stable_offset: Offset,
}

/// The index of one partition.
#[derive(Debug)]
pub(crate) struct AbortedIndex {
    /// The newest, in the order of their markers.
    recent: VecDeque<AbortedTxn>,
    /// How many of them, from the front, are in the state store.
    saved_count: usize,
    /// How many behind those a checkpoint is saving.
    saving_count: usize,
    /// The marker of the newest entry that is in the state store alone.
    evicted_end: Option<Offset>,
    /// No entry in the state store has its marker below this.
    stored_from: Offset,
}

impl Default for AbortedIndex {
    fn default() -> Self {
        Self {
            recent: VecDeque::new(),
            saved_count: 0,
            saving_count: 0,
            evicted_end: None,
            stored_from: Offset(i64::MAX),
        }
    }
}

impl AbortedIndex {
    /// Takes in an entry found in the state store, in order.
    pub(crate) fn load(&mut self, entry: AbortedTxn) {
        self.stored_from = self.stored_from.min(entry.last_offset);
        self.recent.push_back(entry);
        self.saved_count = self.recent.len();
        self.evict();
    }

    fn note(&mut self, entry: AbortedTxn) {
        let newest = self.recent.back().map(|newest| newest.last_offset);
        if newest.max(self.evicted_end) < Some(entry.last_offset) {
            self.recent.push_back(entry);
        }
    }

    fn evict(&mut self) {
        while self.recent.len() > RECENT_MAX && self.saved_count > 0 {
            let oldest = self.recent.pop_front();
            self.evicted_end = oldest.map(|oldest| oldest.last_offset);
            self.saved_count = self.saved_count.saturating_sub(1);
        }
    }

    /// Drops entries in memory that lie below the log start.
    fn cut(&mut self, log_start: Offset) {
        while self
            .recent
            .front()
            .is_some_and(|oldest| oldest.last_offset < log_start)
        {
            self.recent.pop_front();
            self.saved_count = self.saved_count.saturating_sub(1);
        }
        self.evicted_end = self.evicted_end.filter(|end| *end >= log_start);
    }

    fn has_unsaved(&self) -> bool {
        self.saved_count < self.recent.len()
    }
}

impl PartitionLog {
    /// Notes that a transaction was aborted, right after its marker was appended. An entry whose
    /// marker is not behind all others is known already.
    pub fn note_aborted(&self, aborted: AbortedTxn) {
        self.aborted().note(aborted);
        self.is_changed.store(true, Ordering::Release);
    }

    /// Returns the aborted transactions that may have records in `from..to`: those that begin below
    /// `to` and whose marker is at or above `from`. In the order of their markers.
    ///
    /// Blocks for a few look-ups where `from` lies behind more than a thousand younger entries.
    pub fn aborted_transactions(
        &self,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTxn>, ReadError> {
        let index = self.aborted();
        let mut found = Vec::new();
        if index.evicted_end.is_some_and(|end| end >= from) {
            let until = index.recent.front().map(|first| first.last_offset);
            let step = |entry: AbortedTxn| entry.overlap(from, to, &mut found);
            if self.each_stored(from, until, step)? == Walk::Done {
                return Ok(found);
            }
        }
        let first = index
            .recent
            .partition_point(|entry| entry.last_offset < from);
        for entry in index.recent.range(first..) {
            if entry.overlap(from, to, &mut found) == Walk::Done {
                break;
            }
        }
        Ok(found)
    }

    /// Calls `step` with the saved entries whose markers lie in `from..until`.
    fn each_stored(
        &self,
        from: Offset,
        until: Option<Offset>,
        mut step: impl FnMut(AbortedTxn) -> Walk,
    ) -> Result<Walk, StateError> {
        let mut from = from;
        loop {
            let entries = self.some_stored(from, STEP_COUNT)?;
            let is_last = entries.len() < STEP_COUNT;
            for entry in entries {
                if until.is_some_and(|until| entry.last_offset >= until) {
                    return Ok(Walk::On);
                }
                if step(entry) == Walk::Done {
                    return Ok(Walk::Done);
                }
                from = entry
                    .last_offset
                    .checked_add(1)
                    .unwrap_or(entry.last_offset);
            }
            if is_last {
                return Ok(Walk::On);
            }
        }
    }

    fn some_stored(&self, from: Offset, count: usize) -> Result<Vec<AbortedTxn>, StateError> {
        let prefix = self.key.to_bytes();
        let from = aborted_key(self.key, from.max(Offset(0)));
        let state = self.shared.state.as_ref();
        let pairs = state.scan_from(ColumnFamily::Aborted, &prefix, &from, count)?;
        let decoded = pairs.iter().map(|(key, value)| decode_aborted(key, value));
        decoded
            .collect::<Result<_, _>>()
            .map_err(|error| StateError::Corrupt(error.to_string()))
    }

    /// Adds to `changes` the entries whose markers are in synced segments, and the removal of those
    /// below the log start.
    pub(super) fn save_aborted(
        &self,
        synced_end: Offset,
        changes: &mut WriteBatch,
    ) -> Result<(), StateError> {
        let mut index = self.aborted();
        let log_start = self.log_start();
        index.cut(log_start);
        self.trim_stored(&mut index, log_start, changes)?;
        let unsaved = index.recent.range(index.saved_count..);
        let due: Vec<AbortedTxn> = unsaved
            .take_while(|entry| entry.last_offset < synced_end)
            .copied()
            .collect();
        for entry in &due {
            let key = aborted_key(self.key, entry.last_offset);
            changes.put(ColumnFamily::Aborted, &key, entry.encode());
            index.stored_from = index.stored_from.min(entry.last_offset);
        }
        index.saving_count = due.len();
        Ok(())
    }

    fn trim_stored(
        &self,
        index: &mut AbortedIndex,
        log_start: Offset,
        changes: &mut WriteBatch,
    ) -> Result<(), StateError> {
        if index.stored_from == Offset(i64::MAX) || index.stored_from >= log_start {
            return Ok(());
        }
        let entries = self.some_stored(index.stored_from, TRIM_COUNT_MAX)?;
        let is_all = entries.len() < TRIM_COUNT_MAX;
        index.stored_from = log_start;
        for entry in entries {
            if entry.last_offset >= log_start {
                return Ok(());
            }
            let key = aborted_key(self.key, entry.last_offset);
            changes.delete(ColumnFamily::Aborted, &key);
            if !is_all {
                // The rest goes at the next checkpoint.
                index.stored_from = entry.last_offset;
            }
        }
        Ok(())
    }

    /// Takes note that what [`Self::save_aborted`] gave is on stable storage; says whether entries
    /// remain to be saved.
    pub(super) fn saved_aborted(&self) -> bool {
        let mut index = self.aborted();
        let saved_count = index
            .saved_count
            .saturating_add(std::mem::take(&mut index.saving_count));
        index.saved_count = saved_count.min(index.recent.len());
        index.evict();
        index.has_unsaved()
    }

    pub(crate) fn aborted(&self) -> MutexGuard<'_, AbortedIndex> {
        self.aborted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether later entries still matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    On,
    Done,
}

impl AbortedTxn {
    /// Takes the entry into `found` if it may have records in `from..to`.
    fn overlap(self, from: Offset, to: Offset, found: &mut Vec<Self>) -> Walk {
        if self.last_offset >= from && self.first_offset < to {
            found.push(self);
        }
        if self.last_stable_offset >= to {
            Walk::Done
        } else {
            Walk::On
        }
    }
}

/// Adds to `changes` the removal of all entries of a partition.
pub(super) fn forget(
    state: &dyn StateStore,
    key: &[u8],
    changes: &mut WriteBatch,
) -> Result<(), StateError> {
    for (key, _) in state.scan(ColumnFamily::Aborted, key)? {
        changes.delete(ColumnFamily::Aborted, &key);
    }
    Ok(())
}
