//! What consumers see of a log that holds delayed records: everything else.
//!
//! A read goes as it always does; then the batches that wait are taken out by their headers, and of
//! those with other records as well a copy is made without. Where nothing is left, one control
//! batch leads the reader on, so that it neither stands still nor reads the same batches again.

use bytes::{Bytes, BytesMut};
use sprawl_model::batch::{BatchHeader, gap, visible_part};
use sprawl_model::{LeaderEpoch, Offset};

use super::read::{FileRange, LogRead, Part, ReadRequest};
use super::{AtLeastOne, PartitionLog};
use crate::error::{DiskError, ReadError};
use crate::segment::walk::{Walk, WalkError};

impl PartitionLog {
    /// Returns what [`Self::read`] does without delayed records. May block: of batches in a segment
    /// all headers are read.
    pub fn read_visible(&self, request: ReadRequest) -> Result<LogRead, ReadError> {
        let read = self.read(request)?;
        if read.size == 0 {
            return Ok(read);
        }
        let mut seen = Seen {
            log: self,
            parts: Vec::new(),
            next_offset: read.next_offset,
        };
        for part in read.parts {
            match part {
                Part::Memory(bytes) => seen.batch(bytes)?,
                Part::File(range) => seen.file(&range)?,
            }
        }
        let mut parts = seen.parts;
        let mut next_offset = read.next_offset;
        if parts.is_empty() && next_offset > request.offset {
            let epoch = self.epoch_of(request.offset).unwrap_or(LeaderEpoch::NONE);
            let gap = gap(request.offset, next_offset, epoch).freeze();
            // A gap has its own limit on how far it reaches.
            next_offset = BatchHeader::parse(&gap).map_or(next_offset, |gap| gap.next_offset());
            parts.push(Part::Memory(gap));
        }
        let size = parts.iter().map(Part::size).sum();
        Ok(LogRead {
            parts,
            size,
            next_offset,
        })
    }

    /// Reads one whole batch. Blocks.
    pub fn read_batch(&self, base_offset: Offset) -> Result<Bytes, ReadError> {
        let read = self.read(ReadRequest {
            offset: base_offset,
            bytes_max: 1,
            at_least_one: AtLeastOne::Yes,
            end: self.log_end(),
        })?;
        let mut bytes = BytesMut::with_capacity(read.size);
        for part in read.parts {
            match part {
                Part::Memory(memory) => return Ok(memory),
                Part::File(range) => bytes.extend_from_slice(&self.load(&range)?),
            }
        }
        Ok(bytes.freeze())
    }

    fn load(&self, range: &FileRange) -> Result<Bytes, ReadError> {
        let loaded = range.load();
        Ok(loaded.map_err(DiskError::at("read", &self.dir))?)
    }
}

impl Part {
    fn size(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File(range) => range.size,
        }
    }
}

/// The parts that consumers see, so far.
struct Seen<'a> {
    log: &'a PartitionLog,
    parts: Vec<Part>,
    next_offset: Offset,
}

impl Seen<'_> {
    fn batch(&mut self, bytes: Bytes) -> Result<(), ReadError> {
        let header = BatchHeader::parse(&bytes).map_err(|_| self.damaged())?;
        if !header.attributes.holds_delayed() {
            self.parts.push(Part::Memory(bytes));
        } else if header.attributes.is_mixed() {
            self.mixed(&header, &bytes)?;
        }
        Ok(())
    }

    fn mixed(&mut self, header: &BatchHeader, bytes: &[u8]) -> Result<(), ReadError> {
        let seen = visible_part(bytes).map_err(|_| ReadError::Damaged {
            from: header.base_offset,
            to: header.next_offset(),
        })?;
        self.parts
            .extend(seen.map(|seen| Part::Memory(seen.freeze())));
        Ok(())
    }

    fn file(&mut self, range: &FileRange) -> Result<(), ReadError> {
        let end = range.position.saturating_add(range.size as u64);
        let mut walk = Walk::new(range.file.as_ref(), range.position, end);
        loop {
            let (header, position) = match walk.next() {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(()),
                Err(WalkError::Bad) => return Err(self.damaged()),
                Err(WalkError::Disk(source)) => {
                    return Err(DiskError::at("read", &self.log.dir)(source).into());
                }
            };
            let one = FileRange {
                file: range.file.clone(),
                position,
                size: header.size(),
            };
            if !header.attributes.holds_delayed() {
                self.push(one);
            } else if header.attributes.is_mixed() {
                let bytes = self.log.load(&one)?;
                self.mixed(&header, &bytes)?;
            }
        }
    }

    /// Adds a batch; neighbours in the file are sent in one go.
    fn push(&mut self, one: FileRange) {
        if let Some(Part::File(last)) = self.parts.last_mut()
            && last.position.saturating_add(last.size as u64) == one.position
        {
            last.size = last.size.saturating_add(one.size);
            return;
        }
        self.parts.push(Part::File(one));
    }

    /// What was read does not hold what its index says.
    fn damaged(&self) -> ReadError {
        ReadError::Damaged {
            from: self.log.log_start(),
            to: self.next_offset,
        }
    }
}
