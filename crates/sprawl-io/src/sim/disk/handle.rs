//! The disk and its files as one process sees them.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::content::{Content, SECTOR_BYTES};
use super::names::{Node, error};
use super::{CrashKind, OpKind, State, crashed, lock};
use crate::disk::{DIRECT_ALIGN_BYTES, Disk, Entry, File, OpenMode, Space};

/// A process's door to the disk.
#[derive(Debug)]
pub(super) struct Handle {
    state: Arc<Mutex<State>>,
    generation: u64,
}

impl Handle {
    pub(super) fn new(state: Arc<Mutex<State>>, generation: u64) -> Self {
        Self { state, generation }
    }

    /// Runs a change of names, or crashes before or after it.
    fn change_names<T>(
        &self,
        event: &str,
        paths: &[&Path],
        change: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = lock(&self.state);
        state.admit(self.generation, OpKind::Name)?;
        for path in paths {
            state
                .trace
                .record(event, &[], path.as_os_str().as_encoded_bytes());
        }
        match state.count_operation() {
            None => change(&mut state),
            Some(kind) => {
                let is_done = state.random.chance(1, 2);
                let outcome = is_done.then(|| change(&mut state));
                state.crash(kind);
                // An open file that nobody gets takes the lock again when it is dropped.
                drop(state);
                drop(outcome);
                Err(crashed())
            }
        }
    }

    fn open_existing(&self, path: &Path, mode: OpenMode) -> io::Result<Option<Arc<dyn File>>> {
        let mut state = lock(&self.state);
        state.expect_alive(self.generation)?;
        match state.names.get(path) {
            None => Ok(None),
            Some(Node::Dir) => Err(error(io::ErrorKind::IsADirectory, path)),
            Some(Node::File(_)) if mode == OpenMode::CreateNew => {
                Err(error(io::ErrorKind::AlreadyExists, path))
            }
            Some(Node::File(id)) => Ok(Some(self.file(&mut state, id, mode))),
        }
    }

    fn file(&self, state: &mut State, id: u64, mode: OpenMode) -> Arc<dyn File> {
        if let Some(content) = state.files.get_mut(&id) {
            content.open_count += 1;
        }
        let state = Arc::clone(&self.state);
        Arc::new(SimFile {
            state,
            generation: self.generation,
            id,
            mode,
        })
    }
}

impl State {
    fn expect_alive(&self, generation: u64) -> io::Result<()> {
        if self.is_down || generation != self.generation {
            Err(crashed())
        } else {
            Ok(())
        }
    }
}

impl Disk for Handle {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if let Some(file) = self.open_existing(path, mode)? {
            return Ok(file);
        }
        if mode == OpenMode::Read {
            return Err(error(io::ErrorKind::NotFound, path));
        }
        self.change_names("disk create", &[path], |state| {
            let id = state.file_next;
            state.names.create(path, Node::File(id))?;
            state.file_next += 1;
            state.files.insert(id, Content::default());
            Ok(self.file(state, id, mode))
        })
    }

    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        let state = lock(&self.state);
        state.expect_alive(self.generation)?;
        Ok(match state.names.get(path) {
            None => None,
            Some(Node::Dir) => Some(0),
            Some(Node::File(id)) => state.files.get(&id).map(Content::size),
        })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let state = lock(&self.state);
        state.expect_alive(self.generation)?;
        state.names.list(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut missing = Vec::new();
        for dir in path.ancestors() {
            match lock(&self.state).names.get(dir) {
                Some(Node::Dir) => break,
                Some(Node::File(_)) => return Err(error(io::ErrorKind::NotADirectory, dir)),
                None => missing.push(dir),
            }
        }
        lock(&self.state).expect_alive(self.generation)?;
        for dir in missing.into_iter().rev() {
            self.change_names("disk mkdir", &[dir], |state| {
                state.names.create(dir, Node::Dir)
            })?;
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change_names("disk rename", &[from, to], |state| {
            let replaced = state.names.file(to);
            state.names.rename(from, to)?;
            if let Some(id) = replaced {
                state.sweep(id);
            }
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change_names("disk remove", &[path], |state| {
            let id = state.names.file(path);
            let id = id.ok_or_else(|| error(io::ErrorKind::NotFound, path))?;
            state.names.remove(path);
            state.sweep(id);
            Ok(())
        })
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change_names("disk remove all", &[path], |state| {
            state.names.expect_dir(path)?;
            let inside: Vec<u64> = state
                .names
                .files()
                .filter(|(file, _)| file.starts_with(path))
                .map(|(_, id)| id)
                .collect();
            state.names.remove(path);
            for id in inside {
                state.sweep(id);
            }
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.admit(self.generation, OpKind::SyncDir)?;
        state.names.expect_dir(path)?;
        state
            .trace
            .record("disk sync dir", &[], path.as_os_str().as_encoded_bytes());
        if let Some(kind) = state.count_operation() {
            state.crash(kind);
            return Err(crashed());
        }
        state.names.sync_dir(path);
        Ok(())
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let state = lock(&self.state);
        state.expect_alive(self.generation)?;
        Ok(Space {
            total_bytes: state.capacity_bytes,
            available_bytes: state.available_bytes(),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        drop(self.open(path, OpenMode::ReadWrite)?);
        let mut state = lock(&self.state);
        if state.locks.contains_key(path) {
            return Err(error(io::ErrorKind::WouldBlock, path));
        }
        state.locks.insert(path.to_owned(), self.generation);
        let (path, generation) = (path.to_owned(), self.generation);
        Ok(Box::new(LockGuard {
            state: Arc::clone(&self.state),
            path,
            generation,
        }))
    }

    fn real_path(&self, _path: &Path) -> Option<PathBuf> {
        None
    }
}

struct LockGuard {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    generation: u64,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.locks.get(&self.path) == Some(&self.generation) {
            state.locks.remove(&self.path);
        }
    }
}

/// A process's open file.
#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    generation: u64,
    id: u64,
    mode: OpenMode,
}

impl SimFile {
    /// Refuses what direct I/O refuses: an address, length or position off the alignment.
    fn expect_aligned(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let align = DIRECT_ALIGN_BYTES;
        let is_aligned = bytes.as_ptr().align_offset(align) == 0
            && bytes.len().is_multiple_of(align)
            && position.is_multiple_of(align as u64);
        if self.mode != OpenMode::Direct || is_aligned {
            return Ok(());
        }
        let message = format!(
            "direct I/O of {} bytes at {position} is not aligned",
            bytes.len()
        );
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }

    fn expect_writable(&self) -> io::Result<()> {
        if self.mode == OpenMode::Read {
            Err(io::ErrorKind::PermissionDenied.into())
        } else {
            Ok(())
        }
    }
}

impl State {
    fn content(&mut self, id: u64) -> io::Result<&mut Content> {
        self.files.get_mut(&id).ok_or_else(crashed)
    }

    /// Writes `bytes`, as far as the disk has room.
    fn write(&mut self, id: u64, position: u64, mut bytes: Vec<u8>) -> io::Result<()> {
        let available = self.available_bytes();
        let content = self.content(id)?;
        let end = position.saturating_add(bytes.len() as u64);
        let growth = end.saturating_sub(content.size());
        if growth <= available {
            content.write(position, bytes);
            return Ok(());
        }
        let missing = usize::try_from(growth - available).unwrap_or(usize::MAX);
        bytes.truncate(bytes.len().saturating_sub(missing));
        if !bytes.is_empty() {
            content.write(position, bytes);
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    /// A crash in the middle of a write: a part of it, in whole sectors, has been done.
    fn crash_in_write(&mut self, kind: CrashKind, id: u64, position: u64, mut bytes: Vec<u8>) {
        let sectors = bytes.len() as u64 / SECTOR_BYTES + 1;
        let done = self.random.below(sectors + 1) * SECTOR_BYTES;
        bytes.truncate(usize::try_from(done).unwrap_or(usize::MAX));
        if !bytes.is_empty() {
            drop(self.write(id, position, bytes));
        }
        self.crash(kind);
    }
}

impl File for SimFile {
    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<usize> {
        self.expect_aligned(bytes, position)?;
        let mut state = lock(&self.state);
        state.admit(self.generation, OpKind::Read)?;
        state
            .trace
            .record("disk read", &[self.id, position, bytes.len() as u64], &[]);
        Ok(state.content(self.id)?.read(bytes, position))
    }

    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.expect_writable()?;
        let mut at = position;
        for slice in slices {
            self.expect_aligned(slice, at)?;
            at = at.saturating_add(slice.len() as u64);
        }
        let bytes: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        let mut state = lock(&self.state);
        state.admit(self.generation, OpKind::Write)?;
        state
            .trace
            .record("disk write", &[self.id, position], &bytes);
        match state.count_operation() {
            None => state.write(self.id, position, bytes),
            Some(kind) => {
                state.crash_in_write(kind, self.id, position, bytes);
                Err(crashed())
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        if let Err(fault) = state.admit(self.generation, OpKind::Sync) {
            if state.expect_alive(self.generation).is_ok() {
                let State { files, random, .. } = &mut *state;
                if let Some(content) = files.get_mut(&self.id) {
                    content.fail_sync(random);
                }
            }
            return Err(fault);
        }
        state.trace.record("disk sync", &[self.id], &[]);
        if let Some(kind) = state.count_operation() {
            state.crash(kind);
            return Err(crashed());
        }
        state.content(self.id)?.sync();
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        let mut state = lock(&self.state);
        state.expect_alive(self.generation)?;
        Ok(state.content(self.id)?.size())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.expect_writable()?;
        let mut state = lock(&self.state);
        state.admit(self.generation, OpKind::Write)?;
        state.trace.record("disk set size", &[self.id, size], &[]);
        let available = state.available_bytes();
        let crash = state.count_operation();
        let content = state.content(self.id)?;
        if size.saturating_sub(content.size()) > available {
            return Err(io::ErrorKind::StorageFull.into());
        }
        content.set_size(size);
        match crash {
            None => Ok(()),
            Some(kind) => {
                state.crash(kind);
                Err(crashed())
            }
        }
    }

    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(content) = state.files.get_mut(&self.id) {
            content.open_count = content.open_count.saturating_sub(1);
            state.sweep(self.id);
        }
    }
}
