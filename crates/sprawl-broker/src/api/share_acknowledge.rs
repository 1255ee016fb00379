//! ShareAcknowledge (key 79): what became of the records that a member of a share group was given.
//!
//! The final epoch ends the member's session; what it still holds is given back.
//!
//! Source: `KafkaApis.handleShareAcknowledgeRequest` (KIP-932), KIP-1222 (renewal).

use std::sync::Arc;

use sprawl_model::TopicId;
use sprawl_protocol::messages::share_acknowledge_response::{
    PartitionData, ShareAcknowledgeTopicResponse,
};
use sprawl_protocol::messages::{ShareAcknowledgeRequest, ShareAcknowledgeResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::share_fetch::{begin_answers, end_answers, session_key};
use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::features;
use crate::share::acknowledge::{self, Answers, Renewal};
use crate::share::group_config;
use crate::share::session::{EPOCH_FINAL, PartitionRef, SessionKey};

/// Carries out a member's answers and tells what came of them.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: ShareAcknowledgeRequest,
) -> ShareAcknowledgeResponse {
    let epoch = request.share_session_epoch;
    let key = match admit(broker, &request) {
        Ok(key) => key,
        Err(error) => return refused(error),
    };
    let renewal = if request.is_renew_ack {
        Renewal::Announced
    } else {
        Renewal::None
    };
    let answers = answers(request);
    let pending = begin_answers(broker, &key, &answers, renewal).await;
    let outcomes = end_answers(pending).await;
    if epoch == EPOCH_FINAL {
        let partitions = broker.share.sessions.end(&key);
        acknowledge::release(broker, &key, &partitions);
    }
    let mut response = ShareAcknowledgeResponse {
        acquisition_lock_timeout_ms: group_config(broker, &key.group_id).record_lock_duration_ms,
        ..ShareAcknowledgeResponse::default()
    };
    for (partition, outcome) in outcomes {
        push(&mut response, partition, outcome);
    }
    response
}

fn admit(broker: &Broker, request: &ShareAcknowledgeRequest) -> Result<SessionKey, ErrorCode> {
    if !features::has_share_groups(&broker.image()) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let key = session_key(request.group_id.as_deref(), request.member_id.as_deref())?;
    let sessions = &broker.share.sessions;
    sessions.acknowledge(&key, request.share_session_epoch)?;
    Ok(key)
}

fn answers(request: ShareAcknowledgeRequest) -> Vec<Answers> {
    let mut answers = Vec::new();
    for topic in request.topics {
        for one in topic.partitions {
            let batches = one.acknowledgement_batches.into_iter();
            answers.push(Answers {
                partition: (TopicId(topic.topic_id), one.partition_index),
                batches: batches
                    .map(|batch| {
                        (
                            batch.first_offset,
                            batch.last_offset,
                            batch.acknowledge_types,
                        )
                    })
                    .collect(),
            });
        }
    }
    answers
}

fn refused(error: ErrorCode) -> ShareAcknowledgeResponse {
    ShareAcknowledgeResponse {
        error_code: error.number(),
        error_message: Some(StrBytes::from_static_str(error.message())),
        ..ShareAcknowledgeResponse::default()
    }
}

/// Appends a partition under its topic; partitions come in the order of their topics.
fn push(
    response: &mut ShareAcknowledgeResponse,
    (topic_id, partition_index): PartitionRef,
    outcome: Result<(), ErrorCode>,
) {
    let error = outcome.err();
    let one = PartitionData {
        partition_index,
        error_code: error.map_or(0, ErrorCode::number),
        error_message: error.map(|error| StrBytes::from_static_str(error.message())),
        ..PartitionData::default()
    };
    match response.responses.last_mut() {
        Some(topic) if topic.topic_id == topic_id.0 => topic.partitions.push(one),
        _ => response.responses.push(ShareAcknowledgeTopicResponse {
            topic_id: topic_id.0,
            partitions: vec![one],
        }),
    }
}
