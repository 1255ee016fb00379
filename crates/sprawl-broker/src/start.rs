//! Starting and stopping a broker, step by step.
//!
//! Invariant: no connection is accepted before recovery is done and every partition is open, and
//! none is served after the log began to close.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sprawl_core::metadata::{BrokerSpec, Endpoint, MetadataCommand, MetadataReply};
use sprawl_io::{Io, Listener, spawn, time};
use sprawl_log::{
    LogError, LogSettings, LogStore, MemoryStore, OpenError, RecoveryObserver, RecoveryReport,
    RocksStore, StateStore,
};
use sprawl_meta::{Metadata, NodeConfig, ProposeError};
use sprawl_model::BrokerEpoch;
use tracing::{info, warn};
use uuid::Uuid;

use crate::background;
use crate::broker::{Broker, ChangeError, Stop};
use crate::coordinator::{self, GroupCoordinator, TransactionCoordinator};
use crate::decoded::{DECODED_BYTES_MAX, DecodedMemory};
use crate::features;
use crate::fetch::session::FetchSessions;
use crate::listener::{self, Connections};
use crate::metrics::BrokerMetrics;
use crate::options::{BrokerOptions, Limits};
use crate::partitions::{Partitions, StableParts};
use crate::producer_ids::ProducerIds;
use crate::quotas::ClientQuotas;
use crate::share::ShareGroups;
use crate::telemetry::Telemetry;

/// How long open connections may finish their requests at a stop.
const DRAIN_MAX: Duration = Duration::from_secs(3);

/// The pause between looks at the open connections while draining.
const DRAIN_PAUSE: Duration = Duration::from_millis(20);

/// The file whose lock says that a data directory is in use.
const NODE_LOCK_FILE: &str = "node.lock";

/// Where the state store lies in the data directory.
const STATE_DIR: &str = "state";

/// Why a broker did not start. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with --kafka-addr")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The address that clients would be told means nothing to them.
    #[error(
        "{address} tells clients no host to connect to; set advertised.listeners=PLAINTEXT://HOST:PORT"
    )]
    Unroutable {
        /// The address.
        address: SocketAddr,
    },
    /// Another node serves the data directory.
    #[error("data directory {} is in use by another node; stop it or choose another with --data-dir", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The data directory cannot be used.
    #[error("cannot use data directory {}: {source}", dir.display())]
    DataDir {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log did not open.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The metadata did not open.
    #[error("metadata: {0}")]
    Metadata(#[from] sprawl_meta::OpenError),
    /// The metadata does not take this broker in.
    #[error("registering with the metadata: {0}")]
    Register(#[from] ProposeError),
    /// A partition did not open.
    #[error("opening the partitions: {0}")]
    Partition(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Starting was interrupted.
    #[error("starting was interrupted")]
    Interrupted,
}

/// A broker that serves until [`RunningBroker::shutdown`].
#[derive(Debug)]
pub struct RunningBroker {
    pub(crate) broker: Arc<Broker>,
    address: SocketAddr,
    recovery: RecoveryReport,
    _lock: NodeLock,
}

impl RunningBroker {
    /// Opens everything under `options.data_dir`, recovers, and serves.
    ///
    /// Errors: see [`StartError`]; nothing is left running then.
    pub async fn start(
        io: Io,
        options: BrokerOptions,
        observer: Arc<dyn RecoveryObserver + Send + Sync>,
    ) -> Result<Self, StartError> {
        let listener = bind(&io, options.kafka_address).await?;
        let address = local_address(listener.as_ref(), options.kafka_address)?;
        let endpoint = advertise(&options, address)?;
        let (store, recovery, lock) = open_log(&io, &options, observer).await?;
        let metadata = open_metadata(&io, &options).await?;
        let broker_epoch = register(&io, &metadata, &options, endpoint).await?;
        let broker = Arc::new(assemble(io, options, broker_epoch, metadata, store));
        broker.follow_metadata().await.map_err(start_error)?;
        coordinator::start(&broker);
        background::start(&broker);
        let serving = listener::accept_loop(broker.clone(), listener);
        broker.io.spawn.task(Box::pin(serving));
        info!(%address, broker_id = broker.settings.node_id.0, "serving Kafka clients");
        info!("no authorizer is configured: every client may do everything");
        Ok(Self {
            broker,
            address,
            recovery,
            _lock: lock,
        })
    }

    /// Where Kafka clients connect.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// What recovery found.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.recovery
    }

    /// Whether requests are answered: the broker is not stopping and its disk is online.
    pub fn ready(&self) -> bool {
        !self.broker.stop.is_stopping() && self.broker.store.status().offline.is_none()
    }

    /// A handle that tells readiness after `self` has moved.
    pub fn readiness(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let broker = self.broker.clone();
        move || !broker.stop.is_stopping() && broker.store.status().offline.is_none()
    }

    /// A handle that appends the metrics that clients pushed, in Prometheus text format, after
    /// `self` has moved.
    pub fn client_metrics(&self) -> impl Fn(&mut String) + Send + Sync + 'static {
        let broker = self.broker.clone();
        move |out| {
            let now = broker.io.clock.monotonic();
            broker.telemetry.render(now, out);
        }
    }

    /// Lets requests in flight end, writes everything down, and closes.
    ///
    /// Errors: the log could not be closed cleanly; what was acknowledged is in the journal all the
    /// same.
    pub async fn shutdown(self) -> Result<(), LogError> {
        self.broker.stop.stop();
        self.drain().await;
        self.broker.metadata.close().await;
        let store = self.broker.store.clone();
        let closed = spawn::blocking(self.broker.io.spawn.as_ref(), move || store.close()).await;
        closed.unwrap_or(Err(LogError::Closed))
    }

    /// Gives memory back after the process was killed, writing nothing. For simulation: a process
    /// that really ends gives everything back.
    pub fn abandon(self) {
        self.broker.store.abandon();
    }

    async fn drain(&self) {
        let clock = &self.broker.io.clock;
        let deadline = clock.monotonic().saturating_add(DRAIN_MAX);
        while self.broker.connections.open() > 0 {
            if clock.monotonic() >= deadline {
                warn!(
                    open = self.broker.connections.open(),
                    "connections cut off at the stop"
                );
                return;
            }
            time::sleep(DRAIN_PAUSE).await;
        }
    }
}

fn start_error(error: ChangeError) -> StartError {
    match error {
        ChangeError::Propose(error) => StartError::Register(error),
        ChangeError::Reconcile(error) => StartError::Partition(Box::new(error)),
        ChangeError::Stopping => StartError::Interrupted,
    }
}

async fn bind(io: &Io, address: SocketAddr) -> Result<Box<dyn Listener>, StartError> {
    io.net
        .bind(address)
        .await
        .map_err(|source| StartError::Bind { address, source })
}

fn local_address(listener: &dyn Listener, address: SocketAddr) -> Result<SocketAddr, StartError> {
    listener
        .local_address()
        .map_err(|source| StartError::Bind { address, source })
}

/// What clients are told to connect to.
fn advertise(options: &BrokerOptions, address: SocketAddr) -> Result<Endpoint, StartError> {
    let (host, port) = match &options.settings.advertised {
        Some(advertised) => (advertised.host.clone(), advertised.port),
        None if address.ip().is_unspecified() => return Err(StartError::Unroutable { address }),
        None => (address.ip().to_string(), address.port()),
    };
    let port = if port == 0 { address.port() } else { port };
    Ok(Endpoint {
        listener: "PLAINTEXT".to_owned(),
        host,
        port,
    })
}

/// Locks the data directory, opens the state store in it, and recovers the log.
async fn open_log(
    io: &Io,
    options: &BrokerOptions,
    observer: Arc<dyn RecoveryObserver + Send + Sync>,
) -> Result<(LogStore, RecoveryReport, NodeLock), StartError> {
    let dir = options.data_dir.clone();
    let settings = log_settings(options);
    let state = options.state_store.clone();
    let for_log = io.clone();
    let opened = spawn::blocking(io.spawn.as_ref(), move || {
        let lock = lock_dir(&for_log, &dir)?;
        let state = match state {
            Some(state) => state,
            None => open_state(&for_log, &dir)?,
        };
        let (store, report) = LogStore::open(for_log, dir, settings, state, observer.as_ref())?;
        Ok((store, report, lock))
    });
    opened.await.unwrap_or(Err(StartError::Interrupted))
}

/// Held while the data directory is in use.
pub(crate) struct NodeLock {
    _guard: Box<dyn Send + Sync>,
}

impl std::fmt::Debug for NodeLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeLock").finish()
    }
}

/// Refuses a second node on the same directory, before anything in it is touched.
fn lock_dir(io: &Io, dir: &Path) -> Result<NodeLock, StartError> {
    let unusable = |source| StartError::DataDir {
        dir: dir.to_path_buf(),
        source,
    };
    io.disk.create_dir_all(dir).map_err(unusable)?;
    match io.disk.lock(&dir.join(NODE_LOCK_FILE)) {
        Ok(guard) => Ok(NodeLock { _guard: guard }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(StartError::InUse {
            dir: dir.to_path_buf(),
        }),
        Err(source) => Err(unusable(source)),
    }
}

fn open_state(io: &Io, dir: &Path) -> Result<Arc<dyn StateStore>, StartError> {
    let path = dir.join(STATE_DIR);
    // A simulated disk has no path that RocksDB could open.
    match io.disk.real_path(&path) {
        Some(real) => {
            let (store, _) = RocksStore::open(io.disk.clone(), &real).map_err(OpenError::from)?;
            Ok(Arc::new(store))
        }
        None => Ok(Arc::new(MemoryStore::default())),
    }
}

fn log_settings(options: &BrokerOptions) -> LogSettings {
    let settings = &options.settings;
    LogSettings {
        journal_file_bytes: settings.journal.file_bytes,
        journal_bytes_max: settings.journal.bytes_max,
        hot_bytes_max: settings.hot.bytes_max.unwrap_or(options.hot_bytes_max),
        retention_interval: settings.retention_check_interval,
        ballast_bytes: settings.disk.ballast_bytes,
        disk_throttle_percent: settings.disk.throttle_percent,
        disk_full_percent: settings.disk.full_percent,
        ..LogSettings::default()
    }
}

async fn open_metadata(io: &Io, options: &BrokerOptions) -> Result<Metadata, StartError> {
    let node = NodeConfig {
        node_id: options.settings.node_id,
        features: features::initial(),
    };
    Ok(Metadata::open(io.clone(), options.data_dir.join("metadata"), node).await?)
}

/// Registers this life of the broker; every restart gets a new broker epoch.
async fn register(
    io: &Io,
    metadata: &Metadata,
    options: &BrokerOptions,
    endpoint: Endpoint,
) -> Result<BrokerEpoch, StartError> {
    let spec = BrokerSpec {
        id: options.settings.node_id,
        incarnation_id: random_uuid(io),
        endpoints: vec![endpoint],
        rack: options.settings.rack.clone(),
    };
    match metadata
        .propose(MetadataCommand::RegisterBroker(spec))
        .await?
    {
        MetadataReply::BrokerRegistered { epoch } => Ok(epoch),
        _ => Err(StartError::Interrupted),
    }
}

/// Draws a version 4 UUID.
pub(crate) fn random_uuid(io: &Io) -> Uuid {
    let mut bytes = [0; 16];
    io.random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn assemble(
    io: Io,
    options: BrokerOptions,
    broker_epoch: BrokerEpoch,
    metadata: Metadata,
    store: LogStore,
) -> Broker {
    let BrokerOptions {
        settings,
        data_dir,
        hot_bytes_max,
        ..
    } = options;
    let partitions = Arc::new(Partitions::new(
        settings.node_id,
        settings.statics.clone(),
        store.clone(),
        io.clock.clone(),
    ));
    store.set_compaction_guard(Box::new(StableParts::new(&partitions)));
    let snapshots = Arc::downgrade(&partitions);
    store.set_checkpoint_hook(Box::new(move |log| {
        let key = log.key();
        let partition = snapshots.upgrade()?.get(key.topic_id, key.partition)?;
        Some(partition.producer_snapshot())
    }));
    Broker {
        limits: Limits::new(&settings, hot_bytes_max),
        sessions: FetchSessions::new(settings.connections.fetch_sessions_max),
        producer_ids: ProducerIds::default(),
        coordinator: Arc::new(GroupCoordinator::new(io.clone(), &settings)),
        transactions: Arc::new(TransactionCoordinator::new(io.clone(), &settings)),
        share: ShareGroups::new(&io, &settings),
        connections: Connections::default(),
        queued_bytes: AtomicU64::new(0),
        unfinished_bytes: AtomicU64::new(0),
        decoded: DecodedMemory::new(DECODED_BYTES_MAX),
        quotas: ClientQuotas::new(&settings.quotas),
        telemetry: Telemetry::new(settings.connections.telemetry_bytes_max),
        metrics: BrokerMetrics::register(),
        stop: Stop::default(),
        io,
        settings,
        data_dir,
        broker_epoch,
        metadata,
        store,
        partitions,
    }
}
