//! ShareGroupHeartbeat (key 76): join, stay in or leave a share group, and learn what to read.
//!
//! A partition is given out once its state is kept by the share coordinator. Where states are to be
//! begun, that is done before the answer, which then tells the partitions at once; Kafka tells them
//! with a later heartbeat.
//!
//! Source: KIP-932.

use std::sync::Arc;

use sprawl_core::group::{Assignment, GroupError, Input, Response, ShareBeat, ShareHeartbeat};
use sprawl_protocol::messages::share_group_heartbeat_response::{
    Assignment as WireAssignment, TopicPartitions,
};
use sprawl_protocol::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;
use crate::features;
use crate::share::membership::begin_states;

/// Why a heartbeat is not answered with a place in the group.
enum Refusal {
    Group(GroupError),
    Other(ErrorCode),
}

/// Beats.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ShareGroupHeartbeatRequest,
) -> ShareGroupHeartbeatResponse {
    if !features::has_share_groups(&broker.image()) {
        let error = ErrorCode::UnsupportedVersion;
        return refused(error, error.message().to_owned());
    }
    let request = read(context, request);
    let again = ShareHeartbeat {
        topics: None,
        ..request.clone()
    };
    match beat(broker, request).await {
        Ok(beat) => accepted(begin(broker, again, beat).await),
        Err(Refusal::Group(error)) => refused(of_group(error), error.to_string()),
        Err(Refusal::Other(error)) => refused(error, error.message().to_owned()),
    }
}

fn read(context: &RequestContext, request: ShareGroupHeartbeatRequest) -> ShareHeartbeat {
    let topics = request.subscribed_topic_names;
    ShareHeartbeat {
        group_id: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        member_epoch: request.member_epoch,
        rack_id: request.rack_id.map(|id| id.to_string()),
        client_id: context.client_id.as_deref().unwrap_or_default().to_owned(),
        client_host: format!("/{}", context.peer.address.ip()),
        topics: topics.map(|topics| topics.iter().map(|topic| topic.to_string()).collect()),
    }
}

async fn beat(broker: &Arc<Broker>, request: ShareHeartbeat) -> Result<ShareBeat, Refusal> {
    let group_id = request.group_id.clone();
    let coordinator = &broker.coordinator;
    let submitted = coordinator.submit(&group_id, |token| Input::ShareHeartbeat(token, request));
    match submitted.await {
        Ok(Response::ShareHeartbeat(beat)) => beat.map_err(Refusal::Group),
        Ok(_) => Err(Refusal::Other(ErrorCode::UnknownServerError)),
        Err(error) => Err(Refusal::Other(of_coordinator(error))),
    }
}

/// Begins what is to be begun, and beats once more to hear of it. The answer there is already holds
/// if anything goes wrong.
async fn begin(broker: &Arc<Broker>, again: ShareHeartbeat, beat_before: ShareBeat) -> ShareBeat {
    if beat_before.to_begin.is_empty() {
        return beat_before;
    }
    let to_begin = beat_before.to_begin.clone();
    let group_id = again.group_id.clone();
    if !begin_states(broker, &group_id, beat_before.group_epoch, to_begin).await {
        return beat_before;
    }
    let again = ShareHeartbeat {
        member_epoch: beat_before.member_epoch,
        ..again
    };
    match beat(broker, again).await {
        Ok(next) => ShareBeat {
            assignment: next.assignment.or(beat_before.assignment),
            ..next
        },
        Err(_) => beat_before,
    }
}

fn accepted(beat: ShareBeat) -> ShareGroupHeartbeatResponse {
    let on_wire = |assignment: Assignment| {
        let topics = assignment.into_iter().map(|(topic_id, partitions)| {
            TopicPartitions::default()
                .with_topic_id(topic_id.0)
                .with_partitions(partitions.into_iter().collect())
        });
        WireAssignment::default().with_topic_partitions(topics.collect())
    };
    ShareGroupHeartbeatResponse::default()
        .with_member_id(Some(StrBytes::from_string(beat.member_id)))
        .with_member_epoch(beat.member_epoch)
        .with_heartbeat_interval_ms(beat.heartbeat_interval_ms)
        .with_assignment(beat.assignment.map(on_wire))
}

fn refused(error: ErrorCode, message: String) -> ShareGroupHeartbeatResponse {
    ShareGroupHeartbeatResponse::default()
        .with_error_code(error.number())
        .with_error_message(Some(StrBytes::from_string(message)))
}
