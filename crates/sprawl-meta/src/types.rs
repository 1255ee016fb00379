//! The types openraft is built from here.

use std::io::Cursor;

use openraft::{BasicNode, StorageError, StorageIOError};
use sprawl_core::metadata::{MetadataCommand, MetadataError, MetadataReply};

use crate::error::MetaFileError;

openraft::declare_raft_types!(
    pub(crate) Types:
        D = MetadataCommand,
        R = Result<MetadataReply, MetadataError>,
        NodeId = u64,
        Node = BasicNode,
);

pub(crate) type Entry = openraft::Entry<Types>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Raft = openraft::Raft<Types>;
pub(crate) type RaftState = openraft::RaftState<u64, BasicNode, openraft::TokioInstant>;
pub(crate) type Snapshot = openraft::Snapshot<Types>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<u64, BasicNode>;
pub(crate) type StorageResult<T> = Result<T, StorageError<u64>>;
pub(crate) type StoredMembership = openraft::StoredMembership<u64, BasicNode>;
pub(crate) type Vote = openraft::Vote<u64>;

/// Raft stops at any of these: what is on disk is no longer known.
pub(crate) fn read_failed(error: &MetaFileError) -> StorageError<u64> {
    StorageIOError::read(error).into()
}

/// As [`read_failed`].
pub(crate) fn write_failed(error: &MetaFileError) -> StorageError<u64> {
    StorageIOError::write(error).into()
}
