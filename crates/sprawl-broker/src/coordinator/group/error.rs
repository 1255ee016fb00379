//! Every refusal of a group's rules and its Kafka error code.
//!
//! No wildcard arm: a new variant does not compile until it has a code. "Retriable" says what stock
//! clients do with the code.
#![warn(clippy::wildcard_enum_match_arm)]

use sprawl_core::group::GroupError;
use sprawl_protocol::ErrorCode;

/// Groups: a refusal by the group's rules. None is retriable unchanged unless noted.
pub(crate) fn of_group(error: GroupError) -> ErrorCode {
    match error {
        GroupError::InvalidGroupId => ErrorCode::InvalidGroupId,
        GroupError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
        // The client joins afresh.
        GroupError::UnknownMemberId => ErrorCode::UnknownMemberId,
        // The client joins with the id it was given (KIP-394).
        GroupError::MemberIdRequired => ErrorCode::MemberIdRequired,
        // Fatal: another instance has taken over (KIP-345).
        GroupError::FencedInstanceId => ErrorCode::FencedInstanceId,
        // The client joins afresh.
        GroupError::IllegalGeneration => ErrorCode::IllegalGeneration,
        // The client joins again.
        GroupError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        GroupError::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
        GroupError::GroupMaxSizeReached => ErrorCode::GroupMaxSizeReached,
        GroupError::NonEmptyGroup => ErrorCode::NonEmptyGroup,
        GroupError::GroupIdNotFound => ErrorCode::GroupIdNotFound,
        GroupError::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
        GroupError::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
        GroupError::UnknownServerError => ErrorCode::UnknownServerError,
        // Retriable.
        GroupError::CoordinatorNotAvailable => ErrorCode::CoordinatorNotAvailable,
        GroupError::InvalidRequest { .. } => ErrorCode::InvalidRequest,
        GroupError::StreamsInvalidTopology { .. } => ErrorCode::StreamsInvalidTopology,
        // The member gives up its partitions and joins afresh.
        GroupError::FencedMemberEpoch => ErrorCode::FencedMemberEpoch,
        // The client asks again with the epoch of its next heartbeat.
        GroupError::StaleMemberEpoch => ErrorCode::StaleMemberEpoch,
        // Fatal: another instance is alive under this identity.
        GroupError::UnreleasedInstanceId => ErrorCode::UnreleasedInstanceId,
        GroupError::UnsupportedAssignor => ErrorCode::UnsupportedAssignor,
        GroupError::InvalidRegularExpression => ErrorCode::InvalidRegularExpression,
        GroupError::UnsupportedVersion => ErrorCode::UnsupportedVersion,
        // Retriable: the client looks for the coordinator again.
        GroupError::NotCoordinator => ErrorCode::NotCoordinator,
        // Fatal for this instance of the producer.
        GroupError::InvalidProducerEpoch => ErrorCode::InvalidProducerEpoch,
        // Fatal for the transaction.
        GroupError::InvalidTxnState => ErrorCode::InvalidTxnState,
        // For transaction coordinators alone.
        GroupError::TransactionCoordinatorFenced => ErrorCode::TransactionCoordinatorFenced,
    }
}
