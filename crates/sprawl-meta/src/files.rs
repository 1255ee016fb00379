//! The files of the metadata directory: `log`, `vote`, `snapshot`. All calls block.
//!
//! A file that is replaced is written beside itself, synced, renamed, and its directory synced, so
//! that a crash leaves the old one or the new one.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sprawl_io::disk::OpenMode;
use sprawl_io::{Disk, File};
use sprawl_model::checksum::crc32c;

use crate::error::MetaFileError;
use crate::frame::{
    FILE_HEADER_BYTES, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, Frame, check_file_header, decode_frame,
    encode_frame, file_header, has_later_frame,
};

/// The largest metadata file that is read, in bytes.
pub const METADATA_FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The version of `vote` this build writes.
pub const VOTE_FILE_VERSION: u32 = 1;
/// The version of `snapshot` this build writes.
pub const SNAPSHOT_FILE_VERSION: u32 = 1;

const VALUE_HEADER_BYTES: usize = 16;

/// The metadata directory.
#[derive(Clone, Debug)]
pub(crate) struct MetaDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

/// A small file with one value: magic, version, checksum, JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueFile {
    pub(crate) name: &'static str,
    pub(crate) magic: &'static [u8; 8],
    pub(crate) version: u32,
}

pub(crate) const VOTE_FILE: ValueFile = ValueFile {
    name: "vote",
    magic: b"SPRLVOTE",
    version: VOTE_FILE_VERSION,
};
pub(crate) const SNAPSHOT_FILE: ValueFile = ValueFile {
    name: "snapshot",
    magic: b"SPRLSNAP",
    version: SNAPSHOT_FILE_VERSION,
};
const LOG_FILE: &str = "log";

impl MetaDir {
    pub(crate) fn create(disk: Arc<dyn Disk>, path: PathBuf) -> Result<Self, MetaFileError> {
        let failed = |source| MetaFileError::Disk {
            path: path.clone(),
            source,
        };
        disk.create_dir_all(&path).map_err(failed)?;
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            disk.sync_dir(parent).map_err(failed)?;
        }
        Ok(Self { disk, path })
    }

    /// Reads a value, or `None` where it was never written.
    pub(crate) fn read_value<T: DeserializeOwned>(
        &self,
        file: ValueFile,
    ) -> Result<Option<T>, MetaFileError> {
        let path = self.path.join(file.name);
        let Some(bytes) = self.read(&path)? else {
            return Ok(None);
        };
        let json = value_payload(file, &bytes).map_err(|found| {
            let expected = format!("a {} file of version {}", file.name, file.version);
            MetaFileError::Format {
                path: path.clone(),
                expected,
                found,
            }
        })?;
        let decoded = serde_json::from_slice(json);
        decoded
            .map(Some)
            .map_err(|source| MetaFileError::Encoding { path, source })
    }

    /// Writes a value over the old one; durable on return.
    pub(crate) fn write_value<T: Serialize>(
        &self,
        file: ValueFile,
        value: &T,
    ) -> Result<(), MetaFileError> {
        let json = serde_json::to_vec(value).map_err(|source| {
            let path = self.path.join(file.name);
            MetaFileError::Encoding { path, source }
        })?;
        let mut bytes = Vec::with_capacity(VALUE_HEADER_BYTES + json.len());
        bytes.extend_from_slice(file.magic);
        bytes.extend_from_slice(&file.version.to_be_bytes());
        bytes.extend_from_slice(&crc32c(&json).to_be_bytes());
        bytes.extend_from_slice(&json);
        self.replace(file.name, &bytes).map(drop)
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, MetaFileError> {
        let failed = |source| MetaFileError::Disk {
            path: path.to_owned(),
            source,
        };
        if self.disk.size(path).map_err(failed)?.is_none() {
            return Ok(None);
        }
        self.disk
            .read(path, METADATA_FILE_BYTES_MAX)
            .map(Some)
            .map_err(failed)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<Arc<dyn File>, MetaFileError> {
        let path = self.path.join(name);
        let beside = self.path.join(format!("{name}.new"));
        let write = || {
            let file = self.disk.open(&beside, OpenMode::ReadWrite)?;
            file.set_size(0)?;
            file.write_at(&[IoSlice::new(bytes)], 0)?;
            file.sync_data()?;
            self.disk.rename(&beside, &path)?;
            self.disk.sync_dir(&self.path)?;
            Ok(file)
        };
        write().map_err(|source| MetaFileError::Disk {
            path: path.clone(),
            source,
        })
    }
}

/// Returns the JSON in a value file, or what is wrong with the file.
fn value_payload(file: ValueFile, bytes: &[u8]) -> Result<&[u8], String> {
    let Some((header, json)) = bytes.split_first_chunk::<VALUE_HEADER_BYTES>() else {
        return Err(format!("{} bytes", bytes.len()));
    };
    let [magic @ .., v0, v1, v2, v3, c0, c1, c2, c3] = header;
    if magic != file.magic {
        return Err("another kind of file".to_owned());
    }
    let version = u32::from_be_bytes([*v0, *v1, *v2, *v3]);
    if version != file.version {
        return Err(format!("version {version}"));
    }
    if crc32c(json) != u32::from_be_bytes([*c0, *c1, *c2, *c3]) {
        return Err("changed bytes".to_owned());
    }
    Ok(json)
}

/// The open log file. After a failed write it refuses every other.
#[derive(Debug)]
pub(crate) struct LogFile {
    dir: MetaDir,
    file: Arc<dyn File>,
    end: u64,
    next_sequence: u64,
    failed: bool,
}

impl LogFile {
    /// Opens the log and returns what was written to it, in order. A torn last frame is cut off.
    pub(crate) fn open(dir: MetaDir) -> Result<(Self, Vec<Frame>), MetaFileError> {
        let path = dir.path.join(LOG_FILE);
        let failed = |source| MetaFileError::Disk {
            path: path.clone(),
            source,
        };
        let Some(bytes) = dir.read(&path)? else {
            let file = dir.replace(LOG_FILE, &file_header())?;
            let end = FILE_HEADER_BYTES as u64;
            return Ok((
                Self {
                    dir,
                    file,
                    end,
                    next_sequence: 0,
                    failed: false,
                },
                Vec::new(),
            ));
        };
        check_file_header(&bytes).map_err(|found| {
            let expected = format!("a metadata log of version {}", crate::LOG_FILE_VERSION);
            MetaFileError::Format {
                path: path.clone(),
                expected,
                found,
            }
        })?;
        let Found { frames, last, end } = read_frames(&path, &bytes)?;
        let file = dir.disk.open(&path, OpenMode::ReadWrite).map_err(failed)?;
        let end_position = u64::try_from(end).expect("a size in memory fits 64 bits");
        if end < bytes.len() {
            let lost = bytes.len().saturating_sub(end);
            tracing::warn!(path = %path.display(), bytes = lost, "cut a torn metadata write");
            file.set_size(end_position).map_err(failed)?;
        }
        // An earlier process may have died on the failed sync of the last frame: reads show it, no
        // later sync covers it. Written again, the same bytes are covered; earlier frames were
        // synced before the next was written, and a torn write of what is there already harms
        // nothing.
        let unproven = bytes.get(last..end).unwrap_or_default();
        file.write_at(&[IoSlice::new(unproven)], last as u64)
            .and_then(|()| file.sync_data())
            .map_err(failed)?;
        let next_sequence = u64::try_from(frames.len()).expect("a count in memory fits 64 bits");
        Ok((
            Self {
                dir,
                file,
                end: end_position,
                next_sequence,
                failed: false,
            },
            frames,
        ))
    }

    /// Writes a frame; durable on return.
    pub(crate) fn write(&mut self, frame: &Frame) -> Result<(), MetaFileError> {
        self.guarded(|log| {
            let bytes = encode(&log.path(), log.next_sequence, frame)?;
            let written = log.file.write_at(&[IoSlice::new(&bytes)], log.end);
            let synced = written.and_then(|()| log.file.sync_data());
            synced.map_err(|source| MetaFileError::Disk {
                path: log.path(),
                source,
            })?;
            log.end = log.end.saturating_add(bytes.len() as u64);
            log.next_sequence = log.next_sequence.saturating_add(1);
            Ok(())
        })
    }

    /// Replaces the file by one that says only this; durable on return.
    pub(crate) fn rewrite(&mut self, frames: &[Frame]) -> Result<(), MetaFileError> {
        self.guarded(|log| {
            let mut bytes = file_header().to_vec();
            let mut next_sequence = 0;
            for frame in frames {
                bytes.extend_from_slice(&encode(&log.path(), next_sequence, frame)?);
                next_sequence = next_sequence.saturating_add(1);
            }
            log.file = log.dir.replace(LOG_FILE, &bytes)?;
            log.end = bytes.len() as u64;
            log.next_sequence = next_sequence;
            Ok(())
        })
    }

    pub(crate) fn dir(&self) -> &MetaDir {
        &self.dir
    }

    fn path(&self) -> PathBuf {
        self.dir.path.join(LOG_FILE)
    }

    /// A frame that is too large was not begun; after any other failure the file is not touched
    /// again.
    fn guarded(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), MetaFileError>,
    ) -> Result<(), MetaFileError> {
        if self.failed {
            return Err(MetaFileError::Offline);
        }
        let result = write(self);
        self.failed = matches!(result, Err(MetaFileError::Disk { .. }));
        result
    }
}

fn encode(path: &Path, sequence: u64, frame: &Frame) -> Result<Vec<u8>, MetaFileError> {
    let payload = serde_json::to_vec(frame).map_err(|source| MetaFileError::Encoding {
        path: path.to_owned(),
        source,
    })?;
    let (found, max) = (payload.len(), FRAME_BYTES_MAX - FRAME_HEADER_BYTES);
    if found > max {
        return Err(MetaFileError::TooLarge { max, found });
    }
    Ok(encode_frame(sequence, &payload))
}

/// What a log file holds.
struct Found {
    frames: Vec<Frame>,
    /// Where the last whole frame begins; the end of the header where there is none.
    last: usize,
    /// Where it ends.
    end: usize,
}

fn read_frames(path: &Path, bytes: &[u8]) -> Result<Found, MetaFileError> {
    let mut frames = Vec::new();
    let (mut last, mut end) = (FILE_HEADER_BYTES, FILE_HEADER_BYTES);
    while let Some(rest) = bytes.get(end..).filter(|rest| !rest.is_empty()) {
        let sequence = u64::try_from(frames.len()).expect("a count in memory fits 64 bits");
        let Some(payload) = decode_frame(rest, sequence) else {
            if has_later_frame(rest, sequence) {
                let (path, position) = (path.to_owned(), end as u64);
                return Err(MetaFileError::Damaged {
                    path,
                    sequence,
                    position,
                });
            }
            break;
        };
        let frame = serde_json::from_slice(payload).map_err(|source| MetaFileError::Encoding {
            path: path.to_owned(),
            source,
        })?;
        frames.push(frame);
        last = end;
        end = end
            .saturating_add(FRAME_HEADER_BYTES)
            .saturating_add(payload.len());
    }
    Ok(Found { frames, last, end })
}
