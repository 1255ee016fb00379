//! The log while it is compacted: a producer, readers and two cleaner threads on a store whose disk
//! breaks, life after life.
//!
//! After every restart and now and then in between, the whole log is read and compared with what
//! was written (I25): the last record of every key is there, but old tombstones; order and offsets
//! are those of the appends; nothing unstable is gone. The same disk is also recovered twice with
//! its state and once without (I26, I27).

mod known;
mod reading;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sprawl_io::sim::disk::DiskImage;
use sprawl_io::sim::{CrashKind, SeededRandom, SimHandles};
use sprawl_io::time::sleep;
use sprawl_io::{Io, Random};
use sprawl_log::{
    AppendError, CleanerSettings, CompactionBounds, CompactionConfig, CompactionGuard, FlushMode,
    LogSettings, LogStore, NoObserver, PartitionConfig, PartitionLog, StateStore,
};
use sprawl_model::batch::{BatchBuilder, BatchHeader, BatchOptions};
use sprawl_model::compression::Codec;
use sprawl_model::{
    LeaderEpoch, Offset, PartitionId, PartitionKey, ProducerEpoch, ProducerId, Sequence, TenantId,
    TopicId, TopicPartition,
};
use tokio::task::JoinSet;

use crate::invariant::{Check, Crash, Violation, i26_recovery_repeats, i27_state_equals_rebuild};
use crate::log_world;
use crate::plan::{End, Life, Plan};
use crate::run::Outcome;
use crate::state_store::DurableState;
use known::Known;
use reading::Reading;

/// The stream of the seed that the clients draw from.
const RANDOM_STREAM: u64 = 5;
/// Keys in use: few, so that most records are superseded soon.
const KEY_COUNT: u64 = 40;
/// How long tombstones stay.
const DELETE_RETENTION_MS: i64 = 300;
const SEGMENT_BYTES: u32 = 12 << 10;
const WATCH_INTERVAL: Duration = Duration::from_millis(5);
const RECENT_COUNT: usize = 40;
const LAST_LIFE: Duration = Duration::from_secs(2);

/// What the clients and the world share.
#[derive(Debug)]
struct Shared {
    known: Mutex<Known>,
    violation: Mutex<Option<Violation>>,
    random: SeededRandom,
    clock: Arc<dyn sprawl_io::Clock>,
    is_damaged: bool,
    acked_count: std::sync::atomic::AtomicU64,
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, check: Check) {
        if let Err(violation) = check {
            let mut first = self
                .violation
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(violation);
        }
    }

    fn violation(&self) -> Check {
        let first = self
            .violation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first.clone().map_or(Ok(()), Err)
    }

    /// Reads the whole log and compares it with what was written.
    fn check_log(&self, log: &PartitionLog) -> Check {
        let end = log.durable_end();
        let reading = Reading::of(log, log.log_start(), end)?;
        if reading.is_cut && !self.is_damaged {
            return Err(Violation {
                invariant: "I25",
                sentence: "compaction damages nothing",
                detail: format!("the log reports damage at {}", reading.next),
            });
        }
        self.known().check(&reading, end.0, self.clock.wall_ms())
    }
}

/// Plays the broker: what is stable is what the world says.
struct Guard(Arc<Shared>);

impl CompactionGuard for Guard {
    fn stable_end(&self, partition: &PartitionLog) -> Option<Offset> {
        // Lags behind, as a last stable offset does.
        let end = partition.durable_end().0;
        let mut known = self.0.known();
        let stable_end = known.stable_end.max(end - 10).min(end);
        known.stable_end = stable_end.max(known.stable_end);
        Some(Offset(stable_end))
    }

    fn bounds(&self, partition: &PartitionLog) -> Option<CompactionBounds> {
        Some(CompactionBounds {
            stable_end: self.stable_end(partition)?,
            producers: self.0.known().last_of_producers(),
            aborted: Vec::new(),
        })
    }
}

fn key() -> PartitionKey {
    PartitionKey {
        tenant: TenantId::DEFAULT,
        topic_id: TopicId(uuid::Uuid::from_u128(0xC0)),
        partition: PartitionId(0),
    }
}

fn settings() -> LogSettings {
    LogSettings {
        clean_bytes_max: 8 << 10,
        checkpoint_bytes: 48 << 10,
        checkpoint_idle: Duration::from_millis(50),
        ..log_world::settings()
    }
}

fn config() -> PartitionConfig {
    let name = TopicPartition {
        topic: "compacted".to_owned(),
        partition: PartitionId(0),
    };
    PartitionConfig {
        retention_ms: None,
        segment_bytes: SEGMENT_BYTES,
        flush: FlushMode::Fsync,
        compaction: Some(CompactionConfig {
            dirty_ratio_min: 0.05,
            delete_retention_ms: DELETE_RETENTION_MS,
            ..CompactionConfig::default()
        }),
        ..PartitionConfig::new(name)
    }
}

fn cleaner() -> CleanerSettings {
    CleanerSettings {
        thread_count: 2,
        io_buffer_bytes: 16 << 10,
        dedupe_bytes_max: 60 * 24,
        backoff: Duration::from_millis(20),
        ..CleanerSettings::default()
    }
}

struct World {
    handles: SimHandles,
    state: DurableState,
    random: SeededRandom,
    shared: Arc<Shared>,
    crash_count: u64,
    last_crash: Crash,
    notes: Vec<String>,
}

/// Runs one seed to its end.
pub(crate) async fn run(seed: u64) -> Outcome {
    let plan = Plan::new(seed);
    let (_, handles) = Io::simulated(seed);
    handles.trace.keep_recent(RECENT_COUNT);
    let shared = Shared {
        known: Mutex::default(),
        violation: Mutex::default(),
        random: SeededRandom::new(seed, RANDOM_STREAM + 1),
        clock: Arc::clone(&handles.clock) as _,
        is_damaged: plan.has_damage(),
        acked_count: std::sync::atomic::AtomicU64::new(0),
    };
    let mut world = World {
        state: DurableState::new(Arc::clone(&handles.disk)),
        random: SeededRandom::new(seed, RANDOM_STREAM),
        shared: Arc::new(shared),
        crash_count: 0,
        last_crash: Crash::None,
        notes: Vec::new(),
        handles,
    };
    world.lay_out();
    let mut result = Ok(());
    let quiet = Life {
        duration: LAST_LIFE,
        end: End::Close(None),
        step_latency: Duration::ZERO,
        faults: Vec::new(),
        free_bytes: None,
        flips: None,
    };
    for life in plan.lives.iter().chain([&quiet]) {
        if result.is_ok() {
            result = world.live(life).await;
        }
    }
    world.handles.crash(CrashKind::Kill);
    let mut recent = Vec::new();
    if result.is_err() {
        recent = world.notes;
        recent.extend(world.handles.trace.recent());
    }
    let acked_count = &world.shared.acked_count;
    Outcome {
        trace_hash: world.handles.trace.hash(),
        event_count: world.handles.trace.count(),
        acked_count: acked_count.load(std::sync::atomic::Ordering::Relaxed),
        crash_count: world.crash_count,
        deleted_count: 0,
        unreadable_count: 0,
        recent,
        violation: result.err(),
        panics: Vec::new(),
    }
}

fn open(io: &Io, state: Arc<dyn StateStore>) -> Result<(LogStore, Arc<PartitionLog>), String> {
    let dir = log_world::data_dir();
    let opened = LogStore::open(io.clone(), dir, settings(), state, &NoObserver);
    let (store, _) = opened.map_err(|error| error.to_string())?;
    let log = store.open_partition(key(), config());
    Ok((store, log.map_err(|error| error.to_string())?))
}

fn must_open(reason: &str) -> Violation {
    Violation {
        invariant: "I26",
        sentence: "recovery from any crash succeeds",
        detail: format!("the store does not open: {reason}"),
    }
}

impl World {
    /// Makes the data directory, which an operator does long before anything can crash.
    fn lay_out(&mut self) {
        let io = self.handles.restart();
        let dir = log_world::data_dir();
        let made = io.disk.create_dir_all(&dir);
        let made = made.and_then(|()| io.disk.sync_dir(std::path::Path::new("/")));
        made.expect("the disk has no fault yet");
    }

    /// Starts a process, checks what it recovered, lets it write, read and compact, ends it.
    async fn live(&mut self, life: &Life) -> Check {
        self.notes.push(format!("start {life:?}"));
        let io = self.start(life);
        let opened = open(&io, self.state.open());
        let has_fault = !life.faults.is_empty() || life.free_bytes.is_some();
        let (store, log) = match opened {
            Ok(opened) => opened,
            Err(_) if has_fault || self.handles.disk.is_down() => {
                self.crash(life, crash_kind(life));
                return Ok(());
            }
            Err(reason) => return Err(must_open(&reason)),
        };
        let (crash, is_damaged) = (self.last_crash, self.shared.is_damaged);
        self.notes.push(self.shared.known().describe(&log));
        let recovered = self.shared.known().recovered(&log, crash, is_damaged);
        let recovered = recovered.and_then(|()| self.shared.check_log(&log));
        if !self.handles.disk.is_down() {
            recovered?;
            self.last_crash = Crash::None;
        }
        store.set_compaction_guard(Box::new(Guard(Arc::clone(&self.shared))));
        store.set_cleaner(cleaner());
        let mut clients = JoinSet::new();
        clients.spawn(produce(Arc::clone(&self.shared), Arc::clone(&log)));
        clients.spawn(consume(Arc::clone(&self.shared), Arc::clone(&log)));
        self.watch(life).await;
        clients.abort_all();
        while clients.join_next().await.is_some() {}
        let result = self.finish(life, has_fault, &store, &log);
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
        io
    }

    /// Waits until the life's time is over or its process died.
    async fn watch(&self, life: &Life) {
        let clock = &self.shared.clock;
        let start = clock.monotonic();
        while clock.monotonic() - start < life.duration
            && !self.handles.disk.is_down()
            && self.shared.violation().is_ok()
        {
            sleep(WATCH_INTERVAL).await;
        }
    }

    fn finish(
        &mut self,
        life: &Life,
        has_fault: bool,
        store: &LogStore,
        log: &Arc<PartitionLog>,
    ) -> Check {
        let End::Close(then) = life.end else {
            self.crash(life, crash_kind(life));
            return self.check_recovery_repeats();
        };
        if has_fault {
            self.crash(life, CrashKind::Kill);
            return self.check_recovery_repeats();
        }
        self.compact_all(store, log)?;
        match store.close() {
            Ok(()) => self.shared.known().acked_end = log.log_end().0,
            Err(_) if self.shared.is_damaged => {
                self.crash(life, CrashKind::Kill);
                return Ok(());
            }
            Err(error) => return Err(must_open(&error.to_string())),
        }
        if let Some(kind) = then {
            self.crash(life, kind);
        }
        self.last_crash = Crash::None;
        self.check_recovery_repeats()
    }

    /// Compacts on a healthy disk and checks that below the new clean end no key is there twice.
    fn compact_all(&self, store: &LogStore, log: &Arc<PartitionLog>) -> Check {
        if self.shared.is_damaged {
            return Ok(());
        }
        let failed = |error: sprawl_log::LogError| must_open(&error.to_string());
        store.checkpoint().map_err(failed)?;
        let rounds = store.compact().map_err(failed)?;
        self.shared.check_log(log)?;
        let Some(last) = rounds.last() else {
            return Ok(());
        };
        let reading = Reading::of(log, log.log_start(), log.durable_end())?;
        let mut keys = std::collections::BTreeSet::new();
        let segment_start = log_segment_of_memory(&reading, last.to.0);
        let clean = reading
            .records
            .iter()
            .take_while(|one| one.offset < segment_start);
        for record in clean {
            crate::invariant::i25_compaction_keeps(
                (keys.insert(record.key)).then_some(()).ok_or_else(|| {
                    format!("{record:?} is the second of its key below {}", last.to)
                }),
            )?;
        }
        Ok(())
    }

    fn crash(&mut self, life: &Life, kind: CrashKind) {
        self.handles.crash(kind);
        self.state.crash(&self.random);
        if self.random.chance(1, 3) {
            self.state.misplace_index_chunk();
        }
        self.crash_count += 1;
        self.notes.push(format!("crash {kind:?}"));
        // Two crashes in a row take what the worse one takes.
        if self.last_crash != Crash::PowerCut {
            self.last_crash = match kind {
                CrashKind::Kill => Crash::Kill,
                CrashKind::PowerCut => Crash::PowerCut,
            };
        }
        if let Some((part, count)) = life.flips {
            self.handles.disk.flip_bits(part, count);
        }
    }

    /// Recovers copies of the disk: twice as it is, and once without the state store.
    fn check_recovery_repeats(&self) -> Check {
        if self.shared.is_damaged || !self.handles.disk.is_down() {
            return Ok(());
        }
        let image = self.handles.disk.image();
        let mut copy = Copy::new(&image);
        let kept = self.state.copy(Arc::clone(&copy.handles.disk));
        let first = copy.recover(&kept)?;
        let second = copy.recover(&kept)?;
        i26_recovery_repeats("compacted", &first, &second)?;
        let mut copy = Copy::new(&image);
        let empty = DurableState::new(Arc::clone(&copy.handles.disk));
        let rebuilt = copy.recover(&empty)?;
        // A power cut may take a segment's name, which the state alone remembers: the first one's
        // looks like a deletion then, another's like damage.
        let is_power_cut = self.last_crash == Crash::PowerCut;
        let is_hole = rebuilt.is_cut && is_power_cut;
        let start = rebuilt.log_start;
        let (first, rebuilt) = match first.log_end.min(rebuilt.log_end) {
            end if is_hole => (first.until(end), rebuilt.until(end)),
            _ => (first, rebuilt),
        };
        let first = if is_power_cut {
            first.from(start)
        } else {
            first
        };
        i27_state_equals_rebuild("compacted", &first, &rebuilt)
    }
}

/// Returns the offset below which reads come from what was compacted: memory keeps batches as they
/// were appended until they are evicted, so a key may be there again in the newest of them.
fn log_segment_of_memory(reading: &Reading, clean_end: i64) -> i64 {
    // Batches in memory are the newest ones; 8 KiB of clean and 48 KiB of dirty ones at most hold
    // fewer than this many records.
    const MEMORY_RECORDS_MAX: i64 = 2_000;
    clean_end.min(reading.next - MEMORY_RECORDS_MAX)
}

fn crash_kind(life: &Life) -> CrashKind {
    match life.end {
        End::Crash(kind, _) => kind,
        End::Close(_) => CrashKind::Kill,
    }
}

/// A disk of its own with the same bytes.
struct Copy {
    handles: SimHandles,
}

impl Copy {
    fn new(image: &DiskImage) -> Self {
        let (_, handles) = Io::simulated(0);
        handles.crash(CrashKind::Kill);
        handles.disk.load(image);
        Self { handles }
    }

    /// Opens the store, describes what it holds, and kills it.
    fn recover(&mut self, state: &DurableState) -> Result<Recovered, Violation> {
        let io = self.handles.restart();
        let opened = open(&io, state.open());
        let (_store, log) = opened.map_err(|reason| must_open(&reason))?;
        let reading = Reading::of(&log, log.log_start(), log.log_end())?;
        let recovered = Recovered {
            log_start: log.log_start().0,
            log_end: if reading.is_cut {
                reading.next
            } else {
                log.log_end().0
            },
            is_cut: reading.is_cut,
            batches: reading.batches,
            records: reading.records,
        };
        self.handles.crash(CrashKind::Kill);
        state.crash(&SeededRandom::new(0, 0));
        Ok(recovered)
    }
}

/// What a recovered log holds.
#[derive(Debug)]
struct Recovered {
    log_start: i64,
    log_end: i64,
    is_cut: bool,
    batches: Vec<(i64, i64, i32)>,
    records: Vec<known::Seen>,
}

impl Recovered {
    fn from(mut self, start: i64) -> Self {
        self.log_start = self.log_start.max(start);
        self.batches.retain(|batch| batch.1 > start);
        self.records.retain(|record| record.offset >= start);
        self
    }

    fn until(mut self, end: i64) -> Self {
        self.log_end = end;
        self.is_cut = false;
        self.batches.retain(|batch| batch.1 <= end);
        let last = self.batches.last().map_or(0, |batch| batch.1);
        self.records.retain(|record| record.offset < last);
        self
    }
}

/// Appends batches and takes note of every acknowledgement.
async fn produce(shared: Arc<Shared>, log: Arc<PartitionLog>) {
    loop {
        let mut pending = Vec::new();
        for _ in 0..=shared.random.below(4) {
            let mut known = shared.known();
            let batch = build(&shared, &known);
            let header = BatchHeader::parse(&batch).expect("built here");
            match log.append(batch.clone().freeze(), &header) {
                Ok(one) => {
                    known.append(&batch, shared.clock.wall_ms());
                    pending.push((one, header.next_offset().0));
                }
                Err(AppendError::Offline { .. } | AppendError::Closed) => return,
                Err(_) => break,
            }
        }
        for (one, end) in pending {
            if one.durable().await.is_ok() {
                let mut known = shared.known();
                known.acked_end = known.acked_end.max(end);
                shared
                    .acked_count
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        sleep(Duration::from_micros(shared.random.below(8_000))).await;
    }
}

fn build(shared: &Shared, known: &Known) -> bytes::BytesMut {
    let random = &shared.random;
    let codec = Codec::ALL[random.below(5) as usize];
    let producer = i64::try_from(random.below(3)).unwrap_or(0);
    let (producer_id, base_sequence) = match producer {
        0 => (ProducerId::NONE, Sequence(-1)),
        id => {
            let next = known.producers.get(&id).map_or(0, |(next, _)| *next);
            (ProducerId(id), Sequence(next))
        }
    };
    let mut builder = BatchBuilder::new(BatchOptions {
        codec,
        base_offset: Offset(known.end()),
        leader_epoch: LeaderEpoch(0),
        producer_id,
        producer_epoch: if producer == 0 {
            ProducerEpoch::NONE
        } else {
            ProducerEpoch(0)
        },
        base_sequence,
        ..BatchOptions::default()
    });
    let timestamp = shared.clock.wall_ms();
    for n in 0..=random.below(6) {
        let key = random.below(KEY_COUNT).to_be_bytes();
        let mut value = vec![0; random.below(900) as usize];
        random.fill(&mut value);
        let value = (!random.chance(1, 6)).then_some(value.as_slice());
        let timestamp = timestamp + i64::try_from(n).unwrap_or(0);
        let pushed = builder.push(timestamp, Some(&key), value, &[]);
        pushed.expect("a few kilobytes fit a batch");
    }
    builder.build()
}

/// Reads everything, again and again.
async fn consume(shared: Arc<Shared>, log: Arc<PartitionLog>) {
    loop {
        sleep(Duration::from_millis(10 + shared.random.below(120))).await;
        shared.report(shared.check_log(&log));
        let end = log.durable_end();
        let timestamp =
            shared.clock.wall_ms() - i64::try_from(shared.random.below(500)).unwrap_or(0);
        // Compared with a scan: the index of a compacted segment answers like the records.
        let (Ok(found), Ok(reading)) = (
            log.offset_for_timestamp(timestamp, end),
            Reading::of(&log, log.log_start(), end),
        ) else {
            continue;
        };
        if reading.is_partial {
            continue;
        }
        let first = reading
            .records
            .iter()
            .find(|one| one.timestamp >= timestamp);
        let (found, first) = (found.map(|one| one.offset.0), first.map(|one| one.offset));
        if found != first && !shared.is_damaged {
            shared.report(Err(Violation {
                invariant: "I27",
                sentence: "the index answers as a scan of the log would",
                detail: format!("first record from {timestamp} on is {first:?}, found {found:?}"),
            }));
        }
    }
}
