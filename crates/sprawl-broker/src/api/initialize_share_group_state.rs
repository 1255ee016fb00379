//! InitializeShareGroupState (key 83): a share-partition begins, or begins again.
//!
//! Source: `ShareCoordinatorShard.initializeState` (KIP-932).

use std::sync::Arc;

use sprawl_protocol::messages::initialize_share_group_state_response::{
    InitializeStateResult, PartitionResult,
};
use sprawl_protocol::messages::{
    InitializeShareGroupStateRequest, InitializeShareGroupStateResponse,
};

use super::share_state::{check, outcome, refused};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Begins share-partitions.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: InitializeShareGroupStateRequest,
) -> InitializeShareGroupStateResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for one in topic.partitions {
            let named = (topic.topic_id, one.partition);
            let begun = match check(broker, &request.group_id, named) {
                Ok(key) => {
                    let start = (one.state_epoch, one.start_offset);
                    let begun = broker
                        .share
                        .coordinator
                        .initialize(key.clone(), start)
                        .await;
                    broker.share.forget(&key);
                    begun.map_err(refused)
                }
                Err(failure) => Err(failure),
            };
            let (code, message) = outcome(begun);
            partitions.push(
                PartitionResult::default()
                    .with_partition(one.partition)
                    .with_error_code(code)
                    .with_error_message(message),
            );
        }
        results.push(
            InitializeStateResult::default()
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions),
        );
    }
    InitializeShareGroupStateResponse::default().with_results(results)
}
