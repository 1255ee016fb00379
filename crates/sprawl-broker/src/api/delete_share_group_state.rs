//! DeleteShareGroupState (key 86): a group is done with share-partitions.
//!
//! Source: `ShareCoordinatorShard.deleteState` (KIP-932).

use std::sync::Arc;

use sprawl_protocol::messages::delete_share_group_state_response::{
    DeleteStateResult, PartitionResult,
};
use sprawl_protocol::messages::{DeleteShareGroupStateRequest, DeleteShareGroupStateResponse};

use super::share_state::{check, outcome, refused};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Forgets share-partitions.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DeleteShareGroupStateRequest,
) -> DeleteShareGroupStateResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for one in topic.partitions {
            let named = (topic.topic_id, one.partition);
            let deleted = match check(broker, &request.group_id, named) {
                Ok(key) => {
                    let deleted = broker.share.coordinator.delete_state(key.clone()).await;
                    broker.share.forget(&key);
                    deleted.map_err(refused)
                }
                Err(failure) => Err(failure),
            };
            let (code, message) = outcome(deleted);
            partitions.push(
                PartitionResult::default()
                    .with_partition(one.partition)
                    .with_error_code(code)
                    .with_error_message(message),
            );
        }
        results.push(
            DeleteStateResult::default()
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions),
        );
    }
    DeleteShareGroupStateResponse::default().with_results(results)
}
