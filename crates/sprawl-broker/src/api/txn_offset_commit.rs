//! TxnOffsetCommit (key 28): positions that count when a transaction is committed.
//!
//! The group's partition of the offsets topic is part of the transaction: clients from v5 on join
//! it by this very request (`transaction.version` 2), older ones have asked before.
//!
//! Source: `KafkaApis.handleTxnOffsetCommitRequest`,
//! `GroupCoordinatorService.commitTransactionalOffsets`; KIP-98, KIP-447 (v3), KIP-890 (v4, v5).

use std::sync::Arc;

use sprawl_core::group::{CommitOffset, Input, MissingGroup, OffsetCommitRequest, Response};
use sprawl_core::metadata::OFFSETS_TOPIC;
use sprawl_core::partition::{Asking, EpochBump};
use sprawl_model::{
    PartitionId, ProducerEpoch, ProducerId, ProducerIdAndEpoch, Sequence, TopicId, TopicPartition,
};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use sprawl_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use sprawl_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;
use crate::partition::Partition;
use crate::transaction::{self, Admission};
use crate::wire_error;

/// The first version whose clients join the partition by this request.
const IMPLICIT_ADD_VERSION: i16 = 5;
/// The first version whose clients know TRANSACTION_ABORTABLE.
const ABORTABLE_VERSION: i16 = 4;
/// The first version whose clients survive COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
const LOADING_VERSION: i16 = 2;

/// What becomes of one partition: to be committed, or the error that it has already.
type Place = Result<(), ErrorCode>;

/// Commits offsets in a transaction.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let (places, offsets) = check_partitions(broker, &request);
    let results = if offsets.is_empty() {
        Ok(Vec::new())
    } else {
        commit(broker, context, &request, offsets).await
    };
    let results = results.map_err(|error| for_version(error, context.version));
    respond(request, places, &results)
}

/// Sorts out partitions that do not exist. Places are in the order of the request.
fn check_partitions(
    broker: &Broker,
    request: &TxnOffsetCommitRequest,
) -> (Vec<Place>, Vec<CommitOffset>) {
    let (mut places, mut offsets) = (Vec::new(), Vec::new());
    for asked in &request.topics {
        let topic = broker.find_topic(&asked.name, TopicId::NONE);
        for partition in &asked.partitions {
            let id = PartitionId(partition.partition_index);
            let is_there = topic
                .as_ref()
                .is_ok_and(|topic| topic.partition(id).is_some());
            if is_there {
                offsets.push(offset(&asked.name, partition));
                places.push(Ok(()));
            } else {
                places.push(Err(ErrorCode::UnknownTopicOrPartition));
            }
        }
    }
    (places, offsets)
}

fn offset(topic: &str, partition: &TxnOffsetCommitRequestPartition) -> CommitOffset {
    let metadata = partition.committed_metadata.as_deref();
    CommitOffset {
        topic: topic.to_owned(),
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: metadata.unwrap_or_default().to_owned(),
    }
}

async fn commit(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &TxnOffsetCommitRequest,
    offsets: Vec<CommitOffset>,
) -> Result<Vec<Place>, ErrorCode> {
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let producer = ProducerIdAndEpoch {
        producer_id: ProducerId(request.producer_id.0),
        producer_epoch: ProducerEpoch(request.producer_epoch),
    };
    admit(broker, context, request, producer).await?;
    let commit = OffsetCommitRequest {
        group_id: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        group_instance_id: request.group_instance_id.as_ref().map(|id| id.to_string()),
        generation: request.generation_id,
        retention_ms: None,
        transaction: Some(producer),
        missing_group: MissingGroup::IllegalGeneration,
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
            let results = results.into_iter().map(|each| each.map_err(of_group));
            Ok(results.collect())
        }
        Ok(Response::OffsetCommit(Err(error))) => Err(of_group(error)),
        Ok(_) => Err(ErrorCode::UnknownServerError),
        Err(error) => Err(of_coordinator(error)),
    }
}

/// Has the transaction coordinator agree, unless the transaction is open in the group's partition
/// already.
async fn admit(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &TxnOffsetCommitRequest,
    producer: ProducerIdAndEpoch,
) -> Result<(), ErrorCode> {
    let partition = offsets_partition(broker, &request.group_id)?;
    let (bump, admission) = if context.version < IMPLICIT_ADD_VERSION {
        (EpochBump::AtInit, Admission::Verify)
    } else {
        (EpochBump::PerTransaction, Admission::Add)
    };
    let asking = Asking {
        producer,
        base_sequence: Sequence(-1),
        bump,
    };
    let verification = partition
        .begin_verification(asking)
        .map_err(|error| wire_error::of_sequence(&error))?;
    let Some(verification) = verification else {
        return Ok(());
    };
    let asked: [TopicPartition; 1] = [partition.name().clone()];
    let id = request.transactional_id.as_str();
    let answers = transaction::admit(broker, id, producer, &asked, admission).await;
    for (_, answer) in answers {
        answer?;
    }
    partition.confirm_verification(producer.producer_id, verification);
    Ok(())
}

fn offsets_partition(broker: &Broker, group_id: &str) -> Result<Arc<Partition>, ErrorCode> {
    let partition = broker.coordinator.partition_for(group_id);
    let partition = partition.ok_or(ErrorCode::NotCoordinator)?;
    broker
        .find_partition(OFFSETS_TOPIC, TopicId::NONE, partition)
        .map_err(|_| ErrorCode::NotCoordinator)
}

/// The error as clients of this version know it.
fn for_version(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if version < ABORTABLE_VERSION => {
            ErrorCode::InvalidTxnState
        }
        ErrorCode::CoordinatorLoadInProgress if version < LOADING_VERSION => {
            ErrorCode::CoordinatorNotAvailable
        }
        other => other,
    }
}

/// Gives every partition its result, in the order of the request.
fn respond(
    request: TxnOffsetCommitRequest,
    places: Vec<Place>,
    results: &Result<Vec<Place>, ErrorCode>,
) -> TxnOffsetCommitResponse {
    let mut places = places.into_iter();
    // The group answers every partition; were one left, it was not committed.
    let (results, otherwise) = match results {
        Ok(results) => (results.as_slice(), ErrorCode::UnknownServerError),
        Err(error) => (&[][..], *error),
    };
    let mut results = results.iter();
    let mut code = || match places.next() {
        Some(Err(error)) => error,
        _ => match results.next() {
            Some(result) => result.err().unwrap_or(ErrorCode::None),
            None => otherwise,
        },
    };
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code().number())
        });
        let partitions = partitions.collect();
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name)
            .with_partitions(partitions)
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}
