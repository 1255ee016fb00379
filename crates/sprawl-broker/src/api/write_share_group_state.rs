//! WriteShareGroupState (key 85): changes of share-partitions, from the leader that serves them.
//!
//! Source: `ShareCoordinatorShard.writeState` (KIP-932), KIP-1226 (delivery complete count).

use std::sync::Arc;

use sprawl_core::share::coordinator::ShareStateWrite;
use sprawl_core::share::{DeliveryState, StateBatch};
use sprawl_protocol::messages::write_share_group_state_request::PartitionData;
use sprawl_protocol::messages::write_share_group_state_response::{
    PartitionResult, WriteStateResult,
};
use sprawl_protocol::messages::{WriteShareGroupStateRequest, WriteShareGroupStateResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::share_state::{Failure, check, outcome, refused};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Has changes written.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: WriteShareGroupStateRequest,
) -> WriteShareGroupStateResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for one in topic.partitions {
            let partition = one.partition;
            let key = check(broker, &request.group_id, (topic.topic_id, partition));
            let change = key.and_then(|key| Ok((key, change(one)?)));
            let written = match change {
                Ok((key, write)) => {
                    let written = broker.share.coordinator.write_state(key, write).await;
                    written.map_err(refused)
                }
                Err(failure) => Err(failure),
            };
            let (code, message) = outcome(written);
            partitions.push(
                PartitionResult::default()
                    .with_partition(partition)
                    .with_error_code(code)
                    .with_error_message(message),
            );
        }
        results.push(
            WriteStateResult::default()
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions),
        );
    }
    WriteShareGroupStateResponse::default().with_results(results)
}

fn change(one: PartitionData) -> Result<ShareStateWrite, Failure> {
    let batches = one.state_batches.iter().map(|batch| {
        Some(StateBatch {
            first: batch.first_offset,
            last: batch.last_offset,
            state: DeliveryState::from_number(batch.delivery_state)?,
            delivery_count: batch.delivery_count,
        })
    });
    let batches: Option<Vec<StateBatch>> = batches.collect();
    let unknown = || {
        let message = StrBytes::from_static_str("no such delivery state");
        (ErrorCode::InvalidRequest, message)
    };
    Ok(ShareStateWrite {
        state_epoch: one.state_epoch,
        leader_epoch: one.leader_epoch,
        start_offset: one.start_offset,
        delivery_complete_count: one.delivery_complete_count,
        batches: batches.ok_or_else(unknown)?,
    })
}
