//! ConsumerGroupHeartbeat (key 68): join, stay in or leave a consumer group, and learn what to
//! read.
//!
//! Source: KIP-848, KIP-1082 (member ids made by clients, v1).

use std::collections::BTreeSet;

use sprawl_core::group::{
    Assignment, ConsumerBeat, ConsumerHeartbeat, GroupError, Input, MemberIdOrigin, Response,
};
use sprawl_model::TopicId;
use sprawl_protocol::messages::consumer_group_heartbeat_request as wire;
use sprawl_protocol::messages::consumer_group_heartbeat_response::{
    Assignment as WireAssignment, TopicPartitions,
};
use sprawl_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;
use crate::features;

/// The first version in which a client always brings its member id.
const CLIENT_MEMBER_ID_VERSION: i16 = 1;

/// Beats.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    if !features::is_at_least(&broker.image(), features::GROUP_VERSION, 1) {
        return failed(ErrorCode::UnsupportedVersion);
    }
    let group_id = request.group_id.to_string();
    let beat = read(broker, context, request);
    let submitted = broker
        .coordinator
        .submit(&group_id, |token| Input::ConsumerHeartbeat(token, beat));
    match submitted.await {
        Ok(Response::ConsumerHeartbeat(Ok(beat))) => accepted(beat),
        Ok(Response::ConsumerHeartbeat(Err(error))) => refused(error),
        Ok(_) => failed(ErrorCode::UnknownServerError),
        Err(error) => failed(of_coordinator(error)),
    }
}

fn read(
    broker: &Broker,
    context: &RequestContext,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerHeartbeat {
    let timeout_ms = request.rebalance_timeout_ms;
    let topics = request.subscribed_topic_names;
    ConsumerHeartbeat {
        group_id: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        new_member_id: broker.coordinator.new_uuid(),
        member_id_origin: if context.version < CLIENT_MEMBER_ID_VERSION {
            MemberIdOrigin::Coordinator
        } else {
            MemberIdOrigin::Client
        },
        member_epoch: request.member_epoch,
        instance_id: request.instance_id.map(|id| id.to_string()),
        rack_id: request.rack_id.map(|id| id.to_string()),
        client_id: context.client_id.as_deref().unwrap_or_default().to_owned(),
        client_host: format!("/{}", context.peer.address.ip()),
        rebalance_timeout_ms: (timeout_ms != -1).then_some(timeout_ms),
        topics: topics.map(|topics| topics.iter().map(|topic| topic.to_string()).collect()),
        regex: request
            .subscribed_topic_regex
            .map(|regex| regex.to_string()),
        server_assignor: request.server_assignor.map(|name| name.to_string()),
        owned: request.topic_partitions.map(owned),
    }
}

fn owned(topics: Vec<wire::TopicPartitions>) -> Assignment {
    let mut owned = Assignment::new();
    for topic in topics {
        let partitions: BTreeSet<i32> = topic.partitions.into_iter().collect();
        if !partitions.is_empty() {
            let of_topic = owned.entry(TopicId(topic.topic_id)).or_default();
            of_topic.extend(partitions);
        }
    }
    owned
}

fn accepted(beat: ConsumerBeat) -> ConsumerGroupHeartbeatResponse {
    let on_wire = |assignment: Assignment| {
        let topics = assignment.into_iter().map(|(topic_id, partitions)| {
            TopicPartitions::default()
                .with_topic_id(topic_id.0)
                .with_partitions(partitions.into_iter().collect())
        });
        WireAssignment::default().with_topic_partitions(topics.collect())
    };
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(StrBytes::from_string(beat.member_id)))
        .with_member_epoch(beat.member_epoch)
        .with_heartbeat_interval_ms(beat.heartbeat_interval_ms)
        .with_assignment(beat.assignment.map(on_wire))
}

fn refused(error: GroupError) -> ConsumerGroupHeartbeatResponse {
    failed(of_group(error)).with_error_message(Some(StrBytes::from_string(error.to_string())))
}

fn failed(error: ErrorCode) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default().with_error_code(error.number())
}
