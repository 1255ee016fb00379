//! Producer state as bytes, so that a start needs only the newest part of the log.
//!
//! Layout in `docs/formats/producer-snapshot.md`. Decoding believes no count before it has seen the
//! bytes for it, and never keeps more than [`PRODUCERS_PER_PARTITION_MAX`] producers.

use sprawl_model::checksum::crc32c;
use sprawl_model::{Offset, ProducerEpoch, ProducerId, Sequence};

use super::producers::{
    BATCHES_RETAINED, BatchMetadata, NO_COORDINATOR_EPOCH, PRODUCERS_PER_PARTITION_MAX,
    ProducerState, ProducerStates,
};

/// The version this build writes. Version 1, which knew no transactions, is read as well.
pub const SNAPSHOT_VERSION: u8 = 2;

const VERSION_WITHOUT_TRANSACTIONS: u8 = 1;

const HEADER_BYTES: usize = 1 + 4 + 8 + 4;
const PRODUCER_BYTES: usize = 8 + 2 + 8 + 4 + 8 + 1;
const BATCH_BYTES: usize = 4 + 8 + 4 + 8;

/// Why bytes are not a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by a later release, or not a snapshot at all.
    #[error("expected producer snapshot version {SNAPSHOT_VERSION}, found {found}")]
    UnknownVersion {
        /// The first byte.
        found: u8,
    },
    /// The bytes changed after they were written.
    #[error("expected producer snapshot checksum {expected:#010x}, found {found:#010x}")]
    Checksum {
        /// The checksum that was written.
        expected: u32,
        /// The checksum of what is there.
        found: u32,
    },
    /// The bytes end early, go on too long, or hold a value out of range.
    #[error("expected a {expected} at byte {position} of a producer snapshot of {size} bytes")]
    Malformed {
        /// What should have been there.
        expected: &'static str,
        /// Where.
        position: usize,
        /// How many bytes there are.
        size: usize,
    },
}

impl ProducerStates {
    /// Encodes the state; the same state gives the same bytes.
    pub fn encode(&self) -> Vec<u8> {
        let batch_count: usize = self
            .producers
            .values()
            .map(|state| state.batches.len())
            .sum();
        let size = HEADER_BYTES + self.producers.len() * PRODUCER_BYTES + batch_count * BATCH_BYTES;
        let mut body = Vec::with_capacity(size);
        body.push(SNAPSHOT_VERSION);
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&self.end_offset.0.to_be_bytes());
        let count =
            u32::try_from(self.producers.len()).expect("the cap on producers is below 2^32");
        body.extend_from_slice(&count.to_be_bytes());
        for (id, state) in &self.producers {
            body.extend_from_slice(&id.0.to_be_bytes());
            body.extend_from_slice(&state.epoch.0.to_be_bytes());
            body.extend_from_slice(&state.last_append_ms.to_be_bytes());
            body.extend_from_slice(&state.coordinator_epoch.to_be_bytes());
            let txn_first_offset = state.txn_first_offset.unwrap_or(Offset::NONE);
            body.extend_from_slice(&txn_first_offset.0.to_be_bytes());
            body.push(u8::try_from(state.batches.len()).expect("at most five batches"));
            for batch in &state.batches {
                body.extend_from_slice(&batch.last_sequence.0.to_be_bytes());
                body.extend_from_slice(&batch.last_offset.0.to_be_bytes());
                body.extend_from_slice(&batch.offset_delta.to_be_bytes());
                body.extend_from_slice(&batch.timestamp.to_be_bytes());
            }
        }
        let crc = crc32c(&body[5..]);
        body[1..5].copy_from_slice(&crc.to_be_bytes());
        body
    }

    /// Decodes what [`Self::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut reader = Reader { bytes, position: 0 };
        let [version] = reader.take("version")?;
        if !(VERSION_WITHOUT_TRANSACTIONS..=SNAPSHOT_VERSION).contains(&version) {
            return Err(SnapshotError::UnknownVersion { found: version });
        }
        let expected = u32::from_be_bytes(reader.take("checksum")?);
        let found = crc32c(reader.rest());
        if found != expected {
            return Err(SnapshotError::Checksum { expected, found });
        }
        let end_offset = Offset(i64::from_be_bytes(reader.take("end offset")?));
        let count = u32::from_be_bytes(reader.take("producer count")?);
        if usize::try_from(count).map_or(true, |count| count > PRODUCERS_PER_PARTITION_MAX) {
            return Err(reader.malformed("producer count within its cap"));
        }
        let mut states = Self::new(end_offset);
        for _ in 0..count {
            let id = ProducerId(i64::from_be_bytes(reader.take("producer id")?));
            let state = decode_producer(&mut reader, version)?;
            if let Some(first_offset) = state.txn_first_offset {
                if first_offset < Offset(0) || first_offset >= end_offset {
                    return Err(reader.malformed("transaction below the end offset"));
                }
                states.transactions.begin(first_offset, id);
            }
            states.producers.insert(id, state);
        }
        if !reader.rest().is_empty() {
            return Err(reader.malformed("end"));
        }
        Ok(states)
    }
}

fn decode_producer(reader: &mut Reader<'_>, version: u8) -> Result<ProducerState, SnapshotError> {
    let epoch = ProducerEpoch(i16::from_be_bytes(reader.take("producer epoch")?));
    let last_append_ms = i64::from_be_bytes(reader.take("append time")?);
    let (mut coordinator_epoch, mut txn_first_offset) = (NO_COORDINATOR_EPOCH, None);
    if version > VERSION_WITHOUT_TRANSACTIONS {
        coordinator_epoch = i32::from_be_bytes(reader.take("coordinator epoch")?);
        let first_offset = Offset(i64::from_be_bytes(
            reader.take("transaction's first offset")?,
        ));
        txn_first_offset = Some(first_offset).filter(|first| *first != Offset::NONE);
    }
    let [batch_count] = reader.take("batch count")?;
    if usize::from(batch_count) > BATCHES_RETAINED {
        return Err(reader.malformed("batch count of at most five"));
    }
    let mut batches = Vec::with_capacity(usize::from(batch_count));
    for _ in 0..batch_count {
        batches.push(decode_batch(reader)?);
    }
    Ok(ProducerState {
        epoch,
        coordinator_epoch,
        last_append_ms,
        txn_first_offset,
        batches,
    })
}

fn decode_batch(reader: &mut Reader<'_>) -> Result<BatchMetadata, SnapshotError> {
    let batch = BatchMetadata {
        last_sequence: Sequence(i32::from_be_bytes(reader.take("sequence")?)),
        last_offset: Offset(i64::from_be_bytes(reader.take("offset")?)),
        offset_delta: i32::from_be_bytes(reader.take("offset delta")?),
        timestamp: i64::from_be_bytes(reader.take("timestamp")?),
    };
    if batch.last_sequence.0 < 0 || batch.offset_delta < 0 {
        return Err(reader.malformed("sequence and offset delta of 0 or more"));
    }
    Ok(batch)
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    fn take<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], SnapshotError> {
        let chunk = *self
            .rest()
            .first_chunk::<N>()
            .ok_or_else(|| self.malformed(expected))?;
        self.position += N;
        Ok(chunk)
    }

    fn malformed(&self, expected: &'static str) -> SnapshotError {
        SnapshotError::Malformed {
            expected,
            position: self.position,
            size: self.bytes.len(),
        }
    }
}
