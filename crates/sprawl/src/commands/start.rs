//! `sprawl start`: a broker from its settings to its clean stop.

mod memory;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::Args;
use sprawl_broker::{BrokerOptions, RunningBroker};
use sprawl_core::config::BrokerSettings;
use sprawl_gateway::{Gateway, Metrics, Readiness};
use sprawl_io::{Io, Listener};
use sprawl_log::NoObserver;
use tokio::sync::watch;

use crate::client::parse_assignment;
use crate::logging::{self, LogFormat};
use crate::settings::{self, ConfigFile, SettingsMap};
use crate::stop::StopSignal;

const DATA_DIR: &str = "./sprawl-data";
const KAFKA_ADDR: &str = "127.0.0.1:9092";
const HTTP_ADDR: &str = "127.0.0.1:8080";

/// The raft library tells of every step at `info`.
const DEFAULT_LOG_LEVEL: &str = "info,openraft=warn";

/// How long a stop may take in all, in which connections drain and the log closes.
const STOP_WAIT_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sprawl start
  sprawl start --data-dir /var/lib/sprawl --kafka-addr 0.0.0.0:9092 \\
      --set advertised.listeners=PLAINTEXT://broker.example.com:9092
  sprawl start --config sprawl.toml --log-format json
  SPRAWL_SET_NUM_PARTITIONS=6 sprawl start

A configuration file has the settings under Kafka's names:
  data-dir = \"/var/lib/sprawl\"
  log.retention.ms = 86400000
  num.partitions = 6
Flags win over the environment, which wins over the file.")]
pub(crate) struct StartArgs {
    /// Where everything is kept [default: ./sprawl-data]
    #[arg(long, env = "SPRAWL_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where Kafka clients connect [default: 127.0.0.1:9092]
    #[arg(long, env = "SPRAWL_KAFKA_ADDR", value_name = "HOST:PORT")]
    kafka_addr: Option<String>,
    /// Where health and metrics are served [default: 127.0.0.1:8080]
    #[arg(long, env = "SPRAWL_HTTP_ADDR", value_name = "HOST:PORT")]
    http_addr: Option<String>,
    /// A TOML file with settings
    #[arg(long, env = "SPRAWL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// A setting under Kafka's name; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_assignment)]
    settings: Vec<(String, String)>,
    /// The form of log lines
    #[arg(long, env = "SPRAWL_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    /// Which log lines: error, warn, info, debug, trace, or directives by module
    #[arg(
        long,
        env = "SPRAWL_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = DEFAULT_LOG_LEVEL
    )]
    log_level: String,
}

/// Everything `start` needs, validated.
#[derive(Debug)]
struct Plan {
    data_dir: PathBuf,
    kafka_addr: SocketAddr,
    http_addr: SocketAddr,
    settings: BrokerSettings,
}

/// What the HTTP side asks the broker, once there is one.
#[derive(Clone, Default)]
struct Served(Arc<OnceLock<Answers>>);

struct Answers {
    is_ready: Box<dyn Fn() -> bool + Send + Sync>,
    client_metrics: Box<dyn Fn(&mut String) + Send + Sync>,
}

impl Served {
    fn begin(&self, broker: &RunningBroker) {
        self.0.get_or_init(|| Answers {
            is_ready: Box::new(broker.readiness()),
            client_metrics: Box::new(broker.client_metrics()),
        });
    }

    fn readiness(&self) -> Readiness {
        match self.0.get() {
            None => Readiness::NotReady("starting".to_owned()),
            Some(answers) if (answers.is_ready)() => Readiness::Ready,
            Some(_) => Readiness::NotReady("stopping, or the disk is offline".to_owned()),
        }
    }

    fn append_metrics(&self, out: &mut String) {
        if let Some(answers) = self.0.get() {
            (answers.client_metrics)(out);
        }
    }
}

pub(crate) async fn run(io: Io, args: StartArgs) -> anyhow::Result<()> {
    logging::start(args.log_format, &args.log_level)?;
    let plan = plan(&io, &args)?;
    if let Err(error) = sprawl_io::process::raise_open_files() {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
    // Signals are caught from here on, so that a stop during recovery is a clean one too.
    let stop = StopSignal::catch(&io)?;
    let listener = bind_http(&io, plan.http_addr).await?;
    let http_addr = listener.local_address()?;
    let served = Served::default();
    let gateway_stop = serve_http(&io, listener, &served)?;
    let Some(broker) = start_broker(&io, &plan, &stop).await? else {
        return Ok(());
    };
    served.begin(&broker);
    banner(&broker, http_addr, &plan)?;
    stop.wait().await;
    tracing::info!("stopping");
    let stopped = sprawl_io::time::timeout(STOP_WAIT_MAX, broker.shutdown()).await;
    gateway_stop.send_replace(true);
    match stopped {
        Some(Ok(())) => {
            tracing::info!("stopped");
            Ok(())
        }
        Some(Err(error)) => anyhow::bail!("the log did not close cleanly: {error}"),
        None => anyhow::bail!(
            "not stopped within {} s; what was acknowledged is in the journal",
            STOP_WAIT_MAX.as_secs()
        ),
    }
}

fn plan(io: &Io, args: &StartArgs) -> anyhow::Result<Plan> {
    let file = match &args.config {
        Some(path) => settings::read_file(io.disk.as_ref(), path)?,
        None => ConfigFile::default(),
    };
    let text = |given: &Option<String>, in_file: Option<String>, default: &str| {
        given
            .clone()
            .or(in_file)
            .unwrap_or_else(|| default.to_owned())
    };
    let kafka_addr = text(&args.kafka_addr, file.kafka_addr, KAFKA_ADDR);
    let http_addr = text(&args.http_addr, file.http_addr, HTTP_ADDR);
    let environment =
        settings::from_environment(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
    let flags: SettingsMap = args.settings.iter().cloned().collect();
    Ok(Plan {
        data_dir: args
            .data_dir
            .clone()
            .or(file.data_dir)
            .unwrap_or_else(|| DATA_DIR.into()),
        kafka_addr: resolve("--kafka-addr", &kafka_addr)?,
        http_addr: resolve("--http-addr", &http_addr)?,
        settings: settings::resolve([file.settings, environment, flags])?,
    })
}

/// Turns `host:port` into an address.
fn resolve(flag: &str, text: &str) -> anyhow::Result<SocketAddr> {
    let mut addresses = text
        .to_socket_addrs()
        .map_err(|error| anyhow::anyhow!("{flag} {text}: expected HOST:PORT: {error}"))?;
    addresses
        .next()
        .ok_or_else(|| anyhow::anyhow!("{flag} {text}: no such host"))
}

async fn bind_http(io: &Io, address: SocketAddr) -> anyhow::Result<Box<dyn Listener>> {
    io.net.bind(address).await.map_err(|error| {
        anyhow::anyhow!("cannot listen for HTTP on {error}; choose another with --http-addr")
    })
}

fn serve_http(
    io: &Io,
    listener: Box<dyn Listener>,
    served: &Served,
) -> anyhow::Result<watch::Sender<bool>> {
    let metrics = Metrics::install().map_err(|error| anyhow::anyhow!("{error}"))?;
    let (asked, scraped) = (served.clone(), served.clone());
    let gateway = Gateway::new(metrics, move || asked.readiness())
        .with_more_metrics(move |out| scraped.append_metrics(out));
    let stop = watch::Sender::new(false);
    let mut stopped = stop.subscribe();
    io.spawn.task(Box::pin(async move {
        let stop = async move {
            // An error means that the process is going down.
            stopped.wait_for(|stop| *stop).await.map(drop).unwrap_or(());
        };
        if let Err(error) = gateway.serve(listener, stop).await {
            tracing::error!(%error, "http server ended");
        }
    }));
    Ok(stop)
}

/// Starts the broker; `None` where the process was told to stop meanwhile.
async fn start_broker(
    io: &Io,
    plan: &Plan,
    stop: &StopSignal,
) -> anyhow::Result<Option<RunningBroker>> {
    let options = BrokerOptions {
        data_dir: plan.data_dir.clone(),
        kafka_address: plan.kafka_addr,
        settings: plan.settings.clone(),
        hot_bytes_max: memory::hot_bytes_max(io.disk.as_ref()),
        state_store: None,
    };
    let starting = RunningBroker::start(io.clone(), options, Arc::new(NoObserver));
    tokio::select! {
        biased;
        broker = Box::pin(starting) => {
            Ok(Some(broker.map_err(|error| anyhow::anyhow!("{error}"))?))
        }
        () = stop.wait() => {
            tracing::info!("stopped before serving");
            Ok(None)
        }
    }
}

fn banner(broker: &RunningBroker, http_addr: SocketAddr, plan: &Plan) -> anyhow::Result<()> {
    let recovery = broker.recovery();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        kafka_addr = %broker.local_address(),
        %http_addr,
        data_dir = %plan.data_dir.display(),
        recovery_ms = u64::try_from(recovery.elapsed.as_millis()).unwrap_or(u64::MAX),
        partition_count = recovery.partition_count,
        replayed_count = recovery.replayed_count,
        was_clean = recovery.was_clean,
        "started"
    );
    crate::output::line(&format!(
        "sprawl {} ready: Kafka on {}, HTTP on http://{http_addr}, data in {}",
        env!("CARGO_PKG_VERSION"),
        broker.local_address(),
        plan.data_dir.display(),
    ))?;
    crate::output::line("no authorizer is configured: every client may do everything")?;
    Ok(())
}
