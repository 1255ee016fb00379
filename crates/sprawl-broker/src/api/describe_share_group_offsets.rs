//! DescribeShareGroupOffsets (key 90): where share groups stand, and how far behind they are.
//!
//! Source: `GroupCoordinatorService.describeShareGroupOffsets` (KIP-932), KIP-1226 (lag, v1).

use std::collections::BTreeSet;
use std::sync::Arc;

use sprawl_core::share::coordinator::ShareStateKey;
use sprawl_model::{PartitionId, TenantId, TopicId};
use sprawl_protocol::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use sprawl_protocol::messages::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
use sprawl_protocol::messages::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse, TopicName,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::coordinator::of_share_coordinator;
use crate::dispatch::RequestContext;
use crate::replicated_log::ReplicatedLog;
use crate::share::membership::states_of;

/// Describes groups, in the order asked for.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeShareGroupOffsetsRequest,
) -> DescribeShareGroupOffsetsResponse {
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        groups.push(describe(broker, group).await);
    }
    DescribeShareGroupOffsetsResponse {
        groups,
        ..DescribeShareGroupOffsetsResponse::default()
    }
}

async fn describe(
    broker: &Arc<Broker>,
    group: DescribeShareGroupOffsetsRequestGroup,
) -> DescribeShareGroupOffsetsResponseGroup {
    let mut described = DescribeShareGroupOffsetsResponseGroup {
        group_id: group.group_id.clone(),
        ..DescribeShareGroupOffsetsResponseGroup::default()
    };
    let states = match states_of(broker, &group.group_id) {
        Ok(states) => states,
        Err(error) => {
            described.error_code = error.number();
            described.error_message = Some(StrBytes::from_static_str(error.message()));
            return described;
        }
    };
    match group.topics {
        Some(topics) => {
            for topic in topics {
                let topic = describe_named(broker, &group.group_id, topic).await;
                described.topics.push(topic);
            }
        }
        None => {
            for (topic_id, (name, numbers)) in states {
                let topic = (topic_id, name.as_str());
                let topic = describe_topic(broker, &group.group_id, topic, &numbers).await;
                described.topics.push(topic);
            }
        }
    }
    described
}

async fn describe_named(
    broker: &Arc<Broker>,
    group_id: &str,
    topic: DescribeShareGroupOffsetsRequestTopic,
) -> DescribeShareGroupOffsetsResponseTopic {
    let numbers: BTreeSet<i32> = topic.partitions.into_iter().collect();
    let found = broker
        .image()
        .topic(TenantId::DEFAULT, &topic.topic_name)
        .map(|topic| topic.id);
    match found {
        Some(id) => describe_topic(broker, group_id, (id, &topic.topic_name), &numbers).await,
        None => {
            let error = ErrorCode::UnknownTopicOrPartition;
            DescribeShareGroupOffsetsResponseTopic {
                topic_name: topic.topic_name,
                partitions: numbers
                    .into_iter()
                    .map(|number| failed(number, error))
                    .collect(),
                ..DescribeShareGroupOffsetsResponseTopic::default()
            }
        }
    }
}

async fn describe_topic(
    broker: &Arc<Broker>,
    group_id: &str,
    (topic_id, name): (TopicId, &str),
    numbers: &BTreeSet<i32>,
) -> DescribeShareGroupOffsetsResponseTopic {
    let mut partitions = Vec::with_capacity(numbers.len());
    for number in numbers {
        let key = ShareStateKey {
            group_id: group_id.to_owned(),
            topic_id,
            partition: *number,
        };
        broker.share.coordinator.wait_until_loaded(&key).await;
        partitions.push(describe_partition(broker, &key));
    }
    DescribeShareGroupOffsetsResponseTopic {
        topic_name: TopicName(StrBytes::from_string(name.to_owned())),
        topic_id: topic_id.0,
        partitions,
    }
}

fn describe_partition(
    broker: &Broker,
    key: &ShareStateKey,
) -> DescribeShareGroupOffsetsResponsePartition {
    let partition_index = key.partition;
    let summary = match broker.share.coordinator.summary(key) {
        Ok(summary) => summary,
        Err(error) => return failed(partition_index, of_share_coordinator(error)),
    };
    let unknown = DescribeShareGroupOffsetsResponsePartition {
        partition_index,
        start_offset: -1,
        ..DescribeShareGroupOffsetsResponsePartition::default()
    };
    let Some(summary) = summary.filter(|summary| summary.start_offset >= 0) else {
        return unknown;
    };
    let led = broker
        .partitions
        .get(key.topic_id, PartitionId(partition_index));
    let lag = led.map_or(-1, |partition| {
        let complete = i64::from(summary.delivery_complete_count.max(0));
        let behind = partition.high_watermark().0 - summary.start_offset - complete;
        behind.max(0)
    });
    DescribeShareGroupOffsetsResponsePartition {
        start_offset: summary.start_offset,
        leader_epoch: summary.leader_epoch,
        lag,
        ..unknown
    }
}

fn failed(partition_index: i32, error: ErrorCode) -> DescribeShareGroupOffsetsResponsePartition {
    DescribeShareGroupOffsetsResponsePartition {
        partition_index,
        start_offset: -1,
        error_code: error.number(),
        error_message: Some(StrBytes::from_static_str(error.message())),
        ..DescribeShareGroupOffsetsResponsePartition::default()
    }
}
