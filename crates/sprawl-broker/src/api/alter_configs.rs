//! AlterConfigs (key 33): replaces all settings of each resource, or only checks.
//!
//! Source: `ConfigAdminManager.preprocess`, `ConfigurationControlManager.legacyAlterConfigs`;
//! KIP-133.

use std::sync::Arc;

use sprawl_core::config::ConfigMap;
use sprawl_core::metadata::{MetadataCommand, plan_replace_configs};
use sprawl_protocol::messages::alter_configs_request::AlterConfigsResource;
use sprawl_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use sprawl_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::admin::{
    Failure, Mode, as_resource, check_here, check_once, code_and_message, config_resource,
    duplicates,
};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Replaces or checks each resource's settings.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let mode = Mode::from(request.validate_only);
    let key =
        |resource: &AlterConfigsResource| (resource.resource_type, resource.resource_name.clone());
    let keys: Vec<_> = request.resources.iter().map(key).collect();
    let twice = duplicates(keys.iter());
    let mut responses = Vec::with_capacity(request.resources.len());
    for (resource, key) in request.resources.iter().zip(&keys) {
        let altered = if twice.contains(key) {
            Err(Failure::invalid_request(
                "expected each resource once, found it twice",
            ))
        } else {
            mode.finish(broker, checked(broker, resource)).await
        };
        let (code, message) = code_and_message(&altered);
        responses.push(
            AlterConfigsResourceResponse::default()
                .with_error_code(code)
                .with_error_message(message)
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone()),
        );
    }
    AlterConfigsResponse::default().with_responses(responses)
}

fn checked(broker: &Broker, asked: &AlterConfigsResource) -> Result<MetadataCommand, Failure> {
    let resource = config_resource(broker, asked.resource_type, &asked.resource_name)?;
    let configs = configs(asked)?;
    let image = broker.image();
    plan_replace_configs(&image, &resource, &configs)
        .map_err(|error| as_resource(&resource, error.into()))?;
    check_here(broker, &image, &resource, &configs)?;
    Ok(MetadataCommand::ReplaceConfigs { resource, configs })
}

fn configs(asked: &AlterConfigsResource) -> Result<ConfigMap, Failure> {
    check_once(asked.configs.iter().map(|config| config.name.as_str()))?;
    let entry = |config: &sprawl_protocol::messages::alter_configs_request::AlterableConfig| {
        let value = config.value.as_ref().ok_or_else(|| {
            let name = config.name.as_str();
            Failure::invalid_request(format!("expected a value for {name}, found null"))
        })?;
        Ok((config.name.to_string(), value.to_string()))
    };
    asked.configs.iter().map(entry).collect()
}
