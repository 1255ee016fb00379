//! Looks into a stopped data directory: `sprawl log verify` and `sprawl log dump`.
//!
//! Nothing is changed. The directory's lock is held meanwhile, so that no broker writes.

mod dump;
mod verify;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sprawl_io::Io;
use sprawl_model::{Offset, PartitionKey};

use crate::error::{DiskError, OpenError};
use crate::segment::{PARTITIONS_DIR, dir_key, file_offset};
use crate::store::LOCK_FILE;

pub use dump::{Dumped, dump};
pub use verify::{Problem, VerifyReport, verify};

/// Hears how far a tool is.
pub trait ToolObserver {
    /// `done` of `total` bytes were read.
    fn progress(&self, done: u64, total: u64);
}

impl ToolObserver for crate::NoObserver {
    fn progress(&self, _done: u64, _total: u64) {}
}

/// Takes the lock of a directory, or says who has it.
fn lock(io: &Io, dir: &Path) -> Result<Box<dyn Send + Sync>, OpenError> {
    let path = dir.join(LOCK_FILE);
    io.disk.lock(&path).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => OpenError::Locked {
            dir: dir.to_path_buf(),
        },
        _ => DiskError::at("lock", &path)(error).into(),
    })
}

/// The segment files of each partition, in offset order.
type SegmentFiles = BTreeMap<PartitionKey, Vec<(Offset, PathBuf)>>;

fn segment_files(io: &Io, dir: &Path) -> Result<SegmentFiles, OpenError> {
    let parent = dir.join(PARTITIONS_DIR);
    let list = |path: &Path| {
        let entries = io.disk.read_dir(path);
        entries.map_err(DiskError::at("list", path))
    };
    let mut files = SegmentFiles::new();
    for entry in list(&parent)? {
        let Some(key) = dir_key(&entry.name) else {
            continue;
        };
        let dir = parent.join(&entry.name);
        let segments = list(&dir)?
            .into_iter()
            .filter_map(|entry| Some((file_offset(&entry.name)?, dir.join(&entry.name))));
        files.insert(key, segments.collect());
    }
    Ok(files)
}
