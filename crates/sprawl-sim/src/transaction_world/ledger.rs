//! What the clients know together: every attempt, what was asked and told of it, and what readers
//! saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sprawl_io::sim::{SeededRandom, Trace};
use sprawl_model::batch::TxnOutcome;

use super::RANDOM_STREAM;
use super::record::{Batch, Place, Value};
use super::wire::{Generation, Producer};
use crate::invariant::{Check, Violation, i3_same_at_every_read, i21_commit_survives};

/// One transaction, from its first record to its last answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempt {
    /// Whose it is, for messages.
    pub(super) who: String,
    /// How its producer asked it to end, if it did.
    pub(super) asked: Option<TxnOutcome>,
    /// How it ended, if its producer was told.
    pub(super) told: Option<TxnOutcome>,
    /// It was begun after its producer was fenced.
    pub(super) is_fenced: bool,
    /// How many records it writes.
    pub(super) count: u64,
    /// The attempts whose records it read.
    pub(super) sources: Vec<u64>,
}

/// What a read_committed reader was shown between two offsets.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) place: Place,
    pub(super) from: i64,
    /// Where the next fetch begins.
    pub(super) to: i64,
    pub(super) shown: Vec<(i64, Value)>,
}

/// The knowledge of all clients.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) random: SeededRandom,
    trace: Arc<Trace>,
    known: Mutex<Known>,
    next_attempt: AtomicU64,
    next_account: AtomicU64,
    timestamp_ms: AtomicI64,
    told_count: AtomicU64,
    is_stopping: AtomicBool,
    busy: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    violation: Option<Violation>,
    attempts: BTreeMap<u64, Attempt>,
    scans: Vec<Scan>,
    /// Every batch that a reader saw, by place and base offset.
    seen: BTreeMap<(Place, i64), u64>,
    /// The positions whose commit was acknowledged.
    positions: BTreeMap<Place, i64>,
    /// The last producer id and epoch that each transactional id was given.
    owners: BTreeMap<String, (i64, i16)>,
    /// The producer ids of clients whose epoch is bumped at every end.
    bumping: BTreeSet<i64>,
    /// The newest epoch of the transaction coordinator in any marker.
    coordinator_epoch: i32,
}

impl Ledger {
    pub(super) fn new(seed: u64, trace: &Arc<Trace>) -> Self {
        Self {
            random: SeededRandom::new(seed, RANDOM_STREAM),
            trace: Arc::clone(trace),
            known: Mutex::default(),
            next_attempt: AtomicU64::new(super::record::NO_ATTEMPT + 1),
            next_account: AtomicU64::new(0),
            timestamp_ms: AtomicI64::new(sprawl_io::sim::clock::WALL_MS_START),
            told_count: AtomicU64::new(0),
            is_stopping: AtomicBool::new(false),
            busy: AtomicU64::new(0),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the first violation.
    pub(super) fn report(&self, check: Check) {
        if let Err(violation) = check {
            self.known().violation.get_or_insert(violation);
        }
    }

    pub(super) fn violation(&self) -> Check {
        self.known().violation.clone().map_or(Ok(()), Err)
    }

    /// Tells the clients that write to finish what they began.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Counts a client, or a request under way, that has not finished.
    pub(super) fn begin(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn finished(&self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    /// Returns how many ends of transactions were acknowledged.
    pub(super) fn told_count(&self) -> u64 {
        self.told_count.load(Ordering::Relaxed)
    }

    pub(super) fn next_account(&self) -> u64 {
        self.next_account.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the timestamp of the first of `count` records; they grow by 1 ms a record, so that
    /// segments roll after as many.
    pub(super) fn timestamps(&self, count: usize) -> i64 {
        let count = i64::try_from(count).unwrap_or(1);
        self.timestamp_ms.fetch_add(count, Ordering::Relaxed)
    }

    /// Takes note of an attempt before any of it is sent; returns its number.
    pub(super) fn attempt(&self, attempt: Attempt) -> u64 {
        let number = self.next_attempt.fetch_add(1, Ordering::Relaxed);
        self.known().attempts.insert(number, attempt);
        number
    }

    /// Takes note of an end that is about to be asked for.
    pub(super) fn asked(&self, attempt: u64, outcome: TxnOutcome) {
        if let Some(attempt) = self.known().attempts.get_mut(&attempt) {
            attempt.asked = Some(outcome);
        }
    }

    /// Takes note of an end that was acknowledged.
    pub(super) fn told(&self, attempt: u64, outcome: TxnOutcome) {
        self.told_count.fetch_add(1, Ordering::Relaxed);
        let is_commit = u64::from(outcome == TxnOutcome::Commit);
        self.trace.record("told", &[attempt, is_commit], &[]);
        if let Some(attempt) = self.known().attempts.get_mut(&attempt) {
            attempt.told = Some(outcome);
        }
    }

    /// Takes note of positions whose commit was acknowledged.
    pub(super) fn positions_told(&self, ends: &BTreeMap<Place, i64>) {
        self.known().positions.extend(ends);
    }

    /// Checks positions that were read against those acknowledged (I21). Each has one mover that
    /// writes it, which is the one that reads.
    pub(super) fn positions_read(&self, found: &BTreeMap<Place, i64>) -> Check {
        let known = self.known();
        for (place, found) in found {
            let told = known.positions.get(place).copied().unwrap_or(0);
            i21_commit_survives(&place.to_string(), told, *found, i64::MAX)?;
        }
        Ok(())
    }

    /// Takes note that a producer got its id and epoch: all others with its transactional id are
    /// fenced.
    pub(super) fn initialised(&self, producer: &Producer) {
        let number = [
            producer.id.unsigned_abs(),
            producer.epoch.unsigned_abs().into(),
        ];
        self.trace.record("initialised", &number, &[]);
        let mut known = self.known();
        let (name, owner) = (&producer.transactional_id, (producer.id, producer.epoch));
        known.owners.insert(name.clone(), owner);
        if producer.generation == Generation::Two {
            known.bumping.insert(producer.id);
        }
    }

    /// Says whether a producer is known to be fenced.
    pub(super) fn is_fenced(&self, transactional_id: &str, producer: (i64, i16)) -> bool {
        let known = self.known();
        let owner = known.owners.get(transactional_id);
        owner.is_some_and(|(id, epoch)| *id != producer.0 || *epoch > producer.1)
    }

    /// Takes note of batches that a reader saw: every other reader sees the same (I3).
    pub(super) fn saw(&self, place: Place, batches: &[Batch]) -> Check {
        let mut known = self.known();
        for batch in batches {
            if let Some(marker) = batch.marker {
                let newest = known.coordinator_epoch.max(marker.coordinator_epoch);
                known.coordinator_epoch = newest;
            }
            let key = (place, batch.base_offset);
            let first = *known.seen.entry(key).or_insert(batch.fingerprint);
            let name = place.to_string();
            i3_same_at_every_read(&name, batch.base_offset, first, batch.fingerprint)?;
        }
        Ok(())
    }

    /// Returns the producer ids of clients whose epoch is bumped at every end.
    pub(super) fn bumping(&self) -> BTreeSet<i64> {
        self.known().bumping.clone()
    }

    pub(super) fn coordinator_epoch(&self) -> i32 {
        self.known().coordinator_epoch
    }

    /// Takes note of what a read_committed reader was shown.
    pub(super) fn scanned(&self, scan: Scan) {
        self.known().scans.push(scan);
    }

    /// Hands out every attempt and scan, at the end.
    pub(super) fn take(&self) -> (BTreeMap<u64, Attempt>, Vec<Scan>) {
        let mut known = self.known();
        let attempts = std::mem::take(&mut known.attempts);
        (attempts, std::mem::take(&mut known.scans))
    }
}
