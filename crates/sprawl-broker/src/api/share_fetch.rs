//! ShareFetch (key 78): records for a member of a share group, and its answers for others.
//!
//! Answers take effect first; while they are being written, records are read. The response leaves
//! when both are done. Payload goes out by reference, as in a fetch.
//!
//! Source: `KafkaApis.handleShareFetchRequest` (KIP-932), KIP-1206 (acquire modes), KIP-1222
//! (renewal).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sprawl_core::config::ShareGroupConfig;
use sprawl_core::share::AcquireMode;
use sprawl_model::TopicId;
use sprawl_protocol::fetch::LeaderIdAndEpoch;
use sprawl_protocol::messages::ShareFetchRequest;
use sprawl_protocol::share_fetch::{AcquiredRun, ShareFetchPartition, ShareFetchTopic};
use sprawl_protocol::{ErrorCode, Segment, ShareFetchReply, encode_share_fetch_reply};

use crate::broker::Broker;
use crate::dispatch::{BadRequest, RequestContext};
use crate::features;
use crate::outgoing::{Chunk, OutgoingFrame};
use crate::quotas;
use crate::share::acknowledge::{self, Answers, Pending, Renewal};
use crate::share::fetch::{self, Demand, Fetched};
use crate::share::group_config;
use crate::share::session::{EPOCH_FINAL, EPOCH_INITIAL, PartitionRef, SessionKey, SessionRequest};

/// A fetch waits no longer than this, whatever the member asks.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// `ShareAcquireMode` on the wire.
const MODE_BATCH_OPTIMIZED: i8 = 0;
const MODE_RECORD_LIMIT: i8 = 1;

type Outcomes = BTreeMap<PartitionRef, Result<(), ErrorCode>>;

/// Answers a share fetch.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ShareFetchRequest,
) -> Result<OutgoingFrame, BadRequest> {
    let config = group_config(broker, request.group_id.as_deref().unwrap_or_default());
    let demand = demand(broker, context, (&request, &config));
    let admitted = admit(broker, context, &request);
    let work = async {
        match admitted {
            Ok((key, partitions)) => {
                let mut reply = serve(broker, &key, (partitions, demand), request).await;
                reply.acquisition_lock_timeout_ms = config.record_lock_duration_ms;
                reply
            }
            Err(error) => refused(error),
        }
    };
    let (mut reply, spent) = quotas::timed(broker, work).await;
    quotas::charge_share_fetch(broker, context, (size_of(&reply), spent));
    reply.throttle_time_ms = quotas::throttle_time_ms(broker, context);
    encode(context, reply)
}

/// The bytes of records in a reply.
fn size_of(reply: &ShareFetchReply<Chunk>) -> usize {
    let partitions = reply.topics.iter().flat_map(|topic| &topic.partitions);
    partitions
        .flat_map(|partition| &partition.records)
        .map(Chunk::size)
        .sum()
}

/// Checks the request and finds or makes its session.
fn admit(
    broker: &Broker,
    context: &RequestContext,
    request: &ShareFetchRequest,
) -> Result<(SessionKey, Vec<PartitionRef>), ErrorCode> {
    if !features::has_share_groups(&broker.image()) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let key = session_key(request.group_id.as_deref(), request.member_id.as_deref())?;
    let has_answers = request
        .topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .any(|partition| !partition.acknowledgement_batches.is_empty());
    if request.share_session_epoch == EPOCH_INITIAL && has_answers {
        return Err(ErrorCode::InvalidRequest);
    }
    let wants_records = request.max_wait_ms > 0
        || request.min_bytes > 0
        || request.max_bytes > 0
        || request.max_records > 0;
    if request.is_renew_ack && wants_records {
        return Err(ErrorCode::InvalidRequest);
    }
    mode(request)?;
    let joined = request.topics.iter().flat_map(|topic| {
        let id = TopicId(topic.topic_id);
        topic
            .partitions
            .iter()
            .map(move |one| (id, one.partition_index))
    });
    let left = request.forgotten_topics_data.iter().flat_map(|topic| {
        let id = TopicId(topic.topic_id);
        topic
            .partitions
            .iter()
            .map(move |partition| (id, *partition))
    });
    let session = SessionRequest {
        key: key.clone(),
        epoch: request.share_session_epoch,
        peer: context.peer.address,
        joined: joined.collect(),
        left: left.collect(),
    };
    let partitions = broker.share.sessions.begin(session)?;
    Ok((key, partitions))
}

/// The session of a member.
pub(super) fn session_key(
    group_id: Option<&str>,
    member_id: Option<&str>,
) -> Result<SessionKey, ErrorCode> {
    let group_id = group_id.filter(|id| !id.is_empty());
    let member_id = member_id.filter(|id| !id.is_empty());
    match (group_id, member_id) {
        (Some(group_id), Some(member_id)) => Ok(SessionKey {
            group_id: group_id.to_owned(),
            member_id: member_id.to_owned(),
        }),
        _ => Err(ErrorCode::InvalidRequest),
    }
}

fn mode(request: &ShareFetchRequest) -> Result<AcquireMode, ErrorCode> {
    match request.share_acquire_mode {
        MODE_BATCH_OPTIMIZED => Ok(AcquireMode::BatchOptimized),
        MODE_RECORD_LIMIT => Ok(AcquireMode::RecordLimit),
        _ => Err(ErrorCode::InvalidRequest),
    }
}

fn demand(
    broker: &Broker,
    context: &RequestContext,
    (request, config): (&ShareFetchRequest, &ShareGroupConfig),
) -> Demand {
    let positive = |number: i32| usize::try_from(number).unwrap_or(0);
    let quota = broker.quotas.fetch_bytes_max(context).unwrap_or(usize::MAX);
    let bytes_max = positive(request.max_bytes).min(broker.limits().fetch_bytes_max);
    let bytes_max = bytes_max.min(quota);
    let wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0);
    Demand {
        bytes_min: positive(request.min_bytes).min(bytes_max),
        bytes_max,
        records_max: u64::try_from(request.max_records).unwrap_or(0),
        batch_size: u64::try_from(request.batch_size).unwrap_or(0),
        mode: mode(request).unwrap_or(AcquireMode::BatchOptimized),
        read_committed: config.read_committed,
        wait_max: Duration::from_millis(wait_ms).min(WAIT_MAX),
    }
}

async fn serve(
    broker: &Arc<Broker>,
    key: &SessionKey,
    (partitions, demand): (Vec<PartitionRef>, Demand),
    request: ShareFetchRequest,
) -> ShareFetchReply<Chunk> {
    let is_final = request.share_session_epoch == EPOCH_FINAL;
    let renewal = if request.is_renew_ack {
        Renewal::Announced
    } else {
        Renewal::None
    };
    let answers = answers(request);
    let pending = begin_answers(broker, key, &answers, renewal).await;
    let fetched = if is_final || renewal == Renewal::Announced {
        Vec::new()
    } else {
        fetch::fetch(broker, key, &partitions, demand).await
    };
    let outcomes = end_answers(pending).await;
    if is_final {
        let partitions = broker.share.sessions.end(key);
        acknowledge::release(broker, key, &partitions);
    }
    reply(broker, key, fetched, outcomes)
}

fn answers(request: ShareFetchRequest) -> Vec<Answers> {
    let mut answers = Vec::new();
    for topic in request.topics {
        for one in topic.partitions {
            if one.acknowledgement_batches.is_empty() {
                continue;
            }
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

/// Carries out answers; what they come to may have to be waited for.
pub(super) async fn begin_answers(
    broker: &Arc<Broker>,
    key: &SessionKey,
    answers: &[Answers],
    renewal: Renewal,
) -> Vec<(PartitionRef, Pending)> {
    let mut pending = Vec::with_capacity(answers.len());
    for one in answers {
        let outcome = acknowledge::acknowledge(broker, key, one, renewal).await;
        pending.push((one.partition, outcome));
    }
    pending
}

/// Waits for what came of answers, by partition.
pub(super) async fn end_answers(pending: Vec<(PartitionRef, Pending)>) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for (partition, one) in pending {
        let outcome = one.outcome().await;
        // A partition that was answered for twice tells of its first error.
        let told = outcomes.entry(partition).or_insert(outcome);
        *told = told.and(outcome);
    }
    outcomes
}

fn refused(error: ErrorCode) -> ShareFetchReply<Chunk> {
    ShareFetchReply {
        error_code: error.number(),
        error_message: Some(error.message().to_owned()),
        ..ShareFetchReply::default()
    }
}

fn reply(
    broker: &Broker,
    key: &SessionKey,
    fetched: Vec<Fetched>,
    mut outcomes: Outcomes,
) -> ShareFetchReply<Chunk> {
    let mut reply = ShareFetchReply::default();
    for one in fetched {
        let outcome = outcomes.remove(&one.partition);
        let failed = one.outcome.is_err();
        let news = broker.share.sessions.tell(key, one.partition, failed);
        if news || outcome.is_some() || !one.acquired.is_empty() {
            let topic_id = one.partition.0;
            push(&mut reply, topic_id, partition_reply(one, outcome));
        }
    }
    for (partition, outcome) in outcomes {
        let one = Fetched {
            partition,
            outcome: Ok(()),
            acquired: Vec::new(),
            chunks: Vec::new(),
        };
        push(&mut reply, partition.0, partition_reply(one, Some(outcome)));
    }
    reply
}

/// Appends a partition under its topic.
fn push(reply: &mut ShareFetchReply<Chunk>, topic: TopicId, partition: ShareFetchPartition<Chunk>) {
    let known = reply
        .topics
        .iter_mut()
        .find(|known| known.topic_id == topic.0);
    match known {
        Some(known) => known.partitions.push(partition),
        None => reply.topics.push(ShareFetchTopic {
            topic_id: topic.0,
            partitions: vec![partition],
        }),
    }
}

fn partition_reply(
    one: Fetched,
    answered: Option<Result<(), ErrorCode>>,
) -> ShareFetchPartition<Chunk> {
    let error = one.outcome.err();
    let ack_error = answered.and_then(Result::err);
    let code = |error: Option<ErrorCode>| error.map_or(0, ErrorCode::number);
    let message = |error: Option<ErrorCode>| error.map(|error| error.message().to_owned());
    let runs = one.acquired.into_iter().map(|run| AcquiredRun {
        first_offset: run.first,
        last_offset: run.last,
        delivery_count: run.delivery_count,
    });
    ShareFetchPartition {
        partition_index: one.partition.1,
        error_code: code(error),
        error_message: message(error),
        acknowledge_error_code: code(ack_error),
        acknowledge_error_message: message(ack_error),
        current_leader: LeaderIdAndEpoch {
            leader_id: 0,
            leader_epoch: 0,
        },
        records: one.chunks,
        acquired_records: runs.collect(),
    }
}

fn encode(
    context: &RequestContext,
    reply: ShareFetchReply<Chunk>,
) -> Result<OutgoingFrame, BadRequest> {
    let encoded = encode_share_fetch_reply(context.version, context.correlation_id, reply)?;
    let chunks = encoded.segments.into_iter().map(|segment| match segment {
        Segment::Header(bytes) => Chunk::Memory(bytes),
        Segment::Records(chunk) => chunk,
    });
    Ok(OutgoingFrame {
        chunks: chunks.collect(),
    })
}
