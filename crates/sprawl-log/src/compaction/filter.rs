//! What compaction keeps of one batch.
//!
//! The last record of every key stays, a tombstone until its horizon; so do all records above what
//! the offset map covers. A batch that loses all its records goes, unless it holds the last
//! sequence of a producer or the last offset of the round.
//!
//! Source: Kafka's `Cleaner.cleanInto` and `MemoryRecords.filterTo`; KIP-534.

use bytes::Bytes;
use sprawl_model::Offset;
use sprawl_model::batch::{
    BatchError, BatchHeader, ControlKind, RecordRef, Records, Retained, emptied, payload,
};
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;
use sprawl_model::mutant::{Mutant, active};

use super::CompactionBounds;
use super::offset_map::OffsetMap;
use super::transactions::OpenTransactions;

/// The rules of one round, with room to work in.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) bounds: CompactionBounds,
    /// The end of what may be cleaned.
    pub(crate) upper_bound: Offset,
    /// The wall clock when the round began.
    pub(crate) now_ms: i64,
    pub(crate) delete_retention_ms: i64,
    pub(crate) transactions: OpenTransactions,
    retained: Retained,
    kept: Vec<Kept>,
}

/// A record that stays: its place in the expanded batch and its timestamp.
#[derive(Clone, Copy, Debug)]
struct Kept {
    from: usize,
    to: usize,
    timestamp: i64,
}

/// What becomes of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing stays.
    Gone,
    /// It stays as it is.
    Unchanged,
    /// Another one takes its place.
    Replaced(Bytes),
}

/// A batch's outcome with what is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filtered {
    pub(crate) outcome: Outcome,
    pub(crate) records_read: u64,
    pub(crate) records_kept: u64,
    /// Records without a key, which no compacted topic should hold.
    pub(crate) invalid_count: u64,
}

/// What happens to a batch whatever its records say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retention {
    /// It goes with all records.
    Delete,
    /// It goes if no record stays.
    DeleteEmpty,
    /// It stays, empty if need be.
    RetainEmpty,
}

impl Filter {
    pub(crate) fn new(
        bounds: CompactionBounds,
        upper_bound: Offset,
        now_ms: i64,
        delete_retention_ms: i64,
    ) -> Self {
        Self {
            transactions: OpenTransactions::new(&bounds.aborted),
            bounds,
            upper_bound,
            now_ms,
            delete_retention_ms,
            retained: Retained::default(),
            kept: Vec::new(),
        }
    }

    /// Decides on one batch; batches come in offset order.
    pub(crate) fn apply(
        &mut self,
        map: &OffsetMap,
        header: &BatchHeader,
        batch: &[u8],
    ) -> Result<Filtered, BatchError> {
        let is_control = header.attributes.is_control();
        let may_go = if is_control {
            let kind = control_kind(header, batch)?;
            self.transactions.on_control(header, kind)
        } else {
            self.transactions.on_data(header)
        };
        let drops_records = may_go && (!is_control || self.is_past_horizon(header));
        let retention = self.retention(header, drops_records);
        let mut filtered = Filtered {
            outcome: Outcome::Gone,
            records_read: u64::try_from(header.record_count).unwrap_or(0),
            records_kept: 0,
            invalid_count: 0,
        };
        if retention == Retention::Delete {
            return Ok(filtered);
        }
        if !drops_records {
            let marks_horizon = may_go && is_control;
            self.sift(map, header, batch, marks_horizon, &mut filtered)?;
        }
        if filtered.records_kept == 0 && retention == Retention::RetainEmpty {
            filtered.outcome = if header.record_count == 0 {
                Outcome::Unchanged
            } else {
                Outcome::Replaced(emptied(header).freeze())
            };
        }
        Ok(filtered)
    }

    fn retention(&self, header: &BatchHeader, drops_records: bool) -> Retention {
        let last = self.bounds.producers.get(&header.producer_id);
        let is_last = last.is_some_and(|last| match last.last_data_offset {
            Some(offset) => header.last_offset() == offset,
            // Only a marker is left to tell the epoch that fences older ones.
            None => header.attributes.is_control() && header.producer_epoch == last.epoch,
        });
        if is_last || header.next_offset() == self.upper_bound {
            Retention::RetainEmpty
        } else if drops_records {
            Retention::Delete
        } else {
            Retention::DeleteEmpty
        }
    }

    /// Keeps the records that stay; none leaves the outcome as it is.
    fn sift(
        &mut self,
        map: &OffsetMap,
        header: &BatchHeader,
        batch: &[u8],
        marks_horizon: bool,
        filtered: &mut Filtered,
    ) -> Result<(), BatchError> {
        let records = payload(batch, DECOMPRESSED_BYTES_MAX)?;
        self.kept.clear();
        let mut has_tombstone = false;
        let mut walk = Records::new(header, &records);
        let mut from = 0;
        while let Some(record) = walk.next() {
            let record = record?;
            let to = records.len().saturating_sub(walk.remaining());
            let stays = header.attributes.is_control() || {
                filtered.invalid_count = filtered
                    .invalid_count
                    .saturating_add(u64::from(record.key.is_none()));
                self.stays(map, header, &record)
            };
            if stays {
                has_tombstone |= record.value.is_none();
                let timestamp = record.timestamp;
                self.kept.push(Kept {
                    from,
                    to,
                    timestamp,
                });
            }
            from = to;
        }
        filtered.records_kept = self.kept.len() as u64;
        let sets_horizon = !header.attributes.has_delete_horizon()
            && (has_tombstone || marks_horizon)
            && !self.kept.is_empty();
        let is_whole = filtered.records_kept == filtered.records_read;
        if self.kept.is_empty() {
            return Ok(());
        }
        filtered.outcome = Outcome::Unchanged;
        if is_whole && !sets_horizon {
            return Ok(());
        }
        self.retained.clear();
        for kept in &self.kept {
            let raw = records.get(kept.from..kept.to).unwrap_or_default();
            self.retained.push(raw, kept.timestamp);
        }
        let horizon = self.now_ms.saturating_add(self.delete_retention_ms);
        let horizon = sets_horizon.then_some(horizon);
        if let Some(rebuilt) = self.retained.rebuild(header, horizon)? {
            filtered.outcome = Outcome::Replaced(rebuilt.freeze());
        }
        Ok(())
    }

    fn stays(&self, map: &OffsetMap, header: &BatchHeader, record: &RecordRef<'_>) -> bool {
        if record.offset > map.latest() {
            return true;
        }
        let Some(key) = record.key else {
            return false;
        };
        let is_last = map.get(key).is_none_or(|last| record.offset >= last);
        let is_due = self.is_past_horizon(header) || active(Mutant::TombstoneDroppedEarly);
        is_last && (record.value.is_some() || !is_due)
    }

    fn is_past_horizon(&self, header: &BatchHeader) -> bool {
        header.attributes.has_delete_horizon() && header.base_timestamp <= self.now_ms
    }
}

/// Returns what a control batch says; `None` where it was emptied.
pub(crate) fn control_kind(
    header: &BatchHeader,
    batch: &[u8],
) -> Result<Option<ControlKind>, BatchError> {
    let records = payload(batch, DECOMPRESSED_BYTES_MAX)?;
    let first = Records::new(header, &records).next().transpose()?;
    Ok(first.map(|record| ControlKind::of_key(record.key.unwrap_or_default())))
}
