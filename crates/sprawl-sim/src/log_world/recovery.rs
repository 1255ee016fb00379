//! Opening the store, and what must hold when it is open.

use std::sync::Arc;

use sprawl_io::Io;
use sprawl_io::sim::disk::DiskImage;
use sprawl_io::sim::{CrashKind, SeededRandom, SimHandles};
use sprawl_log::{
    AtLeastOne, FlushMode, LogStore, NoObserver, Part, PartitionLog, ReadError, ReadRequest,
    StateStore,
};

use sprawl_model::Offset;

use super::clients::read_once;
use super::track::{Shared, Track};
use super::{data_dir, settings};
use crate::history::read_batches;
use crate::invariant::{
    Check, Crash, Violation, i5_acked_survives, i6_never_decreases, i11_dense,
    i26_recovery_repeats, i27_state_equals_rebuild,
};
use crate::state_store::DurableState;

/// A store, its partitions in the order of the tracks, and what recovery said.
pub(super) type Opened = (LogStore, Vec<Arc<PartitionLog>>, String);

/// Opens the store and every partition.
pub(super) fn open(
    io: &Io,
    state: Arc<dyn StateStore>,
    tracks: &[Arc<Track>],
) -> Result<Opened, String> {
    let opened = LogStore::open(io.clone(), data_dir(), settings(), state, &NoObserver);
    let (store, report) = opened.map_err(|error| error.to_string())?;
    let mut logs = Vec::new();
    for track in tracks {
        let log = store.open_partition(track.key, track.config.clone());
        logs.push(log.map_err(|error| error.to_string())?);
    }
    Ok((store, logs, format!("{report:?}")))
}

/// A store that does not open without a fault on the disk.
pub(super) fn must_open(reason: &str) -> Violation {
    Violation {
        invariant: "I26",
        sentence: "recovery from any crash succeeds",
        detail: format!("the store does not open: {reason}"),
    }
}

/// Compares every partition with what was promised before `crash`, and reads all of it back. What a
/// crash was allowed to take is forgotten.
pub(super) fn check(shared: &Shared, logs: &[Arc<PartitionLog>], crash: Crash) -> Check {
    for (track, log) in shared.tracks().iter().zip(logs) {
        check_ends(shared, track, log, crash)?;
        let mut offset = log.log_start().0;
        while offset < log.durable_end().0 {
            let next = read_once(shared, track, log, offset, 64 << 10)?;
            if next <= offset {
                break;
            }
            offset = next;
        }
    }
    Ok(())
}

fn check_ends(shared: &Shared, track: &Track, log: &PartitionLog, crash: Crash) -> Check {
    let (end, high_watermark) = (log.log_end().0, log.durable_end().0);
    let mut known = track.known();
    if !shared.is_damaged() {
        i5_acked_survives(&known.history, track.config.flush, crash, end)?;
        i5_acked_survives(&known.history, track.config.flush, crash, high_watermark)?;
        i6_never_decreases(
            &known.history.name,
            "log start",
            known.log_start,
            log.log_start().0,
        )?;
        // A log of which nothing is left goes on at its start, which may lie inside a batch.
        if !known.history.is_boundary(end) && end != log.log_start().0 {
            i11_dense(&known.history.name, known.history.end(), end)?;
        }
    }
    let log_end = known.history.end();
    // Damage may leave a gap that ends where a lost batch would have.
    if end > log_end && !shared.is_damaged() {
        i11_dense(&known.history.name, log_end, end)?;
    }
    known.history.cut(end);
    Ok(())
}

/// Recovers copies of a crashed disk: once, again on what that left, and once without the state
/// store.
pub(super) fn check_repeats(
    image: &DiskImage,
    state: &DurableState,
    tracks: &[Arc<Track>],
) -> Check {
    let mut copy = Copy::new(image);
    let kept = state.copy(Arc::clone(&copy.handles.disk));
    let first = copy.recover(&kept, tracks, &[])?;
    let second = copy.recover(&kept, tracks, &[])?;
    for (first, second) in first.iter().zip(&second) {
        i26_recovery_repeats(&first.name, first, second)?;
    }

    let mut copy = Copy::new(image);
    let empty = DurableState::new(Arc::clone(&copy.handles.disk));
    // The log start is kept in the state alone; below it segments may be gone, or not yet.
    let starts: Vec<i64> = first.iter().map(|partition| partition.log_start).collect();
    let rebuilt = copy.recover(&empty, tracks, &starts)?;
    let modes = tracks.iter().map(|track| track.config.flush);
    for ((first, rebuilt), mode) in first.into_iter().zip(rebuilt).zip(modes) {
        let log_start = first.log_start;
        let below: Vec<i64> = rebuilt
            .look_ups
            .iter()
            .filter(|(_, found)| found.is_some_and(|found| found <= log_start))
            .map(|(timestamp, _)| *timestamp)
            .collect();
        let (first, rebuilt) = (
            first.from(log_start, &below),
            rebuilt.from(log_start, &below),
        );
        // Without a sync nothing is promised above the last checkpoint: each keeps what it can.
        let is_promised = mode == FlushMode::Fsync;
        let (first, rebuilt) = match first.log_end.min(rebuilt.log_end) {
            _ if is_promised => (first, rebuilt),
            end => (first.until(end), rebuilt.until(end)),
        };
        i27_state_equals_rebuild(&first.name, &first, &rebuilt)?;
    }
    Ok(())
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

    /// Opens the store, describes what it holds from the given offsets on, and kills it.
    fn recover(
        &mut self,
        state: &DurableState,
        tracks: &[Arc<Track>],
        starts: &[i64],
    ) -> Result<Vec<Summary>, Violation> {
        let io = self.handles.restart();
        let opened = open(&io, state.open(), tracks);
        let (store, logs, report) = opened.map_err(|reason| must_open(&reason))?;
        let summaries = tracks
            .iter()
            .zip(&logs)
            .enumerate()
            .map(|(index, (track, log))| Summary::of(track, log, starts.get(index).copied()))
            .collect::<Result<_, _>>()
            .map_err(|violation: Violation| Violation {
                detail: format!("{}; {report}", violation.detail),
                ..violation
            });
        self.handles.crash(CrashKind::Kill);
        store.abandon();
        state.crash(&SeededRandom::new(0, 0));
        summaries
    }
}

/// What a recovered partition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Summary {
    name: String,
    log_start: i64,
    log_end: i64,
    /// Base offset, end and fingerprint of every batch.
    batches: Vec<(i64, i64, u64)>,
    /// A timestamp and the record found for it.
    look_ups: Vec<(i64, Option<i64>)>,
    latest_epoch: Option<i32>,
    /// What follows was reported as damage.
    is_cut: bool,
}

impl Summary {
    /// Describes a partition; after a rebuild from `start` on.
    fn of(track: &Track, log: &Arc<PartitionLog>, start: Option<i64>) -> Result<Self, Violation> {
        let name = track.known().history.name.clone();
        let unreadable = |reason: String| Violation {
            invariant: "I26",
            sentence: "what is recovered can be read",
            detail: format!("{name}: {reason}"),
        };
        let log_start = log.log_start().max(Offset(start.unwrap_or(0)));
        let mut log_end = log.log_end();
        let mut is_cut = false;
        let mut batches = Vec::new();
        let mut offset = log_start;
        while offset < log_end {
            let (bytes_max, at_least_one) = (64 << 10, AtLeastOne::Yes);
            let request = ReadRequest {
                offset,
                bytes_max,
                at_least_one,
                end: log_end,
            };
            let read = match log.read(request) {
                Ok(read) => read,
                // Without its state a log cannot tell what was never promised from what was lost:
                // it says that records are missing, and where.
                Err(ReadError::Damaged { .. }) if start.is_some() => {
                    is_cut = true;
                    log_end = offset;
                    break;
                }
                Err(error) => return Err(unreadable(error.to_string())),
            };
            for part in read.parts {
                let bytes = match part {
                    Part::Memory(bytes) => bytes,
                    Part::File(range) => range
                        .load()
                        .map_err(|error| unreadable(error.to_string()))?,
                };
                let found = read_batches(&bytes).map_err(|error| unreadable(error.to_string()))?;
                batches.extend(
                    found
                        .iter()
                        .map(|batch| (batch.base_offset, batch.end, batch.fingerprint)),
                );
            }
            if read.next_offset <= offset {
                return Err(unreadable(format!(
                    "nothing at {offset}, the log ends at {log_end}"
                )));
            }
            offset = read.next_offset;
        }
        let start = sprawl_io::sim::clock::WALL_MS_START;
        let look_ups = (0..20).map(|step| {
            let timestamp = start + step * step * 5;
            let found = log.offset_for_timestamp(timestamp, log_end);
            let found = found.map_err(|error| unreadable(error.to_string()))?;
            Ok((timestamp, found.map(|found| found.offset.0)))
        });
        Ok(Self {
            look_ups: look_ups.collect::<Result<_, _>>()?,
            latest_epoch: log.latest_epoch().map(|epoch| epoch.0),
            log_start: log_start.0,
            log_end: log_end.0,
            batches,
            is_cut,
            name,
        })
    }

    /// Leaves out what is above `end`, and look-ups, which may find it.
    fn until(mut self, end: i64) -> Self {
        self.log_end = end;
        self.batches.retain(|(_, batch_end, _)| *batch_end <= end);
        self.look_ups.clear();
        self.latest_epoch = None;
        self.is_cut = false;
        self
    }

    /// Leaves out what is below `start`, and these timestamps.
    fn from(mut self, start: i64, timestamps: &[i64]) -> Self {
        self.log_start = start;
        self.log_end = self.log_end.max(start);
        self.batches.retain(|(_, end, _)| *end > start);
        // Without a batch there is nothing whose epoch a rebuild could find.
        self.latest_epoch = self.latest_epoch.filter(|_| !self.batches.is_empty());
        self.look_ups
            .retain(|(timestamp, _)| !timestamps.contains(timestamp));
        self
    }
}
