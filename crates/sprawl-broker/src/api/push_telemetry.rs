//! PushTelemetry (key 72): the metrics of a client.
//!
//! Source: `ClientMetricsManager.processPushTelemetryRequest`; KIP-714.

use std::sync::Arc;

use sprawl_protocol::messages::{PushTelemetryRequest, PushTelemetryResponse};

use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::telemetry::Pushed;
use crate::wire_error;

/// Takes the metrics in.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: PushTelemetryRequest,
) -> PushTelemetryResponse {
    let pushed = Pushed {
        instance_id: request.client_instance_id,
        subscription_id: request.subscription_id,
        is_terminating: request.terminating,
        compression_type: request.compression_type,
        payload: request.metrics,
    };
    let response = PushTelemetryResponse::default();
    match broker.telemetry.push(broker, context, pushed) {
        Ok(()) => response,
        Err(error) => response.with_error_code(wire_error::of_telemetry(&error).number()),
    }
}
