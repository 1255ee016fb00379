//! What a partition learns from its log at a start: its producers, their transactions, and which
//! of those were aborted.
//!
//! The last snapshot, then every batch header behind it; of control batches the record as well.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sprawl_core::partition::{CompletedTxn, ProducerStates};
use sprawl_log::{
    AbortedTxn, AtLeastOne, PRODUCER_SNAPSHOT, Part, PartitionLog, ReadError, ReadRequest,
};
use sprawl_model::Offset;
use sprawl_model::batch::{BatchHeader, EndTxnMarker, TxnOutcome};
use sprawl_model::mutant::{Mutant, active};

/// What replaying a log has told.
pub(super) struct Replayed {
    pub(super) producers: ProducerStates,
    /// The first batch that was replayed and changes what waits for its delivery.
    pub(super) first_change: Option<Offset>,
}

/// Rebuilds the producers' state and the index of aborted transactions. Blocking.
pub(super) fn rebuild_producers(
    log: &Arc<PartitionLog>,
    now_ms: i64,
) -> Result<Replayed, ReadError> {
    let mut from = log.log_start();
    let mut producers = ProducerStates::new(from);
    let mut first_change = None;
    if active(Mutant::DedupStateLostAtRestart) {
        return Ok(Replayed {
            producers,
            first_change,
        });
    }
    if let Some((offset, bytes)) = log.load_snapshot(PRODUCER_SNAPSHOT) {
        match ProducerStates::decode(&bytes) {
            Ok(decoded) if offset <= log.log_end() => {
                producers = decoded;
                from = offset.max(from);
            }
            Ok(_) => {
                tracing::warn!(partition = %log.key(), "producer snapshot is ahead of the log")
            }
            Err(error) => {
                tracing::warn!(partition = %log.key(), %error, "producer snapshot unreadable")
            }
        }
    }
    for header in log.headers_from(from)? {
        let header = header?;
        if header.attributes.changes_timers() {
            first_change.get_or_insert(header.base_offset);
        }
        if header.attributes.is_control() {
            let marker = read_marker(log, &header)?;
            let completed = producers.replay_control(&header, marker, now_ms);
            let is_kept = |_: &CompletedTxn| !active(Mutant::AbortedIndexLostAtRestart);
            if let Some(completed) = completed.filter(is_kept) {
                note_if_aborted(log, &completed);
            }
        } else {
            producers.replay(&header, now_ms);
        }
    }
    Ok(Replayed {
        producers,
        first_change,
    })
}

/// Tells the log of a transaction whose records readers must skip.
pub(super) fn note_if_aborted(log: &PartitionLog, completed: &CompletedTxn) {
    if completed.outcome == TxnOutcome::Abort {
        log.note_aborted(AbortedTxn {
            producer_id: completed.producer_id,
            first_offset: completed.first_offset,
            last_offset: completed.last_offset,
            last_stable_offset: completed.last_stable_offset,
        });
    }
}

fn read_marker(
    log: &PartitionLog,
    header: &BatchHeader,
) -> Result<Option<EndTxnMarker>, ReadError> {
    let damaged = ReadError::Damaged {
        from: header.base_offset,
        to: header.next_offset(),
    };
    let batch = read_batch(log, header)?;
    EndTxnMarker::parse(&batch).map_err(|error| {
        tracing::error!(partition = %log.key(), offset = header.base_offset.0, %error, "a control batch is damaged");
        damaged
    })
}

fn read_batch(log: &PartitionLog, header: &BatchHeader) -> Result<Bytes, ReadError> {
    let read = log.read(ReadRequest {
        offset: header.base_offset,
        bytes_max: header.size(),
        at_least_one: AtLeastOne::Yes,
        end: header.next_offset(),
    })?;
    let mut bytes = BytesMut::with_capacity(read.size);
    for part in read.parts {
        match part {
            Part::Memory(memory) => bytes.extend_from_slice(&memory),
            Part::File(range) => {
                let loaded = range.load().map_err(|source| {
                    tracing::error!(partition = %log.key(), error = %source, "a control batch cannot be read");
                    ReadError::Damaged {
                        from: header.base_offset,
                        to: header.next_offset(),
                    }
                })?;
                bytes.extend_from_slice(&loaded);
            }
        }
    }
    Ok(bytes.freeze())
}
