//! The broker's metric names and handles. Label values come from fixed sets only.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use sprawl_protocol::ApiKey;

use crate::dispatch::RequestContext;
use crate::partition::Delivered;

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

/// Delayed records that wait.
const DELAYED_PENDING: &str = "sprawl_delayed_records_pending";
/// Delayed records that became visible.
const DELAYED_RELEASED_TOTAL: &str = "sprawl_delayed_records_released_total";
/// Delayed records that were cancelled.
const DELAYED_CANCELLED_TOTAL: &str = "sprawl_delayed_records_cancelled_total";
/// Seconds from when a record was due to its release.
const DELAYED_LATENESS_SECONDS: &str = "sprawl_delayed_lateness_seconds";

/// Handles, looked up once, so that the hot path only adds.
pub(crate) struct BrokerMetrics {
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) batches_refused: Counter,
    pub(crate) connections_refused: Counter,
    delayed_pending: Gauge,
    delayed_released: Counter,
    delayed_cancelled: Counter,
    delayed_lateness: Histogram,
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
        describe_gauge!(DELAYED_PENDING, "Delayed records that wait");
        describe_counter!(
            DELAYED_RELEASED_TOTAL,
            "Delayed records that became visible"
        );
        describe_counter!(
            DELAYED_CANCELLED_TOTAL,
            "Delayed records that were cancelled"
        );
        describe_histogram!(
            DELAYED_LATENESS_SECONDS,
            "Seconds from when a delayed record was due to its release"
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
            delayed_pending: gauge!(DELAYED_PENDING),
            delayed_released: counter!(DELAYED_RELEASED_TOTAL),
            delayed_cancelled: counter!(DELAYED_CANCELLED_TOTAL),
            delayed_lateness: histogram!(DELAYED_LATENESS_SECONDS),
            apis: apis.collect(),
        }
    }

    /// Counts what a look at a partition's delayed records did.
    pub(crate) fn delivered(&self, delivered: &Delivered) {
        self.delayed_released
            .increment(delivered.released.len() as u64);
        self.delayed_cancelled.increment(delivered.cancelled_count);
        for timer in &delivered.released {
            let late_ms = delivered.now_ms.saturating_sub(timer.due_ms);
            let late = Duration::from_millis(u64::try_from(late_ms).unwrap_or(0));
            self.delayed_lateness.record(late.as_secs_f64());
        }
    }

    /// Tells how many delayed records wait in all partitions.
    #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub(crate) fn delayed_waiting(&self, count: u64) {
        self.delayed_pending.set(count as f64);
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
