//! Why is a transaction request refused?

use thiserror::Error;

use crate::coordinator::AppendRefusal;

/// A refusal, named as Kafka names its error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum TransactionError {
    /// The transactional id is empty, or the request contradicts itself.
    #[error("expected a transactional id, found an empty one")]
    InvalidRequest,
    /// Two-phase commit is asked for, and the broker does not let producers take part.
    #[error("producers may not take part in two-phase commit here")]
    TransactionalIdAuthorizationFailed,
    /// Two-phase commit is asked for, and the cluster's `transaction.version` is below 2.
    #[error("two-phase commit needs transaction.version 2")]
    UnsupportedVersion,
    /// The transaction timeout lies outside the broker's bounds.
    #[error("transaction timeout is outside the bounds of the broker")]
    InvalidTransactionTimeout,
    /// The transactional id has another producer id, or is not known.
    #[error("producer id does not belong to the transactional id")]
    InvalidProducerIdMapping,
    /// A newer instance of the producer has taken over, or the coordinator has fenced this one.
    #[error("producer epoch is not the current one of the transactional id")]
    ProducerFenced,
    /// Another change of the transactional id is under way.
    #[error("another change of the transaction is under way")]
    ConcurrentTransactions,
    /// The state of the transaction does not allow the request.
    #[error("the state of the transaction does not allow the request")]
    InvalidTxnState,
    /// The partition is not part of the transaction; the transaction can still be aborted.
    #[error("the partition is not part of the transaction")]
    TransactionAbortable,
    /// There is no such transactional id.
    #[error("transactional id does not exist")]
    TransactionalIdNotFound,
    /// The record of the change does not fit the log.
    #[error("the change is larger than the log takes")]
    UnknownServerError,
    /// The log takes no records at the moment.
    #[error("coordinator cannot store the change now")]
    CoordinatorNotAvailable,
    /// The coordinator has given up this partition.
    #[error("this broker no longer coordinates the transactional id")]
    NotCoordinator,
}

impl From<AppendRefusal> for TransactionError {
    fn from(refusal: AppendRefusal) -> Self {
        match refusal {
            AppendRefusal::TooLarge => Self::UnknownServerError,
            AppendRefusal::DiskFull => Self::CoordinatorNotAvailable,
            // Only batches in a client's transaction are refused so; a coordinator's own have none.
            AppendRefusal::FencedProducer
            | AppendRefusal::NotInTransaction
            | AppendRefusal::FencedCoordinator => Self::UnknownServerError,
        }
    }
}
