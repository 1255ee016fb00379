//! The values in the state store, each with a version and a checksum
//! (`docs/formats/state-store.md`).

use sprawl_model::{LeaderEpoch, Offset, PartitionKey, ProducerId};

use crate::codec::{Decoder, Encoder, FormatError};
use crate::journal::Resume;
use crate::journal::scan::Start;
use crate::partition::AbortedTxn;
use crate::segment::SegmentMeta;

const CHECKPOINT_VERSION: u8 = 1;
const PARTITION_VERSION: u8 = 1;
/// Of a segment that was never compacted.
const SEGMENT_VERSION: u8 = 1;
/// Of a compacted one: the generation follows.
const COMPACTED_SEGMENT_VERSION: u8 = 2;
const SNAPSHOT_VERSION: u8 = 1;
const ABORTED_VERSION: u8 = 1;
/// No partition has more leader epochs or damaged ranges than this; more is damage.
const ITEM_COUNT_MAX: u32 = 1 << 20;

/// The key of the checkpoint.
pub(crate) const CHECKPOINT_KEY: &[u8] = b"checkpoint";

/// Where a leader epoch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The offset of its first record.
    pub start: Offset,
}

/// Offsets that were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamageRange {
    /// The first lost offset.
    pub from: Offset,
    /// The first offset after the damage, as far as known.
    pub to: Offset,
}

/// What the state store knows of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionMeta {
    pub(crate) log_start: Offset,
    /// Below this everything is in synced segments.
    pub(crate) flushed_end: Offset,
    pub(crate) epochs: Vec<EpochStart>,
    pub(crate) damage: Vec<DamageRange>,
}

impl PartitionMeta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(PARTITION_VERSION);
        encoder.i64(self.log_start.0).i64(self.flushed_end.0);
        encoder.u32(u32::try_from(self.epochs.len()).unwrap_or(u32::MAX));
        for known in &self.epochs {
            encoder.i32(known.epoch.0).i64(known.start.0);
        }
        encoder.u32(u32::try_from(self.damage.len()).unwrap_or(u32::MAX));
        for range in &self.damage {
            encoder.i64(range.from.0).i64(range.to.0);
        }
        encoder.seal()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Decoder::open(bytes, PARTITION_VERSION)?;
        let mut meta = Self {
            log_start: Offset(fields.i64()?),
            flushed_end: Offset(fields.i64()?),
            epochs: Vec::new(),
            damage: Vec::new(),
        };
        for _ in 0..count(&mut fields)? {
            let (epoch, start) = (LeaderEpoch(fields.i32()?), Offset(fields.i64()?));
            meta.epochs.push(EpochStart { epoch, start });
        }
        for _ in 0..count(&mut fields)? {
            let (from, to) = (Offset(fields.i64()?), Offset(fields.i64()?));
            meta.damage.push(DamageRange { from, to });
        }
        Ok(meta)
    }
}

fn count(fields: &mut Decoder<'_>) -> Result<u32, FormatError> {
    let found = fields.u32()?;
    if found > ITEM_COUNT_MAX {
        return Err(FormatError::Field {
            field: "count",
            found: i64::from(found),
        });
    }
    Ok(found)
}

/// Encodes the checkpoint.
pub(crate) fn checkpoint(start: &Start) -> Vec<u8> {
    let Resume {
        generation,
        next_lsn,
        chain,
        position,
    } = start.resume;
    Encoder::new(CHECKPOINT_VERSION)
        .u64(generation)
        .u64(next_lsn)
        .u32(chain)
        .u64(position)
        .u8(u8::from(start.is_clean))
        .seal()
}

/// Decodes the checkpoint.
pub(crate) fn decode_checkpoint(bytes: &[u8]) -> Result<Start, FormatError> {
    let mut fields = Decoder::open(bytes, CHECKPOINT_VERSION)?;
    let resume = Resume {
        generation: fields.u64()?,
        next_lsn: fields.u64()?,
        chain: fields.u32()?,
        position: fields.u64()?,
    };
    Ok(Start {
        resume,
        is_clean: fields.u8()? != 0,
    })
}

/// Returns the key of a segment's meta.
pub(crate) fn segment_key(key: PartitionKey, base_offset: Offset) -> Vec<u8> {
    let mut bytes = key.to_bytes().to_vec();
    bytes.extend(base_offset.0.to_be_bytes());
    bytes
}

/// Returns what the keys of a segment's index chunks begin with: those of another generation of it
/// speak of another file.
pub(crate) fn index_prefix(key: PartitionKey, base_offset: Offset, generation: u32) -> Vec<u8> {
    let mut bytes = segment_key(key, base_offset);
    bytes.extend(generation.to_be_bytes());
    bytes
}

/// Returns the key of an index chunk.
pub(crate) fn index_key(
    key: PartitionKey,
    base_offset: Offset,
    generation: u32,
    first_entry: usize,
) -> Vec<u8> {
    let mut bytes = index_prefix(key, base_offset, generation);
    let first_entry = u32::try_from(first_entry).expect("a segment has fewer than 2^31 batches");
    bytes.extend(first_entry.to_be_bytes());
    bytes
}

/// Returns the base offset in a segment's key.
pub(crate) fn segment_key_offset(bytes: &[u8]) -> Option<Offset> {
    let offset = bytes
        .get(PartitionKey::ENCODED_BYTES..)?
        .first_chunk::<8>()?;
    Some(Offset(i64::from_be_bytes(*offset)))
}

impl SegmentMeta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let version = if self.generation == 0 {
            SEGMENT_VERSION
        } else {
            COMPACTED_SEGMENT_VERSION
        };
        let mut encoder = Encoder::new(version);
        encoder
            .u64(self.size)
            .i64(self.next_offset.0)
            .i64(self.first_timestamp)
            .i64(self.max_timestamp);
        match &self.digest {
            Some(digest) => encoder.u8(1).bytes(digest),
            None => encoder.u8(0),
        };
        if self.generation > 0 {
            encoder.u32(self.generation);
        }
        encoder.seal()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (version, mut fields) = Decoder::open_up_to(bytes, COMPACTED_SEGMENT_VERSION)?;
        Ok(Self {
            size: fields.u64()?,
            next_offset: Offset(fields.i64()?),
            first_timestamp: fields.i64()?,
            max_timestamp: fields.i64()?,
            digest: if fields.u8()? == 0 {
                None
            } else {
                Some(fields.array()?)
            },
            generation: if version < COMPACTED_SEGMENT_VERSION {
                0
            } else {
                fields.u32()?
            },
        })
    }
}

/// Returns the key of an aborted transaction: keys are in the order of the markers.
pub(crate) fn aborted_key(key: PartitionKey, last_offset: Offset) -> Vec<u8> {
    segment_key(key, last_offset)
}

impl AbortedTxn {
    pub(crate) fn encode(&self) -> Vec<u8> {
        Encoder::new(ABORTED_VERSION)
            .i64(self.producer_id.0)
            .i64(self.first_offset.0)
            .i64(self.last_stable_offset.0)
            .seal()
    }
}

/// Decodes an aborted transaction.
pub(crate) fn decode_aborted(key: &[u8], value: &[u8]) -> Result<AbortedTxn, FormatError> {
    let short = FormatError::Short { found: key.len() };
    let last_offset = segment_key_offset(key).ok_or(short)?;
    let mut fields = Decoder::open(value, ABORTED_VERSION)?;
    Ok(AbortedTxn {
        producer_id: ProducerId(fields.i64()?),
        first_offset: Offset(fields.i64()?),
        last_offset,
        last_stable_offset: Offset(fields.i64()?),
    })
}

/// Returns the key of a snapshot.
pub(crate) fn snapshot_key(key: PartitionKey, name: &str) -> Vec<u8> {
    let mut bytes = key.to_bytes().to_vec();
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

/// Returns key and value of a snapshot.
pub(crate) fn snapshot(
    key: PartitionKey,
    name: &str,
    offset: Offset,
    bytes: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let value = Encoder::new(SNAPSHOT_VERSION)
        .i64(offset.0)
        .bytes(bytes)
        .seal();
    (snapshot_key(key, name), value)
}

/// Decodes a snapshot.
pub(crate) fn decode_snapshot(bytes: &[u8]) -> Result<(Offset, Vec<u8>), FormatError> {
    let mut fields = Decoder::open(bytes, SNAPSHOT_VERSION)?;
    let offset = Offset(fields.i64()?);
    Ok((offset, fields.rest().to_vec()))
}
