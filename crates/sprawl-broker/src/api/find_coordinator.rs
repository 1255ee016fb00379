//! FindCoordinator (key 10): which broker coordinates a group or a transactional id, or keeps the
//! state of a share-partition?
//!
//! The internal topics are made here, on first use.
//!
//! Source: `KafkaApis.handleFindCoordinatorRequest`; KIP-699 (batches, v4), KIP-932 (share keys,
//! v6).

use std::sync::Arc;

use sprawl_core::metadata::{OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTION_STATE_TOPIC};
use sprawl_core::share::coordinator::ShareStateKey;
use sprawl_model::{PartitionId, TenantId};
use sprawl_protocol::messages::find_coordinator_response::Coordinator;
use sprawl_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::coordinator::{
    ensure_offsets_topic, ensure_share_state_topic, ensure_transactions_topic,
};
use crate::dispatch::RequestContext;

/// The first version that asks for several keys.
const BATCH_VERSION: i16 = 4;

/// What a key is, by its number on the wire.
const KEY_TYPE_GROUP: i8 = 0;
const KEY_TYPE_TRANSACTION: i8 = 1;
const KEY_TYPE_SHARE: i8 = 2;

/// The first version that knows share keys.
const SHARE_VERSION: i16 = 6;

/// Where a coordinator is.
#[derive(Clone, Debug)]
struct Node {
    id: i32,
    host: String,
    port: u16,
}

/// Answers with the coordinator of every key.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if context.version < BATCH_VERSION {
        return single(find(broker, context, request.key_type, &request.key).await);
    }
    let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
    for key in request.coordinator_keys {
        let found = find(broker, context, request.key_type, &key).await;
        coordinators.push(coordinator(key, found));
    }
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}

async fn find(
    broker: &Arc<Broker>,
    context: &RequestContext,
    key_type: i8,
    key: &str,
) -> Result<Node, ErrorCode> {
    match key_type {
        KEY_TYPE_GROUP => find_group(broker, key).await,
        KEY_TYPE_TRANSACTION => find_transaction(broker, key).await,
        KEY_TYPE_SHARE if context.version >= SHARE_VERSION => find_share(broker, key).await,
        _ => Err(ErrorCode::InvalidRequest),
    }
}

async fn find_group(broker: &Arc<Broker>, group_id: &str) -> Result<Node, ErrorCode> {
    if let Err(error) = ensure_offsets_topic(broker).await {
        tracing::warn!(%error, "the offsets topic cannot be made");
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    let partition = broker.coordinator.partition_for(group_id);
    leader(broker, OFFSETS_TOPIC, partition).ok_or(ErrorCode::CoordinatorNotAvailable)
}

async fn find_transaction(broker: &Arc<Broker>, transactional_id: &str) -> Result<Node, ErrorCode> {
    if let Err(error) = ensure_transactions_topic(broker).await {
        tracing::warn!(%error, "the topic of transactional ids cannot be made");
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    let partition = broker.transactions.partition_for(transactional_id);
    leader(broker, TRANSACTION_STATE_TOPIC, partition).ok_or(ErrorCode::CoordinatorNotAvailable)
}

/// Finds who keeps the state of a share-partition, which the key names as `group:topic-id:number`.
async fn find_share(broker: &Arc<Broker>, key: &str) -> Result<Node, ErrorCode> {
    let Some(key) = ShareStateKey::parse(key) else {
        return Err(ErrorCode::InvalidRequest);
    };
    if let Err(error) = ensure_share_state_topic(broker).await {
        tracing::warn!(%error, "the topic of share states cannot be made");
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    let partition = broker.share.coordinator.partition_for(&key.to_string());
    leader(broker, SHARE_STATE_TOPIC, partition).ok_or(ErrorCode::CoordinatorNotAvailable)
}

/// The leader of a partition of an internal topic.
fn leader(broker: &Broker, topic: &str, partition: Option<PartitionId>) -> Option<Node> {
    let image = broker.image();
    let topic = image.topic(TenantId::DEFAULT, topic)?;
    let leader = image.broker(topic.partition(partition?)?.leader?)?;
    let endpoint = leader.endpoints.first()?;
    Some(Node {
        id: leader.id.0,
        host: endpoint.host.clone(),
        port: endpoint.port,
    })
}

fn single(found: Result<Node, ErrorCode>) -> FindCoordinatorResponse {
    let response = FindCoordinatorResponse::default();
    match found {
        Ok(node) => response
            .with_error_message(Some(StrBytes::from_static_str(ErrorCode::None.name())))
            .with_node_id(BrokerId(node.id))
            .with_host(StrBytes::from_string(node.host))
            .with_port(i32::from(node.port)),
        Err(error) => response
            .with_error_code(error.number())
            .with_error_message(Some(StrBytes::from_static_str(error.message())))
            .with_node_id(BrokerId(-1))
            .with_port(-1),
    }
}

fn coordinator(key: StrBytes, found: Result<Node, ErrorCode>) -> Coordinator {
    let coordinator = Coordinator::default().with_key(key);
    match found {
        Ok(node) => coordinator
            .with_node_id(BrokerId(node.id))
            .with_host(StrBytes::from_string(node.host))
            .with_port(i32::from(node.port)),
        Err(error) => coordinator
            .with_error_code(error.number())
            .with_error_message(Some(StrBytes::from_static_str(error.message())))
            .with_node_id(BrokerId(-1))
            .with_port(-1),
    }
}
