//! DescribeTopicPartitions (key 75): topics page by page, with a cursor for the next page.
//!
//! Topics come in order of name. A page ends within a topic when the limit says so; its cursor then
//! names the first partition that is missing.
//!
//! Source: `DescribeTopicPartitionsRequestHandler`; KIP-966.

use std::collections::BTreeSet;
use std::sync::Arc;

use sprawl_core::metadata::{MetadataImage, Partition, Topic, check_topic_name, is_internal_topic};
use sprawl_model::{BrokerId, PartitionId, TenantId};
use sprawl_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use sprawl_protocol::messages::{
    self, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::authorized_operations;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Describes topics from the cursor on, up to the limit.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let image = broker.image();
    let first = request
        .cursor
        .as_ref()
        .map_or("", |cursor| cursor.topic_name.as_str());
    let first_partition = request
        .cursor
        .as_ref()
        .map_or(0, |cursor| cursor.partition_index);
    let asked: BTreeSet<&str> = request
        .topics
        .iter()
        .map(|topic| topic.name.as_str())
        .collect();
    let cursor_is_asked = first.is_empty() || asked.is_empty() || asked.contains(first);
    if first_partition < 0 || !cursor_is_asked {
        let topics = asked
            .into_iter()
            .map(|name| refused(name, ErrorCode::InvalidRequest));
        return DescribeTopicPartitionsResponse::default().with_topics(topics.collect());
    }
    let limit_max = broker.settings.connections.described_partitions_max;
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let mut page = Page::new(&image, limit.min(limit_max).max(1));
    let names: Vec<&str> = if asked.is_empty() {
        image
            .topics_from(TenantId::DEFAULT, first)
            .map(|topic| topic.name.as_str())
            .collect()
    } else {
        asked.into_iter().filter(|name| *name >= first).collect()
    };
    for name in names {
        let from = if name == first { first_partition } else { 0 };
        if page.add(name, from) == Room::Full {
            break;
        }
    }
    page.response
}

#[derive(PartialEq, Eq)]
enum Room {
    Left,
    Full,
}

/// An answer being filled.
struct Page<'a> {
    image: &'a MetadataImage,
    remaining: usize,
    response: DescribeTopicPartitionsResponse,
}

impl<'a> Page<'a> {
    fn new(image: &'a MetadataImage, remaining: usize) -> Self {
        Self {
            image,
            remaining,
            response: DescribeTopicPartitionsResponse::default(),
        }
    }

    fn add(&mut self, name: &str, from: i32) -> Room {
        if self.remaining == 0 {
            self.end_before(name, 0);
            return Room::Full;
        }
        let Some(topic) = self.image.topic(TenantId::DEFAULT, name) else {
            let code = match check_topic_name(name) {
                Ok(()) => ErrorCode::UnknownTopicOrPartition,
                Err(_) => ErrorCode::InvalidTopicException,
            };
            self.response.topics.push(refused(name, code));
            return Room::Left;
        };
        let ids: Vec<PartitionId> = topic
            .partition_ids()
            .filter(|id| id.0 >= from)
            .take(self.remaining)
            .collect();
        self.response.topics.push(describe(self.image, topic, &ids));
        self.remaining = self.remaining.saturating_sub(ids.len());
        let next = ids
            .last()
            .map_or(topic.partition_count(), |last| last.0.saturating_add(1));
        if next < topic.partition_count() {
            self.end_before(name, next);
            return Room::Full;
        }
        Room::Left
    }

    fn end_before(&mut self, name: &str, partition: i32) {
        let cursor = Cursor::default()
            .with_topic_name(topic_name(name))
            .with_partition_index(partition);
        self.response.next_cursor = Some(cursor);
    }
}

fn describe(
    image: &MetadataImage,
    topic: &Topic,
    ids: &[PartitionId],
) -> DescribeTopicPartitionsResponseTopic {
    let partitions = ids.iter().filter_map(|id| {
        topic
            .partition(*id)
            .map(|partition| describe_partition(image, *id, partition))
    });
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id.0)
        .with_is_internal(topic.is_internal())
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(authorized_operations::TOPIC)
}

fn describe_partition(
    image: &MetadataImage,
    id: PartitionId,
    partition: &Partition,
) -> DescribeTopicPartitionsResponsePartition {
    let code = match partition.leader {
        Some(_) => ErrorCode::None,
        None => ErrorCode::LeaderNotAvailable,
    };
    let gone = partition
        .replicas
        .iter()
        .filter(|replica| image.broker(**replica).is_none());
    DescribeTopicPartitionsResponsePartition::default()
        .with_error_code(code.number())
        .with_partition_index(id.0)
        .with_leader_id(messages::BrokerId(
            partition.leader.map_or(-1, |leader| leader.0),
        ))
        .with_leader_epoch(partition.leader_epoch.0)
        .with_replica_nodes(on_wire(partition.replicas.iter()))
        .with_isr_nodes(on_wire(partition.isr.iter()))
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()))
        .with_offline_replicas(on_wire(gone))
}

fn on_wire<'a>(brokers: impl Iterator<Item = &'a BrokerId>) -> Vec<messages::BrokerId> {
    brokers.map(|broker| messages::BrokerId(broker.0)).collect()
}

fn refused(name: &str, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(code.number())
        .with_name(Some(topic_name(name)))
        .with_is_internal(is_internal_topic(name))
        .with_topic_authorized_operations(authorized_operations::TOPIC)
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
