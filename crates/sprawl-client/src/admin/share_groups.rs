//! Share groups: who is in them, where they stand, and changing that (KIP-932).

use std::collections::BTreeMap;

use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use sprawl_protocol::messages::describe_share_group_offsets_request as wire;
use sprawl_protocol::messages::{
    AlterShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequest, ListGroupsRequest,
    ShareGroupDescribeRequest,
};

use super::{Admin, GroupListing, group_id};
use crate::client::topic_name;
use crate::error::ClientError;

/// A share group in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareGroupDescription {
    /// The group's id.
    pub group_id: String,
    /// Its state in Kafka's words.
    pub state: String,
    /// How partitions are assigned.
    pub assignor: String,
    /// Its members.
    pub members: Vec<ShareGroupMember>,
}

/// A member of a share group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareGroupMember {
    /// Its id.
    pub member_id: String,
    /// The client's own name.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// Its partitions, by topic.
    pub assignment: BTreeMap<String, Vec<i32>>,
}

/// Where a share group stands in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharePosition {
    /// The first record that is not over; `None` where the group has yet to begin.
    pub start_offset: Option<i64>,
    /// How many records are not over; `None` where unknown.
    pub lag: Option<i64>,
}

impl Admin {
    /// Lists the share groups of every broker, sorted by id.
    pub async fn list_share_groups(&self) -> Result<Vec<GroupListing>, ClientError> {
        let cluster = self.client.cluster(Some(&[])).await?;
        let mut groups = Vec::new();
        for broker_id in cluster.brokers.keys() {
            let types = vec![StrBytes::from_static_str("share")];
            let request = ListGroupsRequest::default().with_types_filter(types);
            let response = self.client.broker(*broker_id).await?.call(request).await?;
            let what = || format!("groups of broker {broker_id}");
            ClientError::check(what, response.error_code)?;
            groups.extend(response.groups.into_iter().map(|group| GroupListing {
                group_id: group.group_id.to_string(),
                protocol_type: group.protocol_type.to_string(),
                state: group.group_state.to_string(),
                coordinator: *broker_id,
                ..GroupListing::default()
            }));
        }
        groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        Ok(groups)
    }

    /// Describes one share group.
    pub async fn describe_share_group(
        &self,
        id: &str,
    ) -> Result<ShareGroupDescription, ClientError> {
        self.client
            .retrying(async || self.describe_share_group_once(id).await)
            .await
    }

    async fn describe_share_group_once(
        &self,
        id: &str,
    ) -> Result<ShareGroupDescription, ClientError> {
        let request = ShareGroupDescribeRequest::default().with_group_ids(vec![group_id(id)]);
        let response = self.client.call_coordinator(id, request).await?;
        let missing = || ClientError::Malformed("no group in the answer".to_owned());
        let group = response.groups.into_iter().next().ok_or_else(missing)?;
        let message = group.error_message.map(|message| message.to_string());
        ClientError::check_with(|| format!("share group {id}"), group.error_code, message)?;
        let members = group.members.into_iter().map(|member| {
            let topics = member.assignment.topic_partitions.into_iter();
            ShareGroupMember {
                member_id: member.member_id.to_string(),
                client_id: member.client_id.to_string(),
                host: member.client_host.to_string(),
                assignment: topics
                    .map(|topic| (topic.topic_name.to_string(), topic.partitions))
                    .collect(),
            }
        });
        Ok(ShareGroupDescription {
            group_id: id.to_owned(),
            state: group.group_state.to_string(),
            assignor: group.assignor_name.to_string(),
            members: members.collect(),
        })
    }

    /// Tells where a share group stands in every partition that it consumes.
    pub async fn share_positions(
        &self,
        id: &str,
    ) -> Result<BTreeMap<(String, i32), SharePosition>, ClientError> {
        self.client
            .retrying(async || self.share_positions_once(id).await)
            .await
    }

    async fn share_positions_once(
        &self,
        id: &str,
    ) -> Result<BTreeMap<(String, i32), SharePosition>, ClientError> {
        let group = wire::DescribeShareGroupOffsetsRequestGroup::default()
            .with_group_id(group_id(id))
            .with_topics(None);
        let request = DescribeShareGroupOffsetsRequest::default().with_groups(vec![group]);
        let response = self.client.call_coordinator(id, request).await?;
        let mut positions = BTreeMap::new();
        for group in response.groups {
            let message = group.error_message.map(|message| message.to_string());
            ClientError::check_with(|| format!("share group {id}"), group.error_code, message)?;
            for topic in group.topics {
                let name = topic.topic_name.to_string();
                for one in topic.partitions {
                    let place = (name.clone(), one.partition_index);
                    let what = || format!("share group {id} in {name}-{}", one.partition_index);
                    ClientError::check(what, one.error_code)?;
                    let known = |number: i64| (number >= 0).then_some(number);
                    let position = SharePosition {
                        start_offset: known(one.start_offset),
                        lag: known(one.start_offset).and_then(|_| known(one.lag)),
                    };
                    positions.insert(place, position);
                }
            }
        }
        Ok(positions)
    }

    /// Has a share group without members go on from other offsets.
    pub async fn alter_share_positions(
        &self,
        id: &str,
        offsets: &BTreeMap<(String, i32), i64>,
    ) -> Result<(), ClientError> {
        let mut topics: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for ((topic, partition), offset) in offsets {
            let one = AlterShareGroupOffsetsRequestPartition::default()
                .with_partition_index(*partition)
                .with_start_offset(*offset);
            topics.entry(topic).or_default().push(one);
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            AlterShareGroupOffsetsRequestTopic::default()
                .with_topic_name(topic_name(name))
                .with_partitions(partitions)
        });
        let request = AlterShareGroupOffsetsRequest::default()
            .with_group_id(group_id(id))
            .with_topics(topics.collect());
        let response = self.client.call_coordinator(id, request).await?;
        let message = response.error_message.map(|message| message.to_string());
        ClientError::check_with(|| format!("share group {id}"), response.error_code, message)?;
        for topic in response.responses {
            for one in topic.partitions {
                let name = topic.topic_name.to_string();
                let what = || format!("share group {id} in {name}-{}", one.partition_index);
                ClientError::check(what, one.error_code)?;
            }
        }
        Ok(())
    }
}
