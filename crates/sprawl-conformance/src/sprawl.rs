//! How is Sprawl started from outside? As a person would: the binary, a data directory, two
//! addresses.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::server::{self, Server};
use crate::setup;

/// How to start Sprawl. Start again with the same `folder` to get the same data.
#[derive(Clone, Debug)]
pub struct SprawlOptions {
    /// The binary to run.
    pub binary: PathBuf,
    /// Holds data and logs of this node; made when missing.
    pub folder: PathBuf,
    /// Settings passed as `--set name=value`.
    pub settings: Vec<(String, String)>,
    /// Kafka address; a free port each start when `None`. A client that must reconnect needs a
    /// fixed one.
    pub kafka_addr: Option<SocketAddr>,
}

impl SprawlOptions {
    /// Default settings, data in `folder`, a free port.
    pub fn new(binary: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            folder: folder.into(),
            settings: Vec::new(),
            kafka_addr: None,
        }
    }

    /// Adds one setting.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The server under test.
#[derive(Debug)]
pub struct SprawlServer;

impl SprawlServer {
    /// Starts the binary and waits until it serves.
    pub fn start(options: &SprawlOptions) -> Result<Server> {
        let mut server = Self::launch(options)?;
        server.wait_ready()?;
        Ok(server)
    }

    /// As [`Self::start`], without waiting.
    pub fn launch(options: &SprawlOptions) -> Result<Server> {
        let kafka_addr = options.kafka_addr.map_or_else(server::free_addr, Ok)?;
        let http_addr = server::free_addr()?;
        std::fs::create_dir_all(&options.folder)?;
        let mut command = Command::new(&options.binary);
        command
            .arg("start")
            .arg("--data-dir")
            .arg(options.folder.join("data"))
            .args(["--kafka-addr", &kafka_addr.to_string()])
            .args(["--http-addr", &http_addr.to_string()]);
        for (name, value) in &options.settings {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        let server = Server::launch(command, kafka_addr, &options.folder.join("server.log"))?;
        Ok(server.with_http(http_addr))
    }
}

/// Builds the development binary with cargo and returns its path.
pub fn build_binary() -> Result<PathBuf> {
    let root = setup::repository();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "sprawl", "--bin", "sprawl"])
        .current_dir(&root)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "building the server ended with {status}");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("debug/sprawl"))
}
