//! Creating, growing and deleting topics; where their bytes are.

use std::collections::BTreeMap;

use sprawl_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use sprawl_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use sprawl_protocol::messages::delete_topics_request::DeleteTopicState;
use sprawl_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeLogDirsRequest,
};
use sprawl_protocol::{ApiKey, StrBytes};

use super::{Admin, CHANGE_WAIT_MS};
use crate::client::topic_name;
use crate::error::ClientError;

/// A topic to create.
#[derive(Clone, Debug, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Its partitions; `None` for the broker's default.
    pub partition_count: Option<i32>,
    /// Its replicas; `None` for the broker's default.
    pub replication_factor: Option<i16>,
    /// Its settings.
    pub configs: BTreeMap<String, String>,
}

/// One log directory of one broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerLogDir {
    /// The broker.
    pub broker_id: i32,
    /// The directory.
    pub path: String,
    /// All bytes of its disk, -1 where unknown.
    pub total_bytes: i64,
    /// Bytes still free, -1 where unknown.
    pub usable_bytes: i64,
    /// Whether no new partitions are placed there.
    pub is_cordoned: bool,
    /// What is in it, by topic and partition.
    pub partitions: BTreeMap<(String, i32), LogDirPartition>,
}

/// A partition in a log directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogDirPartition {
    /// The size of its segments, in bytes.
    pub size_bytes: i64,
    /// How many records it is behind.
    pub offset_lag: i64,
    /// Whether it will take the place of the partition's log elsewhere.
    pub is_future: bool,
}

/// Whether a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Apply {
    Now,
    ValidateOnly,
}

impl Admin {
    /// Creates a topic.
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<(), ClientError> {
        self.send_new_topic(topic, Apply::Now).await
    }

    /// Says whether a topic could be created.
    pub async fn validate_topic(&self, topic: &NewTopic) -> Result<(), ClientError> {
        self.send_new_topic(topic, Apply::ValidateOnly).await
    }

    async fn send_new_topic(&self, topic: &NewTopic, apply: Apply) -> Result<(), ClientError> {
        let configs = topic.configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_value(Some(StrBytes::from_string(value.clone())))
        });
        let creatable = CreatableTopic::default()
            .with_name(topic_name(&topic.name))
            .with_num_partitions(topic.partition_count.unwrap_or(-1))
            .with_replication_factor(topic.replication_factor.unwrap_or(-1))
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![creatable])
            .with_timeout_ms(CHANGE_WAIT_MS)
            .with_validate_only(apply == Apply::ValidateOnly);
        let response = self.client.any().await?.call(request).await?;
        for result in response.topics {
            let message = result.error_message.map(|message| message.to_string());
            ClientError::check_with(
                || format!("topic {}", topic.name),
                result.error_code,
                message,
            )?;
        }
        self.client.forget_topic(&topic.name);
        Ok(())
    }

    /// Deletes a topic with everything in it.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        // Version 6 has the names in a field of its own; older ones in the plain list.
        let state = DeleteTopicState::default().with_name(Some(topic_name(name)));
        let connection = self.client.any().await?;
        let by_state = connection.version_of(ApiKey::DeleteTopics)? >= 6;
        let mut request = DeleteTopicsRequest::default().with_timeout_ms(CHANGE_WAIT_MS);
        if by_state {
            request.topics = vec![state];
        } else {
            request.topic_names = vec![topic_name(name)];
        }
        let response = connection.call(request).await?;
        for result in response.responses {
            let message = result.error_message.map(|message| message.to_string());
            ClientError::check_with(|| format!("topic {name}"), result.error_code, message)?;
        }
        self.client.forget_topic(name);
        Ok(())
    }

    /// Grows a topic to `count` partitions in all.
    pub async fn create_partitions(&self, name: &str, count: i32) -> Result<(), ClientError> {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(CHANGE_WAIT_MS);
        let response = self.client.any().await?.call(request).await?;
        for result in response.results {
            let message = result.error_message.map(|message| message.to_string());
            ClientError::check_with(|| format!("topic {name}"), result.error_code, message)?;
        }
        self.client.forget_topic(name);
        Ok(())
    }

    /// Lists the log directories of every broker with the bytes of every partition.
    pub async fn log_dirs(&self) -> Result<Vec<BrokerLogDir>, ClientError> {
        let cluster = self.client.cluster(Some(&[])).await?;
        let mut dirs = Vec::new();
        for broker_id in cluster.brokers.keys() {
            let request = DescribeLogDirsRequest::default().with_topics(None);
            let response = self.client.broker(*broker_id).await?.call(request).await?;
            ClientError::check(
                || format!("log directories of broker {broker_id}"),
                response.error_code,
            )?;
            for result in response.results {
                let what = || format!("log directory {}", result.log_dir);
                ClientError::check(what, result.error_code)?;
                let partitions = result.topics.into_iter().flat_map(|topic| {
                    let name = topic.name.to_string();
                    topic.partitions.into_iter().map(move |partition| {
                        let found = LogDirPartition {
                            size_bytes: partition.partition_size,
                            offset_lag: partition.offset_lag,
                            is_future: partition.is_future_key,
                        };
                        ((name.clone(), partition.partition_index), found)
                    })
                });
                dirs.push(BrokerLogDir {
                    broker_id: *broker_id,
                    partitions: partitions.collect(),
                    path: result.log_dir.to_string(),
                    total_bytes: result.total_bytes,
                    usable_bytes: result.usable_bytes,
                    is_cordoned: result.is_cordoned,
                });
            }
        }
        Ok(dirs)
    }
}
