//! UnregisterBroker (key 64): forgets a broker that is gone for good.
//!
//! Kafka forgets a broker that still runs, too, and leaves its partitions without leader; a node
//! that is alone does not cut itself off so.
//!
//! Source: `ReplicationControlManager.unregisterBroker`; KIP-500.

use std::sync::Arc;

use sprawl_model::BrokerId;
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use super::admin::Failure;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Refuses the only broker there is, and those there are not.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: UnregisterBrokerRequest,
) -> UnregisterBrokerResponse {
    let id = BrokerId(request.broker_id.0);
    let failure = if broker.image().broker(id).is_some() {
        Failure::invalid_request(format!(
            "expected a broker that is gone, found {id} serving"
        ))
    } else {
        let message = format!("broker {id} is not registered");
        Failure::new(ErrorCode::BrokerIdNotRegistered, message)
    };
    UnregisterBrokerResponse::default()
        .with_error_code(failure.code.number())
        .with_error_message(failure.wire_message())
}
