//! The fixed header of a batch, its checksum, and the fields a broker patches in place.
//!
//! Layout (big endian): base offset 0..8, batch length 8..12, leader epoch 12..16, magic 16,
//! CRC 17..21, attributes 21..23, last offset delta 23..27, base timestamp 27..35, max timestamp
//! 35..43, producer id 43..51, producer epoch 51..53, base sequence 53..57, record count 57..61.
//! The CRC covers everything from the attributes to the end.

use super::error::BatchError;
use crate::checksum::crc32c;
use crate::compression::Codec;
use crate::limits::BATCH_BYTES_MAX;
use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

/// The size of the fixed header in bytes, base offset and length included.
pub const HEADER_BYTES: usize = 61;

/// The bytes before those that the length field counts.
pub(super) const LENGTH_OVERHEAD_BYTES: usize = 12;
pub(super) const MAGIC: i8 = 2;

const LENGTH_AT: usize = 8;
const LEADER_EPOCH_AT: usize = 12;
pub(super) const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
pub(super) const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;

const LENGTH_MIN: i32 = (HEADER_BYTES - LENGTH_OVERHEAD_BYTES) as i32;
const LENGTH_MAX: i32 = (BATCH_BYTES_MAX - LENGTH_OVERHEAD_BYTES) as i32;

/// The header of a record batch, as it stands in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record (before compaction).
    pub base_offset: Offset,
    /// Bytes after the length field.
    pub batch_length: i32,
    /// The leader epoch that appended the batch.
    pub leader_epoch: LeaderEpoch,
    /// The format version: 2.
    pub magic: i8,
    /// CRC-32C from the attributes to the end.
    pub crc: u32,
    /// Codec, timestamp type, transactional and control bits.
    pub attributes: Attributes,
    /// The last offset minus the base offset.
    pub last_offset_delta: i32,
    /// What record timestamps count from, ms since the Unix epoch.
    pub base_timestamp: i64,
    /// The largest timestamp, or the append time; ms since the Unix epoch.
    pub max_timestamp: i64,
    /// The idempotent producer, or [`ProducerId::NONE`].
    pub producer_id: ProducerId,
    /// Its epoch, or [`ProducerEpoch::NONE`].
    pub producer_epoch: ProducerEpoch,
    /// The sequence of the first record, or -1.
    pub base_sequence: Sequence,
    /// How many records the batch holds.
    pub record_count: i32,
}

impl BatchHeader {
    /// Parses the header at the start of `bytes`, which need not hold the whole batch.
    ///
    /// After `Ok`: magic is 2, the length is between the header and the cap, and
    /// `0 <= record_count <= last_offset_delta + 1`.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        if let Some(&magic) = bytes.get(MAGIC_AT)
            && i8::from_be_bytes([magic]) != MAGIC
        {
            return Err(BatchError::UnsupportedMagic {
                found: i8::from_be_bytes([magic]),
            });
        }
        let Some(fixed) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated {
                needed: HEADER_BYTES,
                found: bytes.len(),
            });
        };
        let header = Self::decode(fixed);
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&header.batch_length) {
            let (found, min, max) = (header.batch_length, LENGTH_MIN, LENGTH_MAX);
            return Err(BatchError::Length { found, min, max });
        }
        let Self {
            record_count,
            last_offset_delta,
            ..
        } = header;
        if record_count < 0
            || last_offset_delta < 0
            || i64::from(record_count) > i64::from(last_offset_delta) + 1
        {
            return Err(BatchError::Count {
                record_count,
                last_offset_delta,
            });
        }
        Ok(header)
    }

    fn decode(fixed: &[u8; HEADER_BYTES]) -> Self {
        Self {
            base_offset: Offset(i64::from_be_bytes(field(fixed, 0))),
            batch_length: i32::from_be_bytes(field(fixed, LENGTH_AT)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field(fixed, LEADER_EPOCH_AT))),
            magic: i8::from_be_bytes(field(fixed, MAGIC_AT)),
            crc: u32::from_be_bytes(field(fixed, CRC_AT)),
            attributes: Attributes(i16::from_be_bytes(field(fixed, ATTRIBUTES_AT))),
            last_offset_delta: i32::from_be_bytes(field(fixed, 23)),
            base_timestamp: i64::from_be_bytes(field(fixed, 27)),
            max_timestamp: i64::from_be_bytes(field(fixed, MAX_TIMESTAMP_AT)),
            producer_id: ProducerId(i64::from_be_bytes(field(fixed, 43))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field(fixed, 51))),
            base_sequence: Sequence(i32::from_be_bytes(field(fixed, 53))),
            record_count: i32::from_be_bytes(field(fixed, 57)),
        }
    }

    /// Encodes the header as it stands, CRC included.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut fixed = [0; HEADER_BYTES];
        put(&mut fixed, 0, self.base_offset.0.to_be_bytes());
        put(&mut fixed, LENGTH_AT, self.batch_length.to_be_bytes());
        put(
            &mut fixed,
            LEADER_EPOCH_AT,
            self.leader_epoch.0.to_be_bytes(),
        );
        put(&mut fixed, MAGIC_AT, self.magic.to_be_bytes());
        put(&mut fixed, CRC_AT, self.crc.to_be_bytes());
        put(&mut fixed, ATTRIBUTES_AT, self.attributes.0.to_be_bytes());
        put(&mut fixed, 23, self.last_offset_delta.to_be_bytes());
        put(&mut fixed, 27, self.base_timestamp.to_be_bytes());
        put(
            &mut fixed,
            MAX_TIMESTAMP_AT,
            self.max_timestamp.to_be_bytes(),
        );
        put(&mut fixed, 43, self.producer_id.0.to_be_bytes());
        put(&mut fixed, 51, self.producer_epoch.0.to_be_bytes());
        put(&mut fixed, 53, self.base_sequence.0.to_be_bytes());
        put(&mut fixed, 57, self.record_count.to_be_bytes());
        fixed
    }

    /// Returns the size of the whole batch in bytes. A parsed header has at least [`HEADER_BYTES`].
    pub fn size(&self) -> usize {
        usize::try_from(self.batch_length)
            .unwrap_or(0)
            .saturating_add(LENGTH_OVERHEAD_BYTES)
    }

    /// Returns the offset of the last record; saturates where a hostile base offset would overflow.
    pub fn last_offset(&self) -> Offset {
        Offset(
            self.base_offset
                .0
                .saturating_add(i64::from(self.last_offset_delta)),
        )
    }

    /// Returns the offset after the last record; saturates like [`Self::last_offset`].
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.saturating_add(1))
    }

    /// Returns the sequence of the last record; sequences wrap from `i32::MAX` to 0. A batch
    /// without a sequence has none at its end either.
    pub fn last_sequence(&self) -> Sequence {
        if self.base_sequence.0 < 0 {
            return self.base_sequence;
        }
        let sum = i64::from(self.base_sequence.0) + i64::from(self.last_offset_delta);
        let wrapped = sum % (i64::from(i32::MAX) + 1);
        Sequence(i32::try_from(wrapped).expect("a remainder of 2^31 fits 31 bits"))
    }
}

/// What a record's timestamp means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's time.
    #[default]
    CreateTime,
    /// The broker's time at append; one for the whole batch.
    LogAppendTime,
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC_MASK: i16 = 0b0000_0111;
    const LOG_APPEND_TIME: i16 = 0b0000_1000;
    const TRANSACTIONAL: i16 = 0b0001_0000;
    const CONTROL: i16 = 0b0010_0000;
    pub(super) const DELETE_HORIZON: i16 = 0b0100_0000;

    /// Returns the codec of the records.
    pub fn codec(self) -> Result<Codec, BatchError> {
        let found = (self.0 & Self::CODEC_MASK).to_be_bytes()[1];
        Codec::from_id(found).ok_or(BatchError::UnknownCodec { found })
    }

    /// Returns the meaning of the timestamps.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Says whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Says whether the batch holds control records, which consumers skip.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Says whether the base timestamp is a delete horizon (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// Returns these attributes with another codec.
    #[must_use]
    pub fn with_codec(self, codec: Codec) -> Self {
        Self(self.0 & !Self::CODEC_MASK | i16::from(codec.id()))
    }

    /// Returns these attributes with another timestamp type.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        match timestamp_type {
            TimestampType::CreateTime => Self(self.0 & !Self::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Self(self.0 | Self::LOG_APPEND_TIME),
        }
    }

    /// Returns these attributes with the transactional bit set.
    #[must_use]
    pub fn transactional(self) -> Self {
        Self(self.0 | Self::TRANSACTIONAL)
    }

    /// Returns these attributes with the control bit set.
    #[must_use]
    pub fn control(self) -> Self {
        Self(self.0 | Self::CONTROL)
    }
}

/// Checks the CRC of one whole batch; bytes after it are not looked at.
pub fn verify_crc(batch: &[u8]) -> Result<(), BatchError> {
    let header = BatchHeader::parse(batch)?;
    let Some(covered) = batch.get(ATTRIBUTES_AT..header.size()) else {
        return Err(BatchError::Truncated {
            needed: header.size(),
            found: batch.len(),
        });
    };
    let computed = crc32c(covered);
    if computed == header.crc {
        Ok(())
    } else {
        Err(BatchError::Crc {
            expected: header.crc,
            computed,
        })
    }
}

/// Writes the base offset of a batch; it stands outside the CRC.
///
/// Panics where `batch` is shorter than a header: the caller has parsed it.
pub fn set_base_offset(batch: &mut [u8], base_offset: Offset) {
    put(fixed_mut(batch), 0, base_offset.0.to_be_bytes());
}

/// Writes the leader epoch of a batch; it stands outside the CRC.
///
/// Panics where `batch` is shorter than a header: the caller has parsed it.
pub fn set_leader_epoch(batch: &mut [u8], leader_epoch: LeaderEpoch) {
    put(
        fixed_mut(batch),
        LEADER_EPOCH_AT,
        leader_epoch.0.to_be_bytes(),
    );
}

/// Turns a batch into one with log append time: sets the bit and the max timestamp, recomputes the
/// CRC.
///
/// Panics where `batch` is shorter than a header: the caller has parsed it.
pub fn set_log_append_time(batch: &mut [u8], timestamp_ms: i64) {
    set_timestamp(batch, TimestampType::LogAppendTime, timestamp_ms);
}

/// Corrects the max timestamp of a batch with create time, and recomputes the CRC.
///
/// Panics where `batch` is shorter than a header: the caller has parsed it.
pub fn set_create_time(batch: &mut [u8], max_timestamp_ms: i64) {
    set_timestamp(batch, TimestampType::CreateTime, max_timestamp_ms);
}

fn set_timestamp(batch: &mut [u8], timestamp_type: TimestampType, timestamp_ms: i64) {
    let fixed = fixed_mut(batch);
    let attributes = Attributes(i16::from_be_bytes(field(fixed, ATTRIBUTES_AT)))
        .with_timestamp_type(timestamp_type);
    put(fixed, ATTRIBUTES_AT, attributes.0.to_be_bytes());
    put(fixed, MAX_TIMESTAMP_AT, timestamp_ms.to_be_bytes());
    write_crc(batch);
}

/// Computes and writes the CRC of `batch`, which is exactly one batch.
pub(super) fn write_crc(batch: &mut [u8]) {
    let crc = crc32c(batch.get(ATTRIBUTES_AT..).unwrap_or_default());
    put(fixed_mut(batch), CRC_AT, crc.to_be_bytes());
}

fn fixed_mut(batch: &mut [u8]) -> &mut [u8; HEADER_BYTES] {
    batch
        .first_chunk_mut()
        .expect("the caller parsed this batch, so its header is here")
}

/// Reads `N` bytes of the header; all callers pass constants inside it.
fn field<const N: usize>(fixed: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&fixed[at..at + N]);
    bytes
}

/// Writes `N` bytes of the header; all callers pass constants inside it.
fn put<const N: usize>(fixed: &mut [u8; HEADER_BYTES], at: usize, bytes: [u8; N]) {
    fixed[at..at + N].copy_from_slice(&bytes);
}
