//! Why can a coordinator's shard not be asked, and with which Kafka error code is that answered?
//!
//! No wildcard arm: a new variant does not compile until it has a code. "Retriable" says what stock
//! clients do with the code.
#![warn(clippy::wildcard_enum_match_arm)]

use sprawl_protocol::ErrorCode;

/// Why the shard of an id cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CoordinatorError {
    /// The id belongs to another broker, or its partition failed.
    #[error("this broker does not coordinate the id")]
    NotCoordinator,
    /// The id's partition is still being read.
    #[error("the coordinator is still loading")]
    Loading,
    /// The answer needs a disk that did not answer in time; the request may still be carried out.
    #[error("the group's log did not take the write in time")]
    TimedOut,
}

/// Coordinators: a shard that cannot be asked.
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
