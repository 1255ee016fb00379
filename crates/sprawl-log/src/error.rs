//! What can go wrong, one enum per operation; a variant tells the caller what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sprawl_model::{Offset, PartitionKey};
use thiserror::Error;

use crate::state::StateError;

/// A file operation that failed, with its place.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct DiskError {
    /// What was tried, as a verb.
    pub action: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the disk said.
    pub source: io::Error,
}

impl DiskError {
    /// Returns a closure for `map_err` that adds the place to a disk's answer.
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self {
            action,
            path: path.to_path_buf(),
            source,
        }
    }

    /// Tells a full disk, which passes, from a broken one, which does not.
    pub(crate) fn is_out_of_space(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

/// Why a data directory cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process serves this directory.
    #[error("data directory {} is in use by another process", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The state store failed.
    #[error("state store: {0}")]
    State(#[from] StateError),
    /// A file was written by a later version of this program.
    #[error("{} has format version {found}, expected at most {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u8,
        /// The newest version that this program reads.
        expected: u8,
    },
}

/// Why an administrative operation on the log failed.
#[derive(Debug, Error)]
pub enum LogError {
    /// The disk failed earlier; nothing is written until a restart.
    #[error("log store is offline: {reason}")]
    Offline {
        /// The first failure.
        reason: Arc<str>,
    },
    /// The store was closed.
    #[error("log store is closed")]
    Closed,
    /// No such partition here.
    #[error("partition {key} is not in this data directory")]
    UnknownPartition {
        /// The partition asked for.
        key: PartitionKey,
    },
    /// The offset is not between log start and durable end.
    #[error("offset {offset} is outside {log_start}..={durable_end}")]
    OutOfRange {
        /// The offset asked for.
        offset: Offset,
        /// First offset of the log.
        log_start: Offset,
        /// End of what is durable.
        durable_end: Offset,
    },
    /// Records at this offset must stay until they are delivered.
    #[error("a delayed record at offset {pinned_from} still waits")]
    Pinned {
        /// The first of them.
        pinned_from: Offset,
    },
    /// The disk refused this operation.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The state store failed.
    #[error("state store: {0}")]
    State(#[from] StateError),
}

impl LogError {
    /// Tells a full disk, which passes, from failures after which nothing is known of what is on
    /// disk.
    pub(crate) fn is_out_of_space(&self) -> bool {
        match self {
            // A sync that found no space has lost writes like any other failed sync.
            Self::Disk(error) => error.is_out_of_space() && error.action != "sync",
            Self::State(error) => matches!(error, StateError::NoSpace(_)),
            _ => false,
        }
    }

    /// Returns whether the store must not write any more.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, Self::Disk(_) | Self::State(_)) && !self.is_out_of_space()
    }
}

/// Why a batch was not appended. Nothing was written.
#[derive(Clone, Debug, Error)]
pub enum AppendError {
    /// The disk failed earlier; the partition cannot be written until a restart.
    #[error("log store is offline: {reason}")]
    Offline {
        /// The first failure.
        reason: Arc<str>,
    },
    /// The store was closed.
    #[error("log store is closed")]
    Closed,
    /// The partition was deleted.
    #[error("partition {key} was deleted")]
    Deleted {
        /// The partition.
        key: PartitionKey,
    },
    /// The disk is nearly full; retry later.
    #[error("disk is {used_percent} % full")]
    DiskFull {
        /// How full the disk is.
        used_percent: u8,
    },
    /// The end of the log is damaged, so that no offset can be given to a new batch.
    #[error("log is damaged from offset {from} to {to}")]
    Damaged {
        /// First lost offset.
        from: Offset,
        /// First offset after the damage.
        to: Offset,
    },
    /// The batch does not continue the log: a mistake of the caller.
    #[error("batch starts at offset {found}, expected {expected}")]
    OutOfOrder {
        /// The log end.
        expected: Offset,
        /// The base offset of the batch.
        found: Offset,
    },
    /// The bytes do not match the header: a mistake of the caller.
    #[error("batch is {found} bytes, expected {expected} from its header")]
    SizeMismatch {
        /// What the header says.
        expected: usize,
        /// How many bytes came.
        found: usize,
    },
}

/// Why an appended batch will not become durable. Whether it survives is unknown.
#[derive(Clone, Debug, Error)]
pub enum FlushError {
    /// The disk failed.
    #[error("log store is offline: {reason}")]
    Offline {
        /// The first failure.
        reason: Arc<str>,
    },
    /// The partition was deleted meanwhile.
    #[error("partition {key} was deleted")]
    Deleted {
        /// The partition.
        key: PartitionKey,
    },
}

/// Why a read failed.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The offset is outside the log.
    #[error("offset {offset} is outside {log_start}..={log_end}")]
    OutOfRange {
        /// The offset asked for.
        offset: Offset,
        /// First offset of the log.
        log_start: Offset,
        /// End of the log.
        log_end: Offset,
    },
    /// The bytes at this offset are lost or fail their checks.
    #[error("log is damaged from offset {from} to {to}")]
    Damaged {
        /// First unreadable offset.
        from: Offset,
        /// First offset after the damage, as far as known.
        to: Offset,
    },
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The state store failed.
    #[error("state store: {0}")]
    State(#[from] StateError),
}
