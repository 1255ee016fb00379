//! What was written to the compacted log, and what of it must still be there.

use std::collections::BTreeMap;

use sprawl_log::{LastOfProducer, PartitionLog};
use sprawl_model::batch::{BatchHeader, Batches, Records, payload, verify_crc};
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;
use sprawl_model::{Offset, ProducerEpoch, ProducerId};
use xxhash_rust::xxh3::xxh3_64;

use super::DELETE_RETENTION_MS;
use super::reading::Reading;
use crate::invariant::{Check, i5_acked_survives, i11_dense, i25_compaction_keeps};
use crate::invariant::{Crash, i6_never_decreases};

/// A record as it was written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) key: u64,
    /// A hash of the value; `None` is a tombstone.
    pub(super) value: Option<u64>,
}

/// Everything that was appended, by offset.
#[derive(Debug, Default)]
pub(super) struct Known {
    records: Vec<Seen>,
    /// When each was written, by the wall clock.
    written_ms: Vec<i64>,
    pub(super) acked_end: i64,
    /// Below this compaction was allowed to go.
    pub(super) stable_end: i64,
    /// The next sequence of each producer, and the last offset it wrote.
    pub(super) producers: BTreeMap<i64, (i32, i64)>,
}

impl Known {
    pub(super) fn end(&self) -> i64 {
        i64::try_from(self.records.len()).unwrap_or(i64::MAX)
    }

    /// Says what was promised and what a log holds.
    pub(super) fn describe(&self, log: &PartitionLog) -> String {
        format!(
            "wrote up to {}, acknowledged up to {}, stable up to {}; recovered {} to {}",
            self.end(),
            self.acked_end,
            self.stable_end,
            log.log_start(),
            log.log_end(),
        )
    }

    /// Takes note of a batch that was appended.
    pub(super) fn append(&mut self, batch: &[u8], now_ms: i64) {
        let (header, records) = read_batch(batch).expect("built here");
        assert_eq!(
            header.base_offset.0,
            self.end(),
            "the world appends in order"
        );
        self.written_ms.extend(records.iter().map(|_| now_ms));
        self.records.extend(records);
        if header.producer_id != ProducerId::NONE {
            let next = header.last_sequence().0.wrapping_add(1);
            let last = (next, header.last_offset().0);
            self.producers.insert(header.producer_id.0, last);
        }
    }

    /// Returns the producers as a broker would.
    pub(super) fn last_of_producers(&self) -> BTreeMap<ProducerId, LastOfProducer> {
        let last = self.producers.iter().map(|(id, (_, offset))| {
            let last = LastOfProducer {
                epoch: ProducerEpoch(0),
                last_data_offset: Some(Offset(*offset)),
            };
            (ProducerId(*id), last)
        });
        last.collect()
    }

    /// Compares a recovered log's ends with what was promised and forgets what a crash was allowed
    /// to take.
    pub(super) fn recovered(
        &mut self,
        log: &PartitionLog,
        crash: Crash,
        is_damaged: bool,
    ) -> Check {
        let end = log.log_end().0;
        if !is_damaged {
            let mut history = crate::history::History::new("compacted".to_owned());
            history.acknowledge(self.acked_end);
            i5_acked_survives(&history, log.config().flush, crash, end)?;
            i6_never_decreases("compacted", "log start", 0, log.log_start().0)?;
        }
        if end > self.end() {
            // Only damage leaves a log that ends above what was written.
            if !is_damaged {
                return i11_dense("compacted", self.end(), end);
            }
        }
        let end = usize::try_from(end).unwrap_or(0);
        self.records.truncate(end);
        self.written_ms.truncate(end);
        let end = self.end();
        self.acked_end = self.acked_end.min(end);
        self.stable_end = self.stable_end.min(end);
        self.producers.retain(|_, (_, last)| *last < end);
        Ok(())
    }

    /// Checks what a consumer read from the log start to `end`.
    pub(super) fn check(&self, reading: &Reading, end: i64, now_ms: i64) -> Check {
        let mut last_offset = -1;
        let mut read: BTreeMap<u64, i64> = BTreeMap::new();
        let mut present = vec![false; self.records.len()];
        for record in &reading.records {
            i25_compaction_keeps(
                (record.offset > last_offset)
                    .then_some(())
                    .ok_or_else(|| format!("offset {} follows {last_offset}", record.offset)),
            )?;
            last_offset = record.offset;
            let at = usize::try_from(record.offset).unwrap_or(usize::MAX);
            let written = self.records.get(at);
            i25_compaction_keeps(
                (written == Some(record))
                    .then_some(())
                    .ok_or_else(|| format!("wrote {written:?}, read {record:?}")),
            )?;
            if let Some(seen) = present.get_mut(at) {
                *seen = true;
            }
            read.insert(record.key, record.offset);
        }
        if reading.is_partial {
            return Ok(());
        }
        self.check_last_of_keys(&present, &read, end, now_ms)?;
        for (record, is_there) in self.records.iter().zip(&present) {
            let must_be = (self.stable_end..end).contains(&record.offset);
            let is_kept = *is_there || !must_be;
            i25_compaction_keeps(is_kept.then_some(()).ok_or_else(|| {
                format!("offset {} is above what is stable and gone", record.offset)
            }))?;
        }
        for (producer, (_, last)) in &self.producers {
            let is_there = *last >= end || reading.last_offsets.contains(&(*producer, *last));
            i25_compaction_keeps(is_there.then_some(()).ok_or_else(|| {
                format!("the batch of producer {producer} that ends at {last} is gone")
            }))?;
        }
        Ok(())
    }

    fn check_last_of_keys(
        &self,
        present: &[bool],
        read: &BTreeMap<u64, i64>,
        end: i64,
        now_ms: i64,
    ) -> Check {
        let end = usize::try_from(end).unwrap_or(0).min(self.records.len());
        let mut last: BTreeMap<u64, usize> = BTreeMap::new();
        for (at, record) in self.records.iter().enumerate().take(end) {
            last.insert(record.key, at);
        }
        for (key, at) in last {
            if present.get(at) == Some(&true) {
                continue;
            }
            let (record, written_ms) = (&self.records[at], self.written_ms[at]);
            let age_ms = now_ms - written_ms;
            let may_be_gone = record.value.is_none() && age_ms >= DELETE_RETENTION_MS;
            i25_compaction_keeps(may_be_gone.then_some(()).ok_or_else(|| {
                format!("{record:?}, the last of its key, is gone after {age_ms} ms")
            }))?;
            i25_compaction_keeps((!read.contains_key(&key)).then_some(()).ok_or_else(|| {
                format!("an older record of a key is back: {record:?} is gone, {read:?} is there")
            }))?;
        }
        Ok(())
    }
}

/// Reads one batch, its checksum checked.
pub(super) fn read_batch(batch: &[u8]) -> Option<(BatchHeader, Vec<Seen>)> {
    verify_crc(batch).ok()?;
    let header = BatchHeader::parse(batch).ok()?;
    let records = payload(batch, DECOMPRESSED_BYTES_MAX).ok()?;
    let records = Records::new(&header, &records).map(|record| {
        let record = record.ok()?;
        let key = record.key?.first_chunk::<8>()?;
        Some(Seen {
            offset: record.offset.0,
            timestamp: record.timestamp,
            key: u64::from_be_bytes(*key),
            value: record.value.map(xxh3_64),
        })
    });
    Some((header, records.collect::<Option<_>>()?))
}

/// Splits a piece of log into batches and reads each; `None` where one is damaged.
pub(super) fn read_batches(bytes: &[u8]) -> Option<Vec<(BatchHeader, Vec<Seen>)>> {
    Batches::new(bytes)
        .map(|batch| read_batch(batch.ok()?.1))
        .collect()
}
