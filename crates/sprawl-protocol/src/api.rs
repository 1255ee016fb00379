//! Which API keys and versions does this broker serve? One line per key, here and nowhere else.
//!
//! Everything that depends on the set of keys (the key enum, the request and response enums, the
//! `ApiVersions` answer, `docs/kip-coverage.md`) is made from this table. Ranges are those of
//! Kafka 4.3 (KIP-896 set the minimums).

use crate::messages::ApiVersion;

/// Calls `$callback!` with the table: one row per key.
///
/// A row: name, key, advertised versions, first version decoded, first flexible version (or
/// `never`), request and response type in `messages`, and what the versions brought.
#[rustfmt::skip]
macro_rules! with_api_table {
    ($callback:ident) => {
        $callback! {
            // name, key, advertised, served from, flexible from, request, response, note
            Produce, 0, 0..=13, 3, 9, ProduceRequest, ProduceResponse,
                "KIP-516 topic ids in v13; v0-2 advertised for librdkafka (KAFKA-18659), answered \
                 UNSUPPORTED_VERSION";
            Fetch, 1, 4..=18, 4, 12, FetchRequest, FetchResponse,
                "KIP-227 sessions v7, KIP-392 rack v11, KIP-595 epochs v12, KIP-516 topic ids \
                 v13, KIP-951 leader hints v16, KIP-1166 high watermark v18";
            ListOffsets, 2, 1..=11, 1, 6, ListOffsetsRequest, ListOffsetsResponse,
                "KIP-734 max timestamp v7, KIP-405 local start v8, KIP-1005 tiered v9, KIP-1075 \
                 timeout v10, KIP-1023 pending upload v11";
            Metadata, 3, 0..=13, 0, 9, MetadataRequest, MetadataResponse,
                "KIP-516 topic ids v10, query by id v12, KIP-1102 top-level error v13";
            OffsetCommit, 8, 2..=10, 2, 8, OffsetCommitRequest, OffsetCommitResponse,
                "KIP-345 static members v7, KIP-848 member epochs v9, topic ids v10";
            OffsetFetch, 9, 1..=10, 1, 6, OffsetFetchRequest, OffsetFetchResponse,
                "KIP-447 require stable v7, KIP-709 several groups v8, KIP-848 member epochs v9, \
                 topic ids v10";
            FindCoordinator, 10, 0..=6, 0, 3, FindCoordinatorRequest, FindCoordinatorResponse,
                "KIP-699 several keys v4, KIP-932 share key type v6";
            JoinGroup, 11, 0..=9, 0, 6, JoinGroupRequest, JoinGroupResponse,
                "KIP-394 member id required v4, KIP-345 static members v5, KIP-559 protocol type \
                 v7, KIP-800 reason v8, KIP-814 skip assignment v9";
            Heartbeat, 12, 0..=4, 0, 4, HeartbeatRequest, HeartbeatResponse,
                "KIP-345 static members v3";
            LeaveGroup, 13, 0..=5, 0, 4, LeaveGroupRequest, LeaveGroupResponse,
                "KIP-345 several members v3, KIP-800 reason v5";
            SyncGroup, 14, 0..=5, 0, 4, SyncGroupRequest, SyncGroupResponse,
                "KIP-345 static members v3, KIP-559 protocol type and name v5";
            DescribeGroups, 15, 0..=6, 0, 5, DescribeGroupsRequest, DescribeGroupsResponse,
                "KIP-430 authorized operations v3, KIP-345 static members v4, KIP-1043 error \
                 message v6";
            ListGroups, 16, 0..=5, 0, 3, ListGroupsRequest, ListGroupsResponse,
                "KIP-518 states v4, KIP-848 types v5";
            ApiVersions, 18, 0..=4, 0, 3, ApiVersionsRequest, ApiVersionsResponse,
                "KIP-511 client software v3, KIP-584 features v3; response header is always v0";
            CreateTopics, 19, 2..=7, 2, 5, CreateTopicsRequest, CreateTopicsResponse,
                "KIP-464 broker defaults v4, KIP-525 configs in the answer v5, KIP-599 quota v6, \
                 KIP-516 topic id v7";
            DeleteTopics, 20, 1..=6, 1, 4, DeleteTopicsRequest, DeleteTopicsResponse,
                "error message v5, KIP-516 topic ids v6";
            DeleteRecords, 21, 0..=2, 0, 2, DeleteRecordsRequest, DeleteRecordsResponse,
                "KIP-107";
            InitProducerId, 22, 0..=6, 0, 2, InitProducerIdRequest, InitProducerIdResponse,
                "KIP-98, KIP-360 epoch bump v3, KIP-588 fencing v4, KIP-890 abortable errors v5, \
                 KIP-939 two-phase commit v6, advertised where \
                 transaction.two.phase.commit.enable is on";
            OffsetForLeaderEpoch, 23, 2..=4, 2, 4, OffsetForLeaderEpochRequest,
                OffsetForLeaderEpochResponse,
                "KIP-320 fencing v2, replica id v3";
            WriteTxnMarkers, 27, 1..=2, 1, 1, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
                "KIP-98, KIP-1228 transaction version v2";
            TxnOffsetCommit, 28, 0..=5, 0, 3, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
                "KIP-320 leader epochs v2, KIP-447 members v3, KIP-890 abortable errors v4, implicit \
                 add v5";
            DescribeAcls, 29, 1..=3, 1, 2, DescribeAclsRequest, DescribeAclsResponse,
                "KIP-140, KIP-290 prefixed patterns; without an authorizer SECURITY_DISABLED";
            CreateAcls, 30, 1..=3, 1, 2, CreateAclsRequest, CreateAclsResponse,
                "KIP-140, KIP-290 prefixed patterns; without an authorizer SECURITY_DISABLED";
            DeleteAcls, 31, 1..=3, 1, 2, DeleteAclsRequest, DeleteAclsResponse,
                "KIP-140, KIP-290 prefixed patterns; without an authorizer SECURITY_DISABLED";
            AddPartitionsToTxn, 24, 0..=5, 0, 3, AddPartitionsToTxnRequest,
                AddPartitionsToTxnResponse,
                "KIP-98, KIP-588 fencing v2, KIP-890 several transactions and verification v4, \
                 abortable errors v5";
            AddOffsetsToTxn, 25, 0..=4, 0, 3, AddOffsetsToTxnRequest, AddOffsetsToTxnResponse,
                "KIP-98, KIP-588 fencing v2, KIP-890 abortable errors v4";
            EndTxn, 26, 0..=5, 0, 3, EndTxnRequest, EndTxnResponse,
                "KIP-98, KIP-588 fencing v2, KIP-890 abortable errors v4, bumped epoch v5";
            DescribeConfigs, 32, 1..=4, 1, 4, DescribeConfigsRequest, DescribeConfigsResponse,
                "KIP-226 synonyms v1, KIP-569 types and documentation v3";
            AlterConfigs, 33, 0..=2, 0, 2, AlterConfigsRequest, AlterConfigsResponse,
                "KIP-133";
            AlterReplicaLogDirs, 34, 1..=2, 1, 2, AlterReplicaLogDirsRequest,
                AlterReplicaLogDirsResponse,
                "KIP-113";
            DescribeLogDirs, 35, 1..=5, 1, 2, DescribeLogDirsRequest, DescribeLogDirsResponse,
                "KIP-113, top-level error v3, KIP-827 volume sizes v4, cordoned directories v5";
            CreatePartitions, 37, 0..=3, 0, 2, CreatePartitionsRequest, CreatePartitionsResponse,
                "KIP-195, KIP-599 quota v3";
            CreateDelegationToken, 38, 1..=3, 1, 2, CreateDelegationTokenRequest,
                CreateDelegationTokenResponse,
                "KIP-48, KIP-373 owners v3; a PLAINTEXT listener gives no tokens";
            RenewDelegationToken, 39, 1..=2, 1, 2, RenewDelegationTokenRequest,
                RenewDelegationTokenResponse,
                "KIP-48; a PLAINTEXT listener gives no tokens";
            ExpireDelegationToken, 40, 1..=2, 1, 2, ExpireDelegationTokenRequest,
                ExpireDelegationTokenResponse,
                "KIP-48; a PLAINTEXT listener gives no tokens";
            DescribeDelegationToken, 41, 1..=3, 1, 2, DescribeDelegationTokenRequest,
                DescribeDelegationTokenResponse,
                "KIP-48, KIP-373 owners v3; a PLAINTEXT listener gives no tokens";
            DeleteGroups, 42, 0..=2, 0, 2, DeleteGroupsRequest, DeleteGroupsResponse,
                "KIP-229";
            ElectLeaders, 43, 0..=2, 0, 2, ElectLeadersRequest, ElectLeadersResponse,
                "KIP-183, KIP-460 election type v1";
            IncrementalAlterConfigs, 44, 0..=1, 0, 1, IncrementalAlterConfigsRequest,
                IncrementalAlterConfigsResponse,
                "KIP-339";
            AlterPartitionReassignments, 45, 0..=1, 0, 0, AlterPartitionReassignmentsRequest,
                AlterPartitionReassignmentsResponse,
                "KIP-455, KIP-860 replication factor v1";
            ListPartitionReassignments, 46, 0..=0, 0, 0, ListPartitionReassignmentsRequest,
                ListPartitionReassignmentsResponse,
                "KIP-455";
            OffsetDelete, 47, 0..=0, 0, never, OffsetDeleteRequest, OffsetDeleteResponse,
                "KIP-496";
            DescribeClientQuotas, 48, 0..=1, 0, 1, DescribeClientQuotasRequest,
                DescribeClientQuotasResponse,
                "KIP-546";
            AlterClientQuotas, 49, 0..=1, 0, 1, AlterClientQuotasRequest, AlterClientQuotasResponse,
                "KIP-546";
            DescribeUserScramCredentials, 50, 0..=0, 0, 0, DescribeUserScramCredentialsRequest,
                DescribeUserScramCredentialsResponse,
                "KIP-554";
            AlterUserScramCredentials, 51, 0..=0, 0, 0, AlterUserScramCredentialsRequest,
                AlterUserScramCredentialsResponse,
                "KIP-554";
            DescribeQuorum, 55, 0..=2, 0, 0, DescribeQuorumRequest, DescribeQuorumResponse,
                "KIP-595, KIP-836 timestamps v1, KIP-853 directories and endpoints v2";
            UpdateFeatures, 57, 0..=2, 0, 0, UpdateFeaturesRequest, UpdateFeaturesResponse,
                "KIP-584, KIP-778 validate only v1, one result for all v2";
            DescribeCluster, 60, 0..=2, 0, 0, DescribeClusterRequest, DescribeClusterResponse,
                "KIP-700, KIP-919 endpoint type v1, KIP-1073 fenced brokers v2";
            DescribeProducers, 61, 0..=0, 0, 0, DescribeProducersRequest, DescribeProducersResponse,
                "KIP-664";
            UnregisterBroker, 64, 0..=0, 0, 0, UnregisterBrokerRequest, UnregisterBrokerResponse,
                "KIP-500";
            DescribeTransactions, 65, 0..=0, 0, 0, DescribeTransactionsRequest,
                DescribeTransactionsResponse,
                "KIP-664";
            ListTransactions, 66, 0..=2, 0, 0, ListTransactionsRequest, ListTransactionsResponse,
                "KIP-664, KIP-994 duration v1, KIP-1152 pattern v2";
            ConsumerGroupHeartbeat, 68, 0..=1, 0, 0, ConsumerGroupHeartbeatRequest,
                ConsumerGroupHeartbeatResponse,
                "KIP-848, patterns and KIP-1082 member ids made by clients v1";
            ConsumerGroupDescribe, 69, 0..=1, 0, 0, ConsumerGroupDescribeRequest,
                ConsumerGroupDescribeResponse,
                "KIP-848, KIP-1099 member type v1";
            GetTelemetrySubscriptions, 71, 0..=0, 0, 0, GetTelemetrySubscriptionsRequest,
                GetTelemetrySubscriptionsResponse,
                "KIP-714";
            PushTelemetry, 72, 0..=0, 0, 0, PushTelemetryRequest, PushTelemetryResponse,
                "KIP-714";
            ListConfigResources, 74, 0..=1, 0, 0, ListConfigResourcesRequest,
                ListConfigResourcesResponse,
                "KIP-1142";
            DescribeTopicPartitions, 75, 0..=0, 0, 0, DescribeTopicPartitionsRequest,
                DescribeTopicPartitionsResponse,
                "KIP-966";
            ShareGroupHeartbeat, 76, 1..=1, 1, 0, ShareGroupHeartbeatRequest,
                ShareGroupHeartbeatResponse,
                "KIP-932";
            ShareGroupDescribe, 77, 1..=1, 1, 0, ShareGroupDescribeRequest,
                ShareGroupDescribeResponse,
                "KIP-932";
            ShareFetch, 78, 1..=2, 1, 0, ShareFetchRequest, ShareFetchResponse,
                "KIP-932, KIP-1206 acquire modes v2, KIP-1222 renewal v2";
            ShareAcknowledge, 79, 1..=2, 1, 0, ShareAcknowledgeRequest, ShareAcknowledgeResponse,
                "KIP-932, KIP-1222 renewal v2";
            AddRaftVoter, 80, 0..=1, 0, 0, AddRaftVoterRequest, AddRaftVoterResponse,
                "KIP-853, KIP-1186 acknowledge when appended v1";
            RemoveRaftVoter, 81, 0..=0, 0, 0, RemoveRaftVoterRequest, RemoveRaftVoterResponse,
                "KIP-853";
            InitializeShareGroupState, 83, 0..=0, 0, 0, InitializeShareGroupStateRequest,
                InitializeShareGroupStateResponse,
                "KIP-932";
            ReadShareGroupState, 84, 0..=0, 0, 0, ReadShareGroupStateRequest,
                ReadShareGroupStateResponse,
                "KIP-932";
            WriteShareGroupState, 85, 0..=1, 0, 0, WriteShareGroupStateRequest,
                WriteShareGroupStateResponse,
                "KIP-932, KIP-1226 delivery complete count v1";
            DeleteShareGroupState, 86, 0..=0, 0, 0, DeleteShareGroupStateRequest,
                DeleteShareGroupStateResponse,
                "KIP-932";
            ReadShareGroupStateSummary, 87, 0..=1, 0, 0, ReadShareGroupStateSummaryRequest,
                ReadShareGroupStateSummaryResponse,
                "KIP-932, KIP-1226 delivery complete count v1";
            StreamsGroupHeartbeat, 88, 0..=0, 0, 0, StreamsGroupHeartbeatRequest,
                StreamsGroupHeartbeatResponse,
                "KIP-1071";
            StreamsGroupDescribe, 89, 0..=0, 0, 0, StreamsGroupDescribeRequest,
                StreamsGroupDescribeResponse,
                "KIP-1071";
            DescribeShareGroupOffsets, 90, 0..=1, 0, 0, DescribeShareGroupOffsetsRequest,
                DescribeShareGroupOffsetsResponse,
                "KIP-932, KIP-1226 lag v1";
            AlterShareGroupOffsets, 91, 0..=0, 0, 0, AlterShareGroupOffsetsRequest,
                AlterShareGroupOffsetsResponse,
                "KIP-932";
            DeleteShareGroupOffsets, 92, 0..=0, 0, 0, DeleteShareGroupOffsetsRequest,
                DeleteShareGroupOffsetsResponse,
                "KIP-932";
        }
    };
}
pub(crate) use with_api_table;

/// The flexible version of a message that has none.
#[allow(non_upper_case_globals, reason = "written in the table as a word")]
const never: i16 = i16::MAX;

/// A range of API versions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest version.
    pub min: i16,
    /// The highest version.
    pub max: i16,
}

impl VersionRange {
    /// Returns whether `version` lies in the range.
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// Iterates over the versions, lowest first.
    pub fn iter(self) -> impl Iterator<Item = i16> {
        self.min..=self.max
    }
}

macro_rules! api_key {
    ($($name:ident, $key:literal, $min:literal..=$max:literal, $served:literal, $flexible:tt,
       $request:ident, $response:ident, $note:literal;)*) => {
        /// The API keys this broker serves.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $(#[doc = concat!("Key ", $key, ": ", $note, ".")] $name = $key,)*
        }

        impl ApiKey {
            /// Every served key, in numeric order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Finds a served key by its number.
            pub const fn from_number(number: i16) -> Option<Self> {
                match number {
                    $($key => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Returns the name used in Kafka's protocol guide.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Returns the versions announced to clients.
            pub const fn advertised(self) -> VersionRange {
                match self { $(Self::$name => VersionRange { min: $min, max: $max },)* }
            }

            /// Returns the versions that are decoded and answered in full.
            pub const fn served(self) -> VersionRange {
                match self { $(Self::$name => VersionRange { min: $served, max: $max },)* }
            }

            /// Returns the first version with compact types and tagged fields (KIP-482).
            pub const fn flexible_from(self) -> Option<i16> {
                let first: i16 = match self { $(Self::$name => $flexible,)* };
                if first == never { None } else { Some(first) }
            }

            /// Returns what the versions brought, by KIP.
            pub const fn note(self) -> &'static str {
                match self { $(Self::$name => $note,)* }
            }
        }
    };
}
with_api_table!(api_key);

impl ApiKey {
    /// Returns the key's number on the wire.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// Returns whether `version` uses compact types and tagged fields.
    pub const fn is_flexible(self, version: i16) -> bool {
        match self.flexible_from() {
            Some(first) => version >= first,
            None => false,
        }
    }

    /// Returns the version of the request header that goes with `version`.
    pub const fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// Returns the version of the response header that goes with `version`.
    ///
    /// `ApiVersions` keeps header 0 so that a client can read the answer to a version that the
    /// broker does not know (KIP-511).
    pub const fn response_header_version(self, version: i16) -> i16 {
        match self {
            Self::ApiVersions => 0,
            _ if self.is_flexible(version) => 1,
            _ => 0,
        }
    }
}

/// The version of `InitProducerId` that two-phase commit needs. Kafka 4.3 calls it unstable and
/// hides it from clients unless told otherwise.
pub const TWO_PHASE_COMMIT_VERSION: i16 = 6;

/// Whether clients are told of the version that two-phase commit needs. It is served either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TwoPhaseCommit {
    /// They are.
    Advertised,
    /// They are not: the broker does not let them take part.
    Hidden,
}

/// Returns the rows of the `ApiVersions` answer: every served key with its advertised range.
pub fn advertised_versions(two_phase_commit: TwoPhaseCommit) -> Vec<ApiVersion> {
    let mut rows: Vec<ApiVersion> = ApiKey::ALL
        .iter()
        .map(|key| advertised_version(*key))
        .collect();
    if two_phase_commit == TwoPhaseCommit::Hidden {
        let number = ApiKey::InitProducerId.number();
        let row = rows.iter_mut().find(|row| row.api_key == number);
        if let Some(row) = row {
            row.max_version = TWO_PHASE_COMMIT_VERSION - 1;
        }
    }
    rows
}

/// Returns the `ApiVersions` row of one key.
pub(crate) fn advertised_version(key: ApiKey) -> ApiVersion {
    let range = key.advertised();
    ApiVersion::default()
        .with_api_key(key.number())
        .with_min_version(range.min)
        .with_max_version(range.max)
}
