//! AlterConfigs (key 33): replaces all settings of each resource, or only checks.
//!
//! Source: `ConfigAdminManager.preprocess`, `ConfigurationControlManager.legacyAlterConfigs`; KIP-133.

use std::sync::Arc;

use sprawl_core::config::ConfigMap;
use sprawl_core::metadata::{MetadataCommand, plan_replace_configs};
use sprawl_protocol::messages::alter_configs_request::AlterConfigsResource;
use sprawl_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use sprawl_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::admin::{
    Failure, as_resource, check_here, code_and_message, config_resource, duplicates,
};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Replaces or checks each resource's settings.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in &request.resources {
        let same = |other: &&AlterConfigsResource| {
            other.resource_type == resource.resource_type
                && other.resource_name == resource.resource_name
        };
        let altered = if request.resources.iter().filter(same).count() > 1 {
            Err(Failure::invalid_request(
                "expected each resource once, found it twice",
            ))
        } else {
            match checked(broker, resource) {
                Ok(command) if !request.validate_only => broker
                    .propose(command)
                    .await
                    .map(drop)
                    .map_err(Failure::from),
                checked => checked.map(drop),
            }
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
    if let Some(name) = duplicates(asked.configs.iter().map(|config| config.name.as_str())).first()
    {
        return Err(Failure::invalid_request(format!(
            "expected {name} once, found it twice"
        )));
    }
    let entry = |config: &sprawl_protocol::messages::alter_configs_request::AlterableConfig| {
        let value = config.value.as_ref().ok_or_else(|| {
            let name = config.name.as_str();
            Failure::invalid_request(format!("expected a value for {name}, found null"))
        })?;
        Ok((config.name.to_string(), value.to_string()))
    };
    asked.configs.iter().map(entry).collect()
}
