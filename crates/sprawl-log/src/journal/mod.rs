//! The journal: one append-only log for all partitions, written in groups, synced once per group.
//!
//! Invariants: frames are written in queue order and numbered without gaps (lsn). A frame that asks
//! for a sync is acknowledged only after the sync of its group returned; others after the write,
//! unless a frame of their partition before them still waits. After a failed write or sync nothing
//! is written any more (I28).

pub(crate) mod files;
pub(crate) mod frame;
pub(crate) mod scan;

use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sprawl_io::Wake;
use sprawl_model::mutant::{Mutant, active};
use sprawl_model::{LeaderEpoch, Offset};

use crate::aligned::{AlignedBuffer, blocks_up};
use crate::error::DiskError;
use crate::metrics as names;
use crate::partition::PartitionLog;
use crate::store::Shared;
use files::JournalFile;
use frame::{FILE_HEADER_BYTES, FRAME_HEADER_BYTES, FileHeader, FrameHeader};

/// A staging buffer that a huge group has grown beyond this is given back.
const STAGING_BYTES_KEPT: usize = 8 << 20;
/// The first journal file of a data directory: small, so that the first start does not wait for it.
const FIRST_FILE_BYTES: u64 = 4 << 20;
/// The next file is made ahead when the current one is filled to 1/4.
const PREPARE_FILL_DIVISOR: u64 = 4;

/// A batch on its way to the journal.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) partition: Arc<PartitionLog>,
    pub(crate) batch: Bytes,
    pub(crate) base_offset: Offset,
    pub(crate) end: Offset,
    pub(crate) last_offset_delta: i32,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) sync: bool,
    pub(crate) after_memory: bool,
}

/// What one group commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A group was written; there may be more.
    Written,
    /// Nothing was queued.
    Idle,
    /// All files are in use: a checkpoint has to free one first.
    Stalled,
}

/// The queue in front of the journal, and the journal behind it.
#[derive(Debug)]
pub(crate) struct Journal {
    queue: Mutex<Vec<Queued>>,
    core: Mutex<Core>,
    wake: OnceLock<Arc<dyn Wake>>,
    /// Bytes written since the last checkpoint.
    live_bytes: AtomicU64,
    is_stalled: AtomicBool,
    last_sync_micros: AtomicU64,
}

/// The files and the place in them; only one thread writes at a time.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) files: Vec<JournalFile>,
    active: Option<usize>,
    position: u64,
    generation: u64,
    next_lsn: u64,
    synced_lsn: u64,
    chain: u32,
    is_unsynced: bool,
    group: Vec<Queued>,
    staging: AlignedBuffer,
}

/// Where the journal stands once a staged group is written.
#[derive(Clone, Copy, Debug)]
struct Staged {
    next_lsn: u64,
    chain: u32,
}

/// Where a journal continues after a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) generation: u64,
    pub(crate) next_lsn: u64,
    pub(crate) chain: u32,
    /// Where the next group would begin in the file of `generation`; 0 where that is not known.
    pub(crate) position: u64,
}

impl Default for Journal {
    fn default() -> Self {
        let core = Core {
            files: Vec::new(),
            active: None,
            position: 0,
            generation: 0,
            next_lsn: 1,
            synced_lsn: 0,
            chain: 0,
            is_unsynced: false,
            group: Vec::new(),
            staging: AlignedBuffer::with_capacity(STAGING_BYTES_KEPT / 8),
        };
        Self {
            queue: Mutex::default(),
            core: Mutex::new(core),
            wake: OnceLock::new(),
            live_bytes: AtomicU64::new(0),
            is_stalled: AtomicBool::new(false),
            last_sync_micros: AtomicU64::new(0),
        }
    }
}

impl Journal {
    /// Takes over the files of a data directory; the first group begins a new one.
    pub(crate) fn install(&self, files: Vec<JournalFile>, resume: Resume, live_bytes: u64) {
        let next_lsn = resume.next_lsn.max(1);
        let mut core = self.core();
        core.files = files;
        core.position = resume.position;
        core.generation = resume.generation;
        core.next_lsn = next_lsn;
        core.synced_lsn = next_lsn.saturating_sub(1);
        core.chain = resume.chain;
        self.live_bytes.store(live_bytes, Ordering::Relaxed);
    }

    /// Names the worker to wake; once.
    pub(crate) fn set_wake(&self, wake: Arc<dyn Wake>) {
        self.wake.set(wake).expect("the journal has one worker");
    }

    pub(crate) fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            wake.wake();
        }
    }

    pub(crate) fn join(&self) {
        if let Some(wake) = self.wake.get() {
            wake.wake();
            wake.join();
        }
    }

    /// Queues a frame. Frames of one partition are queued in offset order: the caller holds its
    /// lock.
    ///
    /// The queue is bounded by the hot queue's limit, of which every queued byte is a part.
    pub(crate) fn push(&self, frame: Queued) {
        let was_empty = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.push(frame);
            queue.len() == 1
        };
        if was_empty {
            self.wake();
        }
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many bytes a restart would have to replay, padding included.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live_bytes.load(Ordering::Relaxed)
    }

    /// Returns whether a group waits for a checkpoint to free a file.
    pub(crate) fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::Acquire)
    }

    /// Returns how long the last sync took.
    pub(crate) fn last_sync(&self) -> Duration {
        Duration::from_micros(self.last_sync_micros.load(Ordering::Relaxed))
    }

    /// Writes one group: takes what is queued, one write, one sync where asked, acknowledges.
    pub(crate) fn commit_group(&self, shared: &Shared) -> Result<Progress, DiskError> {
        let mut core = self.core();
        self.take_group(&mut core, shared);
        if core.group.is_empty() {
            return Ok(Progress::Idle);
        }
        let size = group_bytes(&core.group);
        if !core.make_room(shared, size)? {
            self.is_stalled.store(true, Ordering::Release);
            return Ok(Progress::Stalled);
        }
        self.is_stalled.store(false, Ordering::Release);
        let staged = core.stage();
        let written = core.write(shared, staged)?;
        self.live_bytes.fetch_add(written, Ordering::Relaxed);
        let needs_sync = core.group.iter().any(|frame| frame.sync);
        if needs_sync {
            if active(Mutant::AckBeforeSync) {
                acknowledge(&core.group);
            }
            for frame in core.group.iter().filter(|frame| !frame.sync) {
                frame.partition.acknowledge_unsynced(frame.end);
            }
            self.sync(&mut core, shared)?;
        }
        acknowledge(&core.group);
        core.group.clear();
        Ok(Progress::Written)
    }

    /// Moves frames from the queue to the group, up to the limits of one group.
    fn take_group(&self, core: &mut Core, shared: &Shared) {
        if !core.group.is_empty() {
            return; // It stalled before.
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let file_bytes = usize::try_from(shared.settings.journal_file_bytes).unwrap_or(usize::MAX);
        let bytes_max = shared.settings.group_bytes_max.min(file_bytes / 2);
        let mut bytes = 0_usize;
        let count = queue
            .iter()
            .take(shared.settings.group_frames_max)
            .take_while(|frame| {
                let fits = bytes == 0 || bytes.saturating_add(frame.batch.len()) <= bytes_max;
                bytes = bytes
                    .saturating_add(frame.batch.len())
                    .saturating_add(FRAME_HEADER_BYTES);
                fits
            })
            .count();
        if count == queue.len() {
            std::mem::swap(&mut *queue, &mut core.group);
        } else {
            core.group.extend(queue.drain(..count));
        }
    }

    fn sync(&self, core: &mut Core, shared: &Shared) -> Result<(), DiskError> {
        let started = shared.io.clock.monotonic();
        core.sync()?;
        let took = shared.io.clock.monotonic().saturating_sub(started);
        metrics::histogram!(names::JOURNAL_SYNC_SECONDS).record(took.as_secs_f64());
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.last_sync_micros.store(micros, Ordering::Relaxed);
        Ok(())
    }

    /// Makes a file ahead of need. The slow part runs without the lock.
    pub(crate) fn prepare(&self, shared: &Shared) -> Result<(), DiskError> {
        let number = {
            let core = self.core();
            let used = core.active.and_then(|index| core.files.get(index));
            let is_early = used.is_none_or(|file| {
                core.position < file.size.checked_div(PREPARE_FILL_DIVISOR).unwrap_or(0)
            });
            let has_free = core.files.iter().any(JournalFile::is_free);
            if is_early || has_free || !core.may_grow(shared) {
                return Ok(());
            }
            core.next_number()
        };
        let size = shared.settings.journal_file_bytes;
        let file = JournalFile::create(shared, number, size)?;
        let mut core = self.core();
        if core.next_number() <= number {
            core.files.push(file);
        }
        Ok(())
    }

    /// Frees the files whose frames are all in synced segments.
    pub(crate) fn recycle(&self, shared: &Shared, checkpoint_lsn: u64) -> Result<(), DiskError> {
        let mut core = self.core();
        let active = core.active;
        let mut kept = Vec::with_capacity(core.files.len());
        for (index, mut file) in std::mem::take(&mut core.files).into_iter().enumerate() {
            let is_active = active == Some(index);
            if !is_active && file.last_lsn().is_some_and(|last| last <= checkpoint_lsn) {
                if file.is_damaged() {
                    file.put_aside(shared)?;
                    continue;
                }
                file.free();
            }
            if is_active {
                core.active = Some(kept.len());
            }
            kept.push(file);
        }
        core.files = kept;
        drop(core);
        if self.is_stalled() {
            self.wake();
        }
        Ok(())
    }

    /// Counts live bytes from the checkpoint on.
    pub(crate) fn checkpoint_taken(&self, live_bytes_before: u64) {
        let taken = live_bytes_before.min(self.live_bytes());
        self.live_bytes.fetch_sub(taken, Ordering::Relaxed);
    }

    /// Drops everything that was not written, after the store went offline.
    pub(crate) fn abandon(&self) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        if let Ok(mut core) = self.core.try_lock() {
            core.group.clear();
        }
    }

    /// Returns the place behind the last acknowledged frame, for the checkpoint.
    pub(crate) fn place(&self) -> Resume {
        let core = self.core();
        Resume {
            generation: core.generation,
            next_lsn: core.next_lsn,
            chain: core.chain,
            position: core.position,
        }
    }

    /// Makes sure that the first group finds a file.
    pub(crate) fn ensure_file(&self, shared: &Shared) -> Result<(), DiskError> {
        let mut core = self.core();
        if !core.files.iter().any(JournalFile::is_free) {
            let size = FIRST_FILE_BYTES.min(shared.settings.journal_file_bytes);
            let file = JournalFile::create(shared, core.next_number(), size)?;
            core.files.push(file);
        }
        Ok(())
    }
}

impl Core {
    fn next_number(&self) -> u32 {
        self.files
            .iter()
            .map(|file| file.number.saturating_add(1))
            .max()
            .unwrap_or(1)
    }

    fn may_grow(&self, shared: &Shared) -> bool {
        let bytes: u64 = self.files.iter().map(|file| file.size).sum();
        bytes.saturating_add(shared.settings.journal_file_bytes)
            <= shared.settings.journal_bytes_max
    }

    /// Makes the active file one that takes `size` more bytes; false where a checkpoint has to come
    /// first.
    fn make_room(&mut self, shared: &Shared, size: u64) -> Result<bool, DiskError> {
        if let Some(file) = self.active.and_then(|index| self.files.get(index))
            && self.position.saturating_add(size) <= file.size
        {
            return Ok(true);
        }
        let needed = size.saturating_add(FILE_HEADER_BYTES as u64);
        let free = self
            .files
            .iter()
            .position(|file| file.is_free() && file.size >= needed);
        let index = match free {
            Some(index) => index,
            None if self.may_grow(shared) || needed > shared.settings.journal_file_bytes => {
                let size = shared.settings.journal_file_bytes.max(needed);
                let file = JournalFile::create(shared, self.next_number(), size)?;
                self.files.push(file);
                self.files.len().saturating_sub(1)
            }
            None => return Ok(false),
        };
        // What was written without a sync must not be lost behind what a later sync of another file
        // covers.
        if self.is_unsynced {
            self.sync()?;
        }
        let (generation, first_lsn) = (self.generation.saturating_add(1), self.next_lsn);
        self.generation = generation;
        self.position = 0;
        self.active = Some(index);
        if let Some(file) = self.files.get_mut(index) {
            file.begin(generation, first_lsn);
        }
        Ok(true)
    }

    /// Lays the group out in the staging buffer, the file header first in a new file. Until it is
    /// written nothing counts: a full disk may refuse it, and it is laid out again later.
    fn stage(&mut self) -> Staged {
        self.staging.clear();
        let mut staged = Staged {
            next_lsn: self.next_lsn,
            chain: self.chain,
        };
        if self.position == 0 {
            let header = FileHeader {
                generation: self.generation,
                first_lsn: self.next_lsn,
                chain: self.chain,
            };
            self.staging.extend(&header.encode());
        }
        for frame in &self.group {
            let mut header = FrameHeader {
                size: u32::try_from(frame.batch.len()).expect("a batch is at most 100 MiB"),
                crc: 0,
                chain: staged.chain,
                generation: self.generation,
                lsn: staged.next_lsn,
                synced_lsn: self.synced_lsn,
                key: frame.partition.key(),
                leader_epoch: frame.leader_epoch,
                base_offset: frame.base_offset,
                last_offset_delta: frame.last_offset_delta,
                sync: frame.sync,
                after_memory: frame.after_memory,
            };
            self.staging.extend(&header.encode(&frame.batch));
            self.staging.extend(&frame.batch);
            staged.chain = header.crc;
            staged.next_lsn = staged.next_lsn.saturating_add(1);
        }
        self.staging.pad();
        staged
    }

    fn write(&mut self, shared: &Shared, staged: Staged) -> Result<u64, DiskError> {
        let file = self.active.and_then(|index| self.files.get_mut(index));
        let file = file.expect("make_room chose a file");
        let started = shared.io.clock.monotonic();
        file.file
            .write_at(&[IoSlice::new(self.staging.as_slice())], self.position)
            .map_err(DiskError::at("write", &file.path))?;
        file.written(staged.next_lsn.saturating_sub(1));
        (self.next_lsn, self.chain) = (staged.next_lsn, staged.chain);
        let took = shared.io.clock.monotonic().saturating_sub(started);
        let written = u64::try_from(self.staging.len()).unwrap_or(u64::MAX);
        self.position = self.position.saturating_add(written);
        self.is_unsynced = true;
        metrics::histogram!(names::JOURNAL_WRITE_SECONDS).record(took.as_secs_f64());
        metrics::counter!(names::JOURNAL_WRITTEN_BYTES).increment(written);
        #[allow(
            clippy::cast_precision_loss,
            reason = "a group is far below 2^52 bytes"
        )]
        {
            metrics::histogram!(names::JOURNAL_GROUP_BYTES).record(written as f64);
            metrics::histogram!(names::JOURNAL_GROUP_FRAMES).record(self.group.len() as f64);
        }
        if self.staging.capacity() > STAGING_BYTES_KEPT {
            self.staging = AlignedBuffer::with_capacity(STAGING_BYTES_KEPT / 8);
        }
        Ok(written)
    }

    /// Makes everything written so far durable.
    fn sync(&mut self) -> Result<(), DiskError> {
        if let Some(file) = self.active.and_then(|index| self.files.get(index)) {
            let mut result = file.file.sync_data();
            if result.is_err() && active(Mutant::FailedSyncRetried) {
                result = file.file.sync_data();
            }
            result.map_err(DiskError::at("sync", &file.path))?;
        }
        self.synced_lsn = self.next_lsn.saturating_sub(1);
        self.is_unsynced = false;
        Ok(())
    }
}

fn group_bytes(group: &[Queued]) -> u64 {
    let frames = group
        .iter()
        .map(|frame| frame.batch.len().saturating_add(FRAME_HEADER_BYTES));
    u64::try_from(blocks_up(frames.sum())).unwrap_or(u64::MAX)
}

/// Advances the durable end of each partition in the group, once per run of its frames.
fn acknowledge(group: &[Queued]) {
    let mut frames = group.iter().peekable();
    while let Some(frame) = frames.next() {
        if frames
            .peek()
            .is_none_or(|next| !Arc::ptr_eq(&next.partition, &frame.partition))
        {
            frame.partition.acknowledge(frame.end);
        }
    }
}
