//! What the world knows about its partitions, shared by its clients.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sprawl_io::sim::{SeededRandom, SimHandles, Trace};
use sprawl_log::{FlushMode, PartitionConfig};
use sprawl_model::{PartitionId, PartitionKey, TenantId, TopicId, TopicPartition};

use super::RANDOM_STREAM;
use crate::history::History;
use crate::invariant::{Check, Violation};

/// Segments roll after this many bytes, so that a run has many.
const SEGMENT_BYTES: u32 = 48 << 10;

/// One partition and what was done to it.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) key: PartitionKey,
    pub(super) config: PartitionConfig,
    pub(super) known: Mutex<Known>,
}

/// What clients know of a partition.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) history: History,
    /// The highest log start a client saw.
    pub(super) log_start: i64,
    /// The highest high watermark a client saw in this life of the process.
    pub(super) high_watermark: i64,
    /// The timestamp of the last record.
    pub(super) timestamp: i64,
    /// Records built so far; each is different.
    pub(super) record_count: u64,
    /// What the log said when it went offline in this life.
    pub(super) offline: Option<String>,
}

impl Track {
    fn new(number: i32, flush: FlushMode) -> Self {
        let name = TopicPartition {
            topic: format!("{flush:?}"),
            partition: PartitionId(number),
        };
        let history = History::new(name.to_string());
        Self {
            key: PartitionKey {
                tenant: TenantId::DEFAULT,
                topic_id: TopicId(uuid::Uuid::from_u128(0x51 + number.unsigned_abs() as u128)),
                partition: PartitionId(number),
            },
            config: PartitionConfig {
                retention_ms: None,
                segment_bytes: SEGMENT_BYTES,
                flush,
                ..PartitionConfig::new(name)
            },
            known: Mutex::new(Known {
                history,
                log_start: 0,
                high_watermark: 0,
                timestamp: sprawl_io::sim::clock::WALL_MS_START,
                record_count: 0,
                offline: None,
            }),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all clients share.
#[derive(Debug)]
pub(super) struct Shared {
    tracks: Vec<Arc<Track>>,
    pub(super) random: SeededRandom,
    pub(super) trace: Arc<Trace>,
    violation: Mutex<Option<Violation>>,
    acked_count: AtomicU64,
    has_damage: bool,
    flip_count: AtomicUsize,
    is_stopping: AtomicBool,
    busy_count: AtomicUsize,
    /// What happened to the process, for a person to read after a violation.
    notes: Mutex<Vec<String>>,
}

impl Shared {
    pub(super) fn new(seed: u64, has_damage: bool, handles: &SimHandles) -> Self {
        // Two of the default mode, so that partitions share journal groups.
        let modes = [
            FlushMode::Fsync,
            FlushMode::Fsync,
            FlushMode::Async,
            FlushMode::Memory,
        ];
        let tracks = (0..)
            .zip(modes)
            .map(|(number, mode)| Arc::new(Track::new(number, mode)));
        Self {
            tracks: tracks.collect(),
            random: SeededRandom::new(seed, RANDOM_STREAM + 1),
            trace: Arc::clone(&handles.trace),
            violation: Mutex::default(),
            acked_count: AtomicU64::new(0),
            has_damage,
            flip_count: AtomicUsize::new(0),
            is_stopping: AtomicBool::new(false),
            busy_count: AtomicUsize::new(0),
            notes: Mutex::default(),
        }
    }

    /// Takes note of an event in the process's lives.
    pub(super) fn note(&self, event: String) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
    }

    /// Returns the lives so far, then the last operations.
    pub(super) fn story(&self) -> Vec<String> {
        let mut story = self
            .notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        story.extend(self.trace.recent());
        story
    }

    pub(super) fn tracks(&self) -> &[Arc<Track>] {
        &self.tracks
    }

    /// Says whether bits flip in this run.
    pub(super) fn has_damage(&self) -> bool {
        self.has_damage
    }

    /// Says whether bits have flipped already: batches may then be lost, but never wrong.
    pub(super) fn is_damaged(&self) -> bool {
        self.flip_count.load(Ordering::Relaxed) > 0
    }

    pub(super) fn damaged(&self, flip_count: usize) {
        self.flip_count.fetch_add(flip_count, Ordering::Relaxed);
    }

    /// Keeps the first violation.
    pub(super) fn report(&self, check: Check) {
        if let Err(violation) = check {
            let mut first = self
                .violation
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(violation);
        }
    }

    pub(super) fn violation(&self) -> Check {
        let first = self
            .violation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first.clone().map_or(Ok(()), Err)
    }

    pub(super) fn acknowledged(&self) {
        self.acked_count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn acked_count(&self) -> u64 {
        self.acked_count.load(Ordering::Relaxed)
    }

    pub(super) fn begin_life(&self) {
        self.is_stopping.store(false, Ordering::Relaxed);
        self.busy_count.store(0, Ordering::Relaxed);
        for track in &self.tracks {
            let mut known = track.known();
            known.offline = None;
            known.high_watermark = 0;
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Marks an append that is not answered yet.
    pub(super) fn busy(&self) {
        self.busy_count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self) {
        self.busy_count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Lets clients append nothing more and waits for their answers, for a minute at most.
    pub(super) async fn stop_clients(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        for _ in 0..6_000 {
            if self.busy_count.load(Ordering::Relaxed) == 0 {
                return;
            }
            sprawl_io::time::sleep(Duration::from_millis(10)).await;
        }
        self.report(Err(Violation {
            invariant: "L5",
            sentence: "no client hangs beyond its timeout",
            detail: "an append on a healthy store was not answered within a minute".to_owned(),
        }));
    }

    /// The store closed cleanly: everything appended is promised from now on, whatever its flush
    /// mode.
    pub(super) fn closed(&self) {
        for track in &self.tracks {
            let mut known = track.known();
            let end = known.history.end();
            known.history.acknowledge(end);
        }
    }
}
