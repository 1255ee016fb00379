//! ReadShareGroupStateSummary (key 87): where share-partitions stand, in short.
//!
//! Source: `ShareCoordinatorShard.readStateSummary` (KIP-932), KIP-1226 (delivery complete count).

use std::sync::Arc;

use sprawl_protocol::messages::read_share_group_state_summary_response::{
    PartitionResult, ReadStateSummaryResult,
};
use sprawl_protocol::messages::{
    ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse,
};

use super::share_state::{check, outcome, refused};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Tells states in short.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: ReadShareGroupStateSummaryRequest,
) -> ReadShareGroupStateSummaryResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let summarize = |partition: i32| {
            let key = check(broker, &request.group_id, (topic.topic_id, partition));
            let summary =
                key.and_then(|key| broker.share.coordinator.summary(&key).map_err(refused));
            match summary {
                Ok(Some(summary)) => PartitionResult {
                    partition,
                    state_epoch: summary.state_epoch,
                    leader_epoch: summary.leader_epoch,
                    start_offset: summary.start_offset,
                    delivery_complete_count: summary.delivery_complete_count,
                    ..PartitionResult::default()
                },
                // One that never began has no start offset.
                Ok(None) => PartitionResult {
                    partition,
                    start_offset: -1,
                    ..PartitionResult::default()
                },
                Err(failure) => {
                    let (error_code, error_message) = outcome(Err(failure));
                    PartitionResult {
                        partition,
                        error_code,
                        error_message,
                        ..PartitionResult::default()
                    }
                }
            }
        };
        let partitions = topic.partitions.iter().map(|one| summarize(one.partition));
        results.push(ReadStateSummaryResult {
            topic_id: topic.topic_id,
            partitions: partitions.collect(),
        });
    }
    ReadShareGroupStateSummaryResponse { results }
}
