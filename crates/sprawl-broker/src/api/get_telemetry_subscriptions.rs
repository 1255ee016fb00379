//! GetTelemetrySubscriptions (key 71): which metrics a client is to push, and how often.
//!
//! Source: `ClientMetricsManager.processGetTelemetrySubscriptionRequest`; KIP-714.

use std::sync::Arc;

use sprawl_model::compression::Codec;
use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};

use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::wire_error;

/// The compressions a client may choose from, the best first, in Kafka's order.
const COMPRESSIONS: [Codec; 4] = [Codec::Zstd, Codec::Lz4, Codec::Gzip, Codec::Snappy];

/// Tells the client its subscription.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: GetTelemetrySubscriptionsRequest,
) -> GetTelemetrySubscriptionsResponse {
    let telemetry = &broker.telemetry;
    let response = GetTelemetrySubscriptionsResponse::default();
    let subscribed = telemetry.subscribe(broker, context, request.client_instance_id);
    let (instance_id, subscription) = match subscribed {
        Ok(subscribed) => subscribed,
        Err(error) => return response.with_error_code(wire_error::of_telemetry(&error).number()),
    };
    let metrics = subscription.metrics.into_iter().map(StrBytes::from_string);
    response
        .with_client_instance_id(instance_id)
        .with_subscription_id(subscription.id)
        .with_requested_metrics(metrics.collect())
        .with_accepted_compression_types(COMPRESSIONS.map(|codec| codec.id().cast_signed()).into())
        .with_push_interval_ms(number(subscription.push_interval.as_millis()))
        .with_telemetry_max_bytes(number(telemetry.bytes_max()))
        .with_delta_temporality(true)
}

fn number(value: impl TryInto<i32>) -> i32 {
    value.try_into().unwrap_or(i32::MAX)
}
