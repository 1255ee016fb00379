//! Transactions: which are there, what do partitions know of them, and ending one that hangs.
//!
//! Source: KIP-664, KIP-994, KIP-1152.

use sprawl_protocol::messages::describe_producers_request::TopicRequest;
use sprawl_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use sprawl_protocol::messages::{
    DescribeProducersRequest, DescribeTransactionsRequest, ListTransactionsRequest, ProducerId,
    TransactionalId, WriteTxnMarkersRequest,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::Admin;
use crate::client::topic_name;
use crate::error::ClientError;

/// A transactional id in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionListing {
    /// The transactional id.
    pub transactional_id: String,
    /// Its producer.
    pub producer_id: i64,
    /// Its state in Kafka's words.
    pub state: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
}

/// A transactional id in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionDescription {
    /// The transactional id.
    pub transactional_id: String,
    /// Its producer.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// Its state in Kafka's words.
    pub state: String,
    /// How long a transaction may stay open, in ms.
    pub timeout_ms: i32,
    /// When the last transaction began, in ms since the Unix epoch; `None` for none.
    pub start_ms: Option<i64>,
    /// The partitions of the open transaction, by topic and number.
    pub partitions: Vec<(String, i32)>,
}

/// Which transactional ids are listed; the default takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// In one of these states; empty for all.
    pub states: Vec<String>,
    /// Of one of these producers; empty for all.
    pub producer_ids: Vec<i64>,
    /// Begun more than this many ms ago.
    pub older_than_ms: Option<i64>,
    /// Whose whole id matches this regular expression.
    pub pattern: Option<String>,
}

/// A producer, as one partition knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerDescription {
    /// The producer.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// The epoch of the coordinator that last ended one of its transactions here, -1 for none.
    pub coordinator_epoch: i32,
    /// The last sequence it wrote.
    pub last_sequence: i32,
    /// When it last wrote, in ms since the Unix epoch.
    pub last_timestamp: i64,
    /// The first offset of its open transaction.
    pub open_since: Option<i64>,
}

/// What names an open transaction to a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The producer.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// The epoch of the coordinator that last ended one of its transactions here.
    pub coordinator_epoch: i32,
}

pub(super) fn id(transactional_id: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(transactional_id.to_owned()))
}

impl Admin {
    /// Lists the transactional ids of every broker, sorted by id.
    pub async fn list_transactions(
        &self,
        filter: &TransactionFilter,
    ) -> Result<Vec<TransactionListing>, ClientError> {
        let cluster = self.client.cluster(Some(&[])).await?;
        let mut transactions = Vec::new();
        for broker_id in cluster.brokers.keys() {
            let broker = self.client.broker(*broker_id).await?;
            let response = broker.call(list_request(filter)).await?;
            let what = || format!("transactions of broker {broker_id}");
            ClientError::check(what, response.error_code)?;
            if let Some(unknown) = response.unknown_state_filters.first() {
                return Err(ClientError::Invalid(format!(
                    "there is no transaction state {unknown:?}"
                )));
            }
            let listed = response.transaction_states.into_iter();
            transactions.extend(listed.map(|listed| TransactionListing {
                transactional_id: listed.transactional_id.to_string(),
                producer_id: listed.producer_id.0,
                state: listed.transaction_state.to_string(),
                coordinator: *broker_id,
            }));
        }
        transactions.sort_by(|a, b| a.transactional_id.cmp(&b.transactional_id));
        Ok(transactions)
    }

    /// Describes one transactional id.
    ///
    /// Errors: `Broker` with `TRANSACTIONAL_ID_NOT_FOUND` where nobody uses it.
    pub async fn describe_transaction(
        &self,
        transactional_id: &str,
    ) -> Result<TransactionDescription, ClientError> {
        self.client
            .retrying(async || self.describe_transaction_once(transactional_id).await)
            .await
    }

    async fn describe_transaction_once(
        &self,
        transactional_id: &str,
    ) -> Result<TransactionDescription, ClientError> {
        let request = DescribeTransactionsRequest::default()
            .with_transactional_ids(vec![id(transactional_id)]);
        let response = self
            .client
            .call_transaction_coordinator(transactional_id, request)
            .await?;
        let missing = || ClientError::Malformed("no transactional id in the answer".to_owned());
        let state = response.transaction_states.into_iter().next();
        let state = state.ok_or_else(missing)?;
        let what = || format!("transactional id {transactional_id}");
        ClientError::check(what, state.error_code)?;
        let partitions = state.topics.into_iter().flat_map(|topic| {
            let name = topic.topic.to_string();
            let partitions = topic.partitions.into_iter();
            partitions.map(move |partition| (name.clone(), partition))
        });
        Ok(TransactionDescription {
            transactional_id: transactional_id.to_owned(),
            producer_id: state.producer_id.0,
            producer_epoch: state.producer_epoch,
            state: state.transaction_state.to_string(),
            timeout_ms: state.transaction_timeout_ms,
            start_ms: Some(state.transaction_start_time_ms).filter(|start_ms| *start_ms >= 0),
            partitions: partitions.collect(),
        })
    }

    /// Describes the producers that a partition knows.
    pub async fn describe_producers(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<Vec<ProducerDescription>, ClientError> {
        let wanted = TopicRequest::default()
            .with_name(topic_name(topic))
            .with_partition_indexes(vec![partition]);
        let request = DescribeProducersRequest::default().with_topics(vec![wanted]);
        let leader = self.client.leader(topic, partition).await?;
        let broker = self.client.broker(leader.broker_id).await?;
        let response = broker.call(request).await?;
        let missing = || ClientError::Malformed("no partition in the answer".to_owned());
        let topics = response.topics.into_iter();
        let found = topics.flat_map(|topic| topic.partitions).next();
        let found = found.ok_or_else(missing)?;
        let message = found.error_message.map(|message| message.to_string());
        let what = || format!("producers of {topic}-{partition}");
        ClientError::check_with(what, found.error_code, message)?;
        let producers = found.active_producers.into_iter();
        let producers = producers.map(|producer| ProducerDescription {
            producer_id: producer.producer_id.0,
            producer_epoch: producer.producer_epoch,
            coordinator_epoch: producer.coordinator_epoch,
            last_sequence: producer.last_sequence,
            last_timestamp: producer.last_timestamp,
            open_since: Some(producer.current_txn_start_offset).filter(|offset| *offset >= 0),
        });
        Ok(producers.collect())
    }

    /// Aborts a transaction in one partition, whatever its coordinator knows of it. For one that
    /// hangs: that of a transaction which still has a coordinator is aborted by its timeout.
    pub async fn abort_transaction(&self, open: &OpenTransaction) -> Result<(), ClientError> {
        let topic = WritableTxnMarkerTopic {
            name: topic_name(&open.topic),
            partition_indexes: vec![open.partition],
        };
        let marker = WritableTxnMarker {
            producer_id: ProducerId(open.producer_id),
            producer_epoch: open.producer_epoch,
            transaction_result: false,
            topics: vec![topic],
            // A partition that no coordinator has written to takes any.
            coordinator_epoch: open.coordinator_epoch.max(0),
            transaction_version: 0,
        };
        let request = WriteTxnMarkersRequest {
            markers: vec![marker],
        };
        let leader = self.client.leader(&open.topic, open.partition).await?;
        let broker = self.client.broker(leader.broker_id).await?;
        let response = broker.call(request).await?;
        let results = response.markers.into_iter();
        let results = results.flat_map(|marker| marker.topics);
        let code = results
            .flat_map(|topic| topic.partitions)
            .next()
            .map_or(ErrorCode::UnknownServerError.number(), |partition| {
                partition.error_code
            });
        let what = || format!("transaction in {}-{}", open.topic, open.partition);
        ClientError::check(what, code)
    }
}

fn list_request(filter: &TransactionFilter) -> ListTransactionsRequest {
    let states = filter.states.iter().cloned().map(StrBytes::from_string);
    let producer_ids = filter.producer_ids.iter().copied().map(ProducerId);
    let pattern = filter.pattern.clone().map(StrBytes::from_string);
    ListTransactionsRequest::default()
        .with_state_filters(states.collect())
        .with_producer_id_filters(producer_ids.collect())
        .with_duration_filter(filter.older_than_ms.unwrap_or(-1))
        .with_transactional_id_pattern(pattern)
}
