//! How is the body of a message read and written, whoever defines the message?
//!
//! Bodies of the `kafka-protocol` crate are only read after [`guard`](crate::guard) has passed
//! over the bytes: that crate reserves memory on the word of a length field.

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::api::TWO_PHASE_COMMIT_VERSION;
use crate::messages::*;
use crate::wire::{Style, Value};

/// A message body.
pub(crate) trait Body: Sized {
    /// Reads the body from the front of guarded `bytes`.
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, String>;
    /// Appends the body to `out`.
    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), String>;
}

/// Messages of the `kafka-protocol` crate.
///
/// `newest`: the version on the wire where later versions changed meaning only. `before` a
/// version, a handler's answer is first cut to what old clients have fields for, since the crate
/// refuses to write a message with a field its version lacks; Kafka leaves these fields out too.
macro_rules! crate_bodies {
    ($($name:ident $(newest $newest:literal)? $(before $first:literal $cut:ident)?,)*) => {$(
        impl Body for $name {
            fn read(bytes: &mut Bytes, style: Style) -> Result<Self, String> {
                let version = style.version$(.min($newest))?;
                Self::decode(bytes, version).map_err(|error| error.to_string())
            }
            fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), String> {
                let version = style.version$(.min($newest))?;
                $(if version < $first {
                    let mut body = self.clone();
                    $cut(&mut body, version);
                    return body.encode(out, version).map_err(|error| error.to_string());
                })?
                self.encode(out, version).map_err(|error| error.to_string())
            }
        }
    )*};
}
crate_bodies! {
    ProduceResponse,
    FetchRequest, FetchResponse,
    ListOffsetsRequest newest 10, ListOffsetsResponse newest 10 before 4 cut_list_offsets,
    MetadataRequest, MetadataResponse,
    FindCoordinatorRequest, FindCoordinatorResponse,
    JoinGroupRequest, JoinGroupResponse before 9 cut_join_group,
    HeartbeatRequest, HeartbeatResponse,
    LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest, SyncGroupResponse,
    DescribeGroupsRequest, DescribeGroupsResponse before 6 cut_describe_groups,
    ListGroupsRequest, ListGroupsResponse,
    ApiVersionsRequest, ApiVersionsResponse,
    CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse,
    DeleteRecordsRequest, DeleteRecordsResponse,
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse,
    EndTxnRequest, EndTxnResponse,
    DescribeTransactionsRequest, DescribeTransactionsResponse,
    ListTransactionsRequest, ListTransactionsResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    WriteTxnMarkersResponse newest 1,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
    DescribeConfigsRequest, DescribeConfigsResponse,
    AlterConfigsRequest, AlterConfigsResponse,
    DescribeLogDirsRequest newest 4,
    CreatePartitionsRequest, CreatePartitionsResponse,
    DeleteGroupsRequest, DeleteGroupsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    OffsetDeleteRequest, OffsetDeleteResponse,
    DescribeProducersRequest, DescribeProducersResponse,
    DescribeClusterRequest, DescribeClusterResponse before 2 cut_describe_cluster,
    DescribeAclsRequest, DescribeAclsResponse,
    CreateAclsRequest, CreateAclsResponse,
    DeleteAclsRequest, DeleteAclsResponse,
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
    CreateDelegationTokenRequest, CreateDelegationTokenResponse,
    RenewDelegationTokenRequest, RenewDelegationTokenResponse,
    ExpireDelegationTokenRequest, ExpireDelegationTokenResponse,
    DescribeDelegationTokenRequest, DescribeDelegationTokenResponse,
    ElectLeadersRequest, ElectLeadersResponse,
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    DescribeQuorumRequest, DescribeQuorumResponse,
    UnregisterBrokerRequest, UnregisterBrokerResponse,
    AddRaftVoterResponse newest 0,
    RemoveRaftVoterRequest, RemoveRaftVoterResponse,
    DescribeClientQuotasRequest, DescribeClientQuotasResponse,
    AlterClientQuotasRequest, AlterClientQuotasResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    UpdateFeaturesRequest, UpdateFeaturesResponse,
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse before 1 cut_consumer_group_describe,
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
    PushTelemetryRequest, PushTelemetryResponse,
    ListConfigResourcesRequest, ListConfigResourcesResponse,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
    ShareGroupDescribeRequest, ShareGroupDescribeResponse,
    ShareFetchResponse newest 1,
    InitializeShareGroupStateRequest, InitializeShareGroupStateResponse,
    ReadShareGroupStateRequest, ReadShareGroupStateResponse,
    WriteShareGroupStateResponse newest 0,
    DeleteShareGroupStateRequest, DeleteShareGroupStateResponse,
    ReadShareGroupStateSummaryRequest newest 0,
    DescribeShareGroupOffsetsRequest newest 0,
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse,
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse,
}

fn cut_list_offsets(body: &mut ListOffsetsResponse, _version: i16) {
    for partition in body
        .topics
        .iter_mut()
        .flat_map(|topic| &mut topic.partitions)
    {
        partition.leader_epoch = -1;
    }
}

fn cut_join_group(body: &mut JoinGroupResponse, _version: i16) {
    body.skip_assignment = false;
}

fn cut_describe_groups(body: &mut DescribeGroupsResponse, version: i16) {
    for group in &mut body.groups {
        group.error_message = None;
        if version < 3 {
            group.authorized_operations = i32::MIN;
        }
    }
}

fn cut_consumer_group_describe(body: &mut ConsumerGroupDescribeResponse, _version: i16) {
    let members = body.groups.iter_mut().flat_map(|group| &mut group.members);
    members.for_each(|member| member.member_type = -1);
}

fn cut_describe_cluster(body: &mut DescribeClusterResponse, version: i16) {
    body.brokers
        .iter_mut()
        .for_each(|broker| broker.is_fenced = false);
    if version < 1 {
        body.endpoint_type = 1;
    }
}

/// Messages of our own.
macro_rules! own_bodies {
    ($($name:ident,)*) => {$(
        impl Body for $name {
            fn read(bytes: &mut Bytes, style: Style) -> Result<Self, String> {
                <Self as Value>::read(bytes, style).map_err(|error| error.to_string())
            }
            fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), String> {
                <Self as Value>::write(self, out, style).map_err(|error| error.to_string())
            }
        }
    )*};
}
own_bodies! {
    AddRaftVoterRequest,
    InitProducerIdResponse,
    OffsetCommitRequest, OffsetCommitResponse,
    OffsetFetchRequest, OffsetFetchResponse,
    DescribeLogDirsResponse,
    WriteTxnMarkersRequest,
    ShareFetchRequest, ShareAcknowledgeRequest, ShareAcknowledgeResponse,
    DescribeShareGroupOffsetsResponse,
    WriteShareGroupStateRequest, ReadShareGroupStateSummaryResponse,
    StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
    StreamsGroupDescribeRequest, StreamsGroupDescribeResponse,
}

impl Body for InitProducerIdRequest {
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, String> {
        <Self as Value>::read(bytes, style).map_err(|error| error.to_string())
    }
    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), String> {
        // Left out silently, the wish to keep a transaction would have it aborted.
        let is_two_phase = self.enable_2_pc || self.keep_prepared_txn;
        if is_two_phase && style.version < TWO_PHASE_COMMIT_VERSION {
            return Err("two-phase commit has no field before version 6".to_owned());
        }
        <Self as Value>::write(self, out, style).map_err(|error| error.to_string())
    }
}
