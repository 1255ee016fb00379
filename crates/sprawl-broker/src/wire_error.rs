//! Every failure's Kafka error code, in one place.
//!
//! No wildcard arm: a new variant does not compile until it has a code. "Retriable" says what stock
//! clients do with the code (`Errors.java`), which I13 rests on.
#![warn(clippy::wildcard_enum_match_arm)]

use sprawl_core::client_metrics::TelemetryError;
use sprawl_core::metadata::MetadataError;
use sprawl_core::partition::{MarkerError, SequenceError};
use sprawl_log::{FlushError, LogError, ReadError};
use sprawl_meta::ProposeError;
use sprawl_protocol::ErrorCode;

use crate::broker::ChangeError;
use crate::delay::DelayError;
use crate::replicated_log::{AppendError, AppendMarkerError};
use crate::validate::InvalidBatch;

/// Produce: a batch that was not fit to be appended.
pub(crate) fn of_invalid_batch(error: &InvalidBatch) -> ErrorCode {
    match error {
        // Retriable: the batch may have been damaged on its way.
        InvalidBatch::Corrupt(_) => ErrorCode::CorruptMessage,
        // Fatal: the same bytes will be refused again (KIP-467).
        InvalidBatch::Malformed(_) | InvalidBatch::Magic(_) | InvalidBatch::Records(_) => {
            ErrorCode::InvalidRecord
        }
        // Fatal for one record; the Java producer splits a larger batch (KIP-126).
        InvalidBatch::TooLarge { .. } => ErrorCode::MessageTooLarge,
        // Fatal (KIP-110).
        InvalidBatch::CodecTooNew => ErrorCode::UnsupportedCompressionType,
        // Fatal (KIP-32).
        InvalidBatch::Timestamps(_) => ErrorCode::InvalidTimestamp,
    }
}

/// Produce and coordinators: an append that did not happen.
pub(crate) fn of_append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::Sequence(error) => of_sequence(error),
        AppendError::Log(error) => of_log_append(error),
    }
}

/// Produce: a batch that does not follow its producer's others.
pub(crate) fn of_sequence(error: &SequenceError) -> ErrorCode {
    match error {
        // Fatal for this instance: a newer one has taken over (KIP-98, KIP-588).
        SequenceError::FencedEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        // The client resends from its oldest unacknowledged batch, or bumps its epoch (KIP-360).
        SequenceError::OutOfOrder { .. } => ErrorCode::OutOfOrderSequenceNumber,
        // Fatal: the client is broken.
        SequenceError::NegativeSequence { .. } => ErrorCode::InvalidRecord,
        // Fatal for the transaction (KIP-890).
        SequenceError::TransactionState { .. } => ErrorCode::InvalidTxnState,
        // Retriable: transactions end.
        SequenceError::TooManyProducers => ErrorCode::KafkaStorageError,
    }
}

/// WriteTxnMarkers and the transaction coordinator: a marker that was not written.
pub(crate) fn of_marker(error: &AppendMarkerError) -> ErrorCode {
    match error {
        // Fatal: the coordinator takes the transaction for another one's (KIP-890, KIP-1228).
        AppendMarkerError::Marker(MarkerError::FencedEpoch { .. }) => {
            ErrorCode::InvalidProducerEpoch
        }
        // Fatal: another coordinator has taken over.
        AppendMarkerError::Marker(MarkerError::FencedCoordinator { .. }) => {
            ErrorCode::TransactionCoordinatorFenced
        }
        AppendMarkerError::Log(error) => of_log_append(error),
    }
}

fn of_log_append(error: &sprawl_log::AppendError) -> ErrorCode {
    use sprawl_log::AppendError;
    match error {
        // Retriable: the client refreshes its metadata and tries again.
        AppendError::Offline { .. }
        | AppendError::DiskFull { .. }
        | AppendError::Damaged { .. } => ErrorCode::KafkaStorageError,
        // Retriable: the broker is stopping.
        AppendError::Closed => ErrorCode::NotLeaderOrFollower,
        // Retriable: the topic is gone, the client looks for it again.
        AppendError::Deleted { .. } => ErrorCode::UnknownTopicOrPartition,
        // Our own mistake; nothing was written.
        AppendError::OutOfOrder { .. } | AppendError::SizeMismatch { .. } => {
            ErrorCode::UnknownServerError
        }
    }
}

/// Produce and coordinators: an append whose durability is unknown.
pub(crate) fn of_flush(error: &FlushError) -> ErrorCode {
    match error {
        // Retriable; an idempotent producer cannot write twice by trying again.
        FlushError::Offline { .. } => ErrorCode::KafkaStorageError,
        // Retriable: the topic is gone.
        FlushError::Deleted { .. } => ErrorCode::UnknownTopicOrPartition,
    }
}

/// Fetch and offset look-ups: a read that failed.
pub(crate) fn of_read(error: &ReadError) -> ErrorCode {
    match error {
        // The consumer follows `auto.offset.reset`.
        ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        // Retriable: the records are damaged here; another replica may have them.
        ReadError::Damaged { .. } | ReadError::Disk(_) | ReadError::State(_) => {
            ErrorCode::KafkaStorageError
        }
    }
}

/// Offset look-ups: what waits for its delivery cannot be told.
pub(crate) fn of_delay(error: &DelayError) -> ErrorCode {
    match error {
        DelayError::Read(error) => of_read(error),
        DelayError::Timers(error) => of_log(error),
        // Looking up appends nothing.
        DelayError::Append(_) => ErrorCode::UnknownServerError,
    }
}

/// Administration: a log that could not be changed.
pub(crate) fn of_log(error: &LogError) -> ErrorCode {
    match error {
        LogError::Offline { .. } | LogError::Disk(_) | LogError::State(_) => {
            ErrorCode::KafkaStorageError
        }
        LogError::Closed => ErrorCode::NotLeaderOrFollower,
        LogError::UnknownPartition { .. } => ErrorCode::UnknownTopicOrPartition,
        LogError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        // Fatal until the delayed records are delivered or cancelled.
        LogError::Pinned { .. } => ErrorCode::PolicyViolation,
    }
}

/// Administration: a metadata change that did not take effect.
pub(crate) fn of_change(error: &ChangeError) -> ErrorCode {
    match error {
        ChangeError::Propose(error) => of_propose(error),
        // Committed, but a partition here cannot be opened or deleted: its disk is at fault.
        ChangeError::Reconcile(_) => ErrorCode::KafkaStorageError,
        // Retriable: the broker is going down.
        ChangeError::Stopping => ErrorCode::NotController,
    }
}

/// InitProducerId: no block of producer ids is to be had now. The next request asks for one again.
pub(crate) fn of_producer_ids(error: &ChangeError) -> ErrorCode {
    match error {
        // Retriable for every client, which producers of old do not know of other codes; Kafka's
        // `RPCProducerIdManager` says so for that reason.
        ChangeError::Propose(_) | ChangeError::Reconcile(_) | ChangeError::Stopping => {
            ErrorCode::CoordinatorLoadInProgress
        }
    }
}

/// Administration: a command that was not committed.
pub(crate) fn of_propose(error: &ProposeError) -> ErrorCode {
    match error {
        ProposeError::Refused(error) => of_metadata(error),
        // Fatal: smaller requests are needed (Kafka answers its controller's batch limit so).
        ProposeError::TooLarge { .. } => ErrorCode::PolicyViolation,
        // Retriable: no quorum at the moment.
        ProposeError::Unavailable { .. } => ErrorCode::NotController,
    }
}

/// Administration: a command that the metadata rules refuse. Codes as Kafka's controller answers.
pub(crate) fn of_metadata(error: &MetadataError) -> ErrorCode {
    match error {
        MetadataError::InvalidTopicName { .. } => ErrorCode::InvalidTopicException,
        MetadataError::TopicExists { .. } => ErrorCode::TopicAlreadyExists,
        MetadataError::UnknownTopic { .. } => ErrorCode::UnknownTopicOrPartition,
        MetadataError::UnknownTopicId { .. } => ErrorCode::UnknownTopicId,
        MetadataError::TopicIdTaken { .. } => ErrorCode::UnknownServerError,
        MetadataError::InvalidPartitions { .. } => ErrorCode::InvalidPartitions,
        MetadataError::TooManyPartitions { .. } => ErrorCode::PolicyViolation,
        MetadataError::InvalidReplicationFactor { .. } => ErrorCode::InvalidReplicationFactor,
        MetadataError::InvalidReplicaAssignment { .. } => ErrorCode::InvalidReplicaAssignment,
        MetadataError::InvalidConfig { .. } => ErrorCode::InvalidConfig,
        MetadataError::InvalidRequest { .. } => ErrorCode::InvalidRequest,
        MetadataError::TooMany { .. } => ErrorCode::PolicyViolation,
        MetadataError::UnknownBroker { .. } => ErrorCode::BrokerIdNotRegistered,
        MetadataError::StaleBrokerEpoch { .. } => ErrorCode::StaleBrokerEpoch,
        MetadataError::ProducerIdsExhausted => ErrorCode::UnknownServerError,
    }
}

/// Client metrics: a subscription or a push that is refused (KIP-714). What clients do with each is
/// in `ClientTelemetryUtils.maybeFetchErrorIntervalMs`.
pub(crate) fn of_telemetry(error: &TelemetryError) -> ErrorCode {
    match error {
        // Fatal: the client pushes no more.
        TelemetryError::ReservedInstanceId | TelemetryError::Terminated => {
            ErrorCode::InvalidRequest
        }
        // The client waits for the push interval.
        TelemetryError::TooEarly => ErrorCode::ThrottlingQuotaExceeded,
        TelemetryError::TooLarge { .. } => ErrorCode::TelemetryTooLarge,
        // The client asks for its subscription at once.
        TelemetryError::UnknownSubscription => ErrorCode::UnknownSubscriptionId,
        TelemetryError::UnknownCompression => ErrorCode::UnsupportedCompressionType,
        // Fatal: the client pushes no more.
        TelemetryError::InvalidPayload => ErrorCode::InvalidRecord,
    }
}
