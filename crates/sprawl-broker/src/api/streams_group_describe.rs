//! StreamsGroupDescribe (key 89): epochs, topology, members and their tasks.
//!
//! Source: KIP-1071.

use sprawl_core::group::{
    DescribedStreamsGroup, DescribedStreamsMember, DescribedTopology, InternalTopic, Subtopology,
    TaskIds, Tasks,
};
use sprawl_protocol::messages::streams_group_describe_response as wire;
use sprawl_protocol::messages::{StreamsGroupDescribeRequest, StreamsGroupDescribeResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::authorized_operations;
use crate::broker::Broker;
use crate::coordinator::of_coordinator;
use crate::dispatch::RequestContext;
use crate::features;

/// Describes groups, in the order asked for.
pub(crate) fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: StreamsGroupDescribeRequest,
) -> StreamsGroupDescribeResponse {
    let operations = if request.include_authorized_operations {
        authorized_operations::GROUP
    } else {
        authorized_operations::NOT_ASKED
    };
    let groups = request.group_ids.into_iter().map(|group_id| {
        let mut described = describe(broker, group_id);
        if described.error_code == ErrorCode::None.number() {
            described.authorized_operations = operations;
        }
        described
    });
    StreamsGroupDescribeResponse {
        throttle_time_ms: 0,
        groups: groups.collect(),
    }
}

fn describe(broker: &Broker, group_id: StrBytes) -> wire::DescribedGroup {
    let refused = |error: ErrorCode| wire::DescribedGroup {
        group_id: group_id.clone(),
        error_code: error.number(),
        ..wire::DescribedGroup::default()
    };
    if !features::has_streams_groups(&broker.image()) {
        return refused(ErrorCode::UnsupportedVersion);
    }
    if group_id.is_empty() {
        return refused(ErrorCode::InvalidGroupId);
    }
    let coordinator = &broker.coordinator;
    let described = coordinator.read(&group_id, |groups| groups.describe_streams(&group_id));
    match described {
        Ok(Ok(group)) => fill(group_id, group),
        // Whatever the reason, there is no streams group to describe.
        Ok(Err(_)) => wire::DescribedGroup {
            error_message: Some(text(format!(
                "Group {} is not a streams group.",
                group_id.as_str()
            ))),
            ..refused(ErrorCode::GroupIdNotFound)
        },
        Err(error) => refused(of_coordinator(error)),
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
