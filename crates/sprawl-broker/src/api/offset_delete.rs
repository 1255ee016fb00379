//! OffsetDelete (key 47): single committed offsets are deleted.
//!
//! Source: KIP-496; `KafkaApis.handleOffsetDeleteRequest` for the order of checks.

use sprawl_core::group::{GroupError, Input, OffsetDeleteRequest as Delete, Response};
use sprawl_model::{PartitionId, TopicId};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use sprawl_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;

/// Deletes committed offsets.
pub(crate) async fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let partitions = existing(broker, &request);
    match delete(broker, &request, partitions.clone()).await {
        Ok(results) => answer(request, &partitions, &results),
        Err(error) => OffsetDeleteResponse::default().with_error_code(error.number()),
    }
}

/// The partitions of the request that there are, in order.
fn existing(broker: &Broker, request: &OffsetDeleteRequest) -> Vec<(String, i32)> {
    let mut partitions = Vec::new();
    for asked in &request.topics {
        let Ok(topic) = broker.find_topic(&asked.name, TopicId::NONE) else {
            continue;
        };
        let indexes = asked
            .partitions
            .iter()
            .map(|partition| partition.partition_index);
        let indexes = indexes.filter(|index| topic.partition(PartitionId(*index)).is_some());
        partitions.extend(indexes.map(|index| (asked.name.to_string(), index)));
    }
    partitions
}

async fn delete(
    broker: &Broker,
    request: &OffsetDeleteRequest,
    partitions: Vec<(String, i32)>,
) -> Result<Vec<Result<(), GroupError>>, ErrorCode> {
    let delete = Delete {
        group_id: request.group_id.to_string(),
        partitions,
    };
    let submitted = broker.coordinator.submit(&request.group_id, |token| {
        Input::OffsetDelete(token, delete)
    });
    match submitted.await {
        Ok(Response::OffsetDelete(results)) => results.map_err(of_group),
        Ok(_) => Err(ErrorCode::UnknownServerError),
        Err(error) => Err(of_coordinator(error)),
    }
}

fn answer(
    request: OffsetDeleteRequest,
    partitions: &[(String, i32)],
    results: &[Result<(), GroupError>],
) -> OffsetDeleteResponse {
    let mut decided = partitions.iter().zip(results).peekable();
    let topics = request.topics.into_iter().map(|asked| {
        let mut answers = Vec::with_capacity(asked.partitions.len());
        for partition in asked.partitions {
            let index = partition.partition_index;
            let is_next = |(held, _): &(&(String, i32), &Result<(), GroupError>)| {
                held.0.as_str() == &**asked.name && held.1 == index
            };
            let error = match decided.next_if(is_next) {
                Some((_, Ok(()))) => ErrorCode::None,
                Some((_, Err(error))) => of_group(*error),
                None => ErrorCode::UnknownTopicOrPartition,
            };
            let answer = OffsetDeleteResponsePartition::default().with_partition_index(index);
            answers.push(answer.with_error_code(error.number()));
        }
        OffsetDeleteResponseTopic::default()
            .with_name(asked.name)
            .with_partitions(answers)
    });
    let topics = topics.collect();
    OffsetDeleteResponse::default().with_topics(topics)
}
