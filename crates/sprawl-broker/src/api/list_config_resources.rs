//! ListConfigResources (key 74): what has settings.
//!
//! Version 0 was ListClientMetricsResources and asks for nothing else.
//!
//! Source: `KafkaApis.handleListConfigResources`; KIP-1142.

use std::sync::Arc;

use sprawl_core::metadata::MetadataImage;
use sprawl_model::TenantId;
use sprawl_protocol::messages::list_config_resources_response::ConfigResource;
use sprawl_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::admin::resource_type::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Lists the resources of each type asked for; of all types when none is named.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let kinds: &[i8] = match (context.version, request.resource_types.as_slice()) {
        (0, _) => &[CLIENT_METRICS],
        (_, []) => &[TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP],
        (_, asked) => asked,
    };
    let known = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    if kinds.iter().any(|kind| !known.contains(kind)) {
        return ListConfigResourcesResponse::default()
            .with_error_code(ErrorCode::UnsupportedVersion.number());
    }
    let image = broker.image();
    let mut resources = Vec::new();
    if kinds.contains(&TOPIC) {
        resources.extend(topics(&image));
    }
    if kinds.contains(&BROKER) {
        resources.extend(
            image
                .brokers()
                .map(|broker| resource(BROKER, broker.id.to_string())),
        );
    }
    if kinds.contains(&GROUP) {
        let groups = image.configured_groups();
        resources.extend(groups.map(|group_id| resource(GROUP, group_id.to_owned())));
    }
    if kinds.contains(&CLIENT_METRICS) {
        let subscriptions = image.client_metrics().keys();
        resources.extend(subscriptions.map(|name| resource(CLIENT_METRICS, name.clone())));
    }
    ListConfigResourcesResponse::default().with_config_resources(resources)
}

fn topics(image: &MetadataImage) -> impl Iterator<Item = ConfigResource> {
    image
        .topics(TenantId::DEFAULT)
        .map(|topic| resource(TOPIC, topic.name.clone()))
}

fn resource(kind: i8, name: String) -> ConfigResource {
    ConfigResource::default()
        .with_resource_type(kind)
        .with_resource_name(StrBytes::from_string(name))
}
