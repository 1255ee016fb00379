//! OffsetCommit (key 8): a group's positions are kept; answered when they are durable.
//!
//! Source: `KafkaApis.handleOffsetCommitRequest`; KIP-211 (no retention from v5), KIP-848 (v9),
//! topic ids (v10).

use std::sync::Arc;

use sprawl_core::group::{
    CommitOffset, GroupError, Input, MissingGroup, OffsetCommitRequest as Commit, Response,
};
use sprawl_core::metadata::Topic;
use sprawl_model::{PartitionId, TopicId};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use sprawl_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use sprawl_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;

/// The last version in which a commit may bring a retention of its own.
const RETENTION_VERSION_MAX: i16 = 4;
/// The first version that knows GROUP_ID_NOT_FOUND.
const GROUP_ID_NOT_FOUND_VERSION: i16 = 9;
/// The first version that names topics by id.
const TOPIC_ID_VERSION: i16 = 10;

/// Commits offsets.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let (mut topics, offsets) = check_topics(broker, context, &request);
    if !offsets.is_empty() {
        let results = commit(broker, context, &request, offsets).await;
        fill_in(&mut topics, results);
    }
    OffsetCommitResponse {
        topics,
        ..OffsetCommitResponse::default()
    }
}

/// A stand-in for partitions whose outcome the group decides; no such code is ever sent.
const UNDECIDED: i16 = i16::MIN;

/// Sorts out partitions that do not exist; the others are returned to be committed, in order, with
/// their places in the response still undecided.
fn check_topics(
    broker: &Broker,
    context: &RequestContext,
    request: &OffsetCommitRequest,
) -> (Vec<OffsetCommitResponseTopic>, Vec<CommitOffset>) {
    let mut offsets = Vec::new();
    let topics = request.topics.iter().map(|asked| {
        let found = find_topic(broker, context, asked);
        let partitions = asked.partitions.iter().map(|partition| {
            let checked = check_partition(&found, partition);
            let error_code = match checked {
                Ok(offset) => {
                    offsets.push(offset);
                    UNDECIDED
                }
                Err(error) => error.number(),
            };
            OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code,
            }
        });
        OffsetCommitResponseTopic {
            name: asked.name.clone(),
            topic_id: asked.topic_id,
            partitions: partitions.collect(),
        }
    });
    let topics = topics.collect();
    (topics, offsets)
}

fn find_topic(
    broker: &Broker,
    context: &RequestContext,
    asked: &OffsetCommitRequestTopic,
) -> Result<Arc<Topic>, ErrorCode> {
    if context.version < TOPIC_ID_VERSION {
        return broker.find_topic(&asked.name, TopicId::NONE);
    }
    if asked.topic_id.is_nil() {
        return Err(ErrorCode::UnknownTopicId);
    }
    broker.find_topic("", TopicId(asked.topic_id))
}

fn check_partition(
    topic: &Result<Arc<Topic>, ErrorCode>,
    partition: &OffsetCommitRequestPartition,
) -> Result<CommitOffset, ErrorCode> {
    let topic = topic.as_ref().map_err(|error| *error)?;
    if topic
        .partition(PartitionId(partition.partition_index))
        .is_none()
    {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    Ok(CommitOffset {
        topic: topic.name.clone(),
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition
            .committed_metadata
            .as_deref()
            .unwrap_or_default()
            .to_owned(),
    })
}

async fn commit(
    broker: &Broker,
    context: &RequestContext,
    request: &OffsetCommitRequest,
    offsets: Vec<CommitOffset>,
) -> Result<Vec<Result<(), GroupError>>, ErrorCode> {
    let has_retention = context.version <= RETENTION_VERSION_MAX && request.retention_time_ms != -1;
    let commit = Commit {
        group_id: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        group_instance_id: request.group_instance_id.as_ref().map(|id| id.to_string()),
        generation: request.generation_id_or_member_epoch,
        retention_ms: has_retention.then_some(request.retention_time_ms),
        transaction: None,
        missing_group: if context.version < GROUP_ID_NOT_FOUND_VERSION {
            MissingGroup::IllegalGeneration
        } else {
            MissingGroup::GroupIdNotFound
        },
        offsets,
    };
    let wait_max = broker.settings.offsets.commit_timeout;
    let submitted = broker
        .coordinator
        .submit_within(wait_max, &request.group_id, |token| {
            Input::OffsetCommit(token, commit)
        });
    match submitted.await {
        Ok(Response::OffsetCommit(Ok(results))) => {
            let count = results.iter().filter(|result| result.is_ok()).count();
            broker.coordinator.count_commits(count);
            Ok(results)
        }
        Ok(Response::OffsetCommit(Err(error))) => Err(of_group(error)),
        Ok(_) => Err(ErrorCode::UnknownServerError),
        Err(error) => Err(of_coordinator(error)),
    }
}

/// Gives every undecided partition its result, in order.
fn fill_in(
    topics: &mut [OffsetCommitResponseTopic],
    results: Result<Vec<Result<(), GroupError>>, ErrorCode>,
) {
    let (results, otherwise) = match results {
        // The group answers every partition; were one left, it was not committed.
        Ok(results) => (results, ErrorCode::UnknownServerError),
        Err(error) => (Vec::new(), error),
    };
    let mut results = results.into_iter();
    let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    for partition in partitions.filter(|partition| partition.error_code == UNDECIDED) {
        let error = match results.next() {
            Some(result) => result.map_or_else(of_group, |()| ErrorCode::None),
            None => otherwise,
        };
        partition.error_code = error.number();
    }
}
