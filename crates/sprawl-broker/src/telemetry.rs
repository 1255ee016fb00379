//! The metrics that clients push (KIP-714): the pure rules of `sprawl_core::client_metrics` behind
//! short locks.
//!
//! Invariant: a payload is decompressed and read outside of both locks, and grows to no more than
//! `telemetry.max.bytes`. What was pushed is kept for as long as its client may be silent, also
//! after its connection has ended, so that a scrape finds what a client pushed last.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use sprawl_core::client_metrics::{
    Client, ClientLabels, ClientMetrics, ClientSeries, Points, Push, Subscription, TelemetryError,
    decode,
};
use sprawl_model::compression::{Codec, decompress};
use tracing::debug;
use uuid::Uuid;

use crate::broker::Broker;
use crate::connection::Peer;
use crate::dispatch::RequestContext;
use crate::start::random_uuid;

/// Pushes of clients, by what came of them.
const PUSHES_TOTAL: &str = "sprawl_client_telemetry_pushes_total";
/// Points of pushes that were not kept: histograms, labels that are too long, no room.
const POINTS_DROPPED_TOTAL: &str = "sprawl_client_telemetry_points_dropped_total";
/// Client instances that are known.
const INSTANCES: &str = "sprawl_client_telemetry_instances";
/// Series of client metrics that are kept.
const SERIES: &str = "sprawl_client_telemetry_series";

/// The client metrics of this broker.
pub(crate) struct Telemetry {
    bytes_max: usize,
    metrics: Mutex<ClientMetrics>,
    series: Mutex<ClientSeries>,
    counters: Counters,
}

struct Counters {
    accepted: Counter,
    refused: Counter,
    points_dropped: Counter,
    instances: Gauge,
    series: Gauge,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// A push as the request has it.
pub(crate) struct Pushed {
    pub(crate) instance_id: Uuid,
    pub(crate) subscription_id: i32,
    pub(crate) is_terminating: bool,
    pub(crate) compression_type: i8,
    pub(crate) payload: Bytes,
}

impl Telemetry {
    /// Knows no client; takes pushes of up to `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        describe_counter!(PUSHES_TOTAL, "Metrics pushed by clients, by result");
        describe_counter!(POINTS_DROPPED_TOTAL, "Points of client metrics not kept");
        describe_gauge!(INSTANCES, "Client instances that push metrics");
        describe_gauge!(SERIES, "Series of client metrics that are kept");
        Self {
            bytes_max,
            metrics: Mutex::new(ClientMetrics::new(bytes_max)),
            series: Mutex::default(),
            counters: Counters {
                accepted: counter!(PUSHES_TOTAL, "result" => "accepted"),
                refused: counter!(PUSHES_TOTAL, "result" => "refused"),
                points_dropped: counter!(POINTS_DROPPED_TOTAL),
                instances: gauge!(INSTANCES),
                series: gauge!(SERIES),
            },
        }
    }

    /// `telemetry.max.bytes`
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Tells a client what to push, and who it is where it does not know yet.
    pub(crate) fn subscribe(
        &self,
        broker: &Broker,
        context: &RequestContext,
        instance_id: Uuid,
    ) -> Result<(Uuid, Subscription), TelemetryError> {
        let (image, now) = (broker.image(), broker.io().clock.monotonic());
        let mut metrics = self.metrics();
        metrics.follow(image.client_metrics());
        let mut id = instance_id;
        while id.is_nil() || (instance_id.is_nil() && metrics.knows(id)) {
            id = random_uuid(broker.io());
        }
        let subscription = metrics.subscribe(client(context, id), now)?;
        Ok((id, subscription))
    }

    /// Takes in what a client pushes.
    pub(crate) fn push(
        &self,
        broker: &Broker,
        context: &RequestContext,
        pushed: Pushed,
    ) -> Result<(), TelemetryError> {
        let result = self.try_push(broker, context, pushed);
        let counter = match result {
            Ok(()) => &self.counters.accepted,
            Err(_) => &self.counters.refused,
        };
        counter.increment(1);
        result
    }

    fn try_push(
        &self,
        broker: &Broker,
        context: &RequestContext,
        pushed: Pushed,
    ) -> Result<(), TelemetryError> {
        let (image, now) = (broker.image(), broker.io().clock.monotonic());
        let codec = u8::try_from(pushed.compression_type)
            .ok()
            .and_then(Codec::from_id);
        let push = Push {
            subscription_id: pushed.subscription_id,
            is_terminating: pushed.is_terminating,
            has_known_compression: codec.is_some(),
            size: pushed.payload.len(),
        };
        let client = client(context, pushed.instance_id);
        let expiry = {
            let mut metrics = self.metrics();
            metrics.follow(image.client_metrics());
            metrics.admit_push(client, push, now)?
        };
        let read = self.read(codec.unwrap_or(Codec::None), pushed.payload);
        let result = read.map(|points| self.keep(&client, points, expiry));
        self.metrics().finish_push(client.instance_id, result);
        result
    }

    fn read(&self, codec: Codec, payload: Bytes) -> Result<Points, TelemetryError> {
        let payload = match codec {
            Codec::None => payload,
            _ if payload.is_empty() => payload,
            codec => decompress(codec, &payload, self.bytes_max)
                .map(Bytes::from)
                .map_err(|error| {
                    debug!(%error, "client metrics cannot be decompressed");
                    TelemetryError::InvalidPayload
                })?,
        };
        decode(payload).map_err(|error| {
            debug!(%error, "client metrics cannot be read");
            TelemetryError::InvalidPayload
        })
    }

    fn keep(&self, client: &Client<'_>, points: Points, expiry: Duration) {
        let labels = ClientLabels {
            instance_id: client.instance_id,
            id: client.id.unwrap_or_default(),
        };
        let dropped = points.dropped_count;
        let dropped = dropped + self.series().accept(labels, points, expiry);
        self.counters.points_dropped.increment(dropped);
    }

    /// Forgets who asked on a connection that has ended.
    pub(crate) fn disconnect(&self, peer: &Peer) {
        self.metrics().disconnect(peer.address);
    }

    /// Appends what clients pushed in Prometheus text format.
    pub(crate) fn render(&self, now: Duration, out: &mut String) {
        let instances = {
            let mut metrics = self.metrics();
            metrics.expire(now);
            metrics.instance_count()
        };
        let mut series = self.series();
        series.expire(now);
        set(&self.counters.instances, instances);
        set(&self.counters.series, series.count());
        series.render(out);
    }

    fn metrics(&self) -> MutexGuard<'_, ClientMetrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn series(&self) -> MutexGuard<'_, ClientSeries> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set(gauge: &Gauge, count: usize) {
    gauge.set(u32::try_from(count).unwrap_or(u32::MAX));
}

fn client(context: &RequestContext, instance_id: Uuid) -> Client<'_> {
    Client {
        instance_id,
        id: context.client_id.as_deref(),
        software: context.peer.software.get(),
        address: context.peer.address,
    }
}
