//! WriteTxnMarkers (key 27): ends transactions in partitions.
//!
//! The coordinator of this broker writes its markers without this request; it serves the tools that
//! end a hanging transaction, and coordinators elsewhere. All markers of a request are appended
//! first and awaited together.
//!
//! Source: KIP-98, KIP-664, KIP-1228; `KafkaApis.handleWriteTxnMarkersRequest`.

use sprawl_io::net::BoxFuture;
use sprawl_model::batch::TxnOutcome;
use sprawl_model::{PartitionId, ProducerEpoch, ProducerId, TopicPartition};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use sprawl_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use sprawl_protocol::messages::{TopicName, WriteTxnMarkersRequest, WriteTxnMarkersResponse};

use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::transaction_marker::TxnMarker;

/// Markers that are appended, until they are durable.
struct PendingTopic {
    name: TopicName,
    partitions: Vec<(i32, BoxFuture<'static, Result<(), ErrorCode>>)>,
}

/// Writes every marker to each of its partitions.
pub(crate) async fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: WriteTxnMarkersRequest,
) -> WriteTxnMarkersResponse {
    let mut pending = Vec::with_capacity(request.markers.len());
    for asked in request.markers {
        let marker = marker_of(&asked);
        let topics = asked.topics.into_iter();
        let topics: Vec<_> = topics.map(|topic| start(broker, &marker, topic)).collect();
        pending.push((asked.producer_id, topics));
    }
    let mut markers = Vec::with_capacity(pending.len());
    for (producer_id, topics) in pending {
        let mut results = Vec::with_capacity(topics.len());
        for topic in topics {
            results.push(finish(topic).await);
        }
        markers.push(
            WritableTxnMarkerResult::default()
                .with_producer_id(producer_id)
                .with_topics(results),
        );
    }
    WriteTxnMarkersResponse::default().with_markers(markers)
}

fn marker_of(asked: &WritableTxnMarker) -> TxnMarker {
    TxnMarker {
        producer_id: ProducerId(asked.producer_id.0),
        producer_epoch: ProducerEpoch(asked.producer_epoch),
        coordinator_epoch: asked.coordinator_epoch,
        outcome: if asked.transaction_result {
            TxnOutcome::Commit
        } else {
            TxnOutcome::Abort
        },
        transaction_version: i16::from(asked.transaction_version),
    }
}

fn start(broker: &Broker, marker: &TxnMarker, topic: WritableTxnMarkerTopic) -> PendingTopic {
    let partitions = topic.partition_indexes.iter().map(|index| {
        let partition = TopicPartition {
            topic: topic.name.to_string(),
            partition: PartitionId(*index),
        };
        (*index, broker.write_txn_marker(&partition, marker))
    });
    PendingTopic {
        partitions: partitions.collect(),
        name: topic.name,
    }
}

async fn finish(topic: PendingTopic) -> WritableTxnMarkerTopicResult {
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for (index, written) in topic.partitions {
        let code = written.await.err().unwrap_or(ErrorCode::None);
        partitions.push(
            WritableTxnMarkerPartitionResult::default()
                .with_partition_index(index)
                .with_error_code(code.number()),
        );
    }
    WritableTxnMarkerTopicResult::default()
        .with_name(topic.name)
        .with_partitions(partitions)
}
