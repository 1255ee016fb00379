//! What can be read about a streams group?

use std::collections::BTreeMap;

use super::configure::ConfiguredSubtopology;
use super::group::StreamsGroup;
use super::member::StreamsMember;
use super::request::UserEndpoint;
use super::tasks::Tasks;
use super::topology::{InternalTopic, Subtopology};
use crate::group::state::GroupState;

/// A streams group in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedStreamsGroup {
    /// Its state.
    pub state: GroupState,
    /// Its epoch.
    pub group_epoch: i32,
    /// The epoch of its target assignment.
    pub assignment_epoch: i32,
    /// What the application consists of.
    pub topology: Option<DescribedTopology>,
    /// Its members, by id.
    pub members: Vec<DescribedStreamsMember>,
}

/// What an application consists of; lists in order of names. Once the topics are there, with the
/// partition counts that internal topics have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedTopology {
    /// Its epoch.
    pub epoch: i32,
    /// Its subtopologies, by id.
    pub subtopologies: BTreeMap<String, Subtopology>,
}

/// A member in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedStreamsMember {
    /// The member.
    pub member_id: String,
    /// Its static identity, if any.
    pub instance_id: Option<String>,
    /// Its rack, if it said.
    pub rack_id: Option<String>,
    /// Its epoch.
    pub member_epoch: i32,
    /// The client id it joined with.
    pub client_id: String,
    /// The address it joined from.
    pub client_host: String,
    /// The epoch of its topology.
    pub topology_epoch: i32,
    /// Its instance.
    pub process_id: String,
    /// Where its instance's state can be queried.
    pub user_endpoint: Option<UserEndpoint>,
    /// Its tags.
    pub client_tags: BTreeMap<String, String>,
    /// What it has.
    pub assignment: Tasks,
    /// What it should have.
    pub target: Tasks,
}

impl StreamsGroup {
    pub(in crate::group) fn describe(&self) -> DescribedStreamsGroup {
        let members = self.members.iter();
        DescribedStreamsGroup {
            state: self.state(),
            group_epoch: self.epoch.epoch,
            assignment_epoch: self.target_epoch.epoch,
            topology: self.describe_topology(),
            members: members
                .map(|(member_id, member)| self.describe_member(member_id, member))
                .collect(),
        }
    }

    fn describe_topology(&self) -> Option<DescribedTopology> {
        let topology = self.topology.as_ref()?;
        let configured = self.configured.as_ref();
        let subtopologies = match configured.and_then(|configured| configured.ready()) {
            Some(ready) => {
                let each = ready.iter();
                each.map(|(id, one)| (id.clone(), describe_configured(one)))
                    .collect()
            }
            None => {
                let each = topology.subtopologies.iter();
                each.map(|(id, one)| (id.clone(), in_order(one.clone())))
                    .collect()
            }
        };
        Some(DescribedTopology {
            epoch: topology.epoch,
            subtopologies,
        })
    }

    fn describe_member(&self, member_id: &str, member: &StreamsMember) -> DescribedStreamsMember {
        let metadata = &member.metadata;
        DescribedStreamsMember {
            member_id: member_id.to_owned(),
            instance_id: metadata.instance_id.clone(),
            rack_id: metadata.rack_id.clone(),
            member_epoch: member.current.epoch,
            client_id: metadata.client_id.clone(),
            client_host: metadata.client_host.clone(),
            topology_epoch: metadata.topology_epoch,
            process_id: metadata.process_id.clone(),
            user_endpoint: metadata.user_endpoint.clone(),
            client_tags: metadata.client_tags.clone(),
            assignment: member.current.assigned.without_epochs(),
            target: self.targets.get(member_id).cloned().unwrap_or_default(),
        }
    }
}

fn describe_configured(configured: &ConfiguredSubtopology) -> Subtopology {
    let topics = |topics: &BTreeMap<String, InternalTopic>| topics.values().cloned().collect();
    Subtopology {
        source_topics: configured.source_topics.iter().cloned().collect(),
        repartition_sinks: configured.repartition_sinks.iter().cloned().collect(),
        repartition_sources: topics(&configured.repartition_sources),
        changelogs: topics(&configured.changelogs),
        ..Subtopology::default()
    }
}

/// What the application said, in order of names; places in lists mean nothing then.
fn in_order(mut subtopology: Subtopology) -> Subtopology {
    let by_name = |one: &InternalTopic, other: &InternalTopic| one.name.cmp(&other.name);
    subtopology.copartition_groups.clear();
    subtopology.source_topics.sort();
    subtopology.repartition_sinks.sort();
    subtopology.repartition_sources.sort_by(by_name);
    subtopology.changelogs.sort_by(by_name);
    subtopology
}
