//! What does the journal hold? Reads the files in generation order and hands out every sound frame.
//!
//! Two kinds of bad bytes are told apart. A torn tail is what a crash left of the last writes: no
//! sound frame after it knows of a sync that covered it, so it was never acknowledged as synced and
//! is cut. Damage is everything else: a later frame, or a later file, proves that the bytes were on
//! stable storage once. Damage is skipped and reported, never cut silently.
//!
//! A session never continues the file of an earlier one, so that what lies behind a cut is not read
//! again: each file is read up to the first lsn of the next one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sprawl_io::disk::OpenMode;
use sprawl_io::{Disk, File};
use sprawl_model::batch::BatchHeader;
use sprawl_model::{Offset, PartitionKey};

use super::Resume;
use super::files::{self, JournalFile};
use super::frame::{
    FILE_HEADER_BYTES, FILE_VERSION, FRAME_HEADER_BYTES, FRAME_PARSE_BYTES, FRAME_VERSION,
    FileHeader, FrameHeader,
};
use crate::aligned::{AlignedBuffer, BLOCK, block_after, block_before};
use crate::codec::FormatError;
use crate::error::{DiskError, OpenError};

const WINDOW_BYTES: u64 = 1 << 20;
/// A file below this is left over from a crash during its creation.
const FILE_BYTES_MIN: u64 = 2 * FILE_HEADER_BYTES as u64;

/// A frame that passed every check.
#[derive(Clone, Debug)]
pub(crate) struct ScannedFrame {
    /// The frame's header.
    pub header: FrameHeader,
    /// The batch's header.
    pub batch_header: BatchHeader,
    /// The batch.
    pub batch: Bytes,
}

/// Frames that were once on stable storage and cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostFrames {
    /// The file.
    pub path: PathBuf,
    /// The first lost lsn.
    pub first_lsn: u64,
    /// The first lsn that is not lost.
    pub end_lsn: u64,
    /// Whose batch it was, where the frame's header survived.
    pub batch: Option<LostBatch>,
}

/// A batch of which only the frame's header is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostBatch {
    /// Whose it was.
    pub key: PartitionKey,
    /// Its first offset.
    pub base_offset: Offset,
    /// The offset after it.
    pub end: Offset,
}

/// The unfinished end of the last file, cut as never acknowledged as synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file.
    pub path: PathBuf,
    /// Where the cut is, in bytes.
    pub position: u64,
    /// The first lsn that is not there.
    pub lsn: u64,
}

/// The checkpoint that a scan starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) resume: Resume,
    pub(crate) is_clean: bool,
}

impl Start {
    /// Every frame up to here is in synced segments.
    pub(crate) fn checkpoint_lsn(&self) -> u64 {
        self.resume.next_lsn.saturating_sub(1)
    }
}

/// What a scan found besides the frames.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) files: Vec<JournalFile>,
    pub(crate) resume: Resume,
    pub(crate) lost: Vec<LostFrames>,
    pub(crate) torn: Option<TornTail>,
    pub(crate) frame_count: u64,
    pub(crate) live_bytes: u64,
    /// Where in the last of `files` frames begin and end of which no later frame says that a sync
    /// covered them; block boundaries.
    pub(crate) unproven: Option<(u64, u64)>,
}

/// Reads every frame after the checkpoint, in lsn order.
pub(crate) fn scan<E: From<OpenError>>(
    disk: &dyn Disk,
    dir: &Path,
    start: Start,
    visit: &mut dyn FnMut(ScannedFrame) -> Result<(), E>,
) -> Result<Outcome, E> {
    let (used, mut outcome) = open_files(disk, dir)?;
    outcome.resume = start.resume;
    let is_known = used
        .last()
        .is_none_or(|last| last.header.generation <= start.resume.generation);
    let bounds: Vec<Option<u64>> = used
        .iter()
        .skip(1)
        .map(|next| Some(next.header.first_lsn))
        .chain([None])
        .collect();
    for (mut file, bound) in used.into_iter().zip(bounds) {
        let is_below = bound.is_some_and(|bound| bound <= start.resume.next_lsn);
        if is_below || (is_known && start.is_clean) {
            outcome.files.push(file.into_free());
            continue;
        }
        let mut reader = FileReader {
            file: &mut file,
            bound,
            outcome: &mut outcome,
            is_damaged: false,
            unproven_from: None,
        };
        reader.read(start, visit)?;
        let is_damaged = reader.is_damaged;
        let last_lsn = outcome.resume.next_lsn.saturating_sub(1);
        outcome.files.push(file.into_held(last_lsn, is_damaged));
    }
    Ok(outcome)
}

/// Returns the generation of the file that was begun last; 0 where none was.
pub(crate) fn newest_generation(disk: &dyn Disk, dir: &Path) -> Result<u64, OpenError> {
    let (used, _) = open_files(disk, dir)?;
    Ok(used.last().map_or(0, |last| last.header.generation))
}

/// Opens all files; used ones by generation, the others free in the outcome.
fn open_files(disk: &dyn Disk, dir: &Path) -> Result<(Vec<ScanFile>, Outcome), OpenError> {
    let mut outcome = Outcome::default();
    let mut used = Vec::new();
    for (number, path) in files::list(disk, dir)? {
        let file = disk
            .open(&path, OpenMode::Direct)
            .map_err(DiskError::at("open", &path))?;
        let size = block_before(file.size().map_err(DiskError::at("open", &path))?);
        if size < FILE_BYTES_MIN {
            disk.remove_file(&path)
                .map_err(DiskError::at("remove", &path))?;
            continue;
        }
        let mut scan_file = ScanFile {
            number,
            path,
            file,
            size,
            header: FileHeader {
                generation: 0,
                first_lsn: 0,
                chain: 0,
            },
            window: (0, Bytes::new()),
        };
        match scan_file.read_header()? {
            Some(header) => {
                scan_file.header = header;
                used.push(scan_file);
            }
            None => outcome.files.push(scan_file.into_free()),
        }
    }
    used.sort_by_key(|file| file.header.generation);
    Ok((used, outcome))
}

/// A file under the scan, read through a window that frames are cut out of without a copy.
#[derive(Debug)]
struct ScanFile {
    number: u32,
    path: PathBuf,
    file: Arc<dyn File>,
    size: u64,
    header: FileHeader,
    window: (u64, Bytes),
}

impl ScanFile {
    fn into_free(self) -> JournalFile {
        JournalFile::existing(self.number, self.path, self.file, self.size)
    }

    fn into_held(self, last_lsn: u64, is_damaged: bool) -> JournalFile {
        let generation = self.header.generation;
        let mut file = self.into_free();
        file.begin(generation, last_lsn.saturating_add(1));
        if is_damaged {
            file.mark_damaged();
        }
        file
    }

    /// Returns the header, taken from the first frame where the header block itself is damaged.
    fn read_header(&mut self) -> Result<Option<FileHeader>, OpenError> {
        let block = self.slice(0, FILE_HEADER_BYTES)?.unwrap_or_default();
        match FileHeader::parse(&block) {
            Ok(Some(header)) => Ok(Some(header)),
            Ok(None) | Err(FormatError::Short { .. }) => {
                let frame = self.frame_at(FILE_HEADER_BYTES as u64)?;
                Ok(frame.map(|frame| FileHeader {
                    generation: frame.generation,
                    first_lsn: frame.lsn,
                    chain: frame.chain,
                }))
            }
            Err(FormatError::Version { found, .. }) => Err(OpenError::Version {
                path: self.path.clone(),
                found,
                expected: FILE_VERSION,
            }),
            Err(FormatError::Checksum { .. } | FormatError::Field { .. }) => Ok(None),
        }
    }

    /// Returns bytes of the file, or `None` where it ends before.
    fn slice(&mut self, position: u64, size: usize) -> Result<Option<Bytes>, OpenError> {
        let end = position.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
        if end > self.size {
            return Ok(None);
        }
        let (from, bytes) = &self.window;
        let window_end = from.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if position < *from || end > window_end {
            let from = block_before(position);
            let to = block_after(end)
                .max(from.saturating_add(WINDOW_BYTES))
                .min(self.size);
            let size = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
            let mut buffer = AlignedBuffer::with_capacity(size);
            self.file
                .read_exact_at(buffer.room(size), from)
                .map_err(DiskError::at("read", &self.path))?;
            self.window = (from, buffer.freeze());
        }
        let (from, bytes) = &self.window;
        let start = usize::try_from(position.saturating_sub(*from)).unwrap_or(usize::MAX);
        Ok(Some(bytes.slice(start..start.saturating_add(size))))
    }

    /// Returns the header of the frame at `position` if one of this program stands there.
    fn frame_at(&mut self, position: u64) -> Result<Option<FrameHeader>, OpenError> {
        let bytes = self.slice(position, FRAME_PARSE_BYTES)?;
        Ok(bytes.and_then(|bytes| FrameHeader::parse(&bytes)))
    }
}

/// Reads one file up to the first lsn of the next.
struct FileReader<'a> {
    file: &'a mut ScanFile,
    bound: Option<u64>,
    outcome: &'a mut Outcome,
    is_damaged: bool,
    /// Where the first frame is that no frame behind it proves synced.
    unproven_from: Option<u64>,
}

impl FileReader<'_> {
    fn read<E: From<OpenError>>(
        &mut self,
        start: Start,
        visit: &mut dyn FnMut(ScannedFrame) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut position = self.first_position(start);
        let from = position;
        self.outcome.resume.generation = self.file.header.generation;
        while self
            .bound
            .is_none_or(|bound| self.outcome.resume.next_lsn < bound)
        {
            match self.next_frame(position)? {
                Next::Frame(frame) => {
                    let size = frame.header.frame_bytes();
                    self.prove(&frame.header, position);
                    position = position.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
                    self.passed(&frame.header);
                    if frame.header.lsn > start.checkpoint_lsn() {
                        self.outcome.frame_count = self.outcome.frame_count.saturating_add(1);
                        visit(*frame)?;
                    }
                }
                Next::Padding => position = block_after(position.saturating_add(1)),
                Next::Bad(header) => match self.resume_after(position, header.as_deref())? {
                    Some(at) => position = at,
                    None => break,
                },
            }
        }
        let end = block_after(position);
        self.outcome.resume.position = end;
        if self.bound.is_none() {
            self.outcome.unproven = self
                .unproven_from
                .map(|from| (from, end.min(self.file.size)));
        }
        let read = end.saturating_sub(from);
        self.outcome.live_bytes = self.outcome.live_bytes.saturating_add(read);
        Ok(())
    }

    /// Returns where to begin: behind the checkpoint if it lies in this file.
    fn first_position(&mut self, start: Start) -> u64 {
        let header = self.file.header;
        if header.generation == start.resume.generation && start.resume.position > 0 {
            self.outcome.resume = start.resume;
            return start.resume.position;
        }
        let expected = self.outcome.resume.next_lsn;
        if expected > 0 && header.first_lsn > expected {
            self.lose(expected, header.first_lsn, None);
        }
        self.outcome.resume.next_lsn = header.first_lsn;
        self.outcome.resume.chain = header.chain;
        FILE_HEADER_BYTES as u64
    }

    /// Takes note of what a frame says of those before it. Files before the last are proven whole:
    /// the next is begun only after a sync of this one.
    fn prove(&mut self, header: &FrameHeader, position: u64) {
        let proves_all_before = header.synced_lsn.saturating_add(1) >= header.lsn;
        if proves_all_before || self.unproven_from.is_none() {
            // The file header is written with the first group.
            let is_first = position == FILE_HEADER_BYTES as u64;
            self.unproven_from = Some(if is_first { 0 } else { block_before(position) });
        }
    }

    fn passed(&mut self, header: &FrameHeader) {
        self.outcome.resume.next_lsn = header.lsn.saturating_add(1);
        self.outcome.resume.chain = header.crc;
    }

    fn next_frame(&mut self, position: u64) -> Result<Next, OpenError> {
        let is_block_start = position == block_before(position);
        let Some(version) = self.file.slice(position, 1)? else {
            return Ok(Next::Bad(None));
        };
        if version.first() == Some(&0) && !is_block_start {
            return Ok(Next::Padding);
        }
        let left = block_after(position.saturating_add(1)).saturating_sub(position);
        if !is_block_start
            && left < FRAME_PARSE_BYTES as u64
            && version.first() != Some(&FRAME_VERSION)
        {
            return Ok(Next::Bad(None));
        }
        let Some(header) = self.file.frame_at(position)? else {
            return Ok(Next::Bad(None));
        };
        let expected = self.outcome.resume;
        let is_next = header.generation == self.file.header.generation
            && header.lsn == expected.next_lsn
            && header.chain == expected.chain;
        if !is_next {
            return Ok(Next::Bad(None));
        }
        let size = usize::try_from(header.size).unwrap_or(usize::MAX);
        let batch = self
            .file
            .slice(position.saturating_add(FRAME_HEADER_BYTES as u64), size)?;
        let checked = batch.and_then(|batch| Some((header.check_batch(&batch)?, batch)));
        Ok(match checked {
            Some((batch_header, batch)) => Next::Frame(Box::new(ScannedFrame {
                header,
                batch_header,
                batch,
            })),
            None => Next::Bad(Some(Box::new(header))),
        })
    }

    /// Decides between torn tail (`None`) and damage, and returns where the next sound frame
    /// stands.
    fn resume_after(
        &mut self,
        position: u64,
        header: Option<&FrameHeader>,
    ) -> Result<Option<u64>, OpenError> {
        let lsn = self.outcome.resume.next_lsn;
        if self.bound.is_none() && !self.was_synced(position, lsn)? {
            // A group that was not begun leaves an older use's bytes here; those are no tail.
            if header.is_some() || position != block_before(position) {
                let path = self.file.path.clone();
                self.outcome.torn = Some(TornTail {
                    path,
                    position,
                    lsn,
                });
            }
            return Ok(None);
        }
        if let Some(header) = header {
            let lost = LostBatch {
                key: header.key,
                base_offset: header.base_offset,
                end: header.end(),
            };
            self.lose(lsn, lsn.saturating_add(1), Some(lost));
            self.passed(header);
            let size = u64::try_from(header.frame_bytes()).unwrap_or(u64::MAX);
            return Ok(Some(position.saturating_add(size)));
        }
        let Some((at, next)) = self.find_frame(position.saturating_add(1), lsn)? else {
            let end = self.bound.unwrap_or(lsn);
            self.lose(lsn, end, None);
            self.outcome.resume.next_lsn = end;
            return Ok(None);
        };
        if next.lsn > lsn {
            self.lose(lsn, next.lsn, None);
        }
        self.outcome.resume.next_lsn = next.lsn;
        self.outcome.resume.chain = next.chain;
        Ok(Some(at))
    }

    /// Returns whether a later frame proves that the bytes at `position` were on stable storage.
    fn was_synced(&mut self, position: u64, lsn: u64) -> Result<bool, OpenError> {
        let mut at = block_after(position.saturating_add(1));
        while at < self.file.size {
            if let Some(frame) = self.file.frame_at(at)?
                && frame.generation == self.file.header.generation
                && frame.synced_lsn >= lsn
            {
                return Ok(true);
            }
            at = at.saturating_add(BLOCK as u64);
        }
        Ok(false)
    }

    /// Finds the next sound frame header of this file, at any position.
    fn find_frame(&mut self, from: u64, lsn: u64) -> Result<Option<(u64, FrameHeader)>, OpenError> {
        let mut at = from;
        while let Some(bytes) = self.file.slice(at, FRAME_PARSE_BYTES)? {
            if bytes.first() == Some(&FRAME_VERSION)
                && let Some(frame) = FrameHeader::parse(&bytes)
                && frame.generation == self.file.header.generation
                && frame.lsn >= lsn
                && self.bound.is_none_or(|bound| frame.lsn < bound)
            {
                return Ok(Some((at, frame)));
            }
            at = at.saturating_add(1);
        }
        Ok(None)
    }

    fn lose(&mut self, first_lsn: u64, end_lsn: u64, batch: Option<LostBatch>) {
        self.is_damaged = true;
        let path = self.file.path.clone();
        self.outcome.lost.push(LostFrames {
            path,
            first_lsn,
            end_lsn,
            batch,
        });
    }
}

enum Next {
    Frame(Box<ScannedFrame>),
    Padding,
    Bad(Option<Box<FrameHeader>>),
}
