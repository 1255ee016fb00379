//! Groups of consumers: who is in them, what they have committed, and changing that.

use std::collections::BTreeMap;

use sprawl_protocol::messages::consumer_group_describe_response::Assignment;
use sprawl_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use sprawl_protocol::messages::{
    ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, GroupId,
    ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::Admin;
use super::streams_groups::MemberTasks;
use crate::client::topic_name;
use crate::error::ClientError;
use crate::group::decode_assignment;

/// A group in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupListing {
    /// The group's id.
    pub group_id: String,
    /// `consumer` for consumers.
    pub protocol_type: String,
    /// `classic`, `consumer`, `share` or `streams`; empty where the broker is too old to say.
    pub group_type: String,
    /// Its state in Kafka's words; empty where the broker is too old to say.
    pub state: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
}

/// A group in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupDescription {
    /// The group's id.
    pub group_id: String,
    /// `classic`, `consumer` or `streams`.
    pub group_type: &'static str,
    /// Its state in Kafka's words.
    pub state: String,
    /// The epochs of a consumer or streams group.
    pub epochs: Option<GroupEpochs>,
    /// How partitions are assigned, such as `range`.
    pub assignor: String,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// The epochs of a consumer group (KIP-848) or a streams group (KIP-1071).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupEpochs {
    /// Of subscriptions and topics.
    pub group: i32,
    /// Of the target assignment.
    pub assignment: i32,
}

/// A member of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMember {
    /// The id its coordinator gave it.
    pub member_id: String,
    /// Its static name.
    pub group_instance_id: Option<String>,
    /// The client's own name.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// Its partitions, by topic.
    pub assignment: BTreeMap<String, Vec<i32>>,
    /// In a consumer or streams group: its epoch.
    pub epoch: Option<i32>,
    /// In a consumer or streams group: the partitions it should have, by topic.
    pub target: Option<BTreeMap<String, Vec<i32>>>,
    /// In a streams group: the tasks it runs.
    pub tasks: Option<MemberTasks>,
}

/// Committed offsets by topic and partition.
pub(crate) type Committed = BTreeMap<(String, i32), i64>;

pub(crate) fn group_id(group_id: &str) -> GroupId {
    GroupId(StrBytes::from_string(group_id.to_owned()))
}

impl Admin {
    /// Lists the groups of every broker, sorted by id.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, ClientError> {
        let cluster = self.client.cluster(Some(&[])).await?;
        let mut groups = Vec::new();
        for broker_id in cluster.brokers.keys() {
            let response = self
                .client
                .broker(*broker_id)
                .await?
                .call(ListGroupsRequest::default())
                .await?;
            ClientError::check(
                || format!("groups of broker {broker_id}"),
                response.error_code,
            )?;
            groups.extend(response.groups.into_iter().map(|group| GroupListing {
                group_id: group.group_id.to_string(),
                protocol_type: group.protocol_type.to_string(),
                group_type: group.group_type.to_string(),
                state: group.group_state.to_string(),
                coordinator: *broker_id,
            }));
        }
        groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        Ok(groups)
    }

    /// Describes one classic, consumer or streams group. A group nobody knows is described as
    /// `Dead`.
    pub async fn describe_group(&self, id: &str) -> Result<GroupDescription, ClientError> {
        self.client
            .retrying(async || self.describe_group_once(id).await)
            .await
    }

    async fn describe_group_once(&self, id: &str) -> Result<GroupDescription, ClientError> {
        if let Some(description) = self.describe_consumer_group(id).await? {
            return Ok(description);
        }
        match self.describe_streams_group(id).await? {
            Some(description) => Ok(description),
            None => self.describe_classic_group(id).await,
        }
    }

    /// `None` where the group is no consumer group, or the broker does not know such groups.
    async fn describe_consumer_group(
        &self,
        id: &str,
    ) -> Result<Option<GroupDescription>, ClientError> {
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(id)]);
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
        let members = group.members.into_iter().map(|member| GroupMember {
            member_id: member.member_id.to_string(),
            group_instance_id: member.instance_id.map(|id| id.to_string()),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            assignment: by_topic(member.assignment),
            epoch: Some(member.member_epoch),
            target: Some(by_topic(member.target_assignment)),
            tasks: None,
        });
        Ok(Some(GroupDescription {
            group_id: id.to_owned(),
            group_type: "consumer",
            state: group.group_state.to_string(),
            epochs: Some(GroupEpochs {
                group: group.group_epoch,
                assignment: group.assignment_epoch,
            }),
            assignor: group.assignor_name.to_string(),
            members: members.collect(),
        }))
    }

    async fn describe_classic_group(&self, id: &str) -> Result<GroupDescription, ClientError> {
        let request = DescribeGroupsRequest::default().with_groups(vec![group_id(id)]);
        let response = self.client.call_coordinator(id, request).await?;
        let missing = || ClientError::Malformed("no group in the answer".to_owned());
        let group = response.groups.into_iter().next().ok_or_else(missing)?;
        if group.error_code == ErrorCode::GroupIdNotFound.number() {
            return Ok(GroupDescription {
                group_id: id.to_owned(),
                group_type: "classic",
                state: "Dead".to_owned(),
                ..GroupDescription::default()
            });
        }
        let message = group.error_message.map(|message| message.to_string());
        ClientError::check_with(|| format!("group {id}"), group.error_code, message)?;
        let members = group.members.into_iter().map(|member| {
            Ok(GroupMember {
                member_id: member.member_id.to_string(),
                group_instance_id: member.group_instance_id.map(|id| id.to_string()),
                client_id: member.client_id.to_string(),
                host: member.client_host.to_string(),
                assignment: decode_assignment(&member.member_assignment)?,
                epoch: None,
                target: None,
                tasks: None,
            })
        });
        Ok(GroupDescription {
            group_id: id.to_owned(),
            group_type: "classic",
            state: group.group_state.to_string(),
            epochs: None,
            assignor: group.protocol_data.to_string(),
            members: members.collect::<Result<_, ClientError>>()?,
        })
    }

    /// Returns everything a group has committed.
    pub async fn committed(&self, id: &str) -> Result<BTreeMap<(String, i32), i64>, ClientError> {
        self.client
            .retrying(async || self.committed_once(id).await)
            .await
    }

    async fn committed_once(&self, id: &str) -> Result<Committed, ClientError> {
        let request = OffsetFetchRequest {
            group_id: group_id(id),
            topics: None,
            ..Default::default()
        };
        let response = self.client.call_coordinator(id, request).await?;
        ClientError::check(|| format!("offsets of group {id}"), response.error_code)?;
        let mut committed = Committed::new();
        for topic in response.topics {
            for partition in topic.partitions {
                let name = topic.name.to_string();
                let what = || format!("offset of group {id} in {name}");
                ClientError::check(what, partition.error_code)?;
                if partition.committed_offset >= 0 {
                    committed.insert(
                        (name, partition.partition_index),
                        partition.committed_offset,
                    );
                }
            }
        }
        Ok(committed)
    }

    /// Commits offsets for a group without members.
    ///
    /// Errors: `Broker` with `UNKNOWN_MEMBER_ID` where the group has members.
    pub async fn commit_for_group(
        &self,
        id: &str,
        offsets: &BTreeMap<(String, i32), i64>,
    ) -> Result<(), ClientError> {
        self.client
            .retrying(async || self.commit_for_group_once(id, offsets).await)
            .await
    }

    async fn commit_for_group_once(
        &self,
        id: &str,
        offsets: &Committed,
    ) -> Result<(), ClientError> {
        let request = OffsetCommitRequest {
            group_id: group_id(id),
            generation_id_or_member_epoch: -1,
            topics: commit_topics(offsets),
            ..Default::default()
        };
        let response = self.client.call_coordinator(id, request).await?;
        for topic in response.topics {
            for partition in topic.partitions {
                let name = topic.name.to_string();
                let index = partition.partition_index;
                let what = || format!("offset of group {id} in {name}-{index}");
                ClientError::check(what, partition.error_code)?;
            }
        }
        Ok(())
    }

    /// Deletes a group without members, with its offsets.
    pub async fn delete_group(&self, id: &str) -> Result<(), ClientError> {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(id)]);
        let response = self.client.call_coordinator(id, request).await?;
        for result in response.results {
            ClientError::check(|| format!("group {id}"), result.error_code)?;
        }
        Ok(())
    }
}

fn by_topic(assignment: Assignment) -> BTreeMap<String, Vec<i32>> {
    let topics = assignment.topic_partitions.into_iter();
    topics
        .map(|topic| (topic.topic_name.to_string(), topic.partitions))
        .collect()
}

/// Offsets in the form of a commit request.
pub(crate) fn commit_topics(offsets: &Committed) -> Vec<OffsetCommitRequestTopic> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for ((topic, partition), offset) in offsets {
        let committed = OffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: *offset,
            committed_leader_epoch: -1,
            committed_metadata: Some(StrBytes::default()),
        };
        topics.entry(topic).or_default().push(committed);
    }
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| OffsetCommitRequestTopic {
            name: topic_name(name),
            partitions,
            ..Default::default()
        });
    topics.collect()
}
