//! DescribeProducers (key 61): which producers a partition remembers, and what they have open.
//!
//! The time of a producer's last batch is the broker's, not that of its records.
//!
//! Source: KIP-664; `ReplicaManager.activeProducerState`.

use sprawl_core::partition::ActiveProducer;
use sprawl_model::{Offset, PartitionId, TopicId};
use sprawl_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use sprawl_protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, ProducerId as WireProducerId,
};

use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Describes the producers of every partition asked for.
pub(crate) fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter();
        let partitions = partitions.map(|index| describe(broker, &topic.name, *index));
        let partitions = partitions.collect();
        TopicResponse::default()
            .with_name(topic.name)
            .with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn describe(broker: &Broker, topic: &str, index: i32) -> PartitionResponse {
    let response = PartitionResponse::default().with_partition_index(index);
    match broker.find_partition(topic, TopicId::NONE, PartitionId(index)) {
        Ok(partition) => {
            let producers = partition.active_producers();
            response.with_active_producers(producers.iter().map(producer).collect())
        }
        Err(code) => response.with_error_code(code.number()),
    }
}

fn producer(active: &ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(WireProducerId(active.producer_id.0))
        .with_producer_epoch(i32::from(active.producer_epoch.0))
        .with_last_sequence(active.last_sequence.0)
        .with_last_timestamp(active.last_append_ms)
        .with_coordinator_epoch(active.coordinator_epoch)
        .with_current_txn_start_offset(active.txn_first_offset.unwrap_or(Offset::NONE).0)
}
