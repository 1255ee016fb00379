//! Does a prepared transaction survive everything, and is it completed as a whole? The drill: a
//! stock producer prepares, it and the server are killed, another producer completes (KIP-939).
//!
//! Apache Kafka 4.3.1 lets producers take part in two-phase commit, as an unstable version of its
//! protocol, but its broker refuses to keep a transaction: what only Sprawl can do is out of scope
//! there, for the reason that Kafka gives.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::row::{Outcome, Row};
use crate::run::{self, Peer};
use crate::server::{self, Server};
use crate::{clients, setup, wait};

/// The name of the drill in rows.
pub const NAME: &str = "two-phase-drill";

const SETTINGS: &[(&str, &str)] = &[
    ("transaction.two.phase.commit.enable", "true"),
    // A prepared transaction outlives both.
    ("transaction.max.timeout.ms", "1000"),
    (
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        "200",
    ),
];

/// What Kafka calls unstable: its first version of InitProducerId with two-phase commit.
const KAFKA_SETTINGS: &[(&str, &str)] = &[("unstable.api.versions.enable", "true")];

const END_WAIT_MAX: Duration = Duration::from_secs(60);

/// What a case came to.
enum Found {
    Passed,
    /// The server refuses what the case is about, with these words.
    Refused(String),
}

type Case = fn(&mut Drill<'_>) -> Result<Found>;

const CASES: &[(&str, Case)] = &[
    ("prepared-transaction-outlives-its-timeout", outlives),
    ("prepared-then-committed-across-kills", commits),
    ("prepared-then-aborted-across-kills", aborts),
    (
        "recovery-that-is-killed-is-taken-up-again",
        recovery_is_killed,
    ),
    ("completed-transaction-is-not-found-again", found_no_more),
    ("old-producer-is-fenced", fences),
];

/// Runs every case and returns a row each.
pub fn drill(peer: &Peer, tell: &dyn Fn(&str)) -> Result<Vec<Row>> {
    let folder = run::results_folder(peer).join(NAME);
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let addr = server::free_addr()?;
    let mut drill = Drill {
        peer,
        server: None,
        folder,
        addr,
        programs: 0,
    };
    drill.start()?;
    let mut rows = Vec::new();
    for (name, case) in CASES {
        let (result, reason) = match case(&mut drill) {
            Ok(Found::Passed) => (Outcome::Passed, String::new()),
            Ok(Found::Refused(words)) => (Outcome::OutOfScope, words),
            Err(error) => (Outcome::Failed, format!("{error:#}")),
        };
        tell(&format!("{name}: {result:?} {reason}"));
        rows.push(row(name, result, reason)?);
    }
    if let Some(server) = drill.server.take() {
        server.stop()?;
    }
    if rows.iter().all(|row| row.result != Outcome::Failed) {
        std::fs::remove_dir_all(drill.folder.join("data"))?;
    }
    Ok(rows)
}

/// The row of a drill that came to no result.
#[must_use]
pub fn no_result(error: &anyhow::Error) -> Row {
    Row {
        client: NAME.to_owned(),
        version: String::new(),
        case: "set-up".to_owned(),
        result: Outcome::Failed,
        reason: format!("{error:#}"),
    }
}

fn row(case: &str, result: Outcome, reason: String) -> Result<Row> {
    Ok(Row {
        client: NAME.to_owned(),
        version: format!("kafka-clients {}, kill -9", setup::kafka_version()?),
        case: case.to_owned(),
        result,
        reason,
    })
}

struct Drill<'a> {
    peer: &'a Peer,
    server: Option<Server>,
    folder: PathBuf,
    addr: SocketAddr,
    programs: usize,
}

impl Drill<'_> {
    fn start(&mut self) -> Result<()> {
        let mut settings = SETTINGS.to_vec();
        if *self.peer == Peer::Kafka {
            settings.extend(KAFKA_SETTINGS);
        }
        let server = run::launch_server(self.peer, &self.folder, &settings, Some(self.addr));
        self.server.insert(server?).wait_ready()
    }

    /// `kill -9`, and a new process on what is on the disk.
    fn kill_and_restart(&mut self) -> Result<()> {
        let server = self.server.take().context("the server runs")?;
        server.kill()?;
        self.start()
    }

    fn program(&mut self, args: &[&str]) -> Result<Program> {
        self.programs += 1;
        let errors = self.folder.join(format!("program-{}.err", self.programs));
        let mut command = clients::java_two_phase()?;
        command.args(args).env("BOOTSTRAP", self.addr.to_string());
        Program::start(command, &errors)
    }

    /// Runs a program that says one thing.
    fn ask(&mut self, args: &[&str]) -> Result<String> {
        let mut program = self.program(args)?;
        let said = program.line()?;
        program.end()?;
        Ok(said)
    }

    /// A new topic with a prepared transaction of two records; the topic is named as its
    /// transactional id is.
    fn prepare(&mut self, id: &str) -> Result<(Program, String)> {
        expect(&self.ask(&["create", id])?, "created")?;
        let mut program = self.program(&["prepare", id, id, "a", "b"])?;
        let said = program.line()?;
        let noted = said
            .strip_prefix("prepared ")
            .with_context(|| format!("expected a prepared transaction, found {said:?}"))?;
        Ok((program, noted.to_owned()))
    }

    /// A producer that comes in the place of the one that has prepared; `Err` in the inner result
    /// is a refusal.
    fn recover(&mut self, id: &str, noted: &str) -> Result<Result<(Program, String), String>> {
        let mut program = self.program(&["recover", id, noted])?;
        let said = program.line()?;
        if let Some(words) = said.strip_prefix("refused ") {
            return Ok(Err(words.to_owned()));
        }
        let found = said
            .strip_prefix("found ")
            .with_context(|| format!("expected what was found, found {said:?}"))?;
        Ok(Ok((program, found.to_owned())))
    }

    fn expect_read(&mut self, topic: &str, values: &str) -> Result<()> {
        let said = self.ask(&["read", topic])?;
        expect(&said, &format!("values {values}"))
    }
}

macro_rules! or_refused {
    ($recovered:expr) => {
        match $recovered {
            Ok(recovered) => recovered,
            Err(words) => return Ok(Found::Refused(words)),
        }
    };
}

fn outlives(drill: &mut Drill<'_>) -> Result<Found> {
    let (prepared, _) = drill.prepare("outlives")?;
    prepared.kill()?;
    let mut ordinary = drill.program(&["ordinary", "ordinary", "outlives"])?;
    expect(&ordinary.line()?, "begun")?;
    wait::until("the ordinary one to time out", END_WAIT_MAX, || {
        let mut states = drill.program(&["states", "ordinary", "outlives"])?;
        let (ordinary, prepared) = (states.line()?, states.line()?);
        states.end()?;
        expect(&prepared, &format!("Ongoing {}", i32::MAX))?;
        Ok((ordinary == "CompleteAbort 1000").then_some(()))
    })?;
    drill.kill_and_restart()?;
    let mut states = drill.program(&["states", "outlives"])?;
    expect(&states.line()?, &format!("Ongoing {}", i32::MAX))?;
    states.end()?;
    drill.expect_read("outlives", "")?;
    Ok(Found::Passed)
}

fn commits(drill: &mut Drill<'_>) -> Result<Found> {
    let (prepared, noted) = drill.prepare("commits")?;
    prepared.kill()?;
    drill.kill_and_restart()?;
    drill.expect_read("commits", "")?;
    let (mut recovery, found) = or_refused!(drill.recover("commits", &noted)?);
    expect(&found, &noted)?;
    drill.expect_read("commits", "")?;
    recovery.say("go on")?;
    expect(&recovery.line()?, "committed")?;
    drill.kill_and_restart()?;
    drill.expect_read("commits", "a,b")?;
    recovery.say("begin")?;
    recovery.say("commits")?;
    expect(&recovery.line()?, "next committed")?;
    drill.expect_read("commits", "a,b,next")?;
    Ok(Found::Passed)
}

fn aborts(drill: &mut Drill<'_>) -> Result<Found> {
    let (prepared, noted) = drill.prepare("aborts")?;
    prepared.kill()?;
    drill.kill_and_restart()?;
    // The other participant has noted an earlier transaction: this one was not decided.
    let (producer_id, _) = noted.split_once(':').context("two numbers")?;
    let earlier = format!("{producer_id}:32000");
    let (mut recovery, found) = or_refused!(drill.recover("aborts", &earlier)?);
    expect(&found, &noted)?;
    recovery.say("go on")?;
    expect(&recovery.line()?, "aborted")?;
    drill.kill_and_restart()?;
    drill.expect_read("aborts", "")?;
    recovery.say("begin")?;
    recovery.say("aborts")?;
    expect(&recovery.line()?, "next committed")?;
    drill.expect_read("aborts", "next")?;
    Ok(Found::Passed)
}

fn recovery_is_killed(drill: &mut Drill<'_>) -> Result<Found> {
    let (prepared, noted) = drill.prepare("again")?;
    prepared.kill()?;
    for _ in 0..2 {
        let (recovery, found) = or_refused!(drill.recover("again", &noted)?);
        expect(&found, &noted)?;
        recovery.kill()?;
        drill.kill_and_restart()?;
        drill.expect_read("again", "")?;
    }
    let (mut recovery, found) = or_refused!(drill.recover("again", &noted)?);
    expect(&found, &noted)?;
    recovery.say("go on")?;
    expect(&recovery.line()?, "committed")?;
    drill.expect_read("again", "a,b")?;
    Ok(Found::Passed)
}

fn found_no_more(drill: &mut Drill<'_>) -> Result<Found> {
    let (prepared, noted) = drill.prepare("once")?;
    prepared.kill()?;
    let (mut recovery, _) = or_refused!(drill.recover("once", &noted)?);
    recovery.say("go on")?;
    expect(&recovery.line()?, "committed")?;
    recovery.kill()?;
    drill.kill_and_restart()?;
    // Nobody heard that it is done, so it is done again.
    let (mut recovery, found) = or_refused!(drill.recover("once", &noted)?);
    expect(&found, "nothing")?;
    recovery.say("go on")?;
    expect(&recovery.line()?, "nothing to complete")?;
    drill.expect_read("once", "a,b")?;
    Ok(Found::Passed)
}

fn fences(drill: &mut Drill<'_>) -> Result<Found> {
    let (mut old, noted) = drill.prepare("fences")?;
    let (mut recovery, found) = or_refused!(drill.recover("fences", &noted)?);
    expect(&found, &noted)?;
    old.say("commit")?;
    expect(&old.line()?, "failed ProducerFencedException")?;
    drill.expect_read("fences", "")?;
    recovery.say("go on")?;
    expect(&recovery.line()?, "committed")?;
    drill.expect_read("fences", "a,b")?;
    Ok(Found::Passed)
}

fn expect(found: &str, expected: &str) -> Result<()> {
    ensure!(found == expected, "expected {expected:?}, found {found:?}");
    Ok(())
}

/// A client program in conversation; killed when dropped.
struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: PathBuf,
}

impl Program {
    fn start(mut command: Command, errors: &Path) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(errors)?)
            .spawn()
            .context("cannot start the client")?;
        let input = child.stdin.take().context("standard input is a pipe")?;
        let output = child.stdout.take().context("standard output is a pipe")?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
            errors: errors.to_owned(),
        })
    }

    /// The next line it prints. Its own waits are bounded, and so is this.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        match line.strip_suffix('\n') {
            Some(line) => Ok(line.to_owned()),
            None => bail!(
                "the client ended with {:?}; {}",
                self.child.wait()?,
                server::tail(&self.errors)
            ),
        }
    }

    fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}")?;
        Ok(self.input.flush()?)
    }

    fn end(mut self) -> Result<()> {
        let status = wait::until("the client to end", END_WAIT_MAX, || {
            Ok(self.child.try_wait()?)
        })?;
        ensure!(status.success(), "the client ended with {status}");
        Ok(())
    }

    /// `kill -9`.
    fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
