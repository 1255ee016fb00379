//! IncrementalAlterConfigs (key 44): sets, deletes, appends and subtracts, or only checks.
//!
//! Source: `ConfigAdminManager.preprocess`, `ConfigurationControlManager.incrementalAlterConfigs`;
//! KIP-339.

use std::sync::Arc;

use sprawl_core::metadata::{ConfigAction, ConfigOp, MetadataCommand, plan_alter_configs};
use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use sprawl_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use sprawl_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::admin::{Failure, as_resource, check_here, check_once, config_resource};
use super::config_changes::{ConfigChange, Mode, apply_all};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Changes or checks each resource's settings.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mode = Mode::from(request.validate_only);
    let results = apply_all(broker, mode, &request.resources).await;
    let responses = results.into_iter().map(|result| {
        AlterConfigsResourceResponse::default()
            .with_error_code(result.error_code)
            .with_error_message(result.error_message)
            .with_resource_type(result.resource_type)
            .with_resource_name(result.resource_name)
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

impl ConfigChange for AlterConfigsResource {
    fn resource(&self) -> (i8, &StrBytes) {
        (self.resource_type, &self.resource_name)
    }

    fn check(&self, broker: &Broker) -> Result<MetadataCommand, Failure> {
        let resource = config_resource(broker, self.resource_type, &self.resource_name)?;
        check_once(self.configs.iter().map(|config| config.name.as_str()))?;
        let ops: Result<Vec<_>, _> = self.configs.iter().map(op).collect();
        let ops = ops?;
        let image = broker.image();
        let configs = plan_alter_configs(&image, &resource, &ops)
            .map_err(|error| as_resource(&resource, error.into()))?;
        check_here(broker, &image, &resource, &configs)?;
        Ok(MetadataCommand::AlterConfigs { resource, ops })
    }
}

/// Reads a change; its numbers are those of Kafka's `AlterConfigOp.OpType`.
fn op(config: &AlterableConfig) -> Result<ConfigOp, Failure> {
    let name = config.name.to_string();
    let value = || {
        let value = config.value.as_ref().map(ToString::to_string);
        let missing = || format!("expected a value for {}, found null", config.name.as_str());
        value.ok_or_else(|| Failure::invalid_request(missing()))
    };
    let action = match config.config_operation {
        0 => ConfigAction::Set(value()?),
        1 => ConfigAction::Delete,
        2 => ConfigAction::Append(value()?),
        3 => ConfigAction::Subtract(value()?),
        other => {
            let message = format!("expected operation 0 to 3 on {name}, found {other}");
            return Err(Failure::invalid_request(message));
        }
    };
    Ok(ConfigOp { name, action })
}
