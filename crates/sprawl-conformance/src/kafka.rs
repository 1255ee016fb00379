//! How is a real Apache Kafka started? From its Maven jars, one process, KRaft, no other service.
//!
//! Broker and controller share the process, as in Kafka's own quick start; JVM flags are those of
//! Kafka's start script. Everything not named here keeps Kafka's default.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::server::{self, Server};
use crate::{clients, setup};

/// Any 16 bytes in base64url do; a fixed one keeps runs alike.
const CLUSTER_ID: &str = "c3ByYXdsLWNvbmZvcm1hbg";
const JVM_FLAGS: &[&str] = &[
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];
/// What one node needs: internal topics cannot have three replicas.
const SINGLE_NODE: &[(&str, &str)] = &[
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
];

/// How to start Kafka. Start again with the same `folder` to get the same data.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// Holds data, settings and logs of this broker; made when missing.
    pub folder: PathBuf,
    /// Broker settings beyond those of a single node; a later one wins.
    pub settings: Vec<(String, String)>,
    /// Heap of the JVM, minimum and maximum alike (Kafka's start script: 1024).
    pub heap_mib: u32,
    /// Kafka address; a free port each start when `None`.
    pub kafka_addr: Option<SocketAddr>,
    /// Whether a plug-in takes in what clients push of their metrics and shows it over HTTP.
    /// Without one Kafka answers no such request.
    pub telemetry: Telemetry,
}

/// Whether the plug-in of `conformance/kafka/Receiver.java` is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telemetry {
    /// As Kafka comes.
    Off,
    /// With the plug-in.
    Received,
}

impl KafkaOptions {
    /// Kafka's own defaults in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            settings: Vec::new(),
            heap_mib: 1024,
            kafka_addr: None,
            telemetry: Telemetry::Off,
        }
    }

    /// Adds one broker setting.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A real Apache Kafka of the version pinned in `conformance/kafka/pom.xml`.
#[derive(Debug)]
pub struct KafkaServer;

impl KafkaServer {
    /// Formats the storage if that was not done, starts Kafka on free ports and waits until it
    /// serves.
    pub fn start(options: &KafkaOptions) -> Result<Server> {
        let mut server = Self::launch(options)?;
        server.wait_ready()?;
        Ok(server)
    }

    /// As [`Self::start`], without waiting.
    pub fn launch(options: &KafkaOptions) -> Result<Server> {
        let mut classpath = setup::java_tools()?;
        let receiver = match options.telemetry {
            Telemetry::Off => None,
            Telemetry::Received => Some(server::free_addr()?),
        };
        if receiver.is_some() {
            classpath = format!("{}:{classpath}", clients::kafka_receiver()?.display());
        }
        let kafka_addr = options.kafka_addr.map_or_else(server::free_addr, Ok)?;
        std::fs::create_dir_all(&options.folder)?;
        let properties = options.folder.join("server.properties");
        std::fs::write(&properties, server_properties(options, kafka_addr)?)?;
        format_storage(&classpath, &options.folder, &properties)?;
        let mut command = Command::new("java");
        command
            .args(JVM_FLAGS)
            .arg(format!("-Xms{}m", options.heap_mib))
            .arg(format!("-Xmx{}m", options.heap_mib))
            .args(["-cp", &classpath])
            .arg(log_setting());
        if let Some(addr) = receiver {
            command.arg(format!("-Dreceiver.port={}", addr.port()));
        }
        command.arg("kafka.Kafka").arg(&properties);
        let server = Server::launch(command, kafka_addr, &options.folder.join("server.log"))?;
        Ok(match receiver {
            Some(addr) => server.with_http(addr),
            None => server,
        })
    }
}

/// The JVM argument that points log4j at the settings beside the pom.
#[must_use]
pub fn log_setting() -> String {
    let file = setup::repository().join("conformance/kafka/log4j2.properties");
    format!("-Dlog4j2.configurationFile={}", file.display())
}

fn server_properties(options: &KafkaOptions, kafka_addr: SocketAddr) -> Result<String> {
    let controller_addr = server::free_addr()?;
    let mut text = format!(
        "process.roles=broker,controller\nnode.id=1\n\
         controller.quorum.voters=1@{controller_addr}\n\
         listeners=PLAINTEXT://{kafka_addr},CONTROLLER://{controller_addr}\n\
         advertised.listeners=PLAINTEXT://{kafka_addr}\n\
         controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n\
         log.dirs={}\n",
        options.folder.join("data").display()
    );
    let own = options
        .settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let plug_in: &[(&str, &str)] = match options.telemetry {
        Telemetry::Off => &[],
        Telemetry::Received => &[("metric.reporters", "Receiver")],
    };
    let settings = SINGLE_NODE.iter().chain(plug_in).copied();
    for (name, value) in settings.chain(own) {
        writeln!(text, "{name}={value}")?;
    }
    Ok(text)
}

fn format_storage(classpath: &str, folder: &Path, properties: &Path) -> Result<()> {
    if folder.join("data/meta.properties").is_file() {
        return Ok(());
    }
    let output = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-cp", classpath])
        .arg(log_setting())
        .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
        .arg(properties)
        .output()
        .context("cannot start java")?;
    ensure!(
        output.status.success(),
        "formatting Kafka's storage ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
