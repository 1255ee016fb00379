//! ReadShareGroupState (key 84): the state of share-partitions, for the leader that serves them.
//!
//! Source: `ShareCoordinatorShard.readStateAndMaybeUpdateLeaderEpoch` (KIP-932).

use std::sync::Arc;

use sprawl_core::share::coordinator::ShareState;
use sprawl_protocol::messages::read_share_group_state_response::{
    PartitionResult, ReadStateResult, StateBatch,
};
use sprawl_protocol::messages::{ReadShareGroupStateRequest, ReadShareGroupStateResponse};

use super::share_state::{check, outcome, refused};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Tells states.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: ReadShareGroupStateRequest,
) -> ReadShareGroupStateResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for one in topic.partitions {
            let named = (topic.topic_id, one.partition);
            let read = match check(broker, &request.group_id, named) {
                Ok(key) => {
                    let coordinator = &broker.share.coordinator;
                    let read = coordinator.read_state(key, one.leader_epoch).await;
                    read.map_err(refused)
                }
                Err(failure) => Err(failure),
            };
            let result = PartitionResult::default().with_partition(one.partition);
            partitions.push(match read {
                Ok(state) => fill(result, state),
                Err(failure) => {
                    let (code, message) = outcome(Err(failure));
                    result.with_error_code(code).with_error_message(message)
                }
            });
        }
        results.push(
            ReadStateResult::default()
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions),
        );
    }
    ReadShareGroupStateResponse::default().with_results(results)
}

/// A share-partition that never began has epoch 0 and no start offset.
fn fill(result: PartitionResult, state: Option<ShareState>) -> PartitionResult {
    let Some(state) = state else {
        return result.with_state_epoch(0).with_start_offset(-1);
    };
    let batches = state.batches.iter().map(|batch| {
        StateBatch::default()
            .with_first_offset(batch.first)
            .with_last_offset(batch.last)
            .with_delivery_state(batch.state.number())
            .with_delivery_count(batch.delivery_count)
    });
    result
        .with_state_epoch(state.state_epoch)
        .with_start_offset(state.start_offset)
        .with_state_batches(batches.collect())
}
