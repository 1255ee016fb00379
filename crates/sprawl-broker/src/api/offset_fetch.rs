//! OffsetFetch (key 9): the positions a group has committed.
//!
//! Only durable positions are returned. Where a transaction has committed a position and is not
//! decided, who asks for stable ones is told to come again. From v8 several groups are asked for in
//! one request; up to v7 the one group is lifted into that form and lowered again in the response.
//!
//! Source: `KafkaApis.handleOffsetFetchRequest`; KIP-447 (require stable, v7), KIP-709 (batches,
//! v8), KIP-848 (member id and epoch, v9), topic ids (v10).

use std::collections::BTreeMap;

use sprawl_core::group::{CommittedOffset, GroupShard};
use sprawl_model::{TenantId, TopicId};
use sprawl_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use sprawl_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use sprawl_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use sprawl_protocol::{ErrorCode, StrBytes};
use uuid::Uuid;

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;

/// The first version with an error for the whole group.
const GROUP_ERROR_VERSION: i16 = 2;
/// The first version that asks for several groups.
const BATCH_VERSION: i16 = 8;
/// The first version that names topics by id.
const TOPIC_ID_VERSION: i16 = 10;
/// "Nothing committed."
const NO_OFFSET: i64 = -1;

/// Whether a position may be told that a transaction is about to replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stability {
    Any,
    Required,
}

/// What one group has committed, as one request may see it.
struct HeldOffsets<'a> {
    groups: &'a GroupShard,
    group_id: &'a str,
    stability: Stability,
}

impl HeldOffsets<'_> {
    fn partition(&self, topic: &str, index: i32) -> OffsetFetchResponsePartitions {
        let is_required = self.stability == Stability::Required;
        if is_required && self.groups.is_unstable(self.group_id, topic, index) {
            return failed(index, ErrorCode::UnstableOffsetCommit);
        }
        partition(index, self.groups.committed(self.group_id, topic, index))
    }
}

/// Answers with committed offsets.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    let stability = if request.require_stable {
        Stability::Required
    } else {
        Stability::Any
    };
    if context.version >= BATCH_VERSION {
        let groups = request
            .groups
            .iter()
            .map(|group| fetch(broker, context, group, stability));
        let groups = groups.collect();
        return OffsetFetchResponse {
            groups,
            ..OffsetFetchResponse::default()
        };
    }
    lower(context, fetch(broker, context, &lift(request), stability))
}

fn lift(request: OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let lift_topic =
        |topic: sprawl_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic| {
            OffsetFetchRequestTopics {
                name: topic.name,
                partition_indexes: topic.partition_indexes,
                ..OffsetFetchRequestTopics::default()
            }
        };
    OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics: request
            .topics
            .map(|topics| topics.into_iter().map(lift_topic).collect()),
        ..OffsetFetchRequestGroup::default()
    }
}

fn lower(context: &RequestContext, group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let topics = group.topics.into_iter().map(|topic| {
        let partitions =
            topic
                .partitions
                .into_iter()
                .map(|partition| OffsetFetchResponsePartition {
                    partition_index: partition.partition_index,
                    committed_offset: partition.committed_offset,
                    committed_leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.metadata,
                    error_code: partition.error_code,
                });
        OffsetFetchResponseTopic {
            name: topic.name,
            partitions: partitions.collect(),
        }
    });
    let error_code = if context.version >= GROUP_ERROR_VERSION {
        group.error_code
    } else {
        0
    };
    OffsetFetchResponse {
        topics: topics.collect(),
        error_code,
        ..OffsetFetchResponse::default()
    }
}

fn fetch(
    broker: &Broker,
    context: &RequestContext,
    asked: &OffsetFetchRequestGroup,
    stability: Stability,
) -> OffsetFetchResponseGroup {
    let read = broker.coordinator.read(&asked.group_id, |groups| {
        let member_id = asked.member_id.as_deref();
        groups.check_fetch(&asked.group_id, member_id, asked.member_epoch)?;
        let held = HeldOffsets {
            groups,
            group_id: &asked.group_id,
            stability,
        };
        Ok(match &asked.topics {
            Some(topics) => {
                let each = topics
                    .iter()
                    .map(|topic| fetch_topic(broker, context, &held, topic));
                each.collect()
            }
            None => fetch_all(broker, context, &held),
        })
    });
    match read {
        Ok(Err(error)) => refused(context, asked, of_group(error)),
        Ok(Ok(topics)) => OffsetFetchResponseGroup {
            group_id: asked.group_id.clone(),
            topics,
            error_code: ErrorCode::None.number(),
        },
        Err(error) => refused(context, asked, of_coordinator(error)),
    }
}

fn fetch_topic(
    broker: &Broker,
    context: &RequestContext,
    held: &HeldOffsets<'_>,
    asked: &OffsetFetchRequestTopics,
) -> OffsetFetchResponseTopics {
    let by_id = context.version >= TOPIC_ID_VERSION;
    let name = if by_id {
        let found = broker.find_topic("", TopicId(asked.topic_id)).ok();
        found
            .filter(|_| !asked.topic_id.is_nil())
            .map(|topic| topic.name.clone())
    } else {
        Some(asked.name.to_string())
    };
    let partitions = asked.partition_indexes.iter().map(|&index| match &name {
        Some(name) => held.partition(name, index),
        None => failed(index, ErrorCode::UnknownTopicId),
    });
    OffsetFetchResponseTopics {
        name: asked.name.clone(),
        topic_id: asked.topic_id,
        partitions: partitions.collect(),
    }
}

fn fetch_all(
    broker: &Broker,
    context: &RequestContext,
    held: &HeldOffsets<'_>,
) -> Vec<OffsetFetchResponseTopics> {
    let mut by_topic: BTreeMap<&str, Vec<OffsetFetchResponsePartitions>> = BTreeMap::new();
    for entry in held.groups.committed_all(held.group_id) {
        let of_topic = by_topic.entry(entry.topic).or_default();
        of_topic.push(held.partition(entry.topic, entry.partition));
    }
    let image = broker.image();
    let topics = by_topic.into_iter().filter_map(|(name, partitions)| {
        let topic_id = image
            .topic(TenantId::DEFAULT, name)
            .map_or(Uuid::nil(), |topic| topic.id.0);
        // A topic that is gone has no id to be named by.
        let has_name = context.version < TOPIC_ID_VERSION || !topic_id.is_nil();
        has_name.then(|| OffsetFetchResponseTopics {
            name: TopicName(StrBytes::from_string(name.to_owned())),
            topic_id,
            partitions,
        })
    });
    topics.collect()
}

fn partition(index: i32, committed: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions {
    let Some(committed) = committed else {
        return failed(index, ErrorCode::None);
    };
    OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: committed.offset,
        committed_leader_epoch: committed.leader_epoch,
        metadata: Some(StrBytes::from_string(committed.metadata.clone())),
        error_code: ErrorCode::None.number(),
    }
}

/// A partition without a committed offset, which alone is no error.
fn failed(index: i32, error: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: NO_OFFSET,
        committed_leader_epoch: -1,
        metadata: Some(StrBytes::new()),
        error_code: error.number(),
    }
}

/// The whole group fails; before v2 that stands at each partition.
fn refused(
    context: &RequestContext,
    asked: &OffsetFetchRequestGroup,
    error: ErrorCode,
) -> OffsetFetchResponseGroup {
    let topics = asked
        .topics
        .as_deref()
        .filter(|_| context.version < GROUP_ERROR_VERSION);
    let topics = topics
        .unwrap_or_default()
        .iter()
        .map(|topic| OffsetFetchResponseTopics {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic
                .partition_indexes
                .iter()
                .map(|&index| failed(index, error))
                .collect(),
        });
    OffsetFetchResponseGroup {
        group_id: asked.group_id.clone(),
        topics: topics.collect(),
        error_code: error.number(),
    }
}
