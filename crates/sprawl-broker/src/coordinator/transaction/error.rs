//! Every refusal of the transaction coordinator and its Kafka error code.
//!
//! No wildcard arm: a new variant does not compile until it has a code. "Retriable" says what stock
//! clients do with the code.
#![warn(clippy::wildcard_enum_match_arm)]

use sprawl_core::transaction::TransactionError;
use sprawl_protocol::ErrorCode;

/// Transactions: a refusal by the coordinator's rules. None is retriable unchanged unless noted.
pub(crate) fn of_transaction(error: TransactionError) -> ErrorCode {
    match error {
        TransactionError::InvalidRequest => ErrorCode::InvalidRequest,
        // Final for the producer, which the client reports.
        TransactionError::TransactionalIdAuthorizationFailed => {
            ErrorCode::TransactionalIdAuthorizationFailed
        }
        TransactionError::UnsupportedVersion => ErrorCode::UnsupportedVersion,
        TransactionError::InvalidTransactionTimeout => ErrorCode::InvalidTransactionTimeout,
        // The producer initialises afresh, or gives up.
        TransactionError::InvalidProducerIdMapping => ErrorCode::InvalidProducerIdMapping,
        // Fatal: a newer instance has taken over (KIP-588).
        TransactionError::ProducerFenced => ErrorCode::ProducerFenced,
        // Retriable.
        TransactionError::ConcurrentTransactions => ErrorCode::ConcurrentTransactions,
        TransactionError::InvalidTxnState => ErrorCode::InvalidTxnState,
        // The producer aborts and goes on (KIP-890).
        TransactionError::TransactionAbortable => ErrorCode::TransactionAbortable,
        TransactionError::TransactionalIdNotFound => ErrorCode::TransactionalIdNotFound,
        TransactionError::UnknownServerError => ErrorCode::UnknownServerError,
        // Retriable.
        TransactionError::CoordinatorNotAvailable => ErrorCode::CoordinatorNotAvailable,
        // Retriable: the client looks for the coordinator again.
        TransactionError::NotCoordinator => ErrorCode::NotCoordinator,
    }
}
