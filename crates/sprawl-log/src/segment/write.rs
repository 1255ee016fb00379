//! Appends runs of batches to a segment file through direct I/O.
//!
//! The last block is usually not full. Its bytes are kept, and the next run rewrites the block with
//! the same bytes in front: a torn rewrite cannot harm what was there.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;
use sprawl_io::disk::OpenMode;
use sprawl_io::{Disk, File};
use sprawl_model::Offset;
use sprawl_model::batch::HEADER_BYTES;

use super::Segment;
use super::walk::{Walk, WalkError};
use crate::aligned::{AlignedBuffer, block_before};
use crate::error::DiskError;

/// The digest of a segment that was damaged when it was sealed.
pub(crate) const DAMAGED_DIGEST: [u8; 32] = [0; 32];
const PROVE_CHUNK_BYTES: usize = 1 << 20;

/// The open end of a partition's active segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    pub(crate) segment: Arc<Segment>,
    file: Arc<dyn File>,
    /// The bytes of the last block, which is not full.
    tail: Vec<u8>,
    /// Where that block begins.
    tail_at: u64,
    /// Over the batch headers so far, where the segment was written by this process from its start.
    hasher: Option<Box<blake3::Hasher>>,
    is_unsynced: bool,
}

impl SegmentWriter {
    /// Opens a segment for appending behind its last batch; a new one is created.
    pub(crate) fn open(disk: &dyn Disk, segment: Arc<Segment>) -> Result<Self, DiskError> {
        let path = &segment.path;
        let file = disk
            .open(path, OpenMode::Direct)
            .map_err(DiskError::at("open", path))?;
        let size = segment.meta().size;
        let tail_at = block_before(size);
        let mut tail = vec![0; usize::try_from(size.saturating_sub(tail_at)).unwrap_or(0)];
        if !tail.is_empty() {
            let reader = segment.reader(disk)?;
            reader
                .read_exact_at(&mut tail, tail_at)
                .map_err(DiskError::at("read", path))?;
            segment.close_reader();
        }
        let hasher = (size == 0).then(Box::default);
        Ok(Self {
            segment,
            file,
            tail,
            tail_at,
            hasher,
            is_unsynced: true,
        })
    }

    /// Writes batches behind the last one, as one write. They are not published yet.
    pub(crate) fn write(
        &mut self,
        batches: &[Bytes],
        staging: &mut AlignedBuffer,
    ) -> Result<u64, DiskError> {
        staging.clear();
        staging.extend(&self.tail);
        for batch in batches {
            staging.extend(batch);
        }
        let size = staging.len();
        staging.pad();
        self.is_unsynced = true;
        self.file
            .write_at(&[IoSlice::new(staging.as_slice())], self.tail_at)
            .map_err(DiskError::at("write", &self.segment.path))?;
        if let Some(hasher) = &mut self.hasher {
            for batch in batches {
                hasher.update(batch.get(..HEADER_BYTES).unwrap_or_default());
            }
        }
        let full = usize::try_from(block_before(size as u64)).unwrap_or(0);
        self.tail.clear();
        self.tail
            .extend_from_slice(staging.as_slice().get(full..size).unwrap_or_default());
        self.tail_at = self.tail_at.saturating_add(full as u64);
        Ok(staging.len() as u64)
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&mut self) -> Result<(), DiskError> {
        if self.is_unsynced {
            self.file
                .sync_data()
                .map_err(DiskError::at("sync", &self.segment.path))?;
            self.is_unsynced = false;
        }
        Ok(())
    }

    /// Cuts the file to its batches, syncs it and records its digest. Returns the first offset of
    /// what turns out to be damaged, if any: the segment is sealed all the same.
    pub(crate) fn seal(mut self, disk: &dyn Disk) -> Result<Option<Offset>, DiskError> {
        let path = &self.segment.path;
        let size = self.segment.meta().size;
        self.file
            .set_size(size)
            .map_err(DiskError::at("cut", path))?;
        self.file.sync_data().map_err(DiskError::at("sync", path))?;
        match self.hasher.take() {
            Some(hasher) => {
                self.segment.set_digest(*hasher.finalize().as_bytes());
                Ok(None)
            }
            None => record_digest(disk, &self.segment),
        }
    }
}

/// Reads a segment's headers and records its digest. Returns where damage begins, if there is any;
/// such a segment gets a digest that no file has, so that it stays damaged for everybody.
pub(crate) fn record_digest(
    disk: &dyn Disk,
    segment: &Segment,
) -> Result<Option<Offset>, DiskError> {
    let reader = segment.reader(disk)?;
    let mut hasher = blake3::Hasher::new();
    let mut walk = Walk::new(reader.as_ref(), 0, segment.meta().size);
    let mut next_offset = segment.base_offset;
    loop {
        match walk.next() {
            Ok(Some((header, _))) if header.base_offset >= next_offset => {
                hasher.update(&header.encode());
                next_offset = header.next_offset();
            }
            Ok(None) => {
                segment.set_digest(*hasher.finalize().as_bytes());
                return Ok(None);
            }
            Ok(Some(_)) | Err(WalkError::Bad) => {
                segment.set_digest(DAMAGED_DIGEST);
                return Ok(Some(next_offset));
            }
            Err(WalkError::Disk(source)) => {
                return Err(DiskError::at("read", &segment.path)(source));
            }
        }
    }
}

/// Writes a segment's bytes from `from` on again as they are and syncs them. A process that died on
/// a failed sync leaves bytes that reads show and no later sync covers; written again they are
/// covered. A torn write of the same bytes harms nothing.
pub(crate) fn prove(disk: &dyn Disk, segment: &Segment, from: u64) -> Result<(), DiskError> {
    let at = |action| DiskError::at(action, &segment.path);
    let file = disk
        .open(&segment.path, OpenMode::ReadWrite)
        .map_err(at("open"))?;
    let size = segment.meta().size;
    let mut position = from;
    while position < size {
        let left = usize::try_from(size.saturating_sub(position)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(PROVE_CHUNK_BYTES)];
        file.read_exact_at(&mut bytes, position)
            .map_err(at("read"))?;
        file.write_at(&[IoSlice::new(&bytes)], position)
            .map_err(at("write"))?;
        position = position.saturating_add(bytes.len() as u64);
    }
    file.sync_data().map_err(at("sync"))
}

/// Returns the digest of a segment: BLAKE3 over the headers of its batches. Each header holds the
/// CRC of the rest of its batch, so that the digest covers every byte without reading every byte.
pub(crate) fn header_digest(file: &dyn File, size: u64) -> Result<[u8; 32], WalkError> {
    let mut hasher = blake3::Hasher::new();
    let mut walk = Walk::new(file, 0, size);
    while let Some((header, _)) = walk.next()? {
        hasher.update(&header.encode());
    }
    Ok(*hasher.finalize().as_bytes())
}
