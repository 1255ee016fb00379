//! The listener and what it allows.

use std::time::Duration;

use super::values::Values;
use crate::config::error::ConfigError;

/// An address as `PLAINTEXT://host:port` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerAddress {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// 0 takes a free port.
    pub port: u16,
}

/// What a listener allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// `max.connections`
    pub count_max: usize,
    /// `max.connections.per.ip`
    pub count_per_ip_max: usize,
    /// `connections.max.idle.ms`; `None` is for ever.
    pub idle_max: Option<Duration>,
    /// `socket.request.max.bytes`
    pub request_bytes_max: usize,
    /// `queued.max.request.bytes`; `None` follows the memory there is.
    pub queued_bytes_max: Option<u64>,
    /// `fetch.max.bytes`
    pub fetch_bytes_max: usize,
    /// `max.incremental.fetch.session.cache.slots`
    pub fetch_sessions_max: usize,
    /// `max.request.partition.size.limit`
    pub described_partitions_max: usize,
    /// `telemetry.max.bytes`
    pub telemetry_bytes_max: usize,
}

impl ConnectionSettings {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            count_max: values.unsigned("max.connections")?,
            count_per_ip_max: values.unsigned("max.connections.per.ip")?,
            idle_max: values
                .natural("connections.max.idle.ms")?
                .map(Duration::from_millis),
            request_bytes_max: values.unsigned("socket.request.max.bytes")?,
            queued_bytes_max: values
                .natural("queued.max.request.bytes")?
                .filter(|max| *max > 0),
            fetch_bytes_max: values.unsigned("fetch.max.bytes")?,
            fetch_sessions_max: values.unsigned("max.incremental.fetch.session.cache.slots")?,
            described_partitions_max: values.unsigned("max.request.partition.size.limit")?,
            telemetry_bytes_max: values.unsigned("telemetry.max.bytes")?,
        })
    }
}
