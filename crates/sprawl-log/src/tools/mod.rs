//! Looks into a stopped data directory: `sprawl log verify` and `sprawl log dump`.
//!
//! Nothing is changed. The directory's lock is held meanwhile, so that no broker writes.

mod dump;
mod verify;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sprawl_io::Io;
use sprawl_model::PartitionKey;

use crate::error::{DiskError, OpenError};
use crate::segment::name::{SegmentName, sort_names};
use crate::segment::{PARTITIONS_DIR, dir_key};
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

/// The segment files of each partition that count, in offset order.
type SegmentFiles = BTreeMap<PartitionKey, Vec<(SegmentName, PathBuf)>>;

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
        let entries = list(&dir)?;
        let names = sort_names(entries.iter().map(|entry| entry.name.as_str()));
        let segments = names.live.into_iter();
        let segments = segments.map(|name| (name, dir.join(name.to_string())));
        files.insert(key, segments.collect());
    }
    Ok(files)
}
