//! Does anything acknowledged get lost when the process is killed? The drill: load, `kill -9`,
//! restart, read back.
//!
//! Two idempotent producers of a foreign client write to several partitions without a pause while
//! the server is killed at random moments, now and then once more during its recovery. They retry
//! on their own, so that the broker meets resent batches after every restart. [`verdict`] compares
//! what was acknowledged with what is there.

pub mod verdict;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::row::{Outcome, Row};
use crate::run::{self, Peer};
use crate::server::{self, Server};
use crate::{clients, setup, wait};
use verdict::{History, Verdict};

const TOPIC: &str = "crash-drill";
const PARTITIONS: &str = "4";
const PRODUCERS: &str = "2";
const RUN_MS: std::ops::Range<u64> = 200..1500;
/// How long after its start a server is killed in a round that also kills during recovery.
const RECOVERY_KILL_MS: std::ops::Range<u64> = 1..150;
/// One round of this many kills during recovery too.
const RECOVERY_KILL_EVERY: u64 = 5;
const PRODUCE_WAIT_MAX: Duration = Duration::from_secs(60);
const LOAD_END_WAIT_MAX: Duration = Duration::from_secs(150);

/// What to drill.
#[derive(Clone, Debug)]
pub struct DrillOptions<'a> {
    /// The server to kill.
    pub peer: Peer,
    /// How often it, or in the bank drill it or a client, is killed.
    pub rounds: u64,
    /// Chooses what and when; the same seed gives the same choices.
    pub seed: u64,
    /// Broker settings.
    pub settings: Vec<(&'a str, &'a str)>,
}

/// What came of a drill.
#[derive(Debug)]
pub struct Drill {
    /// What was lost, duplicated or reordered.
    pub verdict: Verdict,
    /// From the start of a killed server to the first acknowledgement, one entry a round.
    pub recoveries: Vec<Duration>,
    /// History of the load, what was read back, and the server's data and log; kept when something
    /// is wrong.
    pub folder: PathBuf,
}

/// Runs the drill, telling `tell` of each round.
pub fn drill(options: &DrillOptions<'_>, tell: &dyn Fn(&str)) -> Result<Drill> {
    let folder = run::results_folder(&options.peer).join("crash-drill");
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let python = clients::python_clients()?;
    let addr = server::free_addr()?;
    let mut server = start(options, &folder, addr)?;
    let load = Load::start(&python, &folder, addr)?;
    let mut recoveries = Vec::new();
    for round in 0..options.rounds {
        load.wait_for_ack_after(wall_ms())?;
        let run_ms = moment(options.seed, round, &RUN_MS);
        pause(run_ms);
        server.kill()?;
        let killed_again = kill_during_recovery(options, &folder, addr, round)?;
        let (start_ms, started) = (wall_ms(), Instant::now());
        server = start(options, &folder, addr)?;
        let serving = started.elapsed();
        let acked_ms = load.wait_for_ack_after(start_ms)?;
        let recovery = Duration::from_millis(acked_ms.saturating_sub(start_ms));
        recoveries.push(recovery);
        tell(&format!(
            "round {}: killed after {run_ms} ms{}, serving after {} ms, first produce after {} ms",
            round + 1,
            killed_again.map_or(String::new(), |ms| format!(
                " and {ms} ms into its recovery"
            )),
            serving.as_millis(),
            recovery.as_millis()
        ));
    }
    load.finish()?;
    let found = read_back(&python, &folder, addr)?;
    server.stop()?;
    let history = History::parse(&std::fs::read_to_string(folder.join("history"))?)?;
    let verdict = verdict::judge(&history, &found)?;
    Ok(Drill {
        verdict,
        recoveries,
        folder,
    })
}

impl Drill {
    /// The drill as rows of the results, one a promise.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let rounds = self.recoveries.len();
        let slowest = self.recoveries.iter().max().map_or(0, Duration::as_millis);
        let mut rows: Vec<Row> = self
            .verdict
            .promises()
            .into_iter()
            .map(|(promise, broken)| row(promise, broken))
            .collect();
        let mut restarts = row("every-restart-serves", Vec::new());
        restarts.reason =
            format!("{rounds} kills; slowest first produce {slowest} ms after a restart");
        rows.push(restarts);
        rows
    }
}

/// The row of a drill that came to no verdict.
#[must_use]
pub fn no_verdict(error: &anyhow::Error) -> Row {
    row("every-restart-serves", vec![format!("{error:#}")])
}

fn row(case: &str, broken: Vec<String>) -> Row {
    Row {
        client: "crash-drill".to_owned(),
        version: "kill -9".to_owned(),
        case: case.to_owned(),
        result: if broken.is_empty() {
            Outcome::Passed
        } else {
            Outcome::Failed
        },
        reason: broken.join("; "),
    }
}

fn start(options: &DrillOptions<'_>, folder: &Path, addr: SocketAddr) -> Result<Server> {
    let mut server = launch(options, folder, addr)?;
    server.wait_ready()?;
    Ok(server)
}

fn launch(options: &DrillOptions<'_>, folder: &Path, addr: SocketAddr) -> Result<Server> {
    run::launch_server(&options.peer, folder, &options.settings, Some(addr))
}

/// In some rounds starts the server and kills it before it serves; returns how far it came, in ms.
fn kill_during_recovery(
    options: &DrillOptions<'_>,
    folder: &Path,
    addr: SocketAddr,
    round: u64,
) -> Result<Option<u64>> {
    if round % RECOVERY_KILL_EVERY != RECOVERY_KILL_EVERY - 1 {
        return Ok(None);
    }
    let server = launch(options, folder, addr)?;
    let ms = moment(options.seed ^ u64::MAX, round, &RECOVERY_KILL_MS);
    pause(ms);
    server.kill()?;
    Ok(Some(ms))
}

/// A moment of a round, the same for the same seed.
pub(crate) fn moment(seed: u64, round: u64, range: &std::ops::Range<u64>) -> u64 {
    range.start + xxh3_64_with_seed(&round.to_le_bytes(), seed) % (range.end - range.start)
}

/// Lets time pass: when the kill comes is what the drill is about, there is nothing to wait for.
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The program that produces, and the history that it writes.
struct Load {
    child: Child,
    history: PathBuf,
}

impl Load {
    fn start(python: &Path, folder: &Path, addr: SocketAddr) -> Result<Self> {
        let history = folder.join("history");
        let child = program(python, addr)
            .args(["produce", TOPIC, PARTITIONS, PRODUCERS])
            .arg(&history)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("load.err"))?)
            .spawn()
            .context("cannot start the load")?;
        Ok(Self { child, history })
    }

    /// Waits for an acknowledgement that came after `ms` of wall time and returns when it came.
    fn wait_for_ack_after(&self, ms: u64) -> Result<u64> {
        let mut seen = 0;
        wait::until("an acknowledgement", PRODUCE_WAIT_MAX, || {
            let text = read_from(&self.history, seen)?;
            // A line that is being written is read again.
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            seen += whole as u64;
            Ok(verdict::first_ack_after(
                text.get(..whole).unwrap_or_default(),
                ms,
            ))
        })
    }

    /// Ends the load and waits for it to flush.
    fn finish(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = wait::until("the load to flush", LOAD_END_WAIT_MAX, || {
            Ok(self.child.try_wait()?)
        })?;
        ensure!(
            status.success(),
            "the load ended with {status}; see load.err"
        );
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The text of `file` from `position` on; none while the file is not there.
pub(crate) fn read_from(file: &Path, position: u64) -> Result<String> {
    let mut text = String::new();
    if file.is_file() {
        let mut file = File::open(file)?;
        file.seek(SeekFrom::Start(position))?;
        file.read_to_string(&mut text)?;
    }
    Ok(text)
}

fn program(python: &Path, addr: SocketAddr) -> Command {
    let mut command = Command::new(python);
    command.arg(setup::repository().join("conformance/crash/load.py"));
    command.env("BOOTSTRAP", addr.to_string());
    command
}

fn read_back(python: &Path, folder: &Path, addr: SocketAddr) -> Result<Vec<verdict::Found>> {
    let found = folder.join("found");
    let output = program(python, addr)
        .args(["read", TOPIC, PARTITIONS])
        .arg(&found)
        .output()?;
    if !output.status.success() {
        bail!(
            "reading back failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    verdict::parse_found(&std::fs::read_to_string(found)?)
}
