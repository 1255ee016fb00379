//! Which batches were read from the log, and which bytes belong to which?
//!
//! Batches in memory are parts of their own. Of batches in a segment only the headers are read; the
//! bytes go to the socket by reference, as in an ordinary fetch.

use std::sync::Arc;

use sprawl_core::share::{AcquiredRecords, LogBatch, LogBatchKind};
use sprawl_io::spawn;
use sprawl_log::{AbortedTxn, FileRange, LogRead, Part};
use sprawl_model::ProducerId;
use sprawl_model::batch::{BatchHeader, HEADER_BYTES};
use sprawl_protocol::ErrorCode;

use crate::broker::Broker;
use crate::outgoing::Chunk;

/// A batch that was read.
#[derive(Clone, Debug)]
pub(super) struct ReadBatch {
    pub(super) batch: LogBatch,
    /// Whose transaction it belongs to.
    transaction_of: Option<ProducerId>,
    part: Part,
}

/// Turns batches of aborted transactions into ones without records.
pub(super) fn hide_aborted(batches: &mut [ReadBatch], aborted: &[AbortedTxn]) {
    for read in batches {
        let first = read.batch.first;
        let is_aborted = aborted.iter().any(|txn| {
            read.transaction_of == Some(txn.producer_id)
                && (txn.first_offset.0..=txn.last_offset.0).contains(&first)
        });
        if is_aborted {
            read.batch.kind = LogBatchKind::NoRecords;
        }
    }
}

/// Takes a read apart into its batches.
///
/// Errors: a header cannot be read.
pub(super) async fn batches_of(
    broker: &Arc<Broker>,
    read: LogRead,
) -> Result<Vec<ReadBatch>, ErrorCode> {
    let is_on_disk = read.parts.iter().any(|part| matches!(part, Part::File(_)));
    if !is_on_disk {
        return split(read);
    }
    let blocking = spawn::blocking(broker.io.spawn.as_ref(), move || split(read)).await;
    blocking.unwrap_or(Err(ErrorCode::NotLeaderOrFollower))
}

fn split(read: LogRead) -> Result<Vec<ReadBatch>, ErrorCode> {
    let mut batches = Vec::with_capacity(read.parts.len());
    for part in read.parts {
        match part {
            Part::Memory(bytes) => {
                let header = BatchHeader::parse(&bytes).map_err(|_| ErrorCode::CorruptMessage)?;
                let part = Part::Memory(bytes);
                batches.push(describe(&header, part));
            }
            Part::File(range) => split_file(&range, &mut batches)?,
        }
    }
    Ok(batches)
}

fn split_file(range: &FileRange, batches: &mut Vec<ReadBatch>) -> Result<(), ErrorCode> {
    let mut position = range.position;
    let end = range.position.saturating_add(range.size as u64);
    while position < end {
        let mut bytes = [0; HEADER_BYTES];
        let read = range.file.read_exact_at(&mut bytes, position);
        read.map_err(|_| ErrorCode::KafkaStorageError)?;
        let header = BatchHeader::parse(&bytes).map_err(|_| ErrorCode::CorruptMessage)?;
        let part = Part::File(FileRange {
            position,
            size: header.size(),
            ..range.clone()
        });
        batches.push(describe(&header, part));
        position = position.saturating_add(header.size() as u64);
    }
    Ok(())
}

fn describe(header: &BatchHeader, part: Part) -> ReadBatch {
    let batch = LogBatch {
        first: header.base_offset.0,
        last: header.next_offset().0 - 1,
        kind: if header.attributes.is_control() {
            LogBatchKind::NoRecords
        } else {
            LogBatchKind::Records
        },
    };
    let is_transactional = header.attributes.is_transactional();
    ReadBatch {
        batch,
        transaction_of: is_transactional.then_some(header.producer_id),
        part,
    }
}

/// The bytes of the batches that hold an acquired record.
pub(super) fn acquired_chunks(
    batches: Vec<ReadBatch>,
    acquired: &[AcquiredRecords],
) -> (Vec<Chunk>, usize) {
    let mut runs = acquired.iter().peekable();
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut size = 0;
    for ReadBatch { batch, part, .. } in batches {
        while runs.peek().is_some_and(|run| run.last < batch.first) {
            runs.next();
        }
        if runs.peek().is_some_and(|run| run.first <= batch.last) {
            let chunk = Chunk::from(part);
            size += chunk.size();
            push(&mut chunks, chunk);
        }
    }
    (chunks, size)
}

/// Adds a chunk; neighbours in one file are sent in one go.
fn push(chunks: &mut Vec<Chunk>, chunk: Chunk) {
    if let (Some(Chunk::File(last)), Chunk::File(next)) = (chunks.last_mut(), &chunk)
        && Arc::ptr_eq(&last.file, &next.file)
        && last.position.saturating_add(last.size as u64) == next.position
    {
        last.size += next.size;
        return;
    }
    chunks.push(chunk);
}
