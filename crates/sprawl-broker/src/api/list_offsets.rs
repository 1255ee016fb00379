//! ListOffsets (key 2): offsets by timestamp and by the special timestamps.
//!
//! A look-up by timestamp goes down to the record, off the async threads. Nothing is tiered on this
//! broker, so earliest-local equals earliest, and the tiered look-ups find nothing, as in Kafka
//! with tiering off.
//!
//! One special timestamp is our own: -1001 asks what waits for its delivery. The answer's offset is
//! how many records, its timestamp when the next is due. Kafka answers INVALID_REQUEST to it.
//!
//! Source: KIP-79, KIP-734 (max timestamp), KIP-405 and KIP-1005 (local and tiered), KIP-1023.

use std::collections::BTreeSet;
use std::sync::Arc;

use sprawl_io::spawn;
use sprawl_log::TimestampOffset;
use sprawl_model::{LeaderEpoch, Offset, PartitionId, TopicId};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::list_offsets_request::ListOffsetsPartition;
use sprawl_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use sprawl_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::fetch::read::{Isolation, fence};
use crate::partition::Partition;
use crate::replicated_log::ReplicatedLog;
use crate::wire_error;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;
/// Our own; far from those that Kafka may give out.
const DELAYED: i64 = -1001;

/// "No timestamp" and "nothing found".
const NONE: i64 = -1;

/// What was found; all -1 where no record fits.
#[derive(Clone, Copy, Debug)]
struct Found {
    offset: Offset,
    timestamp: i64,
    leader_epoch: LeaderEpoch,
}

impl Found {
    const NOTHING: Self = Self {
        offset: Offset::NONE,
        timestamp: NONE,
        leader_epoch: LeaderEpoch::NONE,
    };
}

impl From<TimestampOffset> for Found {
    fn from(found: TimestampOffset) -> Self {
        let TimestampOffset {
            offset,
            timestamp,
            leader_epoch,
        } = found;
        Self {
            offset,
            timestamp,
            leader_epoch,
        }
    }
}

/// Answers each look-up.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let isolation = match request.isolation_level {
        0 => Isolation::ReadUncommitted,
        _ => Isolation::ReadCommitted,
    };
    let repeated = repeated(&request);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let key = (topic.name.to_string(), asked.partition_index);
            let found = if repeated.contains(&key) {
                Err(ErrorCode::InvalidRequest)
            } else {
                look_up(broker, context, &topic.name, asked, isolation).await
            };
            partitions.push(respond(asked.partition_index, found));
        }
        topics.push(
            ListOffsetsTopicResponse::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    ListOffsetsResponse::default().with_topics(topics)
}

/// The partitions that the request names more than once: none of them is looked up, as in Kafka.
fn repeated(request: &ListOffsetsRequest) -> BTreeSet<(String, i32)> {
    let mut seen = BTreeSet::new();
    let named = request.topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|asked| (topic.name.to_string(), asked.partition_index))
    });
    named.filter(|key| !seen.insert(key.clone())).collect()
}

fn respond(partition: i32, found: Result<Found, ErrorCode>) -> ListOffsetsPartitionResponse {
    let (error, found) = match found {
        Ok(found) => (ErrorCode::None, found),
        Err(error) => (error, Found::NOTHING),
    };
    ListOffsetsPartitionResponse::default()
        .with_partition_index(partition)
        .with_error_code(error.number())
        .with_offset(found.offset.0)
        .with_timestamp(found.timestamp)
        .with_leader_epoch(found.leader_epoch.0)
}

async fn look_up(
    broker: &Broker,
    context: &RequestContext,
    topic: &str,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Found, ErrorCode> {
    let partition =
        broker.find_partition(topic, TopicId::NONE, PartitionId(asked.partition_index))?;
    let current = partition.leader_epoch();
    fence(LeaderEpoch(asked.current_leader_epoch), current)?;
    let end = match isolation {
        Isolation::ReadUncommitted => partition.high_watermark(),
        Isolation::ReadCommitted => partition.last_stable_offset(),
    };
    let at = |offset| Found {
        offset,
        timestamp: NONE,
        leader_epoch: epoch_at(&partition, offset),
    };
    match (asked.timestamp, version_needed(asked.timestamp)) {
        (_, needed) if context.version < needed => Err(ErrorCode::UnsupportedVersion),
        (LATEST, _) => Ok(Found {
            leader_epoch: current,
            ..at(end)
        }),
        (EARLIEST | EARLIEST_LOCAL, _) => Ok(at(partition.log_start())),
        (MAX_TIMESTAMP, _) => max_timestamp(broker, partition, end).await,
        (LATEST_TIERED | EARLIEST_PENDING_UPLOAD, _) => Ok(Found::NOTHING),
        (DELAYED, _) => waits(broker, partition).await,
        (timestamp, _) if timestamp < 0 => Err(ErrorCode::InvalidRequest),
        (timestamp, _) => by_timestamp(broker, partition, timestamp, end).await,
    }
}

/// The first request version in which a special timestamp has its meaning.
fn version_needed(timestamp: i64) -> i16 {
    match timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ => 0,
    }
}

fn epoch_at(partition: &Partition, offset: Offset) -> LeaderEpoch {
    partition
        .log()
        .epoch_of(offset)
        .unwrap_or(LeaderEpoch::NONE)
}

async fn max_timestamp(
    broker: &Broker,
    partition: Arc<Partition>,
    end: Offset,
) -> Result<Found, ErrorCode> {
    let look = move || partition.log().max_timestamp();
    let found = spawn::blocking(broker.io().spawn.as_ref(), look)
        .await
        .ok_or(ErrorCode::UnknownServerError)?
        .filter(|found| found.offset < end);
    Ok(found.map_or(Found::NOTHING, Found::from))
}

/// How many delayed records wait, and when the next is due.
async fn waits(broker: &Broker, partition: Arc<Partition>) -> Result<Found, ErrorCode> {
    let look = move || partition.waits();
    let found = spawn::blocking(broker.io().spawn.as_ref(), look)
        .await
        .ok_or(ErrorCode::UnknownServerError)?;
    let waits = found.map_err(|error| wire_error::of_delay(&error))?;
    Ok(Found {
        offset: Offset(i64::try_from(waits.count).unwrap_or(i64::MAX)),
        timestamp: waits.next_due_ms.unwrap_or(NONE),
        leader_epoch: LeaderEpoch::NONE,
    })
}

async fn by_timestamp(
    broker: &Broker,
    partition: Arc<Partition>,
    timestamp: i64,
    end: Offset,
) -> Result<Found, ErrorCode> {
    let look = move || partition.log().offset_for_timestamp(timestamp, end);
    let found = spawn::blocking(broker.io().spawn.as_ref(), look)
        .await
        .ok_or(ErrorCode::UnknownServerError)?
        .map_err(|error| wire_error::of_read(&error))?;
    Ok(found.map_or(Found::NOTHING, Found::from))
}
