//! DeleteRecords (key 21): moves the start of logs.
//!
//! Source: KIP-107, `Partition.deleteRecordsOnLeader`.

use std::sync::Arc;

use sprawl_core::metadata::is_internal_topic;
use sprawl_io::spawn;
use sprawl_model::{Offset, PartitionId, TopicId};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::delete_records_request::DeleteRecordsTopic;
use sprawl_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use sprawl_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::wire_error;

/// "No low watermark", beside an error.
const NO_LOW_WATERMARK: i64 = -1;

/// Deletes the records before each partition's offset.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        topics.push(delete_in_topic(broker, topic).await);
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

async fn delete_in_topic(
    broker: &Arc<Broker>,
    topic: DeleteRecordsTopic,
) -> DeleteRecordsTopicResult {
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for partition in topic.partitions {
        let id = PartitionId(partition.partition_index);
        let deleted = delete(broker, &topic.name, id, Offset(partition.offset)).await;
        let (low_watermark, code) = match deleted {
            Ok(log_start) => (log_start.0, ErrorCode::None),
            Err(code) => (NO_LOW_WATERMARK, code),
        };
        partitions.push(
            DeleteRecordsPartitionResult::default()
                .with_partition_index(id.0)
                .with_low_watermark(low_watermark)
                .with_error_code(code.number()),
        );
    }
    DeleteRecordsTopicResult::default()
        .with_name(topic.name)
        .with_partitions(partitions)
}

async fn delete(
    broker: &Arc<Broker>,
    topic: &str,
    id: PartitionId,
    before: Offset,
) -> Result<Offset, ErrorCode> {
    let partition = broker.find_partition(topic, TopicId::NONE, id)?;
    if is_internal_topic(topic) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let policy = partition.config().cleanup_policy;
    if policy.compacts() && !policy.deletes() {
        return Err(ErrorCode::PolicyViolation);
    }
    let log = partition.log().clone();
    let call = move || log.delete_records(before);
    let deleted = spawn::blocking(broker.io().spawn.as_ref(), call).await;
    let deleted = deleted.ok_or(ErrorCode::KafkaStorageError)?;
    deleted.map_err(|error| wire_error::of_log(&error))
}
