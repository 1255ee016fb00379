//! What does a heartbeat say? What the rules of a group have no place for is refused here.

use std::collections::BTreeMap;

use sprawl_core::group::{
    CopartitionGroup, GroupError, InternalTopic, StreamsHeartbeat, Subtopology, TaskIds, Tasks,
    Topology,
};
use sprawl_core::metadata::{check_topic_name, is_internal_topic};
use sprawl_protocol::messages::StreamsGroupHeartbeatRequest;
use sprawl_protocol::messages::streams_group_heartbeat_request as wire;
use sprawl_protocol::{ErrorCode, StrBytes};

use super::Refusal;
use crate::dispatch::RequestContext;

pub(super) fn heartbeat(
    context: &RequestContext,
    request: StreamsGroupHeartbeatRequest,
) -> Result<StreamsHeartbeat, Refusal> {
    if let Some(topology) = &request.topology {
        check_names(topology)?;
    }
    if request.task_offsets.is_some() {
        return invalid("TaskOffsets are not supported yet.");
    }
    if request.task_end_offsets.is_some() {
        return invalid("TaskEndOffsets are not supported yet.");
    }
    let timeout_ms = request.rebalance_timeout_ms;
    let owned = tasks([
        request.active_tasks,
        request.standby_tasks,
        request.warmup_tasks,
    ])?;
    Ok(StreamsHeartbeat {
        group_id: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        member_epoch: request.member_epoch,
        endpoint_epoch: request.endpoint_information_epoch,
        instance_id: request.instance_id.map(|id| id.to_string()),
        rack_id: request.rack_id.map(|id| id.to_string()),
        client_id: context.client_id.as_deref().unwrap_or_default().to_owned(),
        client_host: format!("/{}", context.peer.address.ip()),
        rebalance_timeout_ms: (timeout_ms != -1).then_some(timeout_ms),
        topology: request.topology.map(topology).transpose()?,
        owned,
        process_id: request.process_id.map(|id| id.to_string()),
        user_endpoint: request
            .user_endpoint
            .map(|endpoint| (endpoint.host.to_string(), endpoint.port)),
        client_tags: request
            .client_tags
            .map(|tags| pairs(&tags).into_iter().collect()),
        asks_for_shutdown: request.shutdown_application,
    })
}

fn invalid<T>(reason: &'static str) -> Result<T, Refusal> {
    Err(GroupError::InvalidRequest { reason }.into())
}

fn invalid_topology(message: String) -> Refusal {
    Refusal {
        code: ErrorCode::StreamsInvalidTopology,
        message,
    }
}

/// All kinds of tasks, or none of them.
fn tasks(kinds: [Option<Vec<wire::TaskIds>>; 3]) -> Result<Option<Tasks>, Refusal> {
    match kinds {
        [None, None, None] => Ok(None),
        [Some(active), Some(standby), Some(warmup)] => Ok(Some(Tasks {
            active: task_ids(active),
            standby: task_ids(standby),
            warmup: task_ids(warmup),
        })),
        _ => invalid("If one task-type is non-null, all must be non-null."),
    }
}

fn task_ids(tasks: Vec<wire::TaskIds>) -> TaskIds {
    let mut ids = TaskIds::new();
    for of_subtopology in tasks {
        if !of_subtopology.partitions.is_empty() {
            let id = of_subtopology.subtopology_id.to_string();
            ids.entry(id).or_default().extend(of_subtopology.partitions);
        }
    }
    ids
}

/// Names are checked before anything else, as Kafka does.
fn check_names(topology: &wire::Topology) -> Result<(), Refusal> {
    let named = |named: &dyn Fn(&str) -> bool| {
        let mut names: Vec<&str> = topology
            .subtopologies
            .iter()
            .flat_map(|one| {
                let internal = one.repartition_source_topics.iter();
                let internal = internal.chain(&one.state_changelog_topics);
                let plain = one.source_topics.iter().chain(&one.repartition_sink_topics);
                plain.chain(internal.map(|topic| &topic.name))
            })
            .map(StrBytes::as_str)
            .filter(|name| named(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names.join(",")
    };
    let internal = named(&is_internal_topic);
    if !internal.is_empty() {
        let message = format!(
            "Use of Kafka internal topics {internal} in a Kafka Streams topology is prohibited."
        );
        return Err(invalid_topology(message));
    }
    let others = named(&|name| check_topic_name(name).is_err());
    if !others.is_empty() {
        let message = format!("Topic names {others} are not valid topic names.");
        return Err(invalid_topology(message));
    }
    Ok(())
}

fn topology(topology: wire::Topology) -> Result<Topology, Refusal> {
    let mut subtopologies = BTreeMap::new();
    for one in topology.subtopologies {
        let id = one.subtopology_id.to_string();
        if subtopologies.insert(id.clone(), subtopology(one)).is_some() {
            return Err(invalid_topology(format!("subtopology {id} is there twice")));
        }
    }
    Ok(Topology {
        epoch: topology.epoch,
        subtopologies,
    })
}

fn subtopology(one: wire::Subtopology) -> Subtopology {
    let groups = one.copartition_groups.into_iter();
    Subtopology {
        source_topics: texts(&one.source_topics),
        source_topic_regexes: texts(&one.source_topic_regex),
        changelogs: one.state_changelog_topics.iter().map(topic).collect(),
        repartition_sinks: texts(&one.repartition_sink_topics),
        repartition_sources: one.repartition_source_topics.iter().map(topic).collect(),
        copartition_groups: groups
            .map(|group| CopartitionGroup {
                source_topics: group.source_topics,
                source_topic_regexes: group.source_topic_regex,
                repartition_sources: group.repartition_source_topics,
            })
            .collect(),
    }
}

fn topic(topic: &wire::TopicInfo) -> InternalTopic {
    InternalTopic {
        name: topic.name.to_string(),
        partition_count: topic.partitions,
        replication_factor: topic.replication_factor,
        configs: pairs(&topic.topic_configs),
    }
}

fn texts(texts: &[StrBytes]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn pairs(pairs: &[wire::KeyValue]) -> Vec<(String, String)> {
    let each = pairs.iter();
    each.map(|pair| (pair.key.to_string(), pair.value.to_string()))
        .collect()
}
