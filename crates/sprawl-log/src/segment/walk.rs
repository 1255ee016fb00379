//! Walks over the batch headers of a segment file, reading little more than the headers.

use std::sync::Arc;

use bytes::Bytes;
use sprawl_io::File;
use sprawl_model::batch::{BatchHeader, HEADER_BYTES, verify_crc};
use sprawl_model::mutant::{Mutant, active};
use sprawl_model::{LeaderEpoch, Offset};

use super::SegmentMeta;

/// Bytes read at a time when only headers are wanted.
const HEADER_WINDOW_BYTES: usize = 4096;
/// Bytes read at a time when batches are checked.
const CHECK_WINDOW_BYTES: usize = 1 << 20;

/// Why a walk ended early.
#[derive(Debug)]
pub(crate) enum WalkError {
    /// No sound batch stands where one should.
    Bad,
    /// The disk refused.
    Disk(std::io::Error),
}

/// Reads headers from a position up to an end.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    file: &'a dyn File,
    position: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Walk<'a> {
    /// Starts at a batch boundary; `end` is one, too.
    pub(crate) fn new(file: &'a dyn File, position: u64, end: u64) -> Self {
        Self {
            file,
            position,
            end,
            window: Vec::new(),
            window_at: 0,
        }
    }

    /// Returns the next header and where its batch begins.
    pub(crate) fn next(&mut self) -> Result<Option<(BatchHeader, u64)>, WalkError> {
        if self.position >= self.end {
            return Ok(None);
        }
        let start = self.position;
        let Some(bytes) = self.header_bytes()? else {
            return Err(WalkError::Bad);
        };
        let header = BatchHeader::parse(bytes).map_err(|_| WalkError::Bad)?;
        self.position = start.saturating_add(u64::try_from(header.size()).unwrap_or(u64::MAX));
        if self.position > self.end {
            return Err(WalkError::Bad);
        }
        Ok(Some((header, start)))
    }

    fn header_bytes(&mut self) -> Result<Option<&[u8]>, WalkError> {
        let is_inside = self.position >= self.window_at
            && self.position.saturating_add(HEADER_BYTES as u64)
                <= self.window_at.saturating_add(self.window.len() as u64);
        if !is_inside {
            let left =
                usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
            self.window.resize(left.min(HEADER_WINDOW_BYTES), 0);
            let read = read_up_to(self.file, &mut self.window, self.position)?;
            self.window.truncate(read);
            self.window_at = self.position;
        }
        let at =
            usize::try_from(self.position.saturating_sub(self.window_at)).unwrap_or(usize::MAX);
        Ok(self
            .window
            .get(at..)
            .filter(|bytes| bytes.len() >= HEADER_BYTES))
    }
}

fn read_up_to(file: &dyn File, bytes: &mut [u8], position: u64) -> Result<usize, WalkError> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file
            .read_at(rest, position.saturating_add(done as u64))
            .map_err(WalkError::Disk)?
        {
            0 => break,
            read => done = done.saturating_add(read),
        }
    }
    Ok(done)
}

/// What offsets may follow each other in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gaps {
    /// Each batch begins where the one before ends.
    None,
    /// Compaction took batches out; the last one ends at or below this offset.
    UpTo(Offset),
}

impl Gaps {
    /// Returns what holds for a segment.
    pub(crate) fn of(meta: &SegmentMeta) -> Self {
        if meta.generation == 0 {
            Self::None
        } else {
            Self::UpTo(meta.next_offset)
        }
    }

    fn allow(self, expected: Offset, header: &BatchHeader) -> bool {
        match self {
            Self::None => header.base_offset == expected,
            Self::UpTo(end) => header.base_offset >= expected && header.next_offset() <= end,
        }
    }
}

/// Reads and checks whole batches: checksums, offsets in order, epochs that never fall.
#[derive(Debug)]
pub(crate) struct CheckedWalk {
    file: Arc<dyn File>,
    file_size: u64,
    position: u64,
    next_offset: Offset,
    gaps: Gaps,
    leader_epoch: LeaderEpoch,
    window: Bytes,
    window_at: u64,
    window_bytes: usize,
}

impl CheckedWalk {
    /// Starts at a batch boundary, before the batch with offset `next_offset`.
    pub(crate) fn new(
        file: Arc<dyn File>,
        position: u64,
        next_offset: Offset,
    ) -> std::io::Result<Self> {
        let file_size = file.size()?;
        Ok(Self {
            file,
            file_size,
            position,
            next_offset,
            gaps: Gaps::None,
            leader_epoch: LeaderEpoch::NONE,
            window: Bytes::new(),
            window_at: 0,
            window_bytes: CHECK_WINDOW_BYTES,
        })
    }

    /// Returns the walk with these gaps allowed.
    pub(crate) fn with_gaps(mut self, gaps: Gaps) -> Self {
        self.gaps = gaps;
        self
    }

    /// Returns the walk with a limit: it reads so many bytes at a time, and nothing at or above
    /// `end`.
    pub(crate) fn with_window(mut self, window_bytes: usize, end: u64) -> Self {
        self.window_bytes = window_bytes;
        self.file_size = self.file_size.min(end);
        self
    }

    /// Returns where the walk stands: behind the last sound batch.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Returns the offset after the last sound batch.
    pub(crate) fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// Returns the next batch, or `None` at the end of the file or of what is sound.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<(BatchHeader, Bytes)>> {
        let Some(bytes) = self.slice(HEADER_BYTES)? else {
            return Ok(None);
        };
        let Ok(header) = BatchHeader::parse(&bytes) else {
            return Ok(None);
        };
        if !self.gaps.allow(self.next_offset, &header) || header.leader_epoch < self.leader_epoch {
            return Ok(None);
        }
        let Some(batch) = self.slice(header.size())? else {
            return Ok(None);
        };
        if verify_crc(&batch).is_err() && !active(Mutant::TornTailNotCut) {
            return Ok(None);
        }
        self.position = self.position.saturating_add(batch.len() as u64);
        self.next_offset = header.next_offset();
        self.leader_epoch = header.leader_epoch;
        Ok(Some((header, batch)))
    }

    /// Returns whether anything but zeros follows the last sound batch.
    pub(crate) fn has_remainder(&mut self) -> std::io::Result<bool> {
        let mut at = self.position;
        while at < self.file_size {
            let size = usize::try_from(self.file_size.saturating_sub(at)).unwrap_or(usize::MAX);
            let mut bytes = vec![0; size.min(CHECK_WINDOW_BYTES)];
            self.file.read_exact_at(&mut bytes, at)?;
            if bytes.iter().any(|&byte| byte != 0) {
                return Ok(true);
            }
            at = at.saturating_add(bytes.len() as u64);
        }
        Ok(false)
    }

    fn slice(&mut self, size: usize) -> std::io::Result<Option<Bytes>> {
        let end = self.position.saturating_add(size as u64);
        if end > self.file_size {
            return Ok(None);
        }
        let window_end = self.window_at.saturating_add(self.window.len() as u64);
        if self.position < self.window_at || end > window_end {
            let left =
                usize::try_from(self.file_size.saturating_sub(self.position)).unwrap_or(usize::MAX);
            let mut bytes = vec![0; size.max(self.window_bytes).min(left)];
            self.file.read_exact_at(&mut bytes, self.position)?;
            self.window = Bytes::from(bytes);
            self.window_at = self.position;
        }
        let at =
            usize::try_from(self.position.saturating_sub(self.window_at)).unwrap_or(usize::MAX);
        Ok(Some(self.window.slice(at..at.saturating_add(size))))
    }
}
