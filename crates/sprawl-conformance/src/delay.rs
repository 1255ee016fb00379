//! Is every delayed record delivered once, in order of due time, when the process is killed? The
//! drill: foreign clients send, cancel, and the server is killed at random moments.
//!
//! An idempotent librdkafka producer, and kcat now and then, send records with delivery headers to
//! several partitions; a part of them is cancelled. `conformance/delay/load.py` notes what was
//! acknowledged, reads back when everything is due, and judges. No Kafka has delayed delivery, so
//! nothing can prove the drill but what it finds.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::crash::{DrillOptions, moment, pause};
use crate::server::{self, Server};
use crate::{clients, run, setup, wait};

const TOPIC: &str = "delay-drill";
const PARTITIONS: &str = "3";
const RUN_MS: std::ops::Range<u64> = 400..2500;
const FIRST_WAIT_MAX: Duration = Duration::from_secs(60);
const LOAD_END_WAIT_MAX: Duration = Duration::from_secs(180);

/// What came of a drill.
#[derive(Debug)]
pub struct Drill {
    /// The last line of the judgement: what was sent, and how many breaches there are.
    pub summary: String,
    /// What went wrong.
    pub breaches: Vec<String>,
    /// What was sent, and the server's data and log.
    pub folder: PathBuf,
}

/// Runs the drill, telling `tell` of each round.
pub fn drill(options: &DrillOptions<'_>, tell: &dyn Fn(&str)) -> Result<Drill> {
    let folder = run::results_folder(&options.peer).join("delay-drill");
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    setup::need(&setup::KCAT)?;
    let python = clients::python_clients()?;
    let addr = server::free_addr()?;
    let sent = folder.join("sent");
    let mut server = start(options, &folder, addr)?;
    let load = Load::start(&python, &folder, addr, &sent)?;
    wait::until("a first acknowledgement", FIRST_WAIT_MAX, || {
        Ok(std::fs::metadata(&sent)
            .is_ok_and(|found| found.len() > 0)
            .then_some(()))
    })?;
    for round in 0..options.rounds {
        let run_ms = moment(options.seed, round, &RUN_MS);
        pause(run_ms);
        server.kill()?;
        server = start(options, &folder, addr)?;
        tell(&format!("round {}: killed after {run_ms} ms", round + 1));
    }
    load.finish()?;
    let output = program(&python, addr, "judge", &sent).output()?;
    server.stop()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let Some(summary) = lines.pop() else {
        bail!("no judgement: {}", String::from_utf8_lossy(&output.stderr));
    };
    Ok(Drill {
        summary,
        breaches: lines,
        folder,
    })
}

fn start(options: &DrillOptions<'_>, folder: &Path, addr: SocketAddr) -> Result<Server> {
    let mut server = run::launch_server(&options.peer, folder, &options.settings, Some(addr))?;
    server.wait_ready()?;
    Ok(server)
}

fn program(python: &Path, addr: SocketAddr, verb: &str, sent: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .arg(setup::repository().join("conformance/delay/load.py"))
        .args([verb, TOPIC, PARTITIONS])
        .arg(sent)
        .env("BOOTSTRAP", addr.to_string());
    command
}

/// The program that sends.
struct Load(Child);

impl Load {
    fn start(python: &Path, folder: &Path, addr: SocketAddr, sent: &Path) -> Result<Self> {
        let child = program(python, addr, "produce", sent)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("load.err"))?)
            .spawn()
            .context("cannot start the load")?;
        Ok(Self(child))
    }

    /// Ends the load and waits until all of it is acknowledged.
    fn finish(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = wait::until("the load to flush", LOAD_END_WAIT_MAX, || {
            Ok(self.0.try_wait()?)
        })?;
        if !status.success() {
            bail!("the load ended with {status}; see load.err");
        }
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
