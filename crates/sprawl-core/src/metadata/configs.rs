//! Settings made at run time: on topics, on one broker, on all of them.

use std::sync::Arc;

use super::command::{ConfigAction, ConfigOp, ConfigResource, MetadataReply};
use super::error::MetadataError;
use super::image::{MetadataImage, Topic};
use crate::config::{
    ClientMetricsConfig, ConfigError, ConfigLayers, ConfigMap, ConfigType, Definition, TopicConfig,
    broker_definition, check_dynamic_broker, check_group, client_metrics_definition,
    group_definition, topic_definition,
};

/// The most client metrics subscriptions of a cluster. Each is looked at for each client.
const CLIENT_METRICS_MAX: usize = 1_000;

pub(super) fn alter(
    image: &mut MetadataImage,
    resource: &ConfigResource,
    ops: &[ConfigOp],
) -> Result<MetadataReply, MetadataError> {
    let configs = plan_alter_configs(image, resource, ops)?;
    store(image, resource, configs);
    Ok(MetadataReply::Done)
}

pub(super) fn replace(
    image: &mut MetadataImage,
    resource: &ConfigResource,
    configs: &ConfigMap,
) -> Result<MetadataReply, MetadataError> {
    plan_replace_configs(image, resource, configs)?;
    store(image, resource, configs.clone());
    Ok(MetadataReply::Done)
}

/// Returns the settings that `ops` would leave.
pub fn plan_alter_configs(
    image: &MetadataImage,
    resource: &ConfigResource,
    ops: &[ConfigOp],
) -> Result<ConfigMap, MetadataError> {
    let mut configs = current(image, resource)?;
    for ConfigOp { name, action } in ops {
        match action {
            ConfigAction::Set(value) => {
                configs.insert(name.clone(), value.clone());
            }
            ConfigAction::Delete => {
                configs.remove(name);
            }
            ConfigAction::Append(items) | ConfigAction::Subtract(items) => {
                let mut list = list_of(&configs, resource, name)?;
                for item in items.split(',').map(str::trim) {
                    let present = list.iter().any(|known| known == item);
                    match action {
                        ConfigAction::Append(_) if !present => list.push(item.to_owned()),
                        ConfigAction::Subtract(_) => list.retain(|known| known != item),
                        _ => {}
                    }
                }
                configs.insert(name.clone(), list.join(","));
            }
        }
    }
    check(image, resource, &configs)?;
    Ok(configs)
}

/// Checks settings that would replace all there are.
pub fn plan_replace_configs(
    image: &MetadataImage,
    resource: &ConfigResource,
    configs: &ConfigMap,
) -> Result<(), MetadataError> {
    current(image, resource)?;
    check(image, resource, configs)
}

/// Checks a topic's own settings over those made at run time for all brokers. What a broker was
/// started with does not count here: the answer must be the same on every node.
pub(super) fn check_topic_configs(
    image: &MetadataImage,
    configs: &ConfigMap,
) -> Result<(), MetadataError> {
    let none = ConfigMap::new();
    let dynamic_default = image.broker_default_configs();
    let layers = ConfigLayers {
        dynamic_default,
        ..ConfigLayers::empty(&none)
    };
    TopicConfig::resolve(configs, &layers)
        .map(drop)
        .map_err(invalid)
}

fn check(
    image: &MetadataImage,
    resource: &ConfigResource,
    configs: &ConfigMap,
) -> Result<(), MetadataError> {
    match resource {
        ConfigResource::Topic(_) => check_topic_configs(image, configs),
        ConfigResource::Broker(_) | ConfigResource::BrokerDefault => {
            check_dynamic_broker(configs).map_err(invalid)
        }
        ConfigResource::Group(_) => check_group(configs).map_err(invalid),
        ConfigResource::ClientMetrics(name) => check_client_metrics(image, name, configs),
    }
}

fn check_client_metrics(
    image: &MetadataImage,
    name: &str,
    configs: &ConfigMap,
) -> Result<(), MetadataError> {
    ClientMetricsConfig::resolve(configs).map_err(invalid_client_metrics)?;
    let is_new = !configs.is_empty() && !image.client_metrics.contains_key(name);
    if is_new && image.client_metrics.len() >= CLIENT_METRICS_MAX {
        return Err(MetadataError::TooMany {
            what: "client metrics subscriptions".to_owned(),
            max: CLIENT_METRICS_MAX,
        });
    }
    Ok(())
}

/// Kafka answers INVALID_REQUEST to a name that it does not know and to an interval that is out of
/// bounds, and INVALID_CONFIG to the rest.
fn invalid_client_metrics(error: ConfigError) -> MetadataError {
    let is_request = match &error {
        ConfigError::Unknown { .. } => true,
        ConfigError::Invalid { name, value, .. } => {
            name == "interval.ms" && value.trim().parse::<i32>().is_ok()
        }
        ConfigError::NotApplicable { .. }
        | ConfigError::Contradiction { .. }
        | ConfigError::ReadOnly { .. } => false,
    };
    if is_request {
        let reason = error.to_string();
        return MetadataError::InvalidRequest { reason };
    }
    invalid(error)
}

fn current(image: &MetadataImage, resource: &ConfigResource) -> Result<ConfigMap, MetadataError> {
    image.configs_of(resource).ok_or_else(|| match resource {
        ConfigResource::Topic(topic) => MetadataError::UnknownTopic {
            name: topic.name.clone(),
        },
        ConfigResource::Broker(broker_id) => MetadataError::UnknownBroker {
            broker_id: *broker_id,
        },
        ConfigResource::BrokerDefault
        | ConfigResource::Group(_)
        | ConfigResource::ClientMetrics(_) => unreachable!("it is always there"),
    })
}

/// Returns the items of a list setting: those set, else those of its default.
fn list_of(
    configs: &ConfigMap,
    resource: &ConfigResource,
    name: &str,
) -> Result<Vec<String>, MetadataError> {
    let definition = definition(resource, name);
    if definition.is_none_or(|definition| definition.config_type != ConfigType::List) {
        let reason = format!("expected a list to append to or subtract from, found {name}");
        return Err(MetadataError::InvalidConfig { reason });
    }
    let default = definition.and_then(|definition| definition.default);
    let text = configs
        .get(name)
        .map(String::as_str)
        .or(default)
        .unwrap_or_default();
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    Ok(items.map(str::to_owned).collect())
}

fn definition(resource: &ConfigResource, name: &str) -> Option<&'static Definition> {
    match resource {
        ConfigResource::Topic(_) => topic_definition(name),
        ConfigResource::Broker(_) | ConfigResource::BrokerDefault => broker_definition(name),
        ConfigResource::Group(_) => group_definition(name),
        ConfigResource::ClientMetrics(_) => client_metrics_definition(name),
    }
}

fn store(image: &mut MetadataImage, resource: &ConfigResource, configs: ConfigMap) {
    match resource {
        ConfigResource::Topic(topic) => {
            let known = image
                .topic(topic.tenant, &topic.name)
                .expect("checked by the plan");
            let changed = Topic {
                configs,
                ..Topic::clone(known)
            };
            image.put_topic(changed);
        }
        ConfigResource::Broker(id) if configs.is_empty() => {
            Arc::make_mut(&mut image.broker_configs).remove(id);
        }
        ConfigResource::Broker(id) => {
            Arc::make_mut(&mut image.broker_configs).insert(*id, configs);
        }
        ConfigResource::BrokerDefault => image.broker_default_configs = Arc::new(configs),
        ConfigResource::Group(group_id) if configs.is_empty() => {
            Arc::make_mut(&mut image.group_configs).remove(group_id);
        }
        ConfigResource::Group(group_id) => {
            Arc::make_mut(&mut image.group_configs).insert(group_id.clone(), configs);
        }
        ConfigResource::ClientMetrics(name) if configs.is_empty() => {
            Arc::make_mut(&mut image.client_metrics).remove(name);
        }
        ConfigResource::ClientMetrics(name) => {
            Arc::make_mut(&mut image.client_metrics).insert(name.clone(), configs);
        }
    }
}

fn invalid(error: ConfigError) -> MetadataError {
    MetadataError::InvalidConfig {
        reason: error.to_string(),
    }
}
