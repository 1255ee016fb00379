//! What do the requests for share-partition states (keys 83 to 87) have in common?
//!
//! Leaders of partitions send them to the share coordinator. This broker's own leaders reach it
//! without them; they are served for those of others, and for tools.

use std::fmt::Display;

use sprawl_core::share::coordinator::ShareStateKey;
use sprawl_model::{PartitionId, TopicId};
use sprawl_protocol::{ErrorCode, StrBytes};
use uuid::Uuid;

use crate::broker::Broker;
use crate::coordinator::{ShareCoordinatorError, of_share_coordinator};

/// An error and what is said of it.
pub(super) type Failure = (ErrorCode, StrBytes);

/// Checks that a request names a partition of a topic that exists.
pub(super) fn check(
    broker: &Broker,
    group_id: &str,
    (topic_id, partition): (Uuid, i32),
) -> Result<ShareStateKey, Failure> {
    if group_id.is_empty() || topic_id.is_nil() || partition < 0 {
        return Err(failure(ErrorCode::InvalidRequest));
    }
    let image = broker.image();
    let topic = image.topic_by_id(TopicId(topic_id));
    let exists = topic.is_some_and(|topic| topic.partition(PartitionId(partition)).is_some());
    if !exists {
        return Err(failure(ErrorCode::UnknownTopicOrPartition));
    }
    Ok(ShareStateKey {
        group_id: group_id.to_owned(),
        topic_id: TopicId(topic_id),
        partition,
    })
}

fn failure(error: ErrorCode) -> Failure {
    (error, StrBytes::from_static_str(error.message()))
}

/// What is said of a refusal by the coordinator.
pub(super) fn refused(error: ShareCoordinatorError) -> Failure {
    let text = |error: &dyn Display| StrBytes::from_string(error.to_string());
    (of_share_coordinator(error), text(&error))
}

/// The code and the words of an outcome.
pub(super) fn outcome(outcome: Result<(), Failure>) -> (i16, Option<StrBytes>) {
    match outcome {
        Ok(()) => (ErrorCode::None.number(), None),
        Err((error, message)) => (error.number(), Some(message)),
    }
}
