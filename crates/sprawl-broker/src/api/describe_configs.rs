//! DescribeConfigs (key 32): every setting with its source, synonyms, type and documentation.
//!
//! Source: `ConfigHelper.describeConfigs`; KIP-226, KIP-569.

use std::sync::Arc;

use sprawl_core::config::{
    BrokerScope, ConfigEntry, ConfigMap, ConfigSynonym, describe_broker, describe_client_metrics,
    describe_group, describe_topic,
};
use sprawl_core::metadata::{ConfigResource, check_topic_name};
use sprawl_protocol::messages::describe_configs_request::DescribeConfigsResource;
use sprawl_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use sprawl_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::admin::{Failure, config_resource};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// What goes with each value.
#[derive(Clone, Copy)]
struct Detail {
    synonyms: Wanted,
    documentation: Wanted,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Yes,
    No,
}

impl From<bool> for Wanted {
    fn from(asked: bool) -> Self {
        if asked { Self::Yes } else { Self::No }
    }
}

/// Describes each resource.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let detail = Detail {
        synonyms: request.include_synonyms.into(),
        documentation: request.include_documentation.into(),
    };
    let results = request
        .resources
        .into_iter()
        .map(|resource| describe(broker, resource, detail));
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe(
    broker: &Broker,
    resource: DescribeConfigsResource,
    detail: Detail,
) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default().with_resource_type(resource.resource_type);
    let result = match entries(broker, &resource) {
        Ok(entries) => {
            let asked = |entry: &&ConfigEntry| is_asked(&resource, entry.name);
            let configs = entries
                .iter()
                .filter(asked)
                .map(|entry| on_wire(entry, detail));
            result.with_configs(configs.collect())
        }
        Err(failure) => result
            .with_error_code(failure.code.number())
            .with_error_message(failure.wire_message()),
    };
    result.with_resource_name(resource.resource_name)
}

/// An empty list of names asks for all, as Kafka has it.
fn is_asked(resource: &DescribeConfigsResource, name: &str) -> bool {
    let keys = resource.configuration_keys.as_deref().unwrap_or_default();
    keys.is_empty() || keys.iter().any(|key| key.as_str() == name)
}

fn entries(
    broker: &Broker,
    resource: &DescribeConfigsResource,
) -> Result<Vec<ConfigEntry>, Failure> {
    let image = broker.image();
    let layers = image.layers(broker.broker_id(), &broker.settings.statics);
    let described = match config_resource(broker, resource.resource_type, &resource.resource_name)?
    {
        ConfigResource::Topic(topic) => {
            check_topic_name(&topic.name)
                .map_err(|reason| Failure::new(ErrorCode::InvalidTopicException, reason))?;
            let known = image.topic(topic.tenant, &topic.name);
            let known = known.ok_or_else(|| Failure::of(ErrorCode::UnknownTopicOrPartition))?;
            describe_topic(&known.configs, &layers)
        }
        ConfigResource::Broker(_) => describe_broker(BrokerScope::One, &layers),
        ConfigResource::BrokerDefault => describe_broker(BrokerScope::All, &layers),
        ConfigResource::Group(group_id) => {
            let none = ConfigMap::new();
            describe_group(image.group_configs(&group_id).unwrap_or(&none), &layers)
        }
        ConfigResource::ClientMetrics(name) => {
            let none = ConfigMap::new();
            describe_client_metrics(image.client_metrics().get(&name).unwrap_or(&none))
        }
    };
    Ok(described?)
}

fn on_wire(entry: &ConfigEntry, detail: Detail) -> DescribeConfigsResourceResult {
    let synonyms = match detail.synonyms {
        Wanted::Yes => entry.synonyms.iter().map(synonym_on_wire).collect(),
        Wanted::No => Vec::new(),
    };
    let documentation = match detail.documentation {
        Wanted::Yes => Some(StrBytes::from_static_str(entry.doc)),
        Wanted::No => None,
    };
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(entry.name))
        .with_value(entry.value.clone().map(StrBytes::from_string))
        .with_read_only(entry.read_only)
        .with_config_source(entry.source.wire_id())
        .with_is_sensitive(false)
        .with_synonyms(synonyms)
        .with_config_type(entry.config_type.wire_id())
        .with_documentation(documentation)
}

fn synonym_on_wire(synonym: &ConfigSynonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(StrBytes::from_static_str(synonym.name))
        .with_value(Some(StrBytes::from_string(synonym.value.clone())))
        .with_source(synonym.source.wire_id())
}
