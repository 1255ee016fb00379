//! The log alone: producers and readers on a store whose disk breaks, life after life.
//!
//! One partition per flush mode. After every restart the whole log is read back and compared with
//! what was appended; the same disk is also recovered twice, once with its state and once without
//! (I26, I27).

mod clients;
mod recovery;
mod track;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sprawl_io::sim::{CrashKind, SeededRandom, SimHandles};
use sprawl_io::{Io, Random};
use sprawl_log::{LogSettings, LogStore, PartitionLog};
use tokio::task::JoinSet;

use crate::invariant::{Check, Crash};
use crate::plan::{End, Life, Plan};
use crate::run::Outcome;
use crate::state_store::DurableState;
use track::Shared;

/// The stream of the seed that the clients draw from.
const RANDOM_STREAM: u64 = 3;
/// How often a life looks whether its process still lives.
const WATCH_INTERVAL: Duration = Duration::from_millis(5);
/// Operations shown with a violation.
const RECENT_COUNT: usize = 40;
/// How long the last life has to read everything back and append some more.
const LAST_LIFE: Duration = Duration::from_secs(2);

/// Where the store keeps its files on the simulated disk.
pub(crate) fn data_dir() -> PathBuf {
    PathBuf::from("/data")
}

/// Small sizes, so that files fill, roll and are used again within a second of simulated time.
pub(crate) fn settings() -> LogSettings {
    LogSettings {
        journal_file_bytes: 128 << 10,
        journal_bytes_max: 512 << 10,
        group_bytes_max: 32 << 10,
        group_frames_max: 64,
        checkpoint_bytes: 128 << 10,
        checkpoint_idle: Duration::from_millis(300),
        hot_bytes_max: 1 << 20,
        clean_bytes_max: 32 << 10,
        run_bytes_min: 8 << 10,
        run_bytes_max: 32 << 10,
        run_age_max: Duration::from_millis(50),
        write_behind_interval: Duration::from_millis(10),
        index_interval_bytes: 2 << 10,
        ballast_bytes: 64 << 10,
        ..LogSettings::default()
    }
}

struct World {
    handles: SimHandles,
    state: DurableState,
    random: SeededRandom,
    shared: Arc<Shared>,
    crash_count: u64,
    /// How the process before ended.
    last_crash: Crash,
}

/// Runs one seed to its end.
pub(crate) async fn run(seed: u64) -> Outcome {
    let plan = Plan::new(seed);
    let (_, handles) = Io::simulated(seed);
    handles.trace.keep_recent(RECENT_COUNT);
    let mut world = World {
        state: DurableState::new(Arc::clone(&handles.disk)),
        random: SeededRandom::new(seed, RANDOM_STREAM),
        shared: Arc::new(Shared::new(seed, plan.has_damage(), &handles)),
        crash_count: 0,
        last_crash: Crash::None,
        handles,
    };
    let mut result = world.lay_out();
    for life in &plan.lives {
        if result.is_ok() {
            result = world.live(life).await;
        }
    }
    if result.is_ok() {
        result = world.live(&quiet_life()).await;
    }
    world.handles.crash(CrashKind::Kill);
    Outcome {
        trace_hash: world.handles.trace.hash(),
        event_count: world.handles.trace.count(),
        acked_count: world.shared.acked_count(),
        crash_count: world.crash_count,
        deleted_count: 0,
        unreadable_count: 0,
        recent: if result.is_ok() {
            Vec::new()
        } else {
            world.shared.story()
        },
        violation: result.err(),
        panics: Vec::new(),
    }
}

/// A life without faults, closed at its end.
fn quiet_life() -> Life {
    Life {
        duration: LAST_LIFE,
        end: End::Close(None),
        step_latency: Duration::ZERO,
        faults: Vec::new(),
        free_bytes: None,
        flips: None,
    }
}

/// A store and its partitions, in index order.
type Opened = (LogStore, Vec<Arc<PartitionLog>>);

impl World {
    /// Makes the data directory, which an operator does long before anything can crash.
    fn lay_out(&mut self) -> Check {
        let io = self.handles.restart();
        let made = io
            .disk
            .create_dir_all(&data_dir())
            .and_then(|()| io.disk.sync_dir(&PathBuf::from("/")));
        made.expect("the disk has no fault yet");
        Ok(())
    }

    /// Starts a process, checks what it recovered, lets clients work, ends it.
    async fn live(&mut self, life: &Life) -> Check {
        let io = self.start(life);
        let Some((store, logs)) = self.open(&io, life)? else {
            // The planned crash may be what kept it from opening.
            let kind = match life.end {
                End::Crash(kind, _) if self.handles.disk.is_down() => kind,
                _ => CrashKind::Kill,
            };
            self.crash(life, kind);
            return self.shared.violation();
        };
        let mut clients = JoinSet::new();
        for (track, log) in self.shared.tracks().iter().zip(&logs) {
            for client in clients::all(&self.shared, track, log) {
                clients.spawn(client);
            }
        }
        self.watch(life).await;
        let result = self.finish(life, &store).await;
        clients.abort_all();
        while clients.join_next().await.is_some() {}
        store.abandon();
        result.and_then(|()| self.shared.violation())
    }

    fn start(&mut self, life: &Life) -> Io {
        let io = self.handles.restart();
        self.handles.spawn.set_step_latency(life.step_latency);
        if let End::Crash(kind, operation) = life.end {
            let now = self.handles.disk.operation_count();
            self.handles.disk.crash_at(now + operation, kind);
        }
        for (kind, nth) in &life.faults {
            self.handles.disk.fail_nth(*kind, *nth);
        }
        self.handles.disk.limit_free_bytes(life.free_bytes);
        self.shared.note(format!("start {life:?}"));
        io
    }

    /// Opens the store and its partitions; `None` where a fault of the plan prevents it.
    fn open(
        &mut self,
        io: &Io,
        life: &Life,
    ) -> Result<Option<Opened>, crate::invariant::Violation> {
        self.shared.begin_life();
        let opened = recovery::open(io, self.state.open(), self.shared.tracks());
        self.shared.note(match &opened {
            Ok((_, _, report)) => format!("opened: {report}"),
            Err(reason) => format!("not opened: {reason}"),
        });
        let (store, logs, _) = match opened {
            Ok(opened) => opened,
            Err(_) if life.has_fault() || self.handles.disk.is_down() => return Ok(None),
            Err(reason) => return Err(recovery::must_open(&reason)),
        };
        // A read that fails by plan says nothing about what is on the disk.
        let checked = recovery::check(&self.shared, &logs, self.last_crash);
        if self.handles.disk.is_down() {
            return Ok(None);
        }
        checked?;
        self.last_crash = Crash::None;
        Ok(Some((store, logs)))
    }

    /// Waits until the life's time is over or its process died.
    async fn watch(&self, life: &Life) {
        let clock = &self.handles.clock;
        let start = sprawl_io::Clock::monotonic(&**clock);
        while sprawl_io::Clock::monotonic(&**clock) - start < life.duration
            && !self.handles.disk.is_down()
            && self.shared.violation().is_ok()
        {
            sprawl_io::time::sleep(WATCH_INTERVAL).await;
        }
    }

    async fn finish(&mut self, life: &Life, store: &LogStore) -> Check {
        match life.end {
            End::Close(then) if !life.has_fault() => {
                self.shared.stop_clients().await;
                match store.close() {
                    Ok(()) => self.shared.closed(),
                    Err(error) => return Err(clients::not_closed(&error)),
                }
                if let Some(kind) = then {
                    self.crash(life, kind);
                }
                self.last_crash = Crash::None;
                self.check_recovery_repeats()
            }
            End::Close(_) => self.crash_and_check(life, CrashKind::Kill),
            End::Crash(kind, _) => self.crash_and_check(life, kind),
        }
    }

    fn crash_and_check(&mut self, life: &Life, kind: CrashKind) -> Check {
        self.crash(life, kind);
        self.check_recovery_repeats()
    }

    fn crash(&mut self, life: &Life, kind: CrashKind) {
        self.shared.note(format!(
            "crash {kind:?} at operation {}",
            self.handles.trace.count()
        ));
        self.handles.crash(kind);
        self.state.crash(&self.random);
        if self.random.chance(1, 3) {
            self.state.misplace_index_chunk();
        }
        self.crash_count += 1;
        let crash = match kind {
            CrashKind::Kill => Crash::Kill,
            CrashKind::PowerCut => Crash::PowerCut,
        };
        // Two crashes in a row take what the worse one takes.
        if self.last_crash != Crash::PowerCut {
            self.last_crash = crash;
        }
        if let Some((part, count)) = life.flips {
            let flips = self.handles.disk.flip_bits(part, count);
            self.shared.damaged(flips.len());
        }
    }

    /// Recovers copies of the disk: twice as it is, and once without the state store.
    fn check_recovery_repeats(&self) -> Check {
        if self.shared.has_damage() || !self.handles.disk.is_down() {
            return Ok(());
        }
        recovery::check_repeats(
            &self.handles.disk.image(),
            &self.state,
            self.shared.tracks(),
        )
    }
}

impl Life {
    /// Says whether the plan of this life makes operations fail.
    fn has_fault(&self) -> bool {
        !self.faults.is_empty() || self.free_bytes.is_some()
    }
}

/// Every offset of one partition that a reader may ask for.
fn pick(random: &SeededRandom, from: i64, to: i64) -> i64 {
    let span = u64::try_from(to - from).unwrap_or(0);
    if span == 0 {
        from
    } else {
        from + i64::try_from(random.next_u64() % span).unwrap_or(0)
    }
}
