//! Reading and changing settings of topics, brokers, groups and client metrics.

use std::collections::BTreeMap;

use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::describe_configs_request::DescribeConfigsResource;
use sprawl_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use sprawl_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::Admin;
use crate::error::ClientError;

/// Whose settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigResource {
    /// A topic's.
    Topic(String),
    /// A broker's.
    Broker(i32),
    /// A group's.
    Group(String),
    /// A client metrics subscription's (KIP-714).
    ClientMetrics(String),
}

impl ConfigResource {
    /// The resource type and name on the wire.
    fn wire(&self) -> (i8, String) {
        match self {
            Self::Topic(name) => (2, name.clone()),
            Self::Broker(id) => (4, id.to_string()),
            Self::Group(id) => (32, id.clone()),
            Self::ClientMetrics(name) => (16, name.clone()),
        }
    }
}

impl std::fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Broker(id) => write!(f, "broker {id}"),
            Self::Group(id) => write!(f, "group {id}"),
            Self::ClientMetrics(name) => write!(f, "client metrics {name}"),
        }
    }
}

/// One setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` where it is secret or not set.
    pub value: Option<String>,
    /// Where the value comes from, in Kafka's words.
    pub source: &'static str,
    /// Whether it cannot be changed while running.
    pub read_only: bool,
    /// What it does.
    pub documentation: Option<String>,
}

/// A change of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    /// Gives it a value.
    Set(String),
    /// Returns it to its default.
    Delete,
    /// Adds to a list.
    Append(String),
    /// Takes from a list.
    Subtract(String),
}

impl Admin {
    /// Returns every setting of `resource`, sorted by name.
    pub async fn describe_configs(
        &self,
        resource: &ConfigResource,
    ) -> Result<Vec<ConfigEntry>, ClientError> {
        let (kind, name) = resource.wire();
        let wanted = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default()
            .with_resources(vec![wanted])
            .with_include_documentation(true);
        let response = self.connection_for(resource).await?.call(request).await?;
        let mut entries = Vec::new();
        for result in response.results {
            let message = result.error_message.map(|message| message.to_string());
            ClientError::check_with(|| resource.to_string(), result.error_code, message)?;
            entries.extend(result.configs.into_iter().map(|entry| ConfigEntry {
                name: entry.name.to_string(),
                value: entry.value.map(|value| value.to_string()),
                source: source_name(entry.config_source),
                read_only: entry.read_only,
                documentation: entry.documentation.map(|text| text.to_string()),
            }));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Changes some settings of `resource`; the others stay.
    pub async fn alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &BTreeMap<String, ConfigOperation>,
    ) -> Result<(), ClientError> {
        let configs = changes.iter().map(|(name, operation)| {
            let (code, value) = match operation {
                ConfigOperation::Set(value) => (0, Some(value)),
                ConfigOperation::Delete => (1, None),
                ConfigOperation::Append(value) => (2, Some(value)),
                ConfigOperation::Subtract(value) => (3, Some(value)),
            };
            AlterableConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_config_operation(code)
                .with_value(value.map(|value| StrBytes::from_string(value.clone())))
        });
        let (kind, name) = resource.wire();
        let changed = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name))
            .with_configs(configs.collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![changed]);
        let response = self.connection_for(resource).await?.call(request).await?;
        for result in response.responses {
            let message = result.error_message.map(|message| message.to_string());
            ClientError::check_with(|| resource.to_string(), result.error_code, message)?;
        }
        Ok(())
    }

    async fn connection_for(
        &self,
        resource: &ConfigResource,
    ) -> Result<std::sync::Arc<crate::Connection>, ClientError> {
        match resource {
            ConfigResource::Topic(_)
            | ConfigResource::Group(_)
            | ConfigResource::ClientMetrics(_) => self.client.any().await,
            ConfigResource::Broker(id) => self.client.broker(*id).await,
        }
    }
}

/// Kafka's names for the sources of a value (`DescribeConfigs`).
fn source_name(source: i8) -> &'static str {
    match source {
        1 => "DYNAMIC_TOPIC_CONFIG",
        2 => "DYNAMIC_BROKER_CONFIG",
        3 => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        4 => "STATIC_BROKER_CONFIG",
        5 => "DEFAULT_CONFIG",
        6 => "DYNAMIC_BROKER_LOGGER_CONFIG",
        7 => "DYNAMIC_CLIENT_METRICS_CONFIG",
        8 => "DYNAMIC_GROUP_CONFIG",
        _ => "UNKNOWN",
    }
}
