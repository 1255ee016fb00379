//! Do transactions keep their promises while everything dies? The drill: accounts move between two
//! topics in read-process-write loops, broker and clients are killed, requests come late and twice.
//!
//! Movers are two of librdkafka and one of Kafka's own client, in one group; watchers read along.
//! Every round kills something and waits until transactions commit again. [`judge`] then goes over
//! what everybody wrote down.

mod history;
pub mod judge;

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::crash::{DrillOptions, pause, read_from, wall_ms};
use crate::proxy::Proxy;
use crate::row::{Outcome, Row};
use crate::run;
use crate::server::{self, Server};
use crate::{clients, setup, wait};
use history::History;
use judge::{Promise, Verdict};

const BANK: &str = "bank";
const MOVERS: [(&str, Program); 3] = [
    ("librdkafka-0", Program::Python),
    ("librdkafka-1", Program::Python),
    ("java-0", Program::Java),
];
const WATCHERS: [&str; 2] = ["watcher-0", "watcher-1"];
const RUN_MS: std::ops::Range<u64> = 300..2_500;
/// A first commit needs a coordinator, a rebalance and a JVM.
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(90);
/// Longer than the longest call of a mover that makes progress, and than a rebalance.
const STUCK_AFTER: Duration = Duration::from_secs(25);
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(150);
/// Groups come together at once; hanging transactions are looked for often.
const SETTINGS: [(&str, &str); 2] = [
    ("group.initial.rebalance.delay.ms", "0"),
    (
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        "1000",
    ),
];

/// What a mover is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Python,
    Java,
}

/// What came of a drill.
#[derive(Debug)]
pub struct Drill {
    /// Which promises were kept.
    pub verdict: Verdict,
    /// How often the broker and a mover were killed, and requests held and doubled.
    pub faults: Faults,
    /// Histories, and the server's data and log; kept when something is wrong.
    pub folder: PathBuf,
}

/// How much was done to it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// `kill -9` of the broker.
    pub broker_kills: u64,
    /// `kill -9` of a mover.
    pub mover_kills: u64,
    /// Requests that came late.
    pub held: u64,
    /// Requests that came twice.
    pub doubled: u64,
}

impl std::fmt::Display for Faults {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} broker kills, {} client kills, {} requests held, {} doubled",
            self.broker_kills, self.mover_kills, self.held, self.doubled
        )
    }
}

/// Runs the drill, telling `tell` of each round.
pub fn drill(options: &DrillOptions<'_>, tell: &dyn Fn(&str)) -> Result<Drill> {
    let mut site = Site::prepare(options)?;
    site.open()?;
    let mut faults = Faults::default();
    for round in 0..options.rounds {
        site.wait_for_commit()?;
        let dice = xxh3_64_with_seed(&round.to_le_bytes(), options.seed);
        let run_ms = RUN_MS.start + dice % (RUN_MS.end - RUN_MS.start);
        pause(run_ms);
        let killed = site.kill_something(dice >> 32, &mut faults)?;
        tell(&format!(
            "round {}: {killed} killed after {run_ms} ms",
            round + 1
        ));
    }
    site.wait_for_commit()?;
    (faults.held, faults.doubled) = site.proxy.faults();
    let (history, folder) = site.close()?;
    Ok(Drill {
        verdict: judge::judge(&history),
        faults,
        folder,
    })
}

impl Drill {
    /// The drill as rows of the results, one a promise.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let rows = Promise::ALL.into_iter();
        rows.map(|promise| row(promise.name(), self.verdict.breaches(promise)))
            .collect()
    }
}

/// The row of a drill that came to no verdict.
#[must_use]
pub fn no_verdict(error: &anyhow::Error) -> Row {
    row("transactions-go-on", vec![format!("{error:#}")])
}

fn row(case: &str, broken: Vec<String>) -> Row {
    Row {
        client: "bank-drill".to_owned(),
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

/// Everything that runs during a drill.
struct Site<'a> {
    options: &'a DrillOptions<'a>,
    folder: PathBuf,
    python: PathBuf,
    java: Command,
    /// Where the broker listens; clients know only the proxy.
    broker_addr: SocketAddr,
    proxy: Proxy,
    server: Option<Server>,
    movers: Vec<Process>,
    watchers: Vec<Process>,
    incarnations: u64,
}

impl<'a> Site<'a> {
    fn prepare(options: &'a DrillOptions<'a>) -> Result<Self> {
        let folder = run::results_folder(&options.peer).join("bank-drill");
        if folder.is_dir() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let broker_addr = server::free_addr()?;
        let mut site = Self {
            options,
            folder,
            python: clients::python_clients()?,
            java: clients::lone_java_program("bank/Bank.java", "Bank")?,
            broker_addr,
            proxy: Proxy::start(broker_addr, options.seed)?,
            server: None,
            movers: Vec::new(),
            watchers: Vec::new(),
            incarnations: 0,
        };
        site.start_server()?;
        Ok(site)
    }

    fn start_server(&mut self) -> Result<()> {
        let advertised = format!("PLAINTEXT://{}", self.proxy.addr());
        let mut settings = SETTINGS.to_vec();
        settings.push(("advertised.listeners", &advertised));
        settings.extend(&self.options.settings);
        let (peer, addr) = (&self.options.peer, Some(self.broker_addr));
        let mut server = run::launch_server(peer, &self.folder, &settings, addr)?;
        server.wait_ready()?;
        self.server = Some(server);
        Ok(())
    }

    /// Writes every account once and starts movers and watchers.
    fn open(&mut self) -> Result<()> {
        let mut command = self.python_program();
        let opened = command.args(["open", BANK]).output()?;
        let said = String::from_utf8_lossy(&opened.stderr);
        ensure!(opened.status.success(), "the bank does not open: {said}");
        for name in WATCHERS {
            let mut command = self.python_program();
            command.args(["watch", BANK, name]).arg(self.history(name));
            self.watchers
                .push(Process::start(command, &self.folder, name)?);
        }
        for (name, program) in MOVERS {
            let mover = self.start_mover(name, program)?;
            self.movers.push(mover);
        }
        Ok(())
    }

    fn start_mover(&mut self, name: &str, program: Program) -> Result<Process> {
        let incarnation = self.incarnations.to_string();
        self.incarnations += 1;
        let mut command = match program {
            Program::Python => {
                let mut command = self.python_program();
                command.arg("move");
                command
            }
            Program::Java => {
                let mut command = Command::new(self.java.get_program());
                command.args(self.java.get_args());
                command.env("BOOTSTRAP", self.proxy.addr().to_string());
                command
            }
        };
        command
            .args([BANK, name, &incarnation])
            .arg(self.history(name));
        Process::start(command, &self.folder, name)
    }

    fn python_program(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(setup::repository().join("conformance/bank/bank.py"));
        command.env("BOOTSTRAP", self.proxy.addr().to_string());
        command
    }

    fn history(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.history"))
    }

    /// Replaces movers that ended by themselves or are stuck, as a supervisor would: a fenced
    /// client has no other way, and librdkafka's `send_offsets_to_transaction` may outstay its
    /// timeout for minutes after a broker's restart.
    fn supervise_movers(&mut self) -> Result<()> {
        for (index, (name, _)) in MOVERS.iter().enumerate() {
            let size = std::fs::metadata(self.history(name)).map_or(0, |file| file.len());
            let mover = &mut self.movers[index];
            if mover.child.try_wait()?.is_some() {
                self.replace_mover(index)?;
            } else if mover.is_stuck(size) {
                mover.kill()?;
                self.replace_mover(index)?;
            }
        }
        Ok(())
    }

    fn replace_mover(&mut self, index: usize) -> Result<()> {
        let (name, program) = MOVERS[index];
        let mover = self.start_mover(name, program)?;
        self.movers[index] = mover;
        Ok(())
    }

    /// Waits for a commit that is acknowledged from now on.
    fn wait_for_commit(&mut self) -> Result<()> {
        let now_ms = wall_ms();
        let mut read: Vec<u64> = vec![0; MOVERS.len()];
        wait::until("a committed transaction", COMMIT_WAIT_MAX, || {
            self.supervise_movers()?;
            for ((name, _), position) in MOVERS.iter().zip(&mut read) {
                let text = read_from(&self.history(name), *position)?;
                let whole = text.rfind('\n').map_or(0, |end| end + 1);
                *position += whole as u64;
                let lines = text.get(..whole).unwrap_or_default();
                if history::first_commit_after(lines, now_ms).is_some() {
                    return Ok(Some(()));
                }
            }
            pause(20);
            Ok(None)
        })
    }

    /// Kills the broker or one of the movers and starts it again.
    fn kill_something(&mut self, dice: u64, faults: &mut Faults) -> Result<String> {
        let choices = MOVERS.len() as u64 * 2;
        let index = usize::try_from(dice % choices).unwrap_or(0);
        if let Some((name, _)) = MOVERS.get(index) {
            self.movers[index].kill()?;
            self.replace_mover(index)?;
            faults.mover_kills += 1;
            return Ok((*name).to_owned());
        }
        let server = self.server.take().context("the server is not running")?;
        server.kill()?;
        self.start_server()?;
        faults.broker_kills += 1;
        Ok("broker".to_owned())
    }

    /// Ends movers and watchers, lets transactions time out, and reads everything.
    fn close(mut self) -> Result<(History, PathBuf)> {
        for mover in &mut self.movers {
            mover.stop()?;
        }
        let mut command = self.python_program();
        command.args(["close", BANK, BANK]).arg(self.history("end"));
        let mut closing = Process::start(command, &self.folder, "close")?;
        let status = wait::until("the closing read", CLOSE_WAIT_MAX, || {
            Ok(closing.child.try_wait()?)
        })?;
        ensure!(
            status.success(),
            "the closing read ended with {status}; see close.err"
        );
        for watcher in &mut self.watchers {
            watcher.stop()?;
        }
        let mut history = History::default();
        for name in MOVERS
            .map(|(name, _)| name)
            .into_iter()
            .chain(WATCHERS)
            .chain(["end"])
        {
            let file = self.history(name);
            let text = std::fs::read_to_string(&file);
            history.add(&text.with_context(|| format!("no history {}", file.display()))?)?;
        }
        if let Some(server) = self.server.take() {
            server.stop()?;
        }
        Ok((history, self.folder.clone()))
    }
}

/// A client process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// Size of its history when it was last seen to grow, and when that was.
    grown: (u64, Instant),
}

impl Process {
    pub(crate) fn start(mut command: Command, folder: &Path, name: &str) -> Result<Self> {
        let errors = File::options()
            .create(true)
            .append(true)
            .open(folder.join(format!("{name}.err")))?;
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let grown = (0, Instant::now());
        Ok(Self { child, grown })
    }

    /// Whether the history has stayed at `size` for too long.
    fn is_stuck(&mut self, size: u64) -> bool {
        if size != self.grown.0 {
            self.grown = (size, Instant::now());
        }
        self.grown.1.elapsed() > STUCK_AFTER
    }

    /// Process id, for signals.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, once it has.
    pub(crate) fn status(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Writes a line to its standard input.
    pub(crate) fn say(&mut self, line: &str) {
        if let Some(input) = &mut self.child.stdin {
            // Fails only where the process is gone.
            drop(input.write_all(format!("{line}\n").as_bytes()));
        }
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks for the end and waits for it; one that had ended already is all right, and one that
    /// does not come to an end is killed.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(mut input) = self.child.stdin.take() {
            // Fails only where the process is gone.
            drop(input.write_all(b"stop\n"));
        }
        let ended = wait::until("a client to end", STUCK_AFTER, || {
            Ok(self.child.try_wait()?)
        });
        ended.map(drop).or_else(|_| self.kill())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
