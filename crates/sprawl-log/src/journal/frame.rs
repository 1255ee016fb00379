//! How frames and file headers look in the journal (`docs/formats/journal.md`).
//!
//! A frame is a header and one record batch. The frame's checksum covers the header and the first
//! 21 bytes of the batch, where the batch's own CRC stands; that CRC covers the rest. So every byte
//! is covered, and the payload is not read a second time. Each header repeats the checksum of the
//! frame before it: the chain.

use bytes::Bytes;
use sprawl_model::batch::{BatchHeader, HEADER_BYTES, verify_crc};
use sprawl_model::checksum::{Crc32c, crc32c};
use sprawl_model::mutant::{Mutant, active};
use sprawl_model::{LeaderEpoch, Offset, PartitionKey};

use crate::aligned::BLOCK;
use crate::codec::{Decoder, FormatError};

/// The newest frame version.
pub(crate) const FRAME_VERSION: u8 = 1;
/// The newest file header version.
pub(crate) const FILE_VERSION: u8 = 1;
/// Bytes of a frame header.
pub(crate) const FRAME_HEADER_BYTES: usize = 80;
/// Bytes of the batch that the frame's checksum covers: up to and including the batch's CRC.
const BATCH_PREFIX_BYTES: usize = 21;
/// What a file starts with.
const FILE_MAGIC: &[u8; 8] = b"SPRWLJNL";
/// The header block in front of the groups of a file.
pub(crate) const FILE_HEADER_BYTES: usize = BLOCK;

const KIND_BATCH: u8 = 1;
const FLAG_SYNC: u8 = 1;
const FLAG_AFTER_MEMORY: u8 = 2;

/// The first block of a journal file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// Which use of which file this is: grows by one with each file that is begun.
    pub generation: u64,
    /// The lsn of the first frame.
    pub first_lsn: u64,
    /// The checksum of the frame before it, in an earlier file.
    pub chain: u32,
}

impl FileHeader {
    /// Encodes the header block.
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut block = [0; FILE_HEADER_BYTES];
        let mut fields = Vec::with_capacity(64);
        fields.extend_from_slice(FILE_MAGIC);
        fields.extend([FILE_VERSION, 0, 0, 0]);
        fields.extend(self.generation.to_be_bytes());
        fields.extend(self.first_lsn.to_be_bytes());
        fields.extend(self.chain.to_be_bytes());
        let crc = crc32c(&fields);
        fields.extend(crc.to_be_bytes());
        for (to, from) in block.iter_mut().zip(fields) {
            *to = from;
        }
        block
    }

    /// Decodes a header block; `None` where the file was never used or the header is damaged.
    pub(crate) fn parse(block: &[u8]) -> Result<Option<Self>, FormatError> {
        let mut fields = Decoder::new(block);
        if fields.array::<8>()? != *FILE_MAGIC {
            return Ok(None);
        }
        let [version, ..] = fields.array::<4>()?;
        if version != FILE_VERSION {
            return Err(FormatError::Version {
                expected: FILE_VERSION,
                found: version,
            });
        }
        let header = Self {
            generation: fields.u64()?,
            first_lsn: fields.u64()?,
            chain: fields.u32()?,
        };
        let crc = fields.u32()?;
        let covered = block.get(..32).unwrap_or_default();
        Ok((crc == crc32c(covered)).then_some(header))
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Bytes of the batch.
    pub size: u32,
    /// The frame's checksum.
    pub crc: u32,
    /// The checksum of the frame before.
    pub chain: u32,
    /// The generation of the file.
    pub generation: u64,
    /// The frame's number: grows by one.
    pub lsn: u64,
    /// Every frame up to this lsn was on stable storage when this one was written.
    pub synced_lsn: u64,
    /// Whose batch it is.
    pub key: PartitionKey,
    /// The batch's leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The batch's base offset.
    pub base_offset: Offset,
    /// The batch's last offset minus its base offset.
    pub last_offset_delta: i32,
    /// Whether the batch is acknowledged only after a sync.
    pub sync: bool,
    /// Whether batches before this one were only in memory, so that a gap before it is no damage.
    pub after_memory: bool,
}

impl FrameHeader {
    /// Encodes the header for `batch` and stores its checksum in `self.crc`.
    pub(crate) fn encode(&mut self, batch: &[u8]) -> [u8; FRAME_HEADER_BYTES] {
        let mut flags = 0;
        if self.sync {
            flags |= FLAG_SYNC;
        }
        if self.after_memory {
            flags |= FLAG_AFTER_MEMORY;
        }
        let mut bytes = [0; FRAME_HEADER_BYTES];
        let mut at = 0_usize;
        let mut put = |field: &[u8]| {
            let end = at.saturating_add(field.len());
            bytes
                .get_mut(at..end)
                .expect("the fields fill the header")
                .copy_from_slice(field);
            at = end;
        };
        put(&[FRAME_VERSION, KIND_BATCH, flags, 0]);
        put(&self.size.to_be_bytes());
        put(&[0; 4]);
        put(&self.chain.to_be_bytes());
        put(&self.generation.to_be_bytes());
        put(&self.lsn.to_be_bytes());
        put(&self.synced_lsn.to_be_bytes());
        put(&self.key.to_bytes());
        put(&self.leader_epoch.0.to_be_bytes());
        put(&self.base_offset.0.to_be_bytes());
        put(&self.last_offset_delta.to_be_bytes());
        self.crc = frame_crc(&bytes, batch);
        if let Some(field) = bytes.get_mut(8..12) {
            field.copy_from_slice(&self.crc.to_be_bytes());
        }
        bytes
    }

    /// Decodes a frame header that stands before (at least) the first bytes of its batch and checks
    /// its checksum; `None` where no frame of this version stands.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, batch) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>()?;
        let mut fields = Decoder::new(head);
        let [version, kind, flags, _] = fields.array::<4>().ok()?;
        if version != FRAME_VERSION || kind != KIND_BATCH {
            return None;
        }
        let header = Self {
            size: fields.u32().ok()?,
            crc: fields.u32().ok()?,
            chain: fields.u32().ok()?,
            generation: fields.u64().ok()?,
            lsn: fields.u64().ok()?,
            synced_lsn: fields.u64().ok()?,
            key: PartitionKey::from_bytes(&fields.array().ok()?),
            leader_epoch: LeaderEpoch(fields.i32().ok()?),
            base_offset: Offset(fields.i64().ok()?),
            last_offset_delta: fields.i32().ok()?,
            sync: flags & FLAG_SYNC != 0,
            after_memory: flags & FLAG_AFTER_MEMORY != 0,
        };
        let size = usize::try_from(header.size).ok()?;
        let is_sized = (HEADER_BYTES..=sprawl_model::limits::BATCH_BYTES_MAX).contains(&size);
        let mut unsigned = *head;
        unsigned.get_mut(8..12)?.fill(0);
        (is_sized && batch.len() >= BATCH_PREFIX_BYTES && frame_crc(&unsigned, batch) == header.crc)
            .then_some(header)
    }

    /// Returns header and batch together in bytes.
    pub(crate) fn frame_bytes(&self) -> usize {
        usize::try_from(self.size)
            .unwrap_or(usize::MAX)
            .saturating_add(FRAME_HEADER_BYTES)
    }

    /// Returns the offset after the batch.
    pub(crate) fn end(&self) -> Offset {
        let end = self
            .base_offset
            .0
            .saturating_add(i64::from(self.last_offset_delta));
        Offset(end.saturating_add(1))
    }

    /// Checks the batch against its own CRC and this header.
    pub(crate) fn check_batch(&self, batch: &Bytes) -> Option<BatchHeader> {
        let header = BatchHeader::parse(batch).ok()?;
        let is_this = header.base_offset == self.base_offset
            && header.leader_epoch == self.leader_epoch
            && header.last_offset_delta == self.last_offset_delta
            && header.size() == batch.len();
        let is_sound = verify_crc(batch).is_ok() || active(Mutant::TornTailNotCut);
        (is_this && is_sound).then_some(header)
    }
}

/// How many bytes [`FrameHeader::parse`] wants to see.
pub(crate) const FRAME_PARSE_BYTES: usize = FRAME_HEADER_BYTES + BATCH_PREFIX_BYTES;

fn frame_crc(header: &[u8; FRAME_HEADER_BYTES], batch: &[u8]) -> u32 {
    let mut covered = [0; FRAME_PARSE_BYTES];
    let (head, tail) = covered.split_at_mut(FRAME_HEADER_BYTES);
    head.copy_from_slice(header);
    match batch.get(..BATCH_PREFIX_BYTES) {
        Some(prefix) => tail.copy_from_slice(prefix),
        None => return Crc32c::default().value(),
    }
    crc32c(&covered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::batch;

    #[test]
    fn frame_header_survives_and_every_flipped_bit_is_found() {
        let batch = batch(5, 3, 100);
        let mut header = FrameHeader {
            size: u32::try_from(batch.len()).unwrap(),
            crc: 0,
            chain: 77,
            generation: 3,
            lsn: 12,
            synced_lsn: 9,
            key: PartitionKey::default(),
            leader_epoch: LeaderEpoch(0),
            base_offset: Offset(5),
            last_offset_delta: 2,
            sync: true,
            after_memory: false,
        };
        let mut bytes = header.encode(&batch).to_vec();
        bytes.extend_from_slice(&batch);
        assert_eq!(FrameHeader::parse(&bytes), Some(header));
        assert!(header.check_batch(&batch).is_some());
        for bit in 0..FRAME_PARSE_BYTES * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::parse(&flipped), None, "bit {bit}");
        }
        for bit in FRAME_PARSE_BYTES * 8..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let batch = Bytes::from(flipped.split_off(FRAME_HEADER_BYTES));
            assert!(header.check_batch(&batch).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn file_header_survives_and_a_later_version_is_named() {
        let header = FileHeader {
            generation: 4,
            first_lsn: 99,
            chain: 5,
        };
        let mut block = header.encode();
        assert_eq!(FileHeader::parse(&block), Ok(Some(header)));
        assert_eq!(FileHeader::parse(&[0; 4096]), Ok(None));
        block[20] ^= 1;
        assert_eq!(FileHeader::parse(&block), Ok(None));
        block[8] = 2;
        assert!(matches!(
            FileHeader::parse(&block),
            Err(FormatError::Version { found: 2, .. })
        ));
    }
}
