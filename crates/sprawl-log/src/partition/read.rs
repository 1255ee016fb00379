//! Reads whole batches: the hot tail by reference, older ones as ranges of a segment file.
//!
//! O(log n) to find the first batch; at most a few header reads around two index entries. No lock
//! is held while a file is read. Where compaction left nothing at an offset, the next batch above
//! it is returned.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use sprawl_io::File;
use sprawl_model::Offset;
use sprawl_model::mutant::{Mutant, active};

use super::{Inner, PartitionLog};
use crate::error::{DiskError, ReadError};
use crate::segment::index::{IndexEntry, decode_chunk};
use crate::segment::name::SegmentName;
use crate::segment::walk::{Walk, WalkError};
use crate::segment::{Segment, SegmentMeta};
use crate::state::record::index_prefix;
use crate::state::{ColumnFamily, StateError};

/// What a read asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// The first record wanted.
    pub offset: Offset,
    /// How many bytes at most.
    pub bytes_max: usize,
    /// Whether a first batch larger than `bytes_max` is returned all the same.
    pub at_least_one: AtLeastOne,
    /// Nothing at or above this offset is returned.
    pub end: Offset,
}

/// Whether progress matters more than the limit on bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtLeastOne {
    /// The first batch is returned whatever its size.
    Yes,
    /// Nothing is returned where the first batch does not fit.
    No,
}

/// Whole batches, in order. The first may begin before the offset asked for.
#[derive(Clone, Debug, Default)]
pub struct LogRead {
    /// The bytes, in pieces.
    pub parts: Vec<Part>,
    /// All parts together, in bytes.
    pub size: usize,
    /// The offset after the last batch returned; the offset asked for where there is none.
    pub next_offset: Offset,
}

/// A piece of a read.
#[derive(Clone, Debug)]
pub enum Part {
    /// A batch in memory.
    Memory(Bytes),
    /// Batches in a segment.
    File(FileRange),
}

/// Bytes of a segment file.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The segment, open for reading.
    pub file: Arc<dyn File>,
    /// Where the first batch begins, in bytes.
    pub position: u64,
    /// How many bytes.
    pub size: usize,
}

impl FileRange {
    /// Reads the bytes. Blocks.
    pub fn load(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.size];
        self.file.read_exact_at(&mut bytes, self.position)?;
        Ok(Bytes::from(bytes))
    }
}

/// Where a look-up has to go.
pub(super) enum Place {
    /// The hot queue has it.
    Hot(LogRead),
    /// A segment has it.
    Segment(Arc<Segment>),
}

/// What a segment has for a read.
enum SegmentRead {
    /// Batches.
    Found(LogRead),
    /// A batch that the request's limits keep back.
    Held,
    /// No batch at or above the offset: compaction took those at its end.
    Nothing,
}

impl PartitionLog {
    /// Returns batches from the one that holds `offset`, or else the next above it.
    ///
    /// May block for a few header reads where the records are not in memory.
    pub fn read(&self, request: ReadRequest) -> Result<LogRead, ReadError> {
        self.check_offset(request.offset)?;
        let empty = LogRead {
            next_offset: request.offset,
            ..LogRead::default()
        };
        if request.offset >= request.end {
            return Ok(empty);
        }
        let mut request = self.until_damage(request)?;
        loop {
            match self.place(&request)? {
                Some(Place::Hot(read)) => return Ok(read),
                Some(Place::Segment(segment)) => match self.read_segment(&segment, &request)? {
                    SegmentRead::Found(read) => return Ok(read),
                    SegmentRead::Held => return Ok(empty),
                    SegmentRead::Nothing => {
                        let next = segment.meta().next_offset;
                        if next <= request.offset || next >= request.end {
                            self.inner().check_damage(next)?;
                            return Ok(empty);
                        }
                        request.offset = next;
                    }
                },
                None => return Ok(empty),
            }
        }
    }

    /// Checks an offset against the bounds of the log.
    pub(super) fn check_offset(&self, offset: Offset) -> Result<(), ReadError> {
        let (log_start, log_end) = (self.log_start(), self.log_end());
        if offset < log_start || offset > log_end {
            return Err(ReadError::OutOfRange {
                offset,
                log_start,
                log_end,
            });
        }
        Ok(())
    }

    /// Ends a read at the next lost range: a reader must not be led over it without a word.
    fn until_damage(&self, mut request: ReadRequest) -> Result<ReadRequest, ReadError> {
        let inner = self.inner();
        inner.check_damage(request.offset)?;
        let behind = inner.damage.iter().map(|range| range.from);
        if let Some(from) = behind.filter(|from| *from > request.offset).min() {
            request.end = request.end.min(from);
        }
        Ok(request)
    }

    fn place(&self, request: &ReadRequest) -> Result<Option<Place>, ReadError> {
        let inner = self.inner();
        if inner
            .hot
            .start()
            .is_some_and(|start| request.offset >= start)
        {
            return Ok(Some(Place::Hot(read_hot(&inner, request))));
        }
        Ok(inner.segment_of(request.offset).map(Place::Segment))
    }

    fn read_segment(
        &self,
        segment: &Arc<Segment>,
        request: &ReadRequest,
    ) -> Result<SegmentRead, ReadError> {
        let meta = segment.meta();
        self.load_index(segment)?;
        let file = segment.reader(self.shared.io.disk.as_ref())?;
        let from = segment.index().floor(request.offset);
        let mut walk = Walk::new(file.as_ref(), from, meta.size);
        let first = loop {
            match walk
                .next()
                .map_err(|error| self.walk_error(error, segment, &meta))?
            {
                Some((header, at)) if header.next_offset() > request.offset => {
                    break Some((header, at));
                }
                Some(_) => {}
                None => break None,
            }
        };
        let Some((header, position)) = first else {
            return Ok(SegmentRead::Nothing);
        };
        let is_too_large =
            header.size() > request.bytes_max && request.at_least_one == AtLeastOne::No;
        if header.next_offset() > request.end || is_too_large {
            return Ok(SegmentRead::Held);
        }
        let limit = position
            .saturating_add(request.bytes_max as u64)
            .min(meta.size);
        let mut end = position.saturating_add(header.size() as u64);
        let mut next_offset = header.next_offset();
        let jump = segment.index().floor_within(limit, request.end);
        let mut walk = Walk::new(file.as_ref(), jump.max(end), meta.size);
        loop {
            let (header, at) = match walk.next() {
                Ok(Some(found)) => found,
                // Bad bytes are told to whoever reads them, not to who reads what is before.
                Ok(None) | Err(WalkError::Bad) => break,
                Err(error) => return Err(self.walk_error(error, segment, &meta)),
            };
            let after = at.saturating_add(header.size() as u64);
            if after > limit || header.next_offset() > request.end {
                if at > end {
                    (end, next_offset) = (at, header.base_offset);
                }
                break;
            }
            (end, next_offset) = (after, header.next_offset());
        }
        let size = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
        let parts = vec![Part::File(FileRange {
            file,
            position,
            size,
        })];
        Ok(SegmentRead::Found(LogRead {
            parts,
            size,
            next_offset,
        }))
    }

    /// Makes sure that a segment's index is in memory: from the state store, else from the segment.
    pub(super) fn load_index(&self, segment: &Segment) -> Result<(), ReadError> {
        if segment.index().is_loaded() {
            return Ok(());
        }
        let entries = self.saved_index(segment);
        let (entries, saved_count) = match entries {
            Some(entries) => {
                let count = entries.len();
                (entries, count)
            }
            None => {
                tracing::warn!(path = %segment.path.display(), "rebuilding the index of a segment");
                (self.rebuild_index(segment)?, 0)
            }
        };
        let mut index = segment.index();
        if !index.is_loaded() {
            index.load(entries, saved_count);
        }
        Ok(())
    }

    /// Returns the entries in the state store, or `None` where they are missing or fail their
    /// checks.
    fn saved_index(&self, segment: &Segment) -> Option<Vec<IndexEntry>> {
        let generation = segment.meta().generation;
        let prefix = index_prefix(self.key, segment.base_offset, generation);
        let pairs: Result<_, StateError> = self.shared.state.scan(ColumnFamily::Index, &prefix);
        let meta = segment.meta();
        let mut entries: Vec<IndexEntry> = Vec::new();
        for (_, value) in pairs.ok()? {
            entries.extend(decode_chunk(&value).ok()?);
        }
        let is_sorted = entries.is_sorted_by(|one, two| one.position < two.position);
        let is_inside = entries.iter().all(|entry| entry.position < meta.size);
        let is_due = meta.size > u64::from(self.shared.settings.index_interval_bytes);
        let is_there = !entries.is_empty() || !is_due;
        let is_sound = is_sorted && is_inside && is_there;
        (is_sound || active(Mutant::IndexTrustedWithoutRebuild)).then_some(entries)
    }

    fn rebuild_index(&self, segment: &Segment) -> Result<Vec<IndexEntry>, ReadError> {
        let meta = segment.meta();
        let file = segment.reader(self.shared.io.disk.as_ref())?;
        let mut index = crate::segment::index::SegmentIndex::new(true);
        let mut so_far = SegmentMeta::named(&SegmentName::of(&meta, segment.base_offset));
        let mut walk = Walk::new(file.as_ref(), 0, meta.size);
        while let Some((header, _)) = walk
            .next()
            .map_err(|error| self.walk_error(error, segment, &meta))?
        {
            index.note(
                &so_far,
                header.base_offset,
                self.shared.settings.index_interval_bytes,
            );
            so_far.extend(&header);
        }
        Ok(index.entries().to_vec())
    }

    pub(super) fn walk_error(
        &self,
        error: WalkError,
        segment: &Segment,
        meta: &SegmentMeta,
    ) -> ReadError {
        match error {
            WalkError::Disk(source) => {
                ReadError::Disk(DiskError::at("read", &segment.path)(source))
            }
            WalkError::Bad => {
                tracing::error!(path = %segment.path.display(), "a segment holds no sound batch where one should be");
                ReadError::Damaged {
                    from: segment.base_offset,
                    to: meta.next_offset,
                }
            }
        }
    }
}

impl Inner {
    pub(super) fn check_damage(&self, offset: Offset) -> Result<(), ReadError> {
        match self
            .damage
            .iter()
            .find(|range| range.from <= offset && offset < range.to)
        {
            Some(range) => Err(ReadError::Damaged {
                from: range.from,
                to: range.to,
            }),
            None => Ok(()),
        }
    }

    /// Returns the segment that holds an offset.
    pub(super) fn segment_of(&self, offset: Offset) -> Option<Arc<Segment>> {
        self.segments
            .range(..=offset)
            .next_back()
            .map(|(_, segment)| Arc::clone(segment))
    }
}

fn read_hot(inner: &Inner, request: &ReadRequest) -> LogRead {
    let mut read = LogRead {
        next_offset: request.offset,
        ..LogRead::default()
    };
    for batch in inner.hot.from(request.offset) {
        let size = read.size.saturating_add(batch.bytes.len());
        let is_first = read.parts.is_empty();
        let may_exceed = is_first && request.at_least_one == AtLeastOne::Yes;
        if batch.next_offset > request.end || (size > request.bytes_max && !may_exceed) {
            break;
        }
        read.parts.push(Part::Memory(batch.bytes.clone()));
        read.size = size;
        read.next_offset = batch.next_offset;
    }
    read
}
