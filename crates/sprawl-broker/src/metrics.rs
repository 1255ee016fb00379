//! The broker's metric names and handles. Label values come from fixed sets only.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};
use sprawl_protocol::ApiKey;

use crate::dispatch::RequestContext;

/// Requests answered, by API.
const REQUESTS_TOTAL: &str = "sprawl_requests_total";
/// Seconds from reading a request to handing its response to the socket, by API.
const REQUEST_SECONDS: &str = "sprawl_request_seconds";
/// Bytes of requests read.
const REQUEST_BYTES_TOTAL: &str = "sprawl_request_bytes_total";
/// Bytes of responses written.
const RESPONSE_BYTES_TOTAL: &str = "sprawl_response_bytes_total";
/// Record batches refused.
const BATCHES_REFUSED_TOTAL: &str = "sprawl_batches_refused_total";
/// Connections refused because `max.connections` was reached.
const CONNECTIONS_REFUSED_TOTAL: &str = "sprawl_connections_refused_total";

/// Handles, looked up once, so that the hot path only adds.
pub(crate) struct BrokerMetrics {
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) batches_refused: Counter,
    pub(crate) connections_refused: Counter,
    apis: Vec<(ApiKey, Counter, Histogram)>,
}

impl std::fmt::Debug for BrokerMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerMetrics").finish_non_exhaustive()
    }
}

impl BrokerMetrics {
    /// Registers every metric with the process's recorder.
    pub(crate) fn register() -> Self {
        describe_counter!(REQUESTS_TOTAL, "Requests answered, by API");
        describe_histogram!(REQUEST_SECONDS, "Seconds from request to response, by API");
        describe_counter!(REQUEST_BYTES_TOTAL, "Bytes of requests read");
        describe_counter!(RESPONSE_BYTES_TOTAL, "Bytes of responses written");
        describe_counter!(BATCHES_REFUSED_TOTAL, "Record batches refused");
        describe_counter!(
            CONNECTIONS_REFUSED_TOTAL,
            "Connections refused at max.connections"
        );
        let apis = ApiKey::ALL.iter().map(|&key| {
            let requests = counter!(REQUESTS_TOTAL, "api" => key.name());
            (
                key,
                requests,
                histogram!(REQUEST_SECONDS, "api" => key.name()),
            )
        });
        Self {
            bytes_in: counter!(REQUEST_BYTES_TOTAL),
            bytes_out: counter!(RESPONSE_BYTES_TOTAL),
            batches_refused: counter!(BATCHES_REFUSED_TOTAL),
            connections_refused: counter!(CONNECTIONS_REFUSED_TOTAL),
            apis: apis.collect(),
        }
    }

    /// Counts an answered request. O(APIs), over a list that fits a few cache lines.
    pub(crate) fn answered(&self, context: &RequestContext, now: Duration) {
        if let Some((_, requests, seconds)) = self.apis.iter().find(|(key, ..)| *key == context.key)
        {
            requests.increment(1);
            seconds.record(now.saturating_sub(context.received).as_secs_f64());
        }
    }
}
