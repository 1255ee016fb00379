//! Do queues keep their promises while everything dies? The drill: eight share consumers that
//! crash, hang past their lock, reject, release and renew at random, and a broker that is killed.
//!
//! Six are Kafka's own client and two are librdkafka. A producer writes evenly for the time of the
//! load; all the while something is killed or stopped. Then the workers finish in peace, the
//! closing program waits until the group is through, and [`judge`] goes over what everybody wrote
//! down.
//!
//! Apache Kafka 4.3.1 does not keep every promise: it confirms an answer that comes too late for a
//! record that is over already, so that a record may be acknowledged twice; and it has no
//! dead-letter topics. So this drill is not proved by a run against it, but by the tests of its
//! judge, which break each promise.
//!
//! Bounds: the load takes the time that was asked for and what waits for the broker to come back;
//! a queue that stands still, or does not come to its end, ends the drill.

mod history;
pub mod judge;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::bank::Process;
use crate::crash::{pause, read_from};
use crate::row::{Outcome, Row};
use crate::run::{self, Peer};
use crate::server::{self, Server};
use crate::{clients, setup, wait};
use history::{Answer, History, Place, ended_count};
use judge::{Letters, Promise, Rules, Verdict};

/// The drill's name in the results, and that of topic and group.
pub const QUEUE: &str = "queue-drill";
const WORKERS: [(&str, Program); 8] = [
    ("java-0", Program::Java),
    ("java-1", Program::Java),
    ("java-2", Program::Java),
    ("java-3", Program::Java),
    ("java-4", Program::Java),
    ("java-5", Program::Java),
    ("librdkafka-0", Program::Python),
    ("librdkafka-1", Program::Python),
];
/// As in `Worker.java`.
const DELIVERIES_MAX: u32 = 3;
/// As in `Worker.java`, and beyond.
const STOP_MS: std::ops::Range<u64> = 2_200..4_500;
const RUN_MS: std::ops::Range<u64> = 300..2_500;
const STEP_MS: u64 = 50;
/// What is killed or stopped, of so many: the broker, a worker killed, a worker stopped.
const FAULTS_OF: u64 = 10;
const BROKER_KILLS: u64 = 3;
const WORKER_KILLS: u64 = 4;
/// A JVM starts, joins, waits for the locks of those before it.
const PROGRESS_WAIT_MAX: Duration = Duration::from_secs(90);
/// What the closing program waits for the group, and then reads.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(180);
/// Locks, sessions and beats of seconds, so that what was held by the dead comes back soon; few
/// partitions of internal topics, so that a restart is short.
const SETTINGS: [(&str, &str); 7] = [
    ("offsets.topic.num.partitions", "2"),
    ("share.coordinator.state.topic.num.partitions", "2"),
    ("group.share.min.record.lock.duration.ms", "1000"),
    ("group.share.min.session.timeout.ms", "1000"),
    ("group.share.session.timeout.ms", "6000"),
    ("group.share.min.heartbeat.interval.ms", "500"),
    ("group.share.heartbeat.interval.ms", "1000"),
];
/// Eight of them run beside the broker.
const JVM_FLAGS: [&str; 3] = ["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// What a worker is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Java,
    Python,
}

/// What to drill.
#[derive(Clone, Debug)]
pub struct QueueOptions<'a> {
    /// The server to kill.
    pub peer: Peer,
    /// How many records go through the queue.
    pub records: u64,
    /// For how long they are written, and faults are made.
    pub load: Duration,
    /// Chooses what and when; the same seed gives the same choices.
    pub seed: u64,
    /// Broker settings.
    pub settings: Vec<(&'a str, &'a str)>,
}

/// How far a drill is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Records whose end some worker knows of.
    pub ended: u64,
    /// Records in all.
    pub records: u64,
    /// What was done so far.
    pub faults: Faults,
}

/// How much was done to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// `kill -9` of the broker.
    pub broker_kills: u64,
    /// `kill -9` of a worker.
    pub worker_kills: u64,
    /// Workers stopped for longer than their locks.
    pub worker_stops: u64,
    /// Workers that ended by themselves, and were replaced.
    pub replaced: u64,
}

impl std::fmt::Display for Faults {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} broker kills, {} worker kills, {} workers stopped past their locks, {} replaced",
            self.broker_kills, self.worker_kills, self.worker_stops, self.replaced
        )
    }
}

/// What came of a drill.
#[derive(Debug)]
pub struct Drill {
    /// Which promises were kept.
    pub verdict: Verdict,
    /// What was done to it.
    pub faults: Faults,
    /// Histories, and the server's data and log; kept when something is wrong.
    pub folder: PathBuf,
}

impl Drill {
    /// The drill as rows of the results, one a promise.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let rows = Promise::ALL.into_iter();
        let mut rows: Vec<Row> = rows
            .map(|promise| row(promise.name(), self.verdict.breaches(promise)))
            .collect();
        if let Some(first) = rows.first_mut().filter(|row| row.reason.is_empty()) {
            first.reason = format!("{} records; {}", self.verdict.ended.entered, self.faults);
        }
        rows
    }
}

/// The row of a drill that came to no verdict.
#[must_use]
pub fn no_verdict(error: &anyhow::Error) -> Row {
    row("every-record-ends", vec![format!("{error:#}")])
}

fn row(case: &str, broken: Vec<String>) -> Row {
    Row {
        client: QUEUE.to_owned(),
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

/// Runs the drill, telling `tell` how far it is.
pub fn drill(options: &QueueOptions<'_>, tell: &dyn Fn(Progress)) -> Result<Drill> {
    let mut site = Site::prepare(options, tell)?;
    site.open()?;
    let mut round = 0;
    site.wait_for_progress()?;
    while site.is_produced()?.is_none() {
        let dice = xxh3_64_with_seed(&u64::to_le_bytes(round), options.seed);
        site.run_for(RUN_MS.start + dice % (RUN_MS.end - RUN_MS.start))?;
        site.do_harm(dice >> 32)?;
        site.wait_for_progress()?;
        round += 1;
    }
    let faults = site.faults;
    let letters = site.letters();
    let (history, folder) = site.close()?;
    let rules = Rules {
        deliveries_max: DELIVERIES_MAX,
        letters,
    };
    Ok(Drill {
        verdict: judge::judge(&history, rules),
        faults,
        folder,
    })
}

/// Everything that runs during a drill.
struct Site<'a> {
    options: &'a QueueOptions<'a>,
    tell: &'a dyn Fn(Progress),
    folder: PathBuf,
    python: PathBuf,
    java: Command,
    addr: SocketAddr,
    server: Option<Server>,
    producer: Option<Process>,
    workers: Vec<Worker>,
    followed: BTreeMap<PathBuf, Followed>,
    ended: u64,
    incarnations: u64,
    is_calm: bool,
    faults: Faults,
}

/// A worker, and until when it is stopped.
struct Worker {
    process: Process,
    stopped_until: Option<Instant>,
}

/// A history that is read while it grows.
#[derive(Default)]
struct Followed {
    position: u64,
    open: HashMap<Place, VecDeque<Answer>>,
}

impl<'a> Site<'a> {
    fn prepare(options: &'a QueueOptions<'a>, tell: &'a dyn Fn(Progress)) -> Result<Self> {
        let folder = run::results_folder(&options.peer).join(QUEUE);
        if folder.is_dir() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let mut site = Self {
            options,
            tell,
            folder,
            python: clients::python_clients()?,
            java: clients::lone_java_program("queue/Worker.java", "Worker")?,
            addr: server::free_addr()?,
            server: None,
            producer: None,
            workers: Vec::new(),
            followed: BTreeMap::new(),
            ended: 0,
            incarnations: 0,
            is_calm: false,
            faults: Faults::default(),
        };
        site.start_server()?;
        Ok(site)
    }

    /// Apache Kafka 4.3 knows no dead-letter topics.
    fn letters(&self) -> Letters {
        match self.options.peer {
            Peer::Kafka => Letters::Dropped,
            Peer::Sprawl(_) => Letters::Kept,
        }
    }

    fn letters_name(&self) -> &'static str {
        match self.letters() {
            Letters::Kept => "kept",
            Letters::Dropped => "dropped",
        }
    }

    fn start_server(&mut self) -> Result<()> {
        let mut settings = SETTINGS.to_vec();
        settings.extend(&self.options.settings);
        let (peer, addr) = (&self.options.peer, Some(self.addr));
        let mut server = run::launch_server(peer, &self.folder, &settings, addr)?;
        server.wait_ready()?;
        self.server = Some(server);
        Ok(())
    }

    /// Makes the queue, and starts producer and workers.
    fn open(&mut self) -> Result<()> {
        let opened = self
            .java_program()
            .args(["open", QUEUE, self.letters_name()])
            .output()?;
        let said = String::from_utf8_lossy(&opened.stderr);
        ensure!(opened.status.success(), "the queue does not open: {said}");
        for index in 0..WORKERS.len() {
            let worker = self.start_worker(index)?;
            self.workers.push(worker);
        }
        let mut command = self.python_program();
        command.args(["produce", QUEUE, &self.options.records.to_string()]);
        command.arg(self.options.load.as_secs_f64().to_string());
        command.arg(self.history("producer"));
        self.producer = Some(Process::start(command, &self.folder, "producer")?);
        Ok(())
    }

    fn start_worker(&mut self, index: usize) -> Result<Worker> {
        let (name, program) = WORKERS[index];
        let incarnation = self.incarnations;
        self.incarnations += 1;
        let mut command = match program {
            Program::Java => self.java_program(),
            Program::Python => self.python_program(),
        };
        let seed = xxh3_64_with_seed(&incarnation.to_le_bytes(), !self.options.seed) >> 1;
        let file = self.history(&format!("{name}.{incarnation}"));
        command.args(["work", QUEUE, &seed.to_string()]).arg(&file);
        let mut process = Process::start(command, &self.folder, name)?;
        if self.is_calm {
            process.say("calm");
        }
        self.followed.insert(file, Followed::default());
        Ok(Worker {
            process,
            stopped_until: None,
        })
    }

    fn java_program(&self) -> Command {
        let mut command = Command::new(self.java.get_program());
        command.args(JVM_FLAGS).args(self.java.get_args());
        command.env("BOOTSTRAP", self.addr.to_string());
        command
    }

    fn python_program(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(setup::repository().join("conformance/queue/worker.py"));
        command.env("BOOTSTRAP", self.addr.to_string());
        command
    }

    fn history(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.history"))
    }

    /// Lets time pass, keeping everything in order.
    fn run_for(&mut self, ms: u64) -> Result<()> {
        let end = Instant::now() + Duration::from_millis(ms);
        while Instant::now() < end {
            pause(STEP_MS);
            self.look_after()?;
        }
        Ok(())
    }

    /// Reads on, wakes who has been stopped for long enough, and replaces workers that ended by
    /// themselves, as a supervisor would.
    fn look_after(&mut self) -> Result<()> {
        for (file, followed) in &mut self.followed {
            let text = read_from(file, followed.position)?;
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            followed.position += whole as u64;
            let lines = text.get(..whole).unwrap_or_default();
            self.ended += ended_count(lines, &mut followed.open);
        }
        for index in 0..self.workers.len() {
            let worker = &mut self.workers[index];
            if worker.stopped_until.is_some_and(|end| end < Instant::now()) {
                worker.stopped_until = None;
                signal(&worker.process, Signal::CONT)?;
            }
            if worker.process.status()?.is_some() {
                self.workers[index] = self.start_worker(index)?;
                self.faults.replaced += 1;
            }
        }
        (self.tell)(Progress {
            ended: self.ended,
            records: self.options.records,
            faults: self.faults,
        });
        Ok(())
    }

    /// Waits until another record ends; over where nothing is left to be written.
    fn wait_for_progress(&mut self) -> Result<()> {
        self.look_after()?;
        let before = self.ended;
        wait::until("a record to end", PROGRESS_WAIT_MAX, || {
            self.look_after()?;
            pause(STEP_MS);
            let is_done = self.ended > before || self.is_produced()?.is_some();
            Ok(is_done.then_some(()))
        })
    }

    /// Whether the producer has written everything.
    fn is_produced(&mut self) -> Result<Option<()>> {
        let producer = self.producer.as_mut().context("there is no producer")?;
        let Some(status) = producer.status()? else {
            return Ok(None);
        };
        ensure!(
            status.success(),
            "the producer ended with {status}; see producer.err"
        );
        Ok(Some(()))
    }

    /// Kills the broker, or kills or stops a worker.
    fn do_harm(&mut self, dice: u64) -> Result<()> {
        let what = dice % FAULTS_OF;
        if what < BROKER_KILLS {
            let server = self.server.take().context("the server is not running")?;
            server.kill()?;
            self.start_server()?;
            self.faults.broker_kills += 1;
            return Ok(());
        }
        let dice = dice / FAULTS_OF;
        let count = WORKERS.len() as u64;
        let index = usize::try_from(dice % count)?;
        if what < BROKER_KILLS + WORKER_KILLS {
            self.workers[index].process.kill()?;
            self.workers[index] = self.start_worker(index)?;
            self.faults.worker_kills += 1;
        } else if self.workers[index].stopped_until.is_none() {
            let ms = STOP_MS.start + dice / count % (STOP_MS.end - STOP_MS.start);
            let worker = &mut self.workers[index];
            signal(&worker.process, Signal::STOP)?;
            worker.stopped_until = Some(Instant::now() + Duration::from_millis(ms));
            self.faults.worker_stops += 1;
        }
        Ok(())
    }

    /// Lets the workers come to the end of the queue, ends them, and reads everything.
    fn close(mut self) -> Result<(History, PathBuf)> {
        self.is_calm = true;
        for worker in &mut self.workers {
            signal(&worker.process, Signal::CONT)?;
            worker.stopped_until = None;
            worker.process.say("calm");
        }
        let mut command = self.java_program();
        command.args(["close", QUEUE, self.letters_name()]);
        command.arg(self.history("end"));
        let mut closing = Process::start(command, &self.folder, "close")?;
        let status = wait::until("the queue's end", CLOSE_WAIT_MAX, || {
            self.look_after()?;
            pause(STEP_MS);
            closing.status()
        })?;
        ensure!(
            status.success(),
            "the closing program ended with {status}; see close.err"
        );
        for worker in &mut self.workers {
            worker.process.stop()?;
        }
        let mut history = History::default();
        for file in self.files() {
            let text = std::fs::read_to_string(&file);
            let text = text.with_context(|| format!("no history {}", file.display()))?;
            history.add(&name_of(&file), &text)?;
        }
        if let Some(server) = self.server.take() {
            server.stop()?;
        }
        Ok((history, self.folder.clone()))
    }

    /// The histories; that of a worker killed before it began may be missing.
    fn files(&self) -> Vec<PathBuf> {
        let workers = self.followed.keys().filter(|file| file.is_file()).cloned();
        let others = ["producer", "end"].map(|name| self.history(name));
        workers.chain(others).collect()
    }
}

fn name_of(file: &Path) -> String {
    let name = file.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn signal(process: &Process, signal: Signal) -> Result<()> {
    let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) else {
        bail!("the child has no process id");
    };
    match kill_process(pid, signal) {
        // It ended by itself, and is replaced at the next look.
        Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
