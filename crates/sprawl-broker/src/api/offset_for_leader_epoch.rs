//! OffsetForLeaderEpoch (key 23): where did an epoch end? Consumers find truncation with it
//! (KIP-320).

use sprawl_model::{LeaderEpoch, Offset, PartitionId, TopicId};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use sprawl_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use sprawl_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::fetch::read::fence;
use crate::replicated_log::ReplicatedLog;

/// Answers with the end offset of each epoch asked for.
pub(crate) fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let response = EpochEndOffset::default().with_partition(asked.partition);
            match look_up(broker, &topic.topic, asked) {
                Ok((epoch, end)) => response.with_leader_epoch(epoch.0).with_end_offset(end.0),
                Err(error) => response
                    .with_error_code(error.number())
                    .with_leader_epoch(LeaderEpoch::NONE.0)
                    .with_end_offset(Offset::NONE.0),
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default()
            .with_partitions(partitions)
            .with_topic(topic.topic)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn look_up(
    broker: &Broker,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<(LeaderEpoch, Offset), ErrorCode> {
    let partition = broker.find_partition(topic, TopicId::NONE, PartitionId(asked.partition))?;
    let current = partition.leader_epoch();
    fence(LeaderEpoch(asked.current_leader_epoch), current)?;
    let asked = LeaderEpoch(asked.leader_epoch);
    if asked == current {
        return Ok((current, partition.high_watermark()));
    }
    let known = if asked > current {
        None
    } else {
        partition.log().epoch_end(asked)
    };
    Ok(known.unwrap_or((LeaderEpoch::NONE, Offset::NONE)))
}
