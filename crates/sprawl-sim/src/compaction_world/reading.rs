//! Reading a whole log, as a consumer that starts at its beginning does.

use std::collections::BTreeSet;

use sprawl_log::{AtLeastOne, Part, PartitionLog, ReadError, ReadRequest};
use sprawl_model::Offset;

use super::known::{Seen, read_batches};
use crate::invariant::Violation;

/// What was read from the log start on.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) records: Vec<Seen>,
    /// Producer and last offset of every batch of an idempotent producer.
    pub(super) last_offsets: BTreeSet<(i64, i64)>,
    /// Base offset, end and record count of every batch.
    pub(super) batches: Vec<(i64, i64, i32)>,
    /// Where reading stopped: at the end, or at a failing disk, or at damage.
    pub(super) next: i64,
    /// Something that was to be read could not be.
    pub(super) is_partial: bool,
    /// That was damage which the log reports.
    pub(super) is_cut: bool,
}

impl Reading {
    /// Reads from `start` up to `end`.
    ///
    /// Errors: the log neither gives what comes next nor says that it is lost, and the disk works.
    pub(super) fn of(log: &PartitionLog, start: Offset, end: Offset) -> Result<Self, Violation> {
        let mut reading = Self {
            next: start.0,
            ..Self::default()
        };
        while reading.next < end.0 {
            let request = ReadRequest {
                offset: Offset(reading.next),
                bytes_max: 6_000,
                at_least_one: AtLeastOne::Yes,
                end,
            };
            let read = match log.read(request) {
                Ok(read) => read,
                Err(ReadError::Damaged { .. }) => {
                    reading.is_partial = true;
                    reading.is_cut = true;
                    return Ok(reading);
                }
                Err(ReadError::Disk(_) | ReadError::State(_)) => {
                    reading.is_partial = true;
                    return Ok(reading);
                }
                Err(error @ ReadError::OutOfRange { .. }) => {
                    return Err(unreadable(reading.next, &error.to_string()));
                }
            };
            let mut bytes = Vec::new();
            for part in &read.parts {
                let loaded = match part {
                    Part::Memory(part) => Ok(part.clone()),
                    Part::File(range) => range.load(),
                };
                let Ok(part) = loaded else {
                    reading.is_partial = true;
                    return Ok(reading);
                };
                bytes.extend_from_slice(&part);
            }
            if read.next_offset.0 <= reading.next {
                return Err(unreadable(
                    reading.next,
                    "nothing comes and nothing is lost",
                ));
            }
            // A flipped bit inside a segment: the consumer's own check of the CRC finds it.
            let Some(batches) = read_batches(&bytes) else {
                reading.is_partial = true;
                reading.is_cut = true;
                return Ok(reading);
            };
            for (header, records) in batches {
                reading.batches.push((
                    header.base_offset.0,
                    header.next_offset().0,
                    header.record_count,
                ));
                if header.producer_id.0 >= 0 {
                    let last = (header.producer_id.0, header.last_offset().0);
                    reading.last_offsets.insert(last);
                }
                reading.records.extend(records);
            }
            reading.next = read.next_offset.0;
        }
        Ok(reading)
    }
}

fn unreadable(offset: i64, reason: &str) -> Violation {
    Violation {
        invariant: "I25",
        sentence: "a compacted log is read past what is gone",
        detail: format!("at {offset}: {reason}"),
    }
}
