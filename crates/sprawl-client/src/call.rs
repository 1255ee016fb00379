//! Which response type belongs to a request type?

use sprawl_protocol::messages::*;
use sprawl_protocol::{ApiKey, ProduceRequest, Request, Response};

/// A request and its response.
pub trait Call: Into<Request> {
    /// What the broker answers with.
    type Response;
    /// The API.
    const KEY: ApiKey;
    /// Takes the answer out of the enum; `None` where it is another API's.
    fn response(response: Response) -> Option<Self::Response>;
}

macro_rules! calls {
    ($($name:ident: $request:ident -> $response:ident,)*) => {$(
        impl Call for $request {
            type Response = $response;
            const KEY: ApiKey = ApiKey::$name;
            fn response(response: Response) -> Option<$response> {
                match response {
                    Response::$name(body) => Some(body),
                    _ => None,
                }
            }
        }
    )*};
}

calls! {
    Produce: ProduceRequest -> ProduceResponse,
    Fetch: FetchRequest -> FetchResponse,
    ListOffsets: ListOffsetsRequest -> ListOffsetsResponse,
    Metadata: MetadataRequest -> MetadataResponse,
    OffsetCommit: OffsetCommitRequest -> OffsetCommitResponse,
    OffsetFetch: OffsetFetchRequest -> OffsetFetchResponse,
    FindCoordinator: FindCoordinatorRequest -> FindCoordinatorResponse,
    JoinGroup: JoinGroupRequest -> JoinGroupResponse,
    Heartbeat: HeartbeatRequest -> HeartbeatResponse,
    LeaveGroup: LeaveGroupRequest -> LeaveGroupResponse,
    SyncGroup: SyncGroupRequest -> SyncGroupResponse,
    DescribeGroups: DescribeGroupsRequest -> DescribeGroupsResponse,
    ListGroups: ListGroupsRequest -> ListGroupsResponse,
    ApiVersions: ApiVersionsRequest -> ApiVersionsResponse,
    CreateTopics: CreateTopicsRequest -> CreateTopicsResponse,
    DeleteTopics: DeleteTopicsRequest -> DeleteTopicsResponse,
    InitProducerId: InitProducerIdRequest -> InitProducerIdResponse,
    DescribeConfigs: DescribeConfigsRequest -> DescribeConfigsResponse,
    DescribeLogDirs: DescribeLogDirsRequest -> DescribeLogDirsResponse,
    CreatePartitions: CreatePartitionsRequest -> CreatePartitionsResponse,
    ConsumerGroupHeartbeat: ConsumerGroupHeartbeatRequest -> ConsumerGroupHeartbeatResponse,
    ConsumerGroupDescribe: ConsumerGroupDescribeRequest -> ConsumerGroupDescribeResponse,
    DeleteGroups: DeleteGroupsRequest -> DeleteGroupsResponse,
    IncrementalAlterConfigs: IncrementalAlterConfigsRequest -> IncrementalAlterConfigsResponse,
    AddPartitionsToTxn: AddPartitionsToTxnRequest -> AddPartitionsToTxnResponse,
    EndTxn: EndTxnRequest -> EndTxnResponse,
    DescribeTransactions: DescribeTransactionsRequest -> DescribeTransactionsResponse,
    ListTransactions: ListTransactionsRequest -> ListTransactionsResponse,
    DescribeProducers: DescribeProducersRequest -> DescribeProducersResponse,
    WriteTxnMarkers: WriteTxnMarkersRequest -> WriteTxnMarkersResponse,
    DescribeCluster: DescribeClusterRequest -> DescribeClusterResponse,
    DescribeClientQuotas: DescribeClientQuotasRequest -> DescribeClientQuotasResponse,
    AlterClientQuotas: AlterClientQuotasRequest -> AlterClientQuotasResponse,
    DescribeAcls: DescribeAclsRequest -> DescribeAclsResponse,
    CreateAcls: CreateAclsRequest -> CreateAclsResponse,
    DeleteAcls: DeleteAclsRequest -> DeleteAclsResponse,
    DescribeUserScramCredentials:
        DescribeUserScramCredentialsRequest -> DescribeUserScramCredentialsResponse,
    AlterUserScramCredentials:
        AlterUserScramCredentialsRequest -> AlterUserScramCredentialsResponse,
    DescribeQuorum: DescribeQuorumRequest -> DescribeQuorumResponse,
    UpdateFeatures: UpdateFeaturesRequest -> UpdateFeaturesResponse,
    ShareGroupHeartbeat: ShareGroupHeartbeatRequest -> ShareGroupHeartbeatResponse,
    ShareFetch: ShareFetchRequest -> ShareFetchResponse,
    ShareAcknowledge: ShareAcknowledgeRequest -> ShareAcknowledgeResponse,
    ShareGroupDescribe: ShareGroupDescribeRequest -> ShareGroupDescribeResponse,
    StreamsGroupDescribe: StreamsGroupDescribeRequest -> StreamsGroupDescribeResponse,
    DescribeShareGroupOffsets:
        DescribeShareGroupOffsetsRequest -> DescribeShareGroupOffsetsResponse,
    AlterShareGroupOffsets: AlterShareGroupOffsetsRequest -> AlterShareGroupOffsetsResponse,
}
