//! Streams groups (KIP-1071): which member runs which task.

use std::collections::BTreeMap;

use sprawl_protocol::messages::StreamsGroupDescribeRequest;
use sprawl_protocol::messages::streams_group_describe_response as wire;
use sprawl_protocol::{ErrorCode, StrBytes};

use super::Admin;
use super::groups::{GroupDescription, GroupEpochs, GroupMember};
use crate::error::ClientError;

/// The assignor of streams groups; brokers have one and do not tell.
const ASSIGNOR: &str = "sticky";

/// Tasks by subtopology; those that are not active have their role in the name.
pub type TaskMap = BTreeMap<String, Vec<i32>>;

/// What a member of a streams group runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberTasks {
    /// The instance of the application, which may have several members.
    pub process_id: String,
    /// The tasks it has.
    pub has: TaskMap,
    /// The tasks it should have.
    pub target: TaskMap,
}

impl Admin {
    /// `None` where the group is no streams group, or the broker does not know such groups.
    pub(super) async fn describe_streams_group(
        &self,
        id: &str,
    ) -> Result<Option<GroupDescription>, ClientError> {
        let request = StreamsGroupDescribeRequest {
            group_ids: vec![StrBytes::from_string(id.to_owned())],
            include_authorized_operations: false,
        };
        let response = match self.client.call_coordinator(id, request).await {
            Ok(response) => response,
            Err(ClientError::Version { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let missing = || ClientError::Malformed("no group in the answer".to_owned());
        let group = response.groups.into_iter().next().ok_or_else(missing)?;
        let others = [ErrorCode::GroupIdNotFound, ErrorCode::UnsupportedVersion];
        if others.iter().any(|code| code.number() == group.error_code) {
            return Ok(None);
        }
        let message = group.error_message.map(|message| message.to_string());
        ClientError::check_with(|| format!("group {id}"), group.error_code, message)?;
        let read = group.topology.map(topics_read).unwrap_or_default();
        let members = group.members.into_iter().map(|each| member(each, &read));
        Ok(Some(GroupDescription {
            group_id: id.to_owned(),
            group_type: "streams",
            state: group.group_state.to_string(),
            epochs: Some(GroupEpochs {
                group: group.group_epoch,
                assignment: group.assignment_epoch,
            }),
            assignor: ASSIGNOR.to_owned(),
            members: members.collect(),
        }))
    }
}

/// The topics that each subtopology reads.
fn topics_read(topology: wire::Topology) -> BTreeMap<String, Vec<String>> {
    let subtopologies = topology.subtopologies.into_iter().flatten();
    subtopologies
        .map(|one| {
            let internal = one.repartition_source_topics.into_iter();
            let internal = internal.map(|topic| topic.name);
            let topics = one.source_topics.into_iter().chain(internal);
            let id = one.subtopology_id.to_string();
            (id, topics.map(|topic| topic.to_string()).collect())
        })
        .collect()
}

fn member(member: wire::Member, read: &BTreeMap<String, Vec<String>>) -> GroupMember {
    let partitions = |assignment: &wire::Assignment| {
        let mut partitions: TaskMap = BTreeMap::new();
        for tasks in &assignment.active_tasks {
            for topic in read
                .get(tasks.subtopology_id.as_str())
                .into_iter()
                .flatten()
            {
                let of_topic = partitions.entry(topic.clone()).or_default();
                of_topic.extend(&tasks.partitions);
            }
        }
        partitions
    };
    GroupMember {
        member_id: member.member_id.to_string(),
        group_instance_id: member.instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: partitions(&member.assignment),
        epoch: Some(member.member_epoch),
        target: Some(partitions(&member.target_assignment)),
        tasks: Some(MemberTasks {
            process_id: member.process_id.to_string(),
            has: tasks(member.assignment),
            target: tasks(member.target_assignment),
        }),
    }
}

fn tasks(assignment: wire::Assignment) -> TaskMap {
    let roles = [
        (assignment.active_tasks, ""),
        (assignment.standby_tasks, "(standby)"),
        (assignment.warmup_tasks, "(warm-up)"),
    ];
    let mut tasks = TaskMap::new();
    for (ids, role) in roles {
        for one in ids {
            let name = format!("{}{role}", one.subtopology_id.as_str());
            tasks.insert(name, one.partitions);
        }
    }
    tasks
}
