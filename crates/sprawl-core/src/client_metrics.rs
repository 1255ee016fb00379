//! What clients tell of themselves: who is asked for which metrics, who may push right now, and
//! what was pushed (KIP-714).
//!
//! [`ClientMetrics`] decides; [`decode`] reads a payload; [`ClientSeries`] keeps the latest value
//! of each metric of each client until the client is silent for too long, and writes them as
//! Prometheus text.
//!
//! Source: `ClientMetricsManager` of Kafka's server. Kafka hands payloads to a plug-in and knows
//! nothing of what is in them; here they are read, so a payload that is no OTLP is refused as one
//! that a plug-in refuses: INVALID_RECORD.

mod client;
mod instances;
mod otlp;
mod series;
mod subscriptions;

use std::time::Duration;

use uuid::Uuid;

pub use self::client::Client;
pub use self::instances::ClientMetrics;
pub use self::otlp::{OtlpError, Point, PointValue, Points, decode};
pub use self::series::{ClientLabels, ClientSeries};

/// What a client is told to push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Changes with the rest; a push names it.
    pub id: i32,
    /// How the names of the metrics begin; `*` alone is all.
    pub metrics: Vec<String>,
    /// How often to push.
    pub push_interval: Duration,
}

/// What is known of a push before its payload is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Push {
    /// The subscription it follows.
    pub subscription_id: i32,
    /// Whether it is the client's last.
    pub is_terminating: bool,
    /// Whether its compression is one that Kafka has.
    pub has_known_compression: bool,
    /// The size of its payload, in bytes.
    pub size: usize,
}

/// Why a client's request about its metrics is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    /// The client instance id is one of those that mean nothing.
    #[error("expected the client instance id that a subscription gave, found a reserved one")]
    ReservedInstanceId,
    /// A terminating push came before.
    #[error("expected nothing after a terminating push")]
    Terminated,
    /// Less than the push interval has passed.
    #[error("expected the next request after the push interval")]
    TooEarly,
    /// The subscription has changed, or was never given.
    #[error("unknown subscription id")]
    UnknownSubscription,
    /// No such compression.
    #[error("unknown compression type")]
    UnknownCompression,
    /// More than `telemetry.max.bytes`.
    #[error("expected at most {max} bytes, found {found}")]
    TooLarge {
        /// The limit.
        max: usize,
        /// The size.
        found: usize,
    },
    /// The payload cannot be read.
    #[error("expected metrics in OTLP")]
    InvalidPayload,
}

/// Ids that no client has (`Uuid.RESERVED`).
fn is_reserved(id: Uuid) -> bool {
    id.as_u128() <= 1
}

#[cfg(test)]
mod tests;
