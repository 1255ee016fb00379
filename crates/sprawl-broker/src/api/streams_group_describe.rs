//! StreamsGroupDescribe (key 89): epochs, topology, members and their tasks.
//!
//! Source: KIP-1071.

use sprawl_core::group::{
    DescribedStreamsGroup, DescribedStreamsMember, DescribedTopology, InternalTopic, Subtopology,
    TaskIds, Tasks,
};
use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::streams_group_describe_response as wire;
use sprawl_protocol::messages::{
    GroupId, StreamsGroupDescribeRequest, StreamsGroupDescribeResponse,
};

use super::described_group::{self, Kind};
use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::features;

/// Describes groups, in the order asked for.
pub(crate) fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: StreamsGroupDescribeRequest,
) -> StreamsGroupDescribeResponse {
    let operations = described_group::operations(request.include_authorized_operations);
    let groups = request.group_ids.into_iter();
    let groups = groups.map(|group_id| describe(broker, GroupId(group_id), operations));
    StreamsGroupDescribeResponse {
        throttle_time_ms: 0,
        groups: groups.collect(),
    }
}

fn describe(broker: &Broker, group_id: GroupId, operations: i32) -> wire::DescribedGroup {
    let kind = Kind {
        name: "streams",
        is_served: features::has_streams_groups(&broker.image()),
    };
    let coordinator = &broker.coordinator;
    let checked = described_group::check(kind, &group_id, || {
        coordinator.read(&group_id, |groups| groups.describe_streams(&group_id))
    });
    match checked {
        Ok(group) => wire::DescribedGroup {
            authorized_operations: operations,
            ..fill(group_id.0, group)
        },
        Err(refused) => wire::DescribedGroup {
            group_id: group_id.0,
            error_code: refused.code.number(),
            error_message: refused.message,
            ..wire::DescribedGroup::default()
        },
    }
}

fn fill(group_id: StrBytes, group: DescribedStreamsGroup) -> wire::DescribedGroup {
    wire::DescribedGroup {
        group_id,
        group_state: StrBytes::from_static_str(group.state.name()),
        group_epoch: group.group_epoch,
        assignment_epoch: group.assignment_epoch,
        topology: group.topology.map(topology),
        members: group.members.into_iter().map(member).collect(),
        ..wire::DescribedGroup::default()
    }
}

fn topology(topology: DescribedTopology) -> wire::Topology {
    let subtopologies = topology.subtopologies.into_iter();
    wire::Topology {
        epoch: topology.epoch,
        subtopologies: Some(
            subtopologies
                .map(|(id, one)| subtopology(id, one))
                .collect(),
        ),
    }
}

fn subtopology(id: String, one: Subtopology) -> wire::Subtopology {
    let names = |names: Vec<String>| names.into_iter().map(text).collect();
    let topics = |topics: Vec<InternalTopic>| topics.into_iter().map(topic).collect();
    wire::Subtopology {
        subtopology_id: text(id),
        source_topics: names(one.source_topics),
        repartition_sink_topics: names(one.repartition_sinks),
        state_changelog_topics: topics(one.changelogs),
        repartition_source_topics: topics(one.repartition_sources),
    }
}

fn topic(topic: InternalTopic) -> wire::TopicInfo {
    wire::TopicInfo {
        name: text(topic.name),
        partitions: topic.partition_count,
        replication_factor: topic.replication_factor,
        topic_configs: topic.configs.into_iter().map(pair).collect(),
    }
}

fn member(member: DescribedStreamsMember) -> wire::Member {
    wire::Member {
        member_id: text(member.member_id),
        member_epoch: member.member_epoch,
        instance_id: member.instance_id.map(text),
        rack_id: member.rack_id.map(text),
        client_id: text(member.client_id),
        client_host: text(member.client_host),
        topology_epoch: member.topology_epoch,
        process_id: text(member.process_id),
        user_endpoint: member.user_endpoint.map(|(host, port)| wire::Endpoint {
            host: text(host),
            port,
        }),
        client_tags: member.client_tags.into_iter().map(pair).collect(),
        assignment: assignment(member.assignment),
        target_assignment: assignment(member.target),
        ..wire::Member::default()
    }
}

fn assignment(tasks: Tasks) -> wire::Assignment {
    wire::Assignment {
        active_tasks: task_ids(tasks.active),
        standby_tasks: task_ids(tasks.standby),
        warmup_tasks: task_ids(tasks.warmup),
    }
}

fn task_ids(tasks: TaskIds) -> Vec<wire::TaskIds> {
    let each = tasks.into_iter();
    each.map(|(subtopology, partitions)| wire::TaskIds {
        subtopology_id: text(subtopology),
        partitions: partitions.into_iter().collect(),
    })
    .collect()
}

fn pair((key, value): (String, String)) -> wire::KeyValue {
    wire::KeyValue {
        key: text(key),
        value: text(value),
    }
}

fn text(text: String) -> StrBytes {
    StrBytes::from_string(text)
}
