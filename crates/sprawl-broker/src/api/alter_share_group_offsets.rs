//! AlterShareGroupOffsets (key 91): an empty share group goes on from elsewhere.
//!
//! The state of each partition begins again at the offset given, in a new epoch: a leader that
//! still has the old state writes nothing any more.
//!
//! Source: `GroupCoordinatorService.alterShareGroupOffsets` (KIP-932).

use std::collections::BTreeSet;
use std::sync::Arc;

use sprawl_core::group::{ShareStates, StatePartitions};
use sprawl_core::share::coordinator::ShareStateKey;
use sprawl_model::{PartitionId, TenantId, TopicId};
use sprawl_protocol::messages::alter_share_group_offsets_request as wire;
use sprawl_protocol::messages::alter_share_group_offsets_response::{
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use sprawl_protocol::messages::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::coordinator::{ensure_share_state_topic, of_share_coordinator};
use crate::dispatch::RequestContext;
use crate::share::membership::{states_of_empty, tell};

/// Moves a group.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AlterShareGroupOffsetsRequest,
) -> AlterShareGroupOffsetsResponse {
    let group_id = request.group_id.to_string();
    if let Err(error) = states_of_empty(broker, &group_id) {
        return refused(error);
    }
    if let Err(error) = ensure_share_state_topic(broker).await {
        tracing::warn!(%error, "the topic of share states cannot be made");
        return refused(ErrorCode::CoordinatorNotAvailable);
    }
    let (mut responses, mut begun) = (Vec::new(), StatePartitions::new());
    for topic in request.topics {
        responses.push(alter_topic(broker, &group_id, topic, &mut begun).await);
    }
    if !begun.is_empty()
        && let Err(error) = tell(broker, &group_id, ShareStates::Begun(begun)).await
    {
        return refused(error);
    }
    AlterShareGroupOffsetsResponse::default().with_responses(responses)
}

async fn alter_topic(
    broker: &Arc<Broker>,
    group_id: &str,
    topic: wire::AlterShareGroupOffsetsRequestTopic,
    begun: &mut StatePartitions,
) -> AlterShareGroupOffsetsResponseTopic {
    let image = broker.image();
    let found = image.topic(TenantId::DEFAULT, &topic.topic_name);
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for one in &topic.partitions {
        let number = one.partition_index;
        let exists = found.is_some_and(|topic| topic.partition(PartitionId(number)).is_some());
        let outcome = match found.filter(|_| exists) {
            Some(topic) => alter(broker, group_id, (topic.id, number), one.start_offset).await,
            None => Err(ErrorCode::UnknownTopicOrPartition),
        };
        if let (Ok(()), Some(topic)) = (outcome, found) {
            let known = begun.entry(topic.id);
            let (_, numbers) = known.or_insert_with(|| (topic.name.clone(), BTreeSet::new()));
            numbers.insert(number);
        }
        let response = AlterShareGroupOffsetsResponsePartition::default();
        let response = response.with_partition_index(number);
        partitions.push(match outcome {
            Ok(()) => response,
            Err(error) => response
                .with_error_code(error.number())
                .with_error_message(Some(StrBytes::from_static_str(error.message()))),
        });
    }
    AlterShareGroupOffsetsResponseTopic::default()
        .with_topic_id(found.map_or_else(uuid::Uuid::nil, |topic| topic.id.0))
        .with_topic_name(topic.topic_name)
        .with_partitions(partitions)
}

async fn alter(
    broker: &Arc<Broker>,
    group_id: &str,
    (topic_id, partition): (TopicId, i32),
    start_offset: i64,
) -> Result<(), ErrorCode> {
    if start_offset < 0 {
        return Err(ErrorCode::InvalidRequest);
    }
    let key = ShareStateKey {
        group_id: group_id.to_owned(),
        topic_id,
        partition,
    };
    let coordinator = &broker.share.coordinator;
    coordinator.wait_until_loaded(&key).await;
    let summary = coordinator.summary(&key).map_err(of_share_coordinator)?;
    let epoch = summary.map_or(0, |summary| summary.state_epoch.saturating_add(1));
    let begun = coordinator
        .initialize(key.clone(), (epoch, start_offset))
        .await;
    broker.share.forget(&key);
    begun.map_err(of_share_coordinator)
}

fn refused(error: ErrorCode) -> AlterShareGroupOffsetsResponse {
    AlterShareGroupOffsetsResponse::default()
        .with_error_code(error.number())
        .with_error_message(Some(StrBytes::from_static_str(error.message())))
}
