//! The messages of the served APIs: those of the `kafka-protocol` crate, with ours in the places
//! where that crate stops short of Kafka 4.3.
//!
//! Ours have the same module, type and field names, so that code reads alike:
//! `AddRaftVoter` v1 (what the answer waits for), `OffsetCommit` v10 and `OffsetFetch` v10 (topic
//! ids), `DescribeLogDirs` v5 (cordoned directories), `WriteTxnMarkers` v2 (transaction version),
//! `InitProducerId` v6 (two-phase commit),
//! `ShareFetch` and `ShareAcknowledge` v2 (acquire modes, renewal), `DescribeShareGroupOffsets`,
//! `WriteShareGroupState` and `ReadShareGroupStateSummary` v1 (lag), `StreamsGroupHeartbeat` and
//! `StreamsGroupDescribe` (streams groups). `ListOffsets` v11 is v10 on the wire (KIP-1023 only
//! adds a special timestamp).

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
pub mod describe_share_group_offsets_response;
pub mod init_producer_id_request;
pub mod init_producer_id_response;
pub mod offset_commit_request;
pub mod offset_commit_response;
pub mod offset_fetch_request;
pub mod offset_fetch_response;
pub mod read_share_group_state_summary_response;
pub mod share_acknowledge_request;
pub mod share_acknowledge_response;
pub mod share_fetch_request;
pub mod streams_group_describe_request;
pub mod streams_group_describe_response;
pub mod streams_group_heartbeat_request;
pub mod streams_group_heartbeat_response;
pub mod write_share_group_state_request;
pub mod write_txn_markers_request;

pub use add_raft_voter_request::AddRaftVoterRequest;
pub use describe_log_dirs_response::DescribeLogDirsResponse;
pub use describe_share_group_offsets_response::DescribeShareGroupOffsetsResponse;
pub use init_producer_id_request::InitProducerIdRequest;
pub use init_producer_id_response::InitProducerIdResponse;
pub use offset_commit_request::OffsetCommitRequest;
pub use offset_commit_response::OffsetCommitResponse;
pub use offset_fetch_request::OffsetFetchRequest;
pub use offset_fetch_response::OffsetFetchResponse;
pub use read_share_group_state_summary_response::ReadShareGroupStateSummaryResponse;
pub use share_acknowledge_request::ShareAcknowledgeRequest;
pub use share_acknowledge_response::ShareAcknowledgeResponse;
pub use share_fetch_request::ShareFetchRequest;
pub use streams_group_describe_request::StreamsGroupDescribeRequest;
pub use streams_group_describe_response::StreamsGroupDescribeResponse;
pub use streams_group_heartbeat_request::StreamsGroupHeartbeatRequest;
pub use streams_group_heartbeat_response::StreamsGroupHeartbeatResponse;
pub use write_share_group_state_request::WriteShareGroupStateRequest;
pub use write_txn_markers_request::WriteTxnMarkersRequest;
