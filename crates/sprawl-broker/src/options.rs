//! What a broker is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sprawl_core::config::BrokerSettings;
use sprawl_log::StateStore;
use sprawl_protocol::FrameLimits;

/// What a broker is started with. Settings are validated already.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where Kafka clients connect; port 0 takes a free one.
    pub kafka_address: SocketAddr,
    /// The settings.
    pub settings: BrokerSettings,
    /// Bytes of memory that the hot queue may take when no setting says otherwise: a quarter of
    /// what the machine, or its control group, has.
    pub hot_bytes_max: u64,
    /// What keeps the log's state instead of a RocksDB in the data directory, if anything.
    pub state_store: Option<Arc<dyn StateStore>>,
}

/// Idle connections are kept this long when `connections.max.idle.ms` is negative: for ever, in
/// practice.
const IDLE_FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// The caps of connections and requests.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// `socket.request.max.bytes`.
    pub(crate) frames: FrameLimits,
    /// `max.connections`.
    pub(crate) connection_count_max: usize,
    /// `max.connections.per.ip`.
    pub(crate) connection_per_ip_count_max: usize,
    /// `connections.max.idle.ms`.
    pub(crate) idle_max: Duration,
    /// `fetch.max.bytes`.
    pub(crate) fetch_bytes_max: usize,
    /// `queued.max.request.bytes`; where that is not set the hot queue's limit, with room for the
    /// largest request.
    pub(crate) queued_bytes_max: u64,
}

impl Limits {
    pub(crate) fn new(settings: &BrokerSettings, hot_bytes_max: u64) -> Self {
        let connections = &settings.connections;
        Self {
            frames: FrameLimits {
                request_bytes_max: connections.request_bytes_max,
            },
            connection_count_max: connections.count_max,
            connection_per_ip_count_max: connections.count_per_ip_max,
            idle_max: connections.idle_max.unwrap_or(IDLE_FOREVER),
            fetch_bytes_max: connections.fetch_bytes_max,
            queued_bytes_max: connections
                .queued_bytes_max
                .unwrap_or_else(|| hot_bytes_max.max(connections.request_bytes_max as u64)),
        }
    }
}
