//! AddPartitionsToTxn (key 24): partitions join a transaction, or are looked for in it.
//!
//! Versions 0 to 3 come from producers, one transaction each; later ones, with several, from
//! brokers. If one partition cannot join, none does.
//!
//! Source: `KafkaApis.handleAddPartitionsToTxnRequest`; KIP-98, KIP-588 (v2), KIP-890 (v4, v5).

use std::collections::BTreeSet;

use sprawl_core::transaction::{AddPartitionsRequest, TransactionVersion};
use sprawl_model::{
    PartitionId, ProducerEpoch, ProducerId, ProducerIdAndEpoch, TenantId, TopicPartition,
};
use sprawl_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use sprawl_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use sprawl_protocol::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, TopicName, TransactionalId,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::api::end_txn::for_version;
use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::transaction;

/// The first version that brings several transactions.
const BATCH_VERSION: i16 = 4;

/// Answers for every partition of every transaction.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let response = AddPartitionsToTxnResponse::default();
    if context.version >= BATCH_VERSION {
        let mut results = Vec::with_capacity(request.transactions.len());
        for transaction in request.transactions {
            let topics = one(broker, context, &transaction).await;
            results.push(
                AddPartitionsToTxnResult::default()
                    .with_transactional_id(transaction.transactional_id)
                    .with_topic_results(topics),
            );
        }
        return response.with_results_by_transaction(results);
    }
    let transaction = AddPartitionsToTxnTransaction::default()
        .with_transactional_id(request.v3_and_below_transactional_id)
        .with_producer_id(request.v3_and_below_producer_id)
        .with_producer_epoch(request.v3_and_below_producer_epoch)
        .with_topics(request.v3_and_below_topics);
    let topics = one(broker, context, &transaction).await;
    response.with_results_by_topic_v3_and_below(topics)
}

async fn one(
    broker: &Broker,
    context: &RequestContext,
    transaction: &AddPartitionsToTxnTransaction,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = &transaction.topics;
    let missing = missing_partitions(broker, topics);
    if !missing.is_empty() {
        return results(topics, |partition| {
            if missing.contains(partition) {
                ErrorCode::UnknownTopicOrPartition
            } else {
                ErrorCode::OperationNotAttempted
            }
        });
    }
    let producer = ProducerIdAndEpoch {
        producer_id: ProducerId(transaction.producer_id.0),
        producer_epoch: ProducerEpoch(transaction.producer_epoch),
    };
    let id: &TransactionalId = &transaction.transactional_id;
    if transaction.verify_only {
        return verify(broker, id, producer, topics);
    }
    let request = AddPartitionsRequest {
        transactional_id: id.to_string(),
        producer,
        partitions: partitions(topics).collect(),
        client_version: if context.version >= BATCH_VERSION {
            TransactionVersion::V2
        } else {
            TransactionVersion::V0
        },
    };
    let added = broker.transactions.add_partitions(request).await;
    let code = for_version(context, added.err().unwrap_or(ErrorCode::None));
    results(topics, |_| code)
}

fn verify(
    broker: &Broker,
    transactional_id: &str,
    producer: ProducerIdAndEpoch,
    topics: &[AddPartitionsToTxnTopic],
) -> Vec<AddPartitionsToTxnTopicResult> {
    let partitions: Vec<TopicPartition> = partitions(topics).collect();
    let verified = transaction::verify(broker, transactional_id, producer, &partitions);
    let refused: Vec<(TopicPartition, ErrorCode)> = partitions
        .into_iter()
        .zip(verified)
        .filter_map(|(partition, verified)| Some((partition, verified.err()?)))
        .collect();
    results(topics, |partition| {
        let found = refused.iter().find(|(refused, _)| refused == partition);
        found.map_or(ErrorCode::None, |(_, error)| *error)
    })
}

fn partitions(topics: &[AddPartitionsToTxnTopic]) -> impl Iterator<Item = TopicPartition> + '_ {
    topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| TopicPartition {
            topic: topic.name.to_string(),
            partition: PartitionId(*partition),
        })
    })
}

fn missing_partitions(
    broker: &Broker,
    topics: &[AddPartitionsToTxnTopic],
) -> BTreeSet<TopicPartition> {
    let image = broker.image();
    partitions(topics)
        .filter(|wanted| {
            let topic = image.topic(TenantId::DEFAULT, &wanted.topic);
            topic.is_none_or(|topic| topic.partition(wanted.partition).is_none())
        })
        .collect()
}

fn results(
    topics: &[AddPartitionsToTxnTopic],
    code: impl Fn(&TopicPartition) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|&index| {
            let partition = TopicPartition {
                topic: topic.name.to_string(),
                partition: PartitionId(index),
            };
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(index)
                .with_partition_error_code(code(&partition).number())
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(TopicName(StrBytes::clone(&topic.name)))
            .with_results_by_partition(partitions.collect())
    });
    topics.collect()
}
