//! DeleteShareGroupOffsets (key 92): an empty share group forgets topics.
//!
//! Source: `GroupCoordinatorService.deleteShareGroupOffsets` (KIP-932).

use std::sync::Arc;

use sprawl_core::group::{ShareStates, StatePartitions};
use sprawl_model::TenantId;
use sprawl_protocol::messages::delete_share_group_offsets_response as wire;
use sprawl_protocol::messages::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse, TopicName,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::share::membership::{delete_states, states_of_empty, tell};

/// Forgets topics of a group.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DeleteShareGroupOffsetsRequest,
) -> DeleteShareGroupOffsetsResponse {
    let group_id = request.group_id.to_string();
    let states = match states_of_empty(broker, &group_id) {
        Ok(states) => states,
        Err(error) => {
            return DeleteShareGroupOffsetsResponse::default()
                .with_error_code(error.number())
                .with_error_message(Some(StrBytes::from_static_str(error.message())));
        }
    };
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let deleted = delete(broker, &group_id, &topic.topic_name, &states).await;
        responses.push(response(broker, topic.topic_name, deleted));
    }
    DeleteShareGroupOffsetsResponse::default().with_responses(responses)
}

/// Nothing is to be done for a topic that the group never consumed.
async fn delete(
    broker: &Arc<Broker>,
    group_id: &str,
    name: &TopicName,
    states: &StatePartitions,
) -> Result<(), ErrorCode> {
    let image = broker.image();
    let topic = image.topic(TenantId::DEFAULT, name);
    let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let Some(kept) = states.get(&topic.id) else {
        return Ok(());
    };
    let kept = StatePartitions::from([(topic.id, kept.clone())]);
    let deleted = delete_states(broker, group_id, &kept).await?;
    tell(broker, group_id, ShareStates::Deleted(deleted)).await
}

fn response(
    broker: &Broker,
    name: TopicName,
    deleted: Result<(), ErrorCode>,
) -> wire::DeleteShareGroupOffsetsResponseTopic {
    let id = broker
        .image()
        .topic(TenantId::DEFAULT, &name)
        .map(|topic| topic.id.0);
    let response = wire::DeleteShareGroupOffsetsResponseTopic::default()
        .with_topic_name(name)
        .with_topic_id(id.unwrap_or_else(uuid::Uuid::nil));
    match deleted {
        Ok(()) => response,
        Err(error) => response
            .with_error_code(error.number())
            .with_error_message(Some(StrBytes::from_static_str(error.message()))),
    }
}
