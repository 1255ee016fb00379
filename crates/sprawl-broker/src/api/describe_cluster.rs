//! DescribeCluster (key 60): the cluster's id and brokers.
//!
//! Source: `AuthHelper.computeDescribeClusterResponse`; KIP-700, KIP-919 (endpoint type), KIP-1073.

use std::sync::Arc;

use sprawl_core::metadata::BrokerRegistration;
use sprawl_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use sprawl_protocol::messages::{self, DescribeClusterRequest, DescribeClusterResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::admin::Failure;
use crate::authorized_operations;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Describes the cluster to a client that knows it talks to brokers.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let endpoint_type = if context.version == 0 {
        BROKERS
    } else {
        request.endpoint_type
    };
    let response = DescribeClusterResponse::default().with_endpoint_type(BROKERS);
    if let Err(failure) = check_endpoint_type(endpoint_type) {
        return response
            .with_error_code(failure.code.number())
            .with_error_message(failure.wire_message());
    }
    let operations = if request.include_cluster_authorized_operations {
        authorized_operations::CLUSTER
    } else {
        authorized_operations::NOT_ASKED
    };
    let image = broker.image();
    let brokers = image
        .brokers()
        .filter_map(|registration| on_wire(registration));
    response
        .with_cluster_id(StrBytes::from_string(image.cluster_id().to_owned()))
        .with_controller_id(messages::BrokerId(broker.broker_id().0))
        .with_brokers(brokers.collect())
        .with_cluster_authorized_operations(operations)
}

fn check_endpoint_type(found: i8) -> Result<(), Failure> {
    let code = match found {
        BROKERS => return Ok(()),
        CONTROLLERS => ErrorCode::MismatchedEndpointType,
        _ => ErrorCode::UnsupportedEndpointType,
    };
    Err(Failure::new(
        code,
        format!("expected endpoint type {BROKERS}, brokers, found {found}"),
    ))
}

fn on_wire(registration: &BrokerRegistration) -> Option<DescribeClusterBroker> {
    let endpoint = registration.endpoints.first()?;
    Some(
        DescribeClusterBroker::default()
            .with_broker_id(messages::BrokerId(registration.id.0))
            .with_host(StrBytes::from_string(endpoint.host.clone()))
            .with_port(i32::from(endpoint.port))
            .with_rack(registration.rack.clone().map(StrBytes::from_string)),
    )
}
