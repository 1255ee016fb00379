//! IncrementalAlterConfigs (key 44): sets, deletes, appends and subtracts, or only checks.
//!
//! Source: `ConfigAdminManager.preprocess`, `ConfigurationControlManager.incrementalAlterConfigs`;
//! KIP-339.

use std::sync::Arc;

use sprawl_core::metadata::{ConfigAction, ConfigOp, MetadataCommand, plan_alter_configs};
use sprawl_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use sprawl_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use sprawl_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::admin::{
    Failure, Mode, as_resource, check_here, check_once, code_and_message, config_resource,
    duplicates,
};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Changes or checks each resource's settings.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
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
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

fn checked(broker: &Broker, asked: &AlterConfigsResource) -> Result<MetadataCommand, Failure> {
    let resource = config_resource(broker, asked.resource_type, &asked.resource_name)?;
    check_once(asked.configs.iter().map(|config| config.name.as_str()))?;
    let ops = asked
        .configs
        .iter()
        .map(op)
        .collect::<Result<Vec<_>, _>>()?;
    let image = broker.image();
    let configs = plan_alter_configs(&image, &resource, &ops)
        .map_err(|error| as_resource(&resource, error.into()))?;
    check_here(broker, &image, &resource, &configs)?;
    Ok(MetadataCommand::AlterConfigs { resource, ops })
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
