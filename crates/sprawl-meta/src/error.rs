//! What can go wrong with metadata, by operation.

use std::io;
use std::path::PathBuf;

use sprawl_core::metadata::{ImageSnapshotError, MetadataError};
use sprawl_model::BrokerId;

/// Why one of the metadata files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetaFileError {
    /// The disk failed.
    #[error("{path}: {source}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// A write failed earlier, so what the file holds is unknown.
    #[error("expected a working metadata log, found one that failed to write earlier")]
    Offline,
    /// The file changed after it was written, before its end.
    #[error(
        "{path}: expected frame {sequence} at byte {position}, found damage before later frames"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of the damaged frame.
        sequence: u64,
        /// Where it begins.
        position: u64,
    },
    /// The file was written by a later release, or is something else.
    #[error("{path}: expected {expected}, found {found}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A value does not fit into a frame.
    #[error("expected at most {max} bytes of metadata in one write, found {found}")]
    TooLarge {
        /// The limit.
        max: usize,
        /// The size.
        found: usize,
    },
    /// A value cannot be written down or read.
    #[error("{path}: {source}")]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The image was written by a later release.
    #[error("{path}: {source}")]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ImageSnapshotError,
    },
}

/// Why the metadata cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] MetaFileError),
    /// The directory belongs to another node.
    #[error("expected the metadata of node {expected}, found that of node {found}")]
    WrongNode {
        /// The node that was started.
        expected: BrokerId,
        /// The node the directory belongs to.
        found: BrokerId,
    },
    /// Raft did not come up.
    #[error("metadata did not become available: {reason}")]
    Unavailable {
        /// What Raft said.
        reason: String,
    },
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// The rules refuse it. Nothing changed.
    #[error(transparent)]
    Refused(#[from] MetadataError),
    /// It does not fit into the log. Nothing changed.
    #[error("expected at most {max} bytes of metadata in one command, found {found}")]
    TooLarge {
        /// The limit.
        max: usize,
        /// The size.
        found: usize,
    },
    /// The metadata is closing, failed, or led elsewhere. Whether the command was carried out is
    /// unknown: look at the image.
    #[error("metadata is not available: {reason}")]
    Unavailable {
        /// What Raft said.
        reason: String,
    },
}
