//! AlterConfigs (key 33): replaces all settings of each resource, or only checks.
//!
//! Source: `ConfigAdminManager.preprocess`, `ConfigurationControlManager.legacyAlterConfigs`;
//! KIP-133.

use std::sync::Arc;

use sprawl_core::config::ConfigMap;
use sprawl_core::metadata::{MetadataCommand, plan_replace_configs};
use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::alter_configs_request::AlterConfigsResource;
use sprawl_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use sprawl_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::admin::{Failure, as_resource, check_here, check_once, config_resource};
use super::config_changes::{ConfigChange, Mode, apply_all};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Replaces or checks each resource's settings.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let mode = Mode::from(request.validate_only);
    let results = apply_all(broker, mode, &request.resources).await;
    let responses = results.into_iter().map(|result| {
        AlterConfigsResourceResponse::default()
            .with_error_code(result.error_code)
            .with_error_message(result.error_message)
            .with_resource_type(result.resource_type)
            .with_resource_name(result.resource_name)
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

impl ConfigChange for AlterConfigsResource {
    fn resource(&self) -> (i8, &StrBytes) {
        (self.resource_type, &self.resource_name)
    }

    fn check(&self, broker: &Broker) -> Result<MetadataCommand, Failure> {
        let resource = config_resource(broker, self.resource_type, &self.resource_name)?;
        let configs = configs(self)?;
        let image = broker.image();
        plan_replace_configs(&image, &resource, &configs)
            .map_err(|error| as_resource(&resource, error.into()))?;
        check_here(broker, &image, &resource, &configs)?;
        Ok(MetadataCommand::ReplaceConfigs { resource, configs })
    }
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
