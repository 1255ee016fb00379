//! The files of the journal: written with zeros once, then used again and again.
//!
//! A file's place in the journal is its generation, not its name. Overwriting written blocks needs
//! no new metadata, so that a sync is one flush of the disk's cache.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sprawl_io::File;
use sprawl_io::disk::OpenMode;

use crate::aligned::{AlignedBuffer, block_after};
use crate::error::DiskError;
use crate::store::Shared;

/// The directory of the journal inside the data directory.
pub(crate) const JOURNAL_DIR: &str = "journal";
const SUFFIX: &str = ".journal";
const ZERO_CHUNK_BYTES: usize = 1 << 20;
const PROVE_CHUNK_BYTES: usize = 1 << 20;

/// One file and what it holds.
#[derive(Debug)]
pub(crate) struct JournalFile {
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) size: u64,
    held: Option<Held>,
    is_damaged: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    generation: u64,
    last_lsn: u64,
}

impl JournalFile {
    /// Creates a file of zeros.
    pub(crate) fn create(shared: &Shared, number: u32, size: u64) -> Result<Self, DiskError> {
        let dir = shared.dir.join(JOURNAL_DIR);
        let path = dir.join(file_name(number));
        let size = block_after(size);
        let file = shared
            .io
            .disk
            .open(&path, OpenMode::Direct)
            .map_err(DiskError::at("create", &path))?;
        write_zeros(file.as_ref(), size)
            .and_then(|()| file.sync_data())
            .map_err(DiskError::at("fill", &path))
            .inspect_err(|_| {
                if let Err(error) = shared.io.disk.remove_file(&path) {
                    tracing::warn!(%error, path = %path.display(), "cannot remove a partial journal file");
                }
            })?;
        shared
            .io
            .disk
            .sync_dir(&dir)
            .map_err(DiskError::at("sync", &dir))?;
        Ok(Self {
            number,
            path,
            file,
            size,
            held: None,
            is_damaged: false,
        })
    }

    /// Takes over a file that a scan went through.
    pub(crate) fn existing(number: u32, path: PathBuf, file: Arc<dyn File>, size: u64) -> Self {
        Self {
            number,
            path,
            file,
            size,
            held: None,
            is_damaged: false,
        }
    }

    pub(crate) fn is_free(&self) -> bool {
        self.held.is_none()
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    pub(crate) fn mark_damaged(&mut self) {
        self.is_damaged = true;
    }

    pub(crate) fn last_lsn(&self) -> Option<u64> {
        self.held.map(|held| held.last_lsn)
    }

    pub(crate) fn generation(&self) -> Option<u64> {
        self.held.map(|held| held.generation)
    }

    /// Starts a new use of the file.
    pub(crate) fn begin(&mut self, generation: u64, first_lsn: u64) {
        self.held = Some(Held {
            generation,
            last_lsn: first_lsn.saturating_sub(1),
        });
    }

    /// Records that frames up to `last_lsn` were written to the file.
    pub(crate) fn written(&mut self, last_lsn: u64) {
        if let Some(held) = &mut self.held {
            held.last_lsn = held.last_lsn.max(last_lsn);
        }
    }

    /// Writes the bytes from `from` up to `end` again as they are, both on block boundaries, and
    /// syncs them. A process that died on a failed sync leaves bytes that reads show and no later
    /// sync covers; written again they are covered. A torn write of the same bytes harms nothing.
    pub(crate) fn prove(&self, from: u64, end: u64) -> Result<(), DiskError> {
        let at = |action| DiskError::at(action, &self.path);
        let mut position = from;
        while position < end {
            let left = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
            let mut chunk = AlignedBuffer::with_capacity(left.min(PROVE_CHUNK_BYTES));
            let bytes = chunk.room(left.min(PROVE_CHUNK_BYTES));
            self.file
                .read_exact_at(bytes, position)
                .map_err(at("read"))?;
            self.file
                .write_at(&[IoSlice::new(chunk.as_slice())], position)
                .map_err(at("write"))?;
            position = position.saturating_add(chunk.len() as u64);
        }
        self.file.sync_data().map_err(at("sync"))
    }

    pub(crate) fn free(&mut self) {
        self.held = None;
    }

    /// Renames a damaged file out of the way, for inspection; it is never written again.
    pub(crate) fn put_aside(self, shared: &Shared) -> Result<(), DiskError> {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".damaged-{}", self.generation().unwrap_or(0)));
        let to = PathBuf::from(name);
        shared
            .io
            .disk
            .rename(&self.path, &to)
            .map_err(DiskError::at("rename", &self.path))?;
        tracing::warn!(path = %to.display(), "kept a damaged journal file for inspection");
        Ok(())
    }
}

/// Returns the name of file `number`.
pub(crate) fn file_name(number: u32) -> String {
    format!("{number:08}{SUFFIX}")
}

/// Returns the number in a file's name, or `None` for other files.
pub(crate) fn file_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 8).then(|| digits.parse().ok()).flatten()
}

/// Lists the journal files of a data directory by number.
pub(crate) fn list(
    disk: &dyn sprawl_io::Disk,
    dir: &Path,
) -> Result<Vec<(u32, PathBuf)>, DiskError> {
    let dir = dir.join(JOURNAL_DIR);
    let entries = disk.read_dir(&dir).map_err(DiskError::at("list", &dir))?;
    let files = entries.iter().filter(|entry| !entry.is_dir);
    Ok(files
        .filter_map(|entry| Some((file_number(&entry.name)?, dir.join(&entry.name))))
        .collect())
}

/// Fills a file with zeros through aligned writes.
pub(crate) fn write_zeros(file: &dyn File, size: u64) -> std::io::Result<()> {
    let chunk_max = u64::try_from(ZERO_CHUNK_BYTES)
        .unwrap_or(u64::MAX)
        .min(size);
    let mut zeros = AlignedBuffer::with_capacity(ZERO_CHUNK_BYTES);
    zeros
        .room(usize::try_from(chunk_max).unwrap_or(ZERO_CHUNK_BYTES))
        .fill(0);
    let mut position = 0_u64;
    while position < size {
        let left = size.saturating_sub(position).min(chunk_max);
        zeros.truncate(usize::try_from(left).unwrap_or(ZERO_CHUNK_BYTES));
        file.write_at(&[IoSlice::new(zeros.as_slice())], position)?;
        position = position.saturating_add(left);
    }
    Ok(())
}
