//! Fetch (key 1): session, look-up, read, wait for enough, answer by reference.
//!
//! Invariants: no record at or above the high watermark leaves, and to readers of committed records
//! none at or above the last stable offset, nor an aborted one without saying so (I15); payload is
//! not copied; a waiting fetch holds no lock and ends at `max_wait_ms`, when enough bytes came, at
//! an error, or when the broker stops.
//!
//! Source: KIP-98 (isolation), KIP-227 (sessions), KIP-320 (fencing), KIP-516 (topic ids), KIP-74
//! (limits and progress).

use std::sync::Arc;
use std::time::Duration;

use sprawl_io::time;
use sprawl_model::{LeaderEpoch, Offset, PartitionId, TopicId};
use sprawl_protocol::fetch::{
    AbortedTransaction, EpochEndOffset, FetchPartition as PartitionReply, FetchTopic,
    LeaderIdAndEpoch, RecordsPart,
};
use sprawl_protocol::messages::{FetchRequest, TopicName};
use sprawl_protocol::{ErrorCode, FetchReply, Segment, StrBytes, encode_fetch_reply};
use tokio::sync::Notify;

use crate::broker::Broker;
use crate::dispatch::{BadRequest, RequestContext};
use crate::fetch::read::{self, Isolation, PartitionRead, Pass, Resolved};
use crate::fetch::session::{
    FetchKey, FetchPartition, SESSION_ID_NONE, SessionError, SessionKind, SessionRequest, Told,
    TopicNaming,
};
use crate::outgoing::{Chunk, OutgoingFrame};
use crate::quotas::{self, FetchVerdict};

/// The first version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;

/// A fetch waits no longer than this, whatever the client asks.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// How much a fetch wants, and for how long it waits.
#[derive(Clone, Copy, Debug)]
struct Demand {
    isolation: Isolation,
    bytes_min: usize,
    bytes_max: usize,
    wait_max: Duration,
}

/// Answers a fetch.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: FetchRequest,
) -> Result<OutgoingFrame, BadRequest> {
    let demand = demand(broker, context, &request);
    let session_request = session_request(context, request);
    let fresh_id = fresh_session_id(broker, context);
    let (kind, partitions) =
        match broker
            .fetch_sessions()
            .begin(session_request, context.received, fresh_id)
        {
            Ok(begun) => begun,
            Err(error) => return encode(context, session_failure(error)),
        };
    let resolved = resolve(broker, partitions);
    let work = read_until_enough(broker, &resolved, demand);
    let (pass, spent) = quotas::timed(broker, work).await;
    let reply = match quotas::charge_fetch(broker, context, (pass.size, spent)) {
        FetchVerdict::Return => reply(broker, &resolved, kind, pass),
        FetchVerdict::Throttle => throttled(broker, context, kind),
    };
    encode(context, reply)
}

fn demand(broker: &Broker, context: &RequestContext, request: &FetchRequest) -> Demand {
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0);
    let wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0);
    let isolation = match request.isolation_level {
        0 => Isolation::ReadUncommitted,
        _ => Isolation::ReadCommitted,
    };
    let quota = broker.quotas.fetch_bytes_max(context).unwrap_or(usize::MAX);
    let bytes_max = bytes_max.min(broker.limits().fetch_bytes_max).min(quota);
    Demand {
        isolation,
        bytes_min: usize::try_from(request.min_bytes)
            .unwrap_or(0)
            .min(bytes_max),
        bytes_max,
        wait_max: Duration::from_millis(wait_ms).min(WAIT_MAX),
    }
}

fn session_request(context: &RequestContext, request: FetchRequest) -> SessionRequest {
    let mut partitions = Vec::new();
    for topic in request.topics {
        let name: Arc<str> = name_for(context, &topic.topic);
        for partition in topic.partitions {
            partitions.push(FetchPartition {
                key: FetchKey {
                    topic: name.clone(),
                    topic_id: TopicId(topic.topic_id),
                    partition: PartitionId(partition.partition),
                },
                current_leader_epoch: LeaderEpoch(partition.current_leader_epoch),
                fetch_offset: Offset(partition.fetch_offset),
                last_fetched_epoch: LeaderEpoch(partition.last_fetched_epoch),
                bytes_max: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
            });
        }
    }
    let mut forgotten = Vec::new();
    for topic in request.forgotten_topics_data {
        let name: Arc<str> = name_for(context, &topic.topic);
        forgotten.extend(topic.partitions.into_iter().map(|partition| FetchKey {
            topic: name.clone(),
            topic_id: TopicId(topic.topic_id),
            partition: PartitionId(partition),
        }));
    }
    let (session_id, epoch) = (request.session_id, request.session_epoch);
    let naming = if context.version >= TOPIC_ID_VERSION {
        TopicNaming::ById
    } else {
        TopicNaming::ByName
    };
    SessionRequest {
        session_id,
        epoch,
        naming,
        partitions,
        forgotten,
    }
}

fn name_for(context: &RequestContext, name: &TopicName) -> Arc<str> {
    if context.version >= TOPIC_ID_VERSION {
        Arc::from("")
    } else {
        Arc::from(name.as_str())
    }
}

/// Draws a session id; clients before v7 know no sessions and get none.
fn fresh_session_id(broker: &Broker, context: &RequestContext) -> i32 {
    if context.version < 7 {
        return SESSION_ID_NONE;
    }
    // The upper 31 bits of a random number: positive, and 0 means that no session is made.
    i32::try_from(broker.io().random.next_u64() >> 33).unwrap_or(SESSION_ID_NONE)
}

fn session_failure(error: SessionError) -> FetchReply<Chunk> {
    let code = match error {
        SessionError::NotFound => ErrorCode::FetchSessionIdNotFound,
        SessionError::InvalidEpoch => ErrorCode::InvalidFetchSessionEpoch,
        SessionError::OtherNaming => ErrorCode::FetchSessionTopicIdError,
    };
    FetchReply {
        error_code: code.number(),
        ..FetchReply::default()
    }
}

/// An answer without partitions: what was read stays here, and the session as it was. A session
/// that would begin with this answer does not.
fn throttled(broker: &Broker, context: &RequestContext, kind: SessionKind) -> FetchReply<Chunk> {
    FetchReply {
        throttle_time_ms: quotas::throttle_time_ms(broker, context),
        session_id: match kind {
            SessionKind::Sessionless | SessionKind::Full(_) => SESSION_ID_NONE,
            SessionKind::Incremental(id) => id,
        },
        ..FetchReply::default()
    }
}

fn resolve(broker: &Broker, partitions: Vec<FetchPartition>) -> Vec<Resolved> {
    partitions
        .into_iter()
        .map(|asked| {
            let key = &asked.key;
            let partition = broker.find_partition(&key.topic, key.topic_id, key.partition);
            Resolved { asked, partition }
        })
        .collect()
}

/// Reads until there are `bytes_min` bytes, something urgent, or no time left.
async fn read_until_enough(broker: &Broker, resolved: &[Resolved], demand: Demand) -> Pass {
    let deadline = broker
        .io()
        .clock
        .monotonic()
        .saturating_add(demand.wait_max);
    loop {
        let notify = Arc::new(Notify::new());
        let news = notify.notified();
        tokio::pin!(news);
        news.as_mut().enable();
        let pass = read::read_all(resolved, demand.isolation, demand.bytes_max);
        let left = deadline.saturating_sub(broker.io().clock.monotonic());
        if pass.size >= demand.bytes_min || pass.urgent || left.is_zero() || resolved.is_empty() {
            return pass;
        }
        match watch_for_news(resolved, &pass, &notify) {
            Watch::Waiting => {}
            Watch::Moved => continue,
            Watch::Closed => return pass,
        }
        let woken = tokio::select! {
            biased;
            () = broker.stopping() => false,
            woken = time::timeout(left, news) => woken.is_some(),
        };
        if !woken {
            return read::read_all(resolved, demand.isolation, demand.bytes_max);
        }
    }
}

/// What came of asking to be woken.
enum Watch {
    /// Every partition will wake us.
    Waiting,
    /// A partition has moved since the pass: read again.
    Moved,
    /// A partition will never move again: its log is closed or deleted.
    Closed,
}

/// Asks every partition to wake us when it moves past what the pass saw.
fn watch_for_news(resolved: &[Resolved], pass: &Pass, notify: &Arc<Notify>) -> Watch {
    for (one, read) in resolved.iter().zip(&pass.partitions) {
        let Ok(partition) = &one.partition else {
            continue;
        };
        let log = partition.log();
        if !log.notify_beyond(read.high_watermark, notify) {
            return if log.durable_end() > read.high_watermark {
                Watch::Moved
            } else {
                Watch::Closed
            };
        }
    }
    Watch::Waiting
}

fn reply(
    broker: &Broker,
    resolved: &[Resolved],
    kind: SessionKind,
    pass: Pass,
) -> FetchReply<Chunk> {
    let mut reply = FetchReply {
        session_id: match kind {
            SessionKind::Sessionless => SESSION_ID_NONE,
            SessionKind::Full(id) | SessionKind::Incremental(id) => id,
        },
        ..FetchReply::default()
    };
    for (read, one) in pass.partitions.into_iter().zip(resolved) {
        let told = Told {
            high_watermark: read.high_watermark,
            last_stable_offset: read.last_stable_offset,
            log_start: read.log_start,
            failed: read.error != ErrorCode::None || read.diverging.is_some(),
        };
        if broker
            .fetch_sessions()
            .tell(kind, &read.key, told, read.size)
        {
            let key = read.key.clone();
            push(&mut reply, &key, partition_reply(broker, one, read));
        }
    }
    reply
}

/// Appends a partition under its topic; neighbours of one topic share an entry.
fn push(reply: &mut FetchReply<Chunk>, key: &FetchKey, partition: PartitionReply<Chunk>) {
    if let Some(last) = reply.topics.last_mut()
        && last.topic_id == key.topic_id.0
        && last.name.as_str() == key.topic.as_ref()
    {
        last.partitions.push(partition);
        return;
    }
    reply.topics.push(FetchTopic {
        name: TopicName(StrBytes::from_string(key.topic.as_ref().to_owned())),
        topic_id: key.topic_id.0,
        partitions: vec![partition],
    });
}

fn partition_reply(broker: &Broker, one: &Resolved, read: PartitionRead) -> PartitionReply<Chunk> {
    let fenced = matches!(
        read.error,
        ErrorCode::FencedLeaderEpoch | ErrorCode::UnknownLeaderEpoch
    );
    let current_leader = one
        .partition
        .as_ref()
        .ok()
        .filter(|_| fenced)
        .map(|partition| {
            use crate::replicated_log::ReplicatedLog;
            let leader_epoch = partition.leader_epoch().0;
            LeaderIdAndEpoch {
                leader_id: broker.broker_id().0,
                leader_epoch,
            }
        });
    PartitionReply {
        partition_index: read.key.partition.0,
        error_code: read.error.number(),
        high_watermark: read.high_watermark.0,
        last_stable_offset: read.last_stable_offset.0,
        log_start_offset: read.log_start.0,
        diverging_epoch: read.diverging.map(|(epoch, end)| EpochEndOffset {
            epoch: epoch.0,
            end_offset: end.0,
        }),
        current_leader,
        aborted_transactions: read.aborted.map(|aborted| {
            let aborted = aborted.iter().map(|txn| AbortedTransaction {
                producer_id: txn.producer_id.0,
                first_offset: txn.first_offset.0,
            });
            aborted.collect()
        }),
        records: read.parts.into_iter().map(Chunk::from).collect(),
        ..PartitionReply::default()
    }
}

impl RecordsPart for Chunk {
    fn size(&self) -> usize {
        Self::size(self)
    }
}

fn encode(context: &RequestContext, reply: FetchReply<Chunk>) -> Result<OutgoingFrame, BadRequest> {
    let encoded = encode_fetch_reply(context.version, context.correlation_id, reply)?;
    let chunks = encoded.segments.into_iter().map(|segment| match segment {
        Segment::Header(bytes) => Chunk::Memory(bytes),
        Segment::Records(chunk) => chunk,
    });
    Ok(OutgoingFrame {
        chunks: chunks.collect(),
    })
}
