//! The messages of the served APIs: those of the `kafka-protocol` crate, with ours in the places
//! where that crate stops short of Kafka 4.3.
//!
//! Ours have the same module, type and field names, so that code reads alike:
//! `AddRaftVoter` v1 (what the answer waits for), `OffsetCommit` v10 and `OffsetFetch` v10 (topic
//! ids), `DescribeLogDirs` v5 (cordoned directories), `WriteTxnMarkers` v2 (transaction version).
//! `ListOffsets` v11 is v10 on the wire (KIP-1023 only adds a special timestamp).

pub use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
pub use kafka_protocol::messages::*;

// These names of the crate are ours instead, also for those who import everything.
pub use crate::api::ApiKey;
pub use crate::frame::RequestHeader;
pub use crate::produce::ProduceRequest;

pub mod add_raft_voter_request;
pub mod describe_log_dirs_response;
pub mod offset_commit_request;
pub mod offset_commit_response;
pub mod offset_fetch_request;
pub mod offset_fetch_response;
pub mod write_txn_markers_request;

pub use add_raft_voter_request::AddRaftVoterRequest;
pub use describe_log_dirs_response::DescribeLogDirsResponse;
pub use offset_commit_request::OffsetCommitRequest;
pub use offset_commit_response::OffsetCommitResponse;
pub use offset_fetch_request::OffsetFetchRequest;
pub use offset_fetch_response::OffsetFetchResponse;
pub use write_txn_markers_request::WriteTxnMarkersRequest;
