//! StreamsGroupHeartbeat (key 88): join, stay in or leave a streams group, and learn which tasks to
//! run.
//!
//! Internal topics that the topology needs are made before the answer; tasks are given with a later
//! heartbeat, as Kafka does. Without an authorizer everybody may make them.
//!
//! Source: KIP-1071; `KafkaApis.handleStreamsGroupHeartbeat`.

mod read;
mod topics;

use std::sync::Arc;

use sprawl_core::group::{
    EndpointPartitions, GroupError, Input, Response, StreamsBeat, StreamsHeartbeat,
    StreamsStatusCode, TaskIds, UserEndpoint,
};
use sprawl_protocol::messages::streams_group_heartbeat_response as wire;
use sprawl_protocol::messages::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;
use crate::features;

/// Why a heartbeat is not answered with a place in the group.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    code: ErrorCode,
    message: String,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        let message = code.message().to_owned();
        Self { code, message }
    }
}

impl From<GroupError> for Refusal {
    fn from(error: GroupError) -> Self {
        Self {
            code: of_group(error),
            message: error.to_string(),
        }
    }
}

/// Beats.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: StreamsGroupHeartbeatRequest,
) -> StreamsGroupHeartbeatResponse {
    if !features::has_streams_groups(&broker.image()) {
        return refused(ErrorCode::UnsupportedVersion.into());
    }
    let beaten = match read::heartbeat(context, request) {
        Ok(request) => beat(broker, request).await,
        Err(refusal) => Err(refusal),
    };
    match beaten {
        Ok(mut beat) => {
            make_topics(broker, &mut beat).await;
            accepted(beat)
        }
        Err(refusal) => refused(refusal),
    }
}

async fn beat(broker: &Broker, request: StreamsHeartbeat) -> Result<StreamsBeat, Refusal> {
    let group_id = request.group_id.clone();
    let coordinator = &broker.coordinator;
    let submitted = coordinator.submit(&group_id, |token| Input::StreamsHeartbeat(token, request));
    match submitted.await {
        Ok(Response::StreamsHeartbeat(beat)) => beat.map_err(Refusal::from),
        Ok(_) => Err(ErrorCode::UnknownServerError.into()),
        Err(error) => Err(of_coordinator(error).into()),
    }
}

/// Makes the topics that are missing, and tells the member which ones cannot be made.
async fn make_topics(broker: &Arc<Broker>, beat: &mut StreamsBeat) {
    let failures = topics::create(broker, &beat.missing_topics).await;
    if failures.is_empty() {
        return;
    }
    let missing = StreamsStatusCode::MissingInternalTopics;
    let mut statuses = beat.statuses.iter_mut();
    if let Some(status) = statuses.find(|status| status.code == missing) {
        let failures = topics::summary(&failures);
        status.detail = format!("{}; Creation failed: {failures}.", status.detail);
    }
}

fn accepted(beat: StreamsBeat) -> StreamsGroupHeartbeatResponse {
    let statuses = beat.statuses.into_iter().map(|status| wire::Status {
        status_code: status.code.number(),
        status_detail: text(status.detail),
    });
    let (active, standby, warmup) = match beat.tasks {
        None => (None, None, None),
        Some(tasks) => (
            Some(on_wire(tasks.active)),
            Some(on_wire(tasks.standby)),
            Some(on_wire(tasks.warmup)),
        ),
    };
    let endpoints = beat
        .endpoints
        .map(|all| all.into_iter().map(endpoint).collect());
    StreamsGroupHeartbeatResponse {
        member_id: text(beat.member_id),
        member_epoch: beat.member_epoch,
        heartbeat_interval_ms: beat.heartbeat_interval_ms,
        status: Some(statuses.collect()),
        active_tasks: active,
        standby_tasks: standby,
        warmup_tasks: warmup,
        endpoint_information_epoch: beat.endpoint_epoch,
        partitions_by_user_endpoint: endpoints,
        ..StreamsGroupHeartbeatResponse::default()
    }
}

fn on_wire(tasks: TaskIds) -> Vec<wire::TaskIds> {
    let each = tasks.into_iter();
    each.map(|(subtopology, partitions)| wire::TaskIds {
        subtopology_id: text(subtopology),
        partitions: partitions.into_iter().collect(),
    })
    .collect()
}

fn endpoint(endpoint: EndpointPartitions) -> wire::EndpointToPartitions {
    let (host, port): UserEndpoint = endpoint.endpoint;
    let partitions = |topics: Vec<(String, _)>| {
        let each = topics.into_iter();
        each.map(
            |(topic, partitions): (_, std::collections::BTreeSet<i32>)| wire::TopicPartition {
                topic: text(topic),
                partitions: partitions.into_iter().collect(),
            },
        )
        .collect()
    };
    wire::EndpointToPartitions {
        user_endpoint: wire::Endpoint {
            host: text(host),
            port,
        },
        active_partitions: partitions(endpoint.active),
        standby_partitions: partitions(endpoint.standby),
    }
}

fn text(text: String) -> StrBytes {
    StrBytes::from_string(text)
}

fn refused(refusal: Refusal) -> StreamsGroupHeartbeatResponse {
    StreamsGroupHeartbeatResponse {
        error_code: refusal.code.number(),
        error_message: Some(text(refusal.message)),
        ..StreamsGroupHeartbeatResponse::default()
    }
}
