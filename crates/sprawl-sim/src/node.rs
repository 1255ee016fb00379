//! The one broker of a run: its process starts, serves and dies as the plan says, again and again
//! on what the one before left.
//!
//! Its clients are no part of it and live through all of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sprawl_broker::{BrokerOptions, RunningBroker};
use sprawl_core::config::BrokerSettings;
use sprawl_io::sim::{CrashKind, SeededRandom, SimHandles};
use sprawl_io::time::{sleep, timeout};
use sprawl_io::{Clock, Io};
use sprawl_log::{NoObserver, StateStore};

use crate::client;
use crate::invariant::{Check, Violation};
use crate::plan::{End, Life};
use crate::state_store::DurableState;

/// How often a life looks whether its process still lives.
pub(crate) const WATCH_INTERVAL: Duration = Duration::from_millis(20);
/// A broker lives this many times longer than a log alone: its clients need several exchanges.
const DURATION_FACTOR: u32 = 6;
/// A broker does more operations before its clients have done anything.
const OPERATION_FACTOR: u64 = 3;
/// Disk space is given out in larger pieces than to a log alone.
const FREE_BYTES_FACTOR: u64 = 16;
/// How long a start may take.
const START_WAIT: Duration = Duration::from_secs(60);
/// Operations shown with a violation.
const RECENT_COUNT: usize = 40;

/// Where the state of the log is kept between the lives of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateKind {
    /// As RocksDB does: what was flushed survives.
    Durable,
    /// Every start finds it lost.
    Lost,
}

/// Names and values of broker settings.
pub(crate) type Settings = &'static [(&'static str, &'static str)];

/// The broker's machine, and the process on it.
pub(crate) struct Node {
    pub(crate) handles: SimHandles,
    pub(crate) state_kind: StateKind,
    pub(crate) crash_count: u64,
    state: DurableState,
    settings: Settings,
    random: SeededRandom,
    notes: Vec<String>,
}

impl Node {
    /// Makes the machine of a seed, nothing running on it. What happens to it is drawn from stream
    /// `random_stream`.
    pub(crate) fn new(seed: u64, random_stream: u64, settings: Settings) -> Self {
        let (_, handles) = Io::simulated(seed);
        handles.trace.keep_recent(RECENT_COUNT);
        let random = SeededRandom::new(seed, random_stream);
        let state_kind = if random.chance(1, 4) {
            StateKind::Lost
        } else {
            StateKind::Durable
        };
        Self {
            state: DurableState::new(Arc::clone(&handles.disk)),
            handles,
            state_kind,
            crash_count: 0,
            settings,
            random,
            notes: Vec::new(),
        }
    }

    /// Fits a life made for the log alone.
    pub(crate) fn fit(life: &Life) -> Life {
        Life {
            duration: life.duration * DURATION_FACTOR,
            end: match life.end {
                End::Crash(kind, operation) => End::Crash(kind, operation * OPERATION_FACTOR),
                close @ End::Close(_) => close,
            },
            free_bytes: life.free_bytes.map(|bytes| bytes * FREE_BYTES_FACTOR),
            ..life.clone()
        }
    }

    /// Starts a broker, lets it serve, ends it as planned, or as soon as `violation` knows of one.
    pub(crate) async fn live(&mut self, life: &Life, violation: &dyn Fn() -> Check) -> Check {
        self.notes.push(format!("start {life:?}"));
        let io = self.handles.restart();
        self.make_data_dir(&io);
        self.handles.spawn.set_step_latency(life.step_latency);
        if let End::Crash(kind, operation) = life.end {
            let now = self.handles.disk.operation_count();
            self.handles.disk.crash_at(now + operation, kind);
        }
        for (kind, nth) in &life.faults {
            self.handles.disk.fail_nth(*kind, *nth);
        }
        self.handles.disk.limit_free_bytes(life.free_bytes);
        let has_fault = !life.faults.is_empty() || life.free_bytes.is_some();
        match timeout(
            START_WAIT,
            RunningBroker::start(io, self.options(), Arc::new(NoObserver)),
        )
        .await
        {
            Some(Ok(broker)) => {
                self.watch(life, violation).await;
                match life.end {
                    End::Close(then) if !has_fault => self.close(broker, then).await,
                    End::Close(_) => self.crash_with(broker, CrashKind::Kill),
                    End::Crash(kind, _) => self.crash_with(broker, kind),
                }
            }
            Some(Err(_)) | None if has_fault || self.handles.disk.is_down() => {
                self.crash(CrashKind::Kill);
                Ok(())
            }
            Some(Err(error)) => Err(does_not_start(&error.to_string())),
            None => Err(does_not_start("it takes longer than a minute")),
        }
    }

    /// Starts a broker on which nothing fails any more.
    pub(crate) async fn start_quiet(&mut self) -> Result<RunningBroker, Violation> {
        self.notes.push("start the last life".to_owned());
        let io = self.handles.restart();
        self.make_data_dir(&io);
        self.handles.disk.limit_free_bytes(None);
        let broker = RunningBroker::start(io, self.options(), Arc::new(NoObserver)).await;
        broker.map_err(|error| does_not_start(&error.to_string()))
    }

    /// Ends the run: what the process did, and the last operations.
    pub(crate) fn recent(&mut self) -> Vec<String> {
        let mut recent = std::mem::take(&mut self.notes);
        recent.extend(self.handles.trace.recent());
        recent
    }

    fn options(&self) -> BrokerOptions {
        let state_store: Option<Arc<dyn StateStore>> = match self.state_kind {
            StateKind::Durable => Some(self.state.open()),
            StateKind::Lost => None,
        };
        let settings: BTreeMap<String, String> = self
            .settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut settings = BrokerSettings::from_map(&settings).expect("literal settings are valid");
        // Below what an operator may choose, so that files are used again within seconds.
        settings.journal.file_bytes = 256 << 10;
        settings.journal.bytes_max = 1 << 20;
        BrokerOptions {
            data_dir: PathBuf::from("/data"),
            kafka_address: client::ADDRESS.parse().expect("a literal address"),
            settings,
            hot_bytes_max: 4 << 20,
            state_store,
        }
    }

    /// An operator made the data directory long before anything could crash.
    fn make_data_dir(&self, io: &Io) {
        let dir = Path::new("/data");
        let made = io
            .disk
            .create_dir_all(dir)
            .and_then(|()| io.disk.sync_dir(Path::new("/")));
        made.expect("the disk has no fault yet");
    }

    async fn close(&mut self, broker: RunningBroker, then: Option<CrashKind>) -> Check {
        let closed = broker.shutdown().await;
        self.crash(then.unwrap_or(CrashKind::Kill));
        closed.map_err(|error| Violation {
            invariant: "L2",
            sentence: "a broker without faults stops cleanly",
            detail: error.to_string(),
        })
    }

    fn crash_with(&mut self, broker: RunningBroker, kind: CrashKind) -> Check {
        self.crash(kind);
        broker.abandon();
        Ok(())
    }

    fn crash(&mut self, kind: CrashKind) {
        let event = format!("crash {kind:?} at operation {}", self.handles.trace.count());
        self.notes.push(event);
        self.handles.crash(kind);
        self.state.crash(&self.random);
        self.crash_count += 1;
    }

    /// Waits until the life's time is over or its process died, and breaks a connection now and
    /// then.
    async fn watch(&self, life: &Life, violation: &dyn Fn() -> Check) {
        let start = self.handles.clock.monotonic();
        while self.handles.clock.monotonic() - start < life.duration
            && !self.handles.disk.is_down()
            && violation().is_ok()
        {
            let count = self.handles.net.connection_count() as u64;
            if count > 0 && self.random.chance(1, 100) {
                self.handles.net.reset(self.random.below(count) as usize);
            } else if count > 0 && self.random.chance(1, 400) {
                self.handles.net.silence(self.random.below(count) as usize);
            }
            sleep(WATCH_INTERVAL).await;
        }
    }
}

fn does_not_start(reason: &str) -> Violation {
    Violation {
        invariant: "I26",
        sentence: "recovery from any crash succeeds",
        detail: format!("the broker does not start: {reason}"),
    }
}
