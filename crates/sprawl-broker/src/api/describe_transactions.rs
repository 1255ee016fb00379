//! DescribeTransactions (key 65): state, producer and partitions of transactional ids.
//!
//! Source: `KafkaApis.handleDescribeTransactionsRequest`; KIP-664.

use std::collections::BTreeMap;

use sprawl_core::transaction::DescribedTransaction;
use sprawl_model::TopicPartition;
use sprawl_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use sprawl_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName,
    TransactionalId,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_transaction};
use crate::dispatch::RequestContext;

/// Describes transactional ids, in the order asked for.
pub(crate) fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let states = request
        .transactional_ids
        .into_iter()
        .map(|id| describe(broker, id));
    DescribeTransactionsResponse::default().with_transaction_states(states.collect())
}

fn describe(broker: &Broker, transactional_id: TransactionalId) -> TransactionState {
    let described = look_up(broker, &transactional_id);
    let state = TransactionState::default().with_transactional_id(transactional_id);
    match described {
        Ok(described) => fill(state, described),
        Err(error) => state.with_error_code(error.number()),
    }
}

fn look_up(broker: &Broker, transactional_id: &str) -> Result<DescribedTransaction, ErrorCode> {
    if transactional_id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    let described = broker.transactions.read(transactional_id, |transactions| {
        transactions.describe(transactional_id)
    });
    described.map_err(of_coordinator)?.map_err(of_transaction)
}

fn fill(state: TransactionState, described: DescribedTransaction) -> TransactionState {
    state
        .with_transaction_state(StrBytes::from_static_str(described.state.name()))
        .with_transaction_timeout_ms(described.timeout_ms)
        .with_transaction_start_time_ms(described.start_ms)
        .with_producer_id(ProducerId(described.producer.producer_id.0))
        .with_producer_epoch(described.producer.producer_epoch.0)
        .with_topics(by_topic(described.partitions))
}

fn by_topic(partitions: Vec<TopicPartition>) -> Vec<TopicData> {
    let mut by_topic: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        by_topic
            .entry(partition.topic)
            .or_default()
            .push(partition.partition.0);
    }
    let topics = by_topic.into_iter().map(|(topic, partitions)| {
        TopicData::default()
            .with_topic(TopicName(StrBytes::from_string(topic)))
            .with_partitions(partitions)
    });
    topics.collect()
}
