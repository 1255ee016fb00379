//! A disk in memory that keeps what was synced, and the rest as luck has it.
//!
//! Every file has two images: what a read returns now, and what is on the platter. A write goes to
//! the first and waits for a sync to reach the second. What waits when the power goes is kept,
//! lost, or torn at sectors of 512 bytes, each write by itself; the end of a process alone loses
//! nothing of it. Names (create, rename, remove) wait for [`Disk::sync_dir`] in the same way. A
//! sync that fails keeps, loses or tears each write that waited while reads still show all of it,
//! as ext4 does, so that a second sync lies; only writing the bytes again and a sync of that help.
//! Writes past the page cache are no better off: what a drive's own cache held when it refused to
//! flush is as unknown.
//!
//! A handle belongs to one process: after [`SimDisk::crash`] it fails for good, and
//! [`SimDisk::restart`] gives the next process its own.

mod content;
mod handle;
mod names;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use content::Content;
use handle::Handle;
use names::{Names, Node};

use super::random::SeededRandom;
use super::trace::Trace;
use crate::disk::Disk;

/// The size of a disk nobody limited, in bytes.
const CAPACITY_BYTES_DEFAULT: u64 = 1 << 40;
/// The stream of the seed that disk faults draw from.
const RANDOM_STREAM: u64 = 1;

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashKind {
    /// The process alone: what it wrote is kept, synced or not. The write under way may be cut.
    Kill,
    /// The machine: what was not synced is kept, lost or torn.
    PowerCut,
}

/// Operations that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpKind {
    /// `read_at`.
    Read,
    /// `write_at` and `set_size`.
    Write,
    /// `sync_data`; failing, it keeps, loses or tears what waited.
    Sync,
    /// Opening a new file, `create_dir_all`, `rename`, `remove_*`.
    Name,
    /// `sync_dir`.
    SyncDir,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitFlip {
    /// The file.
    pub path: PathBuf,
    /// The byte.
    pub position: u64,
}

/// All files as they are now, to come back to.
#[derive(Clone)]
pub struct DiskImage {
    names: BTreeMap<PathBuf, Node>,
    files: BTreeMap<u64, Vec<u8>>,
}

impl fmt::Debug for DiskImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskImage")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// The disk, seen from outside the process.
#[derive(Debug)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: SeededRandom,
    trace: Arc<Trace>,
    /// The process whose handles work.
    generation: u64,
    is_down: bool,
    names: Names,
    files: BTreeMap<u64, Content>,
    file_next: u64,
    locks: BTreeMap<PathBuf, u64>,
    capacity_bytes: u64,
    /// Operations so far that change something.
    operation_count: u64,
    crash_at: Option<(u64, CrashKind)>,
    /// Which operations fail: their kind, and how many of it come before.
    faults: Vec<(OpKind, u64)>,
}

impl SimDisk {
    pub(super) fn new(seed: u64, trace: &Arc<Trace>) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: SeededRandom::new(seed, RANDOM_STREAM),
            trace: Arc::clone(trace),
            generation: 0,
            is_down: false,
            names: Names::default(),
            files: BTreeMap::new(),
            file_next: 1,
            locks: BTreeMap::new(),
            capacity_bytes: CAPACITY_BYTES_DEFAULT,
            operation_count: 0,
            crash_at: None,
            faults: Vec::new(),
        })))
    }

    /// Returns how many operations changed something so far: writes, syncs, names.
    pub fn operation_count(&self) -> u64 {
        self.state().operation_count
    }

    /// Crashes in the middle of changing operation number `operation`, counted as
    /// [`Self::operation_count`] does. Every operation after it fails until [`Self::restart`].
    pub fn crash_at(&self, operation: u64, kind: CrashKind) {
        self.state().crash_at = Some((operation, kind));
    }

    /// Says whether a crash happened and no process runs.
    pub fn is_down(&self) -> bool {
        self.state().is_down
    }

    /// Crashes now. After a crash that has already happened, this does nothing.
    pub fn crash(&self, kind: CrashKind) {
        let mut state = self.state();
        if !state.is_down {
            state.crash(kind);
        }
    }

    /// Starts the next process; handles of earlier ones keep failing. Faults not met yet are
    /// forgotten.
    pub fn restart(&self) -> Arc<dyn Disk> {
        let mut state = self.state();
        state.generation += 1;
        state.is_down = false;
        state.crash_at = None;
        state.faults.clear();
        state.locks.clear();
        Arc::new(Handle::new(Arc::clone(&self.0), state.generation))
    }

    /// Makes operation number `nth` of this kind from now on, counted from 1, fail with an I/O
    /// error.
    pub fn fail_nth(&self, kind: OpKind, nth: u64) {
        self.state().faults.push((kind, nth.saturating_sub(1)));
    }

    /// Forgets faults that were not met yet.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Limits the disk to `free_bytes` more than it holds now; `None` takes the limit away.
    pub fn limit_free_bytes(&self, free_bytes: Option<u64>) {
        let mut state = self.state();
        state.capacity_bytes = match free_bytes {
            None => CAPACITY_BYTES_DEFAULT,
            Some(free_bytes) => state.used_bytes().saturating_add(free_bytes),
        };
    }

    /// Flips one random bit, on the platter and for readers, in each of `count` random places of
    /// files whose path contains `part`. Returns where.
    pub fn flip_bits(&self, part: &str, count: usize) -> Vec<BitFlip> {
        let mut state = self.state();
        let state = &mut *state;
        let files: Vec<(PathBuf, u64)> = state
            .names
            .files()
            .filter(|(path, id)| {
                path.to_string_lossy().contains(part)
                    && state
                        .files
                        .get(id)
                        .is_some_and(|content| content.size() > 0)
            })
            .map(|(path, id)| (path.to_owned(), id))
            .collect();
        let mut flips = Vec::new();
        for _ in 0..if files.is_empty() { 0 } else { count } {
            let (path, id) = files[state.random.below(files.len() as u64) as usize].clone();
            let content = state
                .files
                .get_mut(&id)
                .expect("every named file has content");
            let position = state.random.below(content.size());
            content.flip_bit(position, state.random.below(8) as u32);
            state.trace.record("disk flip", &[id, position], &[]);
            flips.push(BitFlip { path, position });
        }
        flips
    }

    /// Returns every file with its size in bytes, sorted by path.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.state();
        let size = |id| state.files.get(&id).map_or(0, Content::size);
        state
            .names
            .files()
            .map(|(path, id)| (path.to_owned(), size(id)))
            .collect()
    }

    /// Returns what a read of the whole file returns now.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let id = state.names.file(path)?;
        state.files.get(&id).map(|content| content.bytes().to_vec())
    }

    /// Copies all files as readers see them now.
    pub fn image(&self) -> DiskImage {
        let state = self.state();
        let files = state
            .files
            .iter()
            .map(|(id, content)| (*id, content.bytes().to_vec()))
            .collect();
        DiskImage {
            names: state.names.all().clone(),
            files,
        }
    }

    /// Puts every file back as `image` has it, all of it synced. No process may run.
    pub fn load(&self, image: &DiskImage) {
        let mut state = self.state();
        assert!(state.is_down, "the disk changes under no running process");
        // Files made from now on are others than those of the image.
        let image_next = image.files.keys().next_back().map_or(0, |id| id + 1);
        state.file_next = state.file_next.max(image_next);
        state.names = Names::synced(image.names.clone());
        state.files = image
            .files
            .iter()
            .map(|(id, bytes)| (*id, Content::synced(bytes.clone())))
            .collect();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl State {
    fn used_bytes(&self) -> u64 {
        self.names
            .files()
            .filter_map(|(_, id)| self.files.get(&id))
            .map(Content::size)
            .sum()
    }

    fn available_bytes(&self) -> u64 {
        self.capacity_bytes.saturating_sub(self.used_bytes())
    }

    /// Lets a process's operation in, or says why not: the process is gone, or the fault was
    /// ordered.
    fn admit(&mut self, generation: u64, kind: OpKind) -> io::Result<()> {
        if self.is_down || generation != self.generation {
            return Err(crashed());
        }
        let mut is_hit = false;
        self.faults.retain_mut(|(fault, before)| {
            if *fault != kind {
                return true;
            }
            if *before == 0 {
                is_hit = true;
                return false;
            }
            *before -= 1;
            true
        });
        if is_hit {
            self.trace.record("disk fault", &[kind as u64], &[]);
            return Err(io::Error::other("simulated I/O error"));
        }
        Ok(())
    }

    /// Counts a changing operation; `Some` where the crash falls into it.
    fn count_operation(&mut self) -> Option<CrashKind> {
        let number = self.operation_count;
        self.operation_count += 1;
        self.crash_at
            .filter(|(at, _)| *at == number)
            .map(|(_, kind)| kind)
    }

    fn crash(&mut self, kind: CrashKind) {
        self.is_down = true;
        self.trace.record("disk crash", &[kind as u64], &[]);
        if kind == CrashKind::Kill {
            return;
        }
        self.names.power_cut(&self.random);
        for content in self.files.values_mut() {
            content.power_cut(&self.random);
        }
        let names = &self.names;
        self.files.retain(|id, _| names.refers_to(*id));
    }

    /// Drops content that no name and no open handle refers to.
    fn sweep(&mut self, id: u64) {
        let is_open = self
            .files
            .get(&id)
            .is_some_and(|content| content.open_count > 0);
        if !is_open && !self.names.refers_to(id) {
            self.files.remove(&id);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What every operation of a process that is no more returns.
fn crashed() -> io::Error {
    io::Error::other("simulated crash: this process is gone")
}

#[cfg(test)]
mod tests;
