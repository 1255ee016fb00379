//! The error codes of the Kafka protocol: number, name, whether clients retry, and what it means.
//!
//! Numbers, names and the retriable flag are those of Kafka 4.3. The flag says what clients do:
//! a retriable code is tried again by stock clients after refreshing their metadata.

use std::fmt;

macro_rules! error_codes {
    ($($name:ident = $number:literal, $kafka:literal, $retry:ident, $message:literal;)*) => {
        /// An error as it stands on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(#[doc = concat!("`", $kafka, "`: ", $message, ".")] $name = $number,)*
        }

        impl ErrorCode {
            /// Every code, by number.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Finds a code by its number.
            pub const fn from_number(number: i16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Returns the name in Kafka's protocol guide.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $kafka,)* }
            }

            /// Returns whether stock clients try again.
            pub const fn is_retriable(self) -> bool {
                match self { $(Self::$name => error_codes!(@retry $retry),)* }
            }

            /// Returns what it means, for error message fields.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
    (@retry retriable) => { true };
    (@retry fatal) => { false };
}

error_codes! {
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", fatal, "the server met an unexpected error";
    None = 0, "NONE", fatal, "no error";
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE", fatal, "the offset is not in the partition's log";
    CorruptMessage = 2, "CORRUPT_MESSAGE", retriable, "a record batch is damaged or malformed";
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", retriable, "no such topic or partition here";
    InvalidFetchSize = 4, "INVALID_FETCH_SIZE", fatal, "the fetch size is not valid";
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE", retriable, "the partition has no leader at the moment";
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER", retriable, "this broker does not lead or hold the partition";
    RequestTimedOut = 7, "REQUEST_TIMED_OUT", retriable, "the request was not done in time";
    BrokerNotAvailable = 8, "BROKER_NOT_AVAILABLE", fatal, "the broker is not available";
    ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE", retriable, "the replica is not available";
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE", fatal, "a record batch is larger than the topic allows";
    StaleControllerEpoch = 11, "STALE_CONTROLLER_EPOCH", fatal, "the controller has moved";
    OffsetMetadataTooLarge = 12, "OFFSET_METADATA_TOO_LARGE", fatal, "the note committed with an offset is too long";
    NetworkException = 13, "NETWORK_EXCEPTION", retriable, "the connection broke before the answer";
    CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS", retriable, "the coordinator is still loading";
    CoordinatorNotAvailable = 15, "COORDINATOR_NOT_AVAILABLE", retriable, "the coordinator is not available";
    NotCoordinator = 16, "NOT_COORDINATOR", retriable, "this broker is not the coordinator";
    InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION", fatal, "the topic name or operation is not valid";
    RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE", fatal, "a record batch is larger than a segment";
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS", retriable, "fewer replicas are in sync than required";
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", retriable, "written, but to fewer replicas than required";
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS", fatal, "acks must be -1, 0 or 1";
    IllegalGeneration = 22, "ILLEGAL_GENERATION", fatal, "the generation is not the group's current one";
    InconsistentGroupProtocol = 23, "INCONSISTENT_GROUP_PROTOCOL", fatal, "the member shares no protocol with its group";
    InvalidGroupId = 24, "INVALID_GROUP_ID", fatal, "the group id is not valid";
    UnknownMemberId = 25, "UNKNOWN_MEMBER_ID", fatal, "the group does not know this member";
    InvalidSessionTimeout = 26, "INVALID_SESSION_TIMEOUT", fatal, "the session timeout is outside the broker's limits";
    RebalanceInProgress = 27, "REBALANCE_IN_PROGRESS", fatal, "the group is rebalancing and must be joined again";
    InvalidCommitOffsetSize = 28, "INVALID_COMMIT_OFFSET_SIZE", fatal, "the size of the offset commit is not valid";
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED", fatal, "not authorized for the topic";
    GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED", fatal, "not authorized for the group";
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED", fatal, "not authorized for the cluster";
    InvalidTimestamp = 32, "INVALID_TIMESTAMP", fatal, "a record's timestamp is outside the allowed range";
    UnsupportedSaslMechanism = 33, "UNSUPPORTED_SASL_MECHANISM", fatal, "the sasl mechanism is not supported";
    IllegalSaslState = 34, "ILLEGAL_SASL_STATE", fatal, "the request does not fit the state of authentication";
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION", fatal, "the api version is not supported";
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS", fatal, "a topic of this name exists";
    InvalidPartitions = 37, "INVALID_PARTITIONS", fatal, "the number of partitions is not valid";
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR", fatal, "the replication factor is not valid here";
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT", fatal, "the replica assignment is not valid";
    InvalidConfig = 40, "INVALID_CONFIG", fatal, "a setting is not valid";
    NotController = 41, "NOT_CONTROLLER", retriable, "this broker is not the controller";
    InvalidRequest = 42, "INVALID_REQUEST", fatal, "the request is malformed or contradicts itself";
    UnsupportedForMessageFormat = 43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", fatal, "the log's message format does not allow the request";
    PolicyViolation = 44, "POLICY_VIOLATION", fatal, "the request breaks a policy";
    OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER", fatal, "a sequence number is missing before this one";
    DuplicateSequenceNumber = 46, "DUPLICATE_SEQUENCE_NUMBER", fatal, "the sequence number was used before";
    InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH", fatal, "the producer epoch is an old one";
    InvalidTxnState = 48, "INVALID_TXN_STATE", fatal, "the transaction's state does not allow the request";
    InvalidProducerIdMapping = 49, "INVALID_PRODUCER_ID_MAPPING", fatal, "the producer id does not belong to the transactional id";
    InvalidTransactionTimeout = 50, "INVALID_TRANSACTION_TIMEOUT", fatal, "the transaction timeout is above the broker's limit";
    ConcurrentTransactions = 51, "CONCURRENT_TRANSACTIONS", retriable, "another operation on the transaction is under way";
    TransactionCoordinatorFenced = 52, "TRANSACTION_COORDINATOR_FENCED", fatal, "the transaction coordinator is an old one";
    TransactionalIdAuthorizationFailed = 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", fatal, "not authorized for the transactional id";
    SecurityDisabled = 54, "SECURITY_DISABLED", fatal, "security features are off";
    OperationNotAttempted = 55, "OPERATION_NOT_ATTEMPTED", fatal, "not tried, since another part of the request failed";
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR", retriable, "the disk failed";
    LogDirNotFound = 57, "LOG_DIR_NOT_FOUND", fatal, "no such log directory";
    SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED", fatal, "authentication failed";
    UnknownProducerId = 59, "UNKNOWN_PRODUCER_ID", fatal, "the broker knows nothing of this producer id";
    ReassignmentInProgress = 60, "REASSIGNMENT_IN_PROGRESS", fatal, "a reassignment of the partition is under way";
    DelegationTokenAuthDisabled = 61, "DELEGATION_TOKEN_AUTH_DISABLED", fatal, "delegation tokens are off";
    DelegationTokenNotFound = 62, "DELEGATION_TOKEN_NOT_FOUND", fatal, "no such delegation token";
    DelegationTokenOwnerMismatch = 63, "DELEGATION_TOKEN_OWNER_MISMATCH", fatal, "not the token's owner or renewer";
    DelegationTokenRequestNotAllowed = 64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", fatal, "delegation tokens cannot be asked for on this connection";
    DelegationTokenAuthorizationFailed = 65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", fatal, "not authorized for the delegation token";
    DelegationTokenExpired = 66, "DELEGATION_TOKEN_EXPIRED", fatal, "the delegation token has expired";
    InvalidPrincipalType = 67, "INVALID_PRINCIPAL_TYPE", fatal, "the principal type is not supported";
    NonEmptyGroup = 68, "NON_EMPTY_GROUP", fatal, "the group has members";
    GroupIdNotFound = 69, "GROUP_ID_NOT_FOUND", fatal, "no such group";
    FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND", retriable, "no such fetch session";
    InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH", retriable, "the fetch session epoch is not the expected one";
    ListenerNotFound = 72, "LISTENER_NOT_FOUND", retriable, "the leader has no listener of this name";
    TopicDeletionDisabled = 73, "TOPIC_DELETION_DISABLED", fatal, "topics cannot be deleted here";
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH", retriable, "the leader epoch is older than the broker's";
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH", retriable, "the leader epoch is newer than the broker's";
    UnsupportedCompressionType = 76, "UNSUPPORTED_COMPRESSION_TYPE", fatal, "the client's version cannot read the partition's compression";
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH", fatal, "the broker epoch has changed";
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE", retriable, "offsets are not known for sure until the new leader has caught up";
    MemberIdRequired = 79, "MEMBER_ID_REQUIRED", fatal, "join again with the member id in this answer";
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE", retriable, "the preferred leader is not available";
    GroupMaxSizeReached = 81, "GROUP_MAX_SIZE_REACHED", fatal, "the group is full";
    FencedInstanceId = 82, "FENCED_INSTANCE_ID", fatal, "another member has taken this static name";
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", retriable, "no replica may become leader";
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED", retriable, "the partition needs no election";
    NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS", fatal, "no reassignment is under way";
    GroupSubscribedToTopic = 86, "GROUP_SUBSCRIBED_TO_TOPIC", fatal, "the group is reading the topic";
    InvalidRecord = 87, "INVALID_RECORD", fatal, "a record was refused by validation";
    UnstableOffsetCommit = 88, "UNSTABLE_OFFSET_COMMIT", retriable, "an open transaction holds the offsets";
    ThrottlingQuotaExceeded = 89, "THROTTLING_QUOTA_EXCEEDED", retriable, "the quota is used up";
    ProducerFenced = 90, "PRODUCER_FENCED", fatal, "a newer producer has taken the transactional id";
    ResourceNotFound = 91, "RESOURCE_NOT_FOUND", fatal, "no such resource";
    DuplicateResource = 92, "DUPLICATE_RESOURCE", fatal, "a resource is named twice";
    UnacceptableCredential = 93, "UNACCEPTABLE_CREDENTIAL", fatal, "the credential does not meet the rules";
    InconsistentVoterSet = 94, "INCONSISTENT_VOTER_SET", fatal, "sender or receiver is not a voter";
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION", fatal, "the version to update to is not valid";
    FeatureUpdateFailed = 96, "FEATURE_UPDATE_FAILED", fatal, "the features could not be updated";
    PrincipalDeserializationFailure = 97, "PRINCIPAL_DESERIALIZATION_FAILURE", fatal, "the forwarded principal cannot be read";
    SnapshotNotFound = 98, "SNAPSHOT_NOT_FOUND", fatal, "no such snapshot";
    PositionOutOfRange = 99, "POSITION_OUT_OF_RANGE", fatal, "the position is outside the snapshot";
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID", retriable, "no topic with this id here";
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION", fatal, "the broker id is in use";
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED", fatal, "the broker id is not registered";
    InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID", retriable, "the topic has another id";
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID", fatal, "the cluster has another id";
    TransactionalIdNotFound = 105, "TRANSACTIONAL_ID_NOT_FOUND", fatal, "no such transactional id";
    FetchSessionTopicIdError = 106, "FETCH_SESSION_TOPIC_ID_ERROR", retriable, "the fetch session mixes topic names and ids";
    IneligibleReplica = 107, "INELIGIBLE_REPLICA", fatal, "a replica of the new isr is not eligible";
    NewLeaderElected = 108, "NEW_LEADER_ELECTED", fatal, "the partition changed, and so did its leader";
    OffsetMovedToTieredStorage = 109, "OFFSET_MOVED_TO_TIERED_STORAGE", fatal, "the offset is in tiered storage only";
    FencedMemberEpoch = 110, "FENCED_MEMBER_EPOCH", fatal, "the member epoch is fenced; join again";
    UnreleasedInstanceId = 111, "UNRELEASED_INSTANCE_ID", fatal, "another member still holds this static name";
    UnsupportedAssignor = 112, "UNSUPPORTED_ASSIGNOR", fatal, "the assignor is not supported";
    StaleMemberEpoch = 113, "STALE_MEMBER_EPOCH", fatal, "the member epoch is an old one";
    MismatchedEndpointType = 114, "MISMATCHED_ENDPOINT_TYPE", fatal, "the request belongs to another kind of endpoint";
    UnsupportedEndpointType = 115, "UNSUPPORTED_ENDPOINT_TYPE", fatal, "the kind of endpoint is not supported";
    UnknownControllerId = 116, "UNKNOWN_CONTROLLER_ID", fatal, "no such controller";
    UnknownSubscriptionId = 117, "UNKNOWN_SUBSCRIPTION_ID", fatal, "the telemetry subscription is unknown or old";
    TelemetryTooLarge = 118, "TELEMETRY_TOO_LARGE", fatal, "the telemetry is larger than allowed";
    InvalidRegistration = 119, "INVALID_REGISTRATION", fatal, "the registration is not valid";
    TransactionAbortable = 120, "TRANSACTION_ABORTABLE", fatal, "abort the transaction to go on";
    InvalidRecordState = 121, "INVALID_RECORD_STATE", fatal, "the record's state does not allow the acknowledgement";
    ShareSessionNotFound = 122, "SHARE_SESSION_NOT_FOUND", retriable, "no such share session";
    InvalidShareSessionEpoch = 123, "INVALID_SHARE_SESSION_EPOCH", retriable, "the share session epoch is not the expected one";
    FencedStateEpoch = 124, "FENCED_STATE_EPOCH", fatal, "the share group's state epoch is another one";
    InvalidVoterKey = 125, "INVALID_VOTER_KEY", fatal, "the voter's key is not this replica's";
    DuplicateVoter = 126, "DUPLICATE_VOTER", fatal, "the voter is there already";
    VoterNotFound = 127, "VOTER_NOT_FOUND", fatal, "no such voter";
    InvalidRegularExpression = 128, "INVALID_REGULAR_EXPRESSION", fatal, "the regular expression is not valid";
    RebootstrapRequired = 129, "REBOOTSTRAP_REQUIRED", fatal, "the client must start again from its bootstrap servers";
    StreamsInvalidTopology = 130, "STREAMS_INVALID_TOPOLOGY", fatal, "the topology is not valid";
    StreamsInvalidTopologyEpoch = 131, "STREAMS_INVALID_TOPOLOGY_EPOCH", fatal, "the topology epoch is not valid";
    StreamsTopologyFenced = 132, "STREAMS_TOPOLOGY_FENCED", fatal, "the topology epoch is an old one";
    ShareSessionLimitReached = 133, "SHARE_SESSION_LIMIT_REACHED", retriable, "there are too many share sessions";
}

impl ErrorCode {
    /// Returns the code's number on the wire.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// Returns whether this is an error at all.
    pub const fn is_error(self) -> bool {
        !matches!(self, Self::None)
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> Self {
        code.number()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name(), self.number(), self.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_run_without_a_gap_and_lead_back_to_their_code() {
        for (number, code) in (-1_i16..).zip(ErrorCode::ALL) {
            assert_eq!(
                (code.number(), ErrorCode::from_number(number)),
                (number, Some(*code))
            );
        }
        assert_eq!(ErrorCode::from_number(134), None);
    }

    #[test]
    fn numbers_names_and_retries_agree_with_the_kafka_protocol_crate() {
        use kafka_protocol::ResponseError;
        for code in ErrorCode::ALL.iter().filter(|code| code.is_error()) {
            let Some(theirs) = ResponseError::try_from_code(code.number()) else {
                panic!("{code} is unknown to the crate");
            };
            if let ResponseError::Unknown(_) = theirs {
                assert!(code.number() > 128, "{code} should be known to the crate");
                continue;
            }
            let name = code.name().replace('_', "").to_lowercase();
            assert_eq!(format!("{theirs:?}").to_lowercase(), name);
        }
    }
}
