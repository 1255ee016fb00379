//! How is a whole run done? Every client against a fresh server of its own, a few clients at a
//! time.
//!
//! Invariants: a case judges Sprawl only if it passed against Apache Kafka
//! (`conformance/proved.json`, written by a whole run against Kafka), but for the queue drill,
//! whose promises Kafka does not keep; a server that dies or does not stop cleanly is itself a
//! failed case.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::clients::{CLIENTS, Client};
use crate::crash::{self, DrillOptions};
use crate::kafka::{KafkaOptions, KafkaServer};
use crate::queue::{self, QUEUE, QueueOptions};
use crate::rebalance::{self, RebalanceOptions, Size};
use crate::row::{self, Counts, Outcome, Row};
use crate::server::Server;
use crate::sprawl::{SprawlOptions, SprawlServer};
use crate::{not_yet, setup, two_phase, wait};

const CLIENT_WAIT_MAX: Duration = Duration::from_secs(15 * 60);
const KAFKA_HEAP_MIB: u32 = 512;
/// The small form of the queue drill.
const QUEUE_RECORDS: u64 = 5_000;
const QUEUE_LOAD: Duration = Duration::from_secs(40);
/// SIGTERM is how Kafka is stopped, and the JVM says so in its exit code.
const KAFKA_STOP_CODE: i32 = 143;
/// The case that every server must pass after every client.
const STOPS: &str = "server-stops-cleanly";

/// What the clients are run against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The Sprawl binary at this path.
    Sprawl(PathBuf),
    /// Apache Kafka, to prove the cases.
    Kafka,
}

impl Peer {
    /// Name of the peer in file names and messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sprawl(_) => "sprawl",
            Self::Kafka => "kafka",
        }
    }
}

/// Which part of the clients' cases is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What continuous integration has time for.
    Usual,
    /// Everything that is in scope.
    Full,
}

/// What to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The server.
    pub peer: Peer,
    /// Clients to run, all when empty.
    pub clients: Vec<String>,
    /// Cases to run, comma-separated, all when empty.
    pub cases: String,
    /// How much of each client.
    pub extent: Extent,
    /// How many clients run at once.
    pub jobs: usize,
    /// Rounds of the crash drill that follows a whole run.
    pub crash_rounds: u64,
}

impl RunOptions {
    /// True when nothing was left out by name.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.clients.is_empty() && self.cases.is_empty()
    }
}

/// Folder of a peer's logs and results.
#[must_use]
pub fn results_folder(peer: &Peer) -> PathBuf {
    let root = setup::repository();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    target.join("conformance").join(peer.name())
}

/// The rows of the last whole run against Apache Kafka.
#[must_use]
pub fn proved_file() -> PathBuf {
    setup::repository().join("conformance/proved.json")
}

/// Runs the chosen clients, telling `tell` of each that ended, and returns every row in the
/// clients' order.
pub fn run(options: &RunOptions, tell: &(dyn Fn(&str) + Sync)) -> Result<Vec<Row>> {
    let chosen = choose(&options.clients)?;
    let proved = match options.peer {
        Peer::Sprawl(_) => row::load(&proved_file())?,
        Peer::Kafka => Vec::new(),
    };
    let waiting = waiting_rows(&chosen, options, &proved)?;
    let next = Mutex::new(chosen.iter());
    let all_rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some(client) = take(&next) {
                    let start = Instant::now();
                    let cases = match cases_of(client, options, &proved, &waiting) {
                        Some(cases) => cases,
                        None => continue,
                    };
                    let rows = run_client(client, options, &cases).unwrap_or_else(|error| {
                        vec![failed(client.name, "set-up", &format!("{error:#}"))]
                    });
                    tell(&summary(client.name, &rows, start.elapsed()));
                    all_rows
                        .lock()
                        .expect("no worker panics with the lock held")
                        .extend(rows);
                }
            });
        }
    });
    let mut rows = all_rows
        .into_inner()
        .expect("no worker panics with the lock held");
    rows.sort_by_key(order);
    if options.is_whole() {
        rows.extend(crash_rows(options, tell));
        rows.extend(queue_rows(options, tell));
        rows.extend(rebalance_rows(options, tell));
        rows.extend(two_phase_rows(options, tell));
    }
    if options.peer != Peer::Kafka {
        refuse_unproved(&mut rows, &proved);
    }
    rows.extend(waiting);
    rows.sort_by_key(order);
    std::fs::create_dir_all(results_folder(&options.peer))?;
    row::save(&rows, &results_folder(&options.peer).join("results.json"))?;
    Ok(rows)
}

/// Place of a row's client in the list; what belongs to no client comes last.
fn order(row: &Row) -> usize {
    CLIENTS
        .iter()
        .position(|client| client.name == row.client)
        .unwrap_or(CLIENTS.len())
}

/// The cases of the chosen clients that wait for a part of the broker; none when cases are named.
fn waiting_rows(chosen: &[&Client], options: &RunOptions, proved: &[Row]) -> Result<Vec<Row>> {
    if !options.cases.is_empty() {
        return Ok(Vec::new());
    }
    let waiting = not_yet::load()?;
    Ok(chosen
        .iter()
        .flat_map(|client| not_yet::rows(client.name, proved, &waiting))
        .collect())
}

/// What to tell the client of the cases to run: empty is all; `None` when every case waits.
fn cases_of(
    client: &Client,
    options: &RunOptions,
    proved: &[Row],
    waiting: &[Row],
) -> Option<String> {
    if !waiting.iter().any(|row| row.client == client.name) {
        return Some(options.cases.clone());
    }
    let others = not_yet::others(client.name, proved, waiting);
    (!others.is_empty()).then(|| others.join(","))
}

fn crash_rows(options: &RunOptions, tell: &dyn Fn(&str)) -> Vec<Row> {
    let drill = DrillOptions {
        peer: options.peer.clone(),
        rounds: options.crash_rounds,
        seed: 0,
        settings: Vec::new(),
    };
    let start = Instant::now();
    let rows = match crash::drill(&drill, tell) {
        Ok(drill) => drill.rows(),
        Err(error) => vec![crash::no_verdict(&error)],
    };
    tell(&summary("crash-drill", &rows, start.elapsed()));
    rows
}

/// The small form of the queue drill; the whole one takes minutes and is run by hand.
fn queue_rows(options: &RunOptions, tell: &dyn Fn(&str)) -> Vec<Row> {
    if options.peer == Peer::Kafka {
        return Vec::new();
    }
    let drill = QueueOptions {
        peer: options.peer.clone(),
        records: QUEUE_RECORDS,
        load: QUEUE_LOAD,
        seed: 0,
        settings: Vec::new(),
    };
    let start = Instant::now();
    let rows = match queue::drill(&drill, &|_| {}) {
        Ok(drill) => drill.rows(),
        Err(error) => vec![queue::no_verdict(&error)],
    };
    tell(&summary(QUEUE, &rows, start.elapsed()));
    rows
}

fn two_phase_rows(options: &RunOptions, tell: &dyn Fn(&str)) -> Vec<Row> {
    let start = Instant::now();
    let rows = two_phase::drill(&options.peer, &|_| {})
        .unwrap_or_else(|error| vec![two_phase::no_result(&error)]);
    tell(&summary(two_phase::NAME, &rows, start.elapsed()));
    rows
}

fn rebalance_rows(options: &RunOptions, tell: &dyn Fn(&str)) -> Vec<Row> {
    let drill = RebalanceOptions {
        drill: DrillOptions {
            peer: options.peer.clone(),
            rounds: Size::SMALL.rounds,
            seed: 0,
            settings: Vec::new(),
        },
        size: Size::SMALL,
    };
    let start = Instant::now();
    let rows = match rebalance::drill(&drill, tell) {
        Ok(drill) => drill.rows(),
        Err(error) => vec![rebalance::no_verdict(&error)],
    };
    tell(&summary("rebalance-drill", &rows, start.elapsed()));
    rows
}

fn take<'a>(next: &Mutex<std::slice::Iter<'_, &'a Client>>) -> Option<&'a Client> {
    next.lock()
        .expect("no worker panics with the lock held")
        .next()
        .copied()
}

fn choose(names: &[String]) -> Result<Vec<&'static Client>> {
    if names.is_empty() {
        return Ok(CLIENTS.iter().collect());
    }
    names
        .iter()
        .map(|name| {
            let known = || {
                CLIENTS
                    .iter()
                    .map(|client| client.name)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            CLIENTS
                .iter()
                .find(|client| client.name == name)
                .with_context(|| format!("no client {name}; there are {}", known()))
        })
        .collect()
}

fn run_client(client: &Client, options: &RunOptions, cases: &str) -> Result<Vec<Row>> {
    let mut command = (client.set_up)()?;
    let folder = results_folder(&options.peer).join(client.name);
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let mut server = start_server(&options.peer, &folder, client.settings)?;
    command
        .env("BOOTSTRAP", server.bootstrap())
        .env("CASES", cases);
    if let Some(url) = server.metrics_url() {
        command.env("METRICS", url);
    }
    if options.extent == Extent::Full {
        command.env("FULL", "1");
    }
    let how_it_ended = run_program(command, &folder)?;
    let output = std::fs::read(folder.join("program.out"))?;
    let mut rows = row::parse_output(
        client.name,
        &String::from_utf8_lossy(&output),
        &how_it_ended,
    );
    let version = rows
        .first()
        .map(|row| row.version.clone())
        .unwrap_or_default();
    let end = if server.is_running()? {
        judge_end(&options.peer, server.stop())
    } else {
        Some(format!("the server died; see {}", server.log().display()))
    };
    let mut last = failed(client.name, STOPS, end.as_deref().unwrap_or_default());
    last.version = version;
    if end.is_none() {
        last.result = Outcome::Passed;
        remove_data(&folder)?;
    }
    rows.push(last);
    Ok(rows)
}

/// Starts `peer` with data and log in `folder` and waits until it serves.
pub fn start_server(peer: &Peer, folder: &Path, settings: &[(&str, &str)]) -> Result<Server> {
    let mut server = launch_server(peer, folder, settings, None)?;
    server.wait_ready()?;
    Ok(server)
}

/// Starts `peer` with data and log in `folder`, on `kafka_addr` if given; does not wait.
pub fn launch_server(
    peer: &Peer,
    folder: &Path,
    settings: &[(&str, &str)],
    kafka_addr: Option<SocketAddr>,
) -> Result<Server> {
    let settings: Vec<(String, String)> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    match peer {
        Peer::Kafka => KafkaServer::launch(&KafkaOptions {
            settings,
            heap_mib: KAFKA_HEAP_MIB,
            kafka_addr,
            telemetry: crate::kafka::Telemetry::Received,
            ..KafkaOptions::new(folder)
        }),
        Peer::Sprawl(binary) => SprawlServer::launch(&SprawlOptions {
            settings,
            kafka_addr,
            ..SprawlOptions::new(binary, folder)
        }),
    }
}

/// Runs the client's program to its end or the deadline and says in words how it ended.
fn run_program(mut command: Command, folder: &Path) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(folder.join("program.out"))?)
        .stderr(File::create(folder.join("program.err"))?)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let ended = wait::until("the program to end", CLIENT_WAIT_MAX, || {
        Ok(child.try_wait()?)
    });
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // What the program started ends with it. An error only says that nothing is left.
    let _ended = kill_process_group(group.context("the child has no process id")?, Signal::KILL);
    match ended {
        Ok(status) => Ok(format!("ended with {status}")),
        Err(_) => {
            child.wait()?;
            Ok(format!("was ended after {CLIENT_WAIT_MAX:?}"))
        }
    }
}

fn judge_end(peer: &Peer, end: Result<ExitStatus>) -> Option<String> {
    let expected = match peer {
        Peer::Kafka => KAFKA_STOP_CODE,
        Peer::Sprawl(_) => 0,
    };
    match end {
        Ok(status) if status.code() == Some(expected) => None,
        Ok(status) => Some(format!("the server ended with {status}")),
        Err(error) => Some(format!("{error:#}")),
    }
}

fn remove_data(folder: &Path) -> Result<()> {
    let data = folder.join("data");
    if data.is_dir() {
        std::fs::remove_dir_all(&data)?;
    }
    Ok(())
}

/// A pass that Kafka did not show proves nothing, and what ran there must run here.
/// The queue drill alone is not asked for that: Kafka does not keep its promises.
pub fn refuse_unproved(rows: &mut [Row], proved: &[Row]) {
    for row in rows.iter_mut().filter(|row| row.client != QUEUE) {
        let same = |proof: &&Row| proof.client == row.client && proof.case == row.case;
        let proof = proved.iter().find(same);
        let at_kafka = proof.map(|proof| proof.result);
        let refusal = match (row.result, at_kafka) {
            // Kafka's client can do it and its broker has refused it: the page says with what.
            (Outcome::Passed, Some(Outcome::OutOfScope)) if row.client == two_phase::NAME => {
                let words = proof.map_or("", |proof| proof.reason.as_str());
                row.reason = format!("Apache Kafka refuses it: {words}");
                continue;
            }
            (Outcome::Passed, Some(Outcome::Passed)) | (Outcome::Failed, _) => continue,
            (Outcome::Passed, _) => "never passed against Apache Kafka: run with --peer kafka",
            (Outcome::OutOfScope, Some(Outcome::Passed)) => "ran against Apache Kafka but not here",
            (Outcome::OutOfScope, _) => continue,
        };
        row.reason = format!("{refusal} {}", row.reason);
        row.result = Outcome::Failed;
    }
}

fn failed(client: &str, case: &str, reason: &str) -> Row {
    Row {
        client: client.to_owned(),
        version: String::new(),
        case: case.to_owned(),
        result: Outcome::Failed,
        reason: reason.to_owned(),
    }
}

fn summary(client: &str, rows: &[Row], took: Duration) -> String {
    let mut text = format!(
        "{client}: {} in {:.0} s",
        Counts::of(rows),
        took.as_secs_f64()
    );
    for row in rows.iter().filter(|row| row.result == Outcome::Failed) {
        text.push_str(&format!("\n  FAILED {}: {}", row.case, row.reason));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_never_proved_against_kafka_cannot_pass() {
        let mut pass = failed("kcat", "produce", "");
        pass.result = Outcome::Passed;
        let mut rows = [pass.clone()];
        refuse_unproved(&mut rows, &[]);
        assert_eq!(rows[0].result, Outcome::Failed);
        let mut rows = [pass.clone()];
        refuse_unproved(&mut rows, std::slice::from_ref(&pass));
        assert_eq!(rows[0].result, Outcome::Passed);
        let mut rows = [Row {
            client: QUEUE.to_owned(),
            ..pass
        }];
        refuse_unproved(&mut rows, &[]);
        assert_eq!(rows[0].result, Outcome::Passed);
    }

    #[test]
    fn case_that_ran_against_kafka_cannot_be_left_out() {
        let mut pass = failed("librdkafka-suite", "0053_stats", "");
        pass.result = Outcome::Passed;
        let mut rows = [Row {
            result: Outcome::OutOfScope,
            ..pass.clone()
        }];
        refuse_unproved(&mut rows, &[pass]);
        assert_eq!(rows[0].result, Outcome::Failed);
    }

    #[test]
    fn what_kafka_refuses_may_pass_in_the_drill_of_two_phase_commit_alone() {
        let mut pass = failed(two_phase::NAME, "commits", "");
        pass.result = Outcome::Passed;
        let refused = Row {
            result: Outcome::OutOfScope,
            reason: "UNSUPPORTED_VERSION".to_owned(),
            ..pass.clone()
        };
        let mut rows = [pass.clone()];
        refuse_unproved(&mut rows, std::slice::from_ref(&refused));
        assert_eq!(rows[0].result, Outcome::Passed);
        assert!(rows[0].reason.contains("UNSUPPORTED_VERSION"));
        let mut rows = [pass.clone()];
        refuse_unproved(&mut rows, &[]);
        assert_eq!(rows[0].result, Outcome::Failed);
        let elsewhere = |row: Row| Row {
            client: "kcat".to_owned(),
            ..row
        };
        let mut rows = [elsewhere(pass)];
        refuse_unproved(&mut rows, &[elsewhere(refused)]);
        assert_eq!(rows[0].result, Outcome::Failed);
    }

    #[test]
    fn unknown_client_is_refused_by_name() {
        let error = choose(&["kcta".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("kcta") && error.to_string().contains("kcat"));
    }
}
