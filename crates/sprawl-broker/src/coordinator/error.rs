//! Every refusal of the group coordinator and its Kafka error code.
//!
//! No wildcard arm: a new variant does not compile until it has a code. "Retriable" says what stock
//! clients do with the code.
#![warn(clippy::wildcard_enum_match_arm)]

use sprawl_core::group::GroupError;
use sprawl_protocol::ErrorCode;

/// Why a group's shard cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CoordinatorError {
    /// The group belongs to another broker, or its partition failed.
    #[error("this broker does not coordinate the group")]
    NotCoordinator,
    /// The group's partition is still being read.
    #[error("the group is still loading")]
    Loading,
    /// The answer needs a disk that did not answer in time; the request may still be carried out.
    #[error("the group's log did not take the write in time")]
    TimedOut,
}

/// Groups: a shard that cannot be asked.
pub(crate) fn of_coordinator(error: CoordinatorError) -> ErrorCode {
    match error {
        // Retriable: the client looks for the coordinator again.
        CoordinatorError::NotCoordinator => ErrorCode::NotCoordinator,
        // Retriable.
        CoordinatorError::Loading => ErrorCode::CoordinatorLoadInProgress,
        // Retriable (`CoordinatorOperationExceptionHelper`, REQUEST_TIMED_OUT).
        CoordinatorError::TimedOut => ErrorCode::CoordinatorNotAvailable,
    }
}

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
        // Retriable: the client looks for the coordinator again.
        GroupError::NotCoordinator => ErrorCode::NotCoordinator,
    }
}
