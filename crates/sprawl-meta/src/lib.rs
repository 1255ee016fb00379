//! Replicated metadata: propose a change, watch the image, read what is committed.
//!
//! The rules live in `sprawl_core::metadata`; this crate makes their commands durable and orders
//! them with Raft. One node is one voter and takes the same path as five.
//! `docs/formats/metadata-log.md` describes the files.
//!
//! Source: Raft (Ongaro, Ousterhout), as implemented by openraft 0.9.

mod error;
mod files;
mod frame;
mod log_store;
mod metadata;
mod network;
mod quorum;
mod state_machine;
mod types;

pub use error::{MetaFileError, OpenError, ProposeError};
pub use files::{METADATA_FILE_BYTES_MAX, SNAPSHOT_FILE_VERSION, VOTE_FILE_VERSION};
pub use frame::{FRAME_BYTES_MAX, LOG_FILE_VERSION};
pub use metadata::{Metadata, NodeConfig};
pub use quorum::{Quorum, Voter};

#[cfg(test)]
mod tests;
