//! What the clients of a broker know together, whatever life of the broker told them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sprawl_io::sim::{SeededRandom, Trace};

use super::{PARTITION_COUNT, RANDOM_STREAM};
use crate::history::Found;
use crate::invariant::{
    Check, Violation, i4_true_base_offset, i6_never_decreases, i12_sequences_without_gap,
};

/// The knowledge of all clients.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) random: SeededRandom,
    pub(super) trace: Arc<Trace>,
    known: Mutex<Known>,
    acked_count: AtomicU64,
    is_stopping: AtomicBool,
    busy: AtomicU64,
}

/// What is known, behind one lock.
#[derive(Debug, Default)]
struct Known {
    /// The first violation.
    violation: Option<Violation>,
    /// By partition.
    partitions: Vec<PartitionKnown>,
    /// By group and partition: the highest offset whose commit was acknowledged.
    commits: BTreeMap<(&'static str, i32), i64>,
}

/// One partition as clients saw it.
#[derive(Debug, Default)]
struct PartitionKnown {
    /// Every batch that a consumer read, by base offset.
    read: BTreeMap<i64, Found>,
    /// Every batch whose produce succeeded: base offset, then producer and first sequence.
    acked: BTreeMap<i64, (i64, i32)>,
    /// The highest high watermark in any answer.
    high_watermark: i64,
    /// The highest log start in any answer.
    log_start: i64,
    /// Offsets of batches that the broker says, or checksums show, are lost to damage.
    unreadable: BTreeSet<i64>,
    /// Bits have flipped in its segments.
    is_damaged: bool,
}

impl PartitionKnown {
    /// Says whether two reads of an offset agree. Flipped bits may hit fields that no checksum
    /// covers.
    fn agree(&self, one: &Found, other: &Found) -> bool {
        let covered = |found: &Found| (found.end, found.producer, found.record_count);
        one == other || (self.is_damaged && covered(one) == covered(other))
    }
}

impl Ledger {
    pub(super) fn new(seed: u64, trace: &Arc<Trace>) -> Self {
        let partitions = (0..PARTITION_COUNT)
            .map(|_| PartitionKnown::default())
            .collect();
        Self {
            random: SeededRandom::new(seed, RANDOM_STREAM),
            trace: Arc::clone(trace),
            known: Mutex::new(Known {
                partitions,
                ..Known::default()
            }),
            acked_count: AtomicU64::new(0),
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

    pub(super) fn acked_count(&self) -> u64 {
        self.acked_count.load(Ordering::Relaxed)
    }

    /// Tells the clients that produce to finish what they began and send nothing new.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Counts a producer that has not finished.
    pub(super) fn begin(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn finished(&self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    /// Says whether every producer got an answer for all it sent.
    pub(super) fn is_quiet(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    /// Takes note of a produce that succeeded. What a consumer read there before must be that batch
    /// (I4).
    pub(super) fn produced(
        &self,
        partition: usize,
        base_offset: i64,
        producer: (i64, i32),
    ) -> Check {
        self.acked_count.fetch_add(1, Ordering::Relaxed);
        self.trace.record(
            "produced",
            &[partition as u64, base_offset.unsigned_abs()],
            &[],
        );
        let mut known = self.known();
        let Some(partition_known) = known.partitions.get_mut(partition) else {
            return Ok(());
        };
        if let Some(other) = partition_known.acked.insert(base_offset, producer)
            && other != producer
        {
            let detail =
                format!("partition {partition}: two batches were told offset {base_offset}");
            let sentence = "one offset, one value";
            return Err(Violation {
                invariant: "I3",
                sentence,
                detail,
            });
        }
        Ok(())
    }

    /// Takes note of a batch that a consumer read; any other reader, in any life, read the same
    /// (I3).
    pub(super) fn read(&self, partition: usize, batch: &Found) -> Check {
        let mut known = self.known();
        let Some(partition_known) = known.partitions.get_mut(partition) else {
            return Ok(());
        };
        let Some(first) = partition_known.read.get(&batch.base_offset) else {
            partition_known
                .read
                .insert(batch.base_offset, batch.clone());
            return Ok(());
        };
        if partition_known.agree(first, batch) {
            return Ok(());
        }
        Err(Violation {
            invariant: "I3",
            sentence: "one offset, one value",
            detail: format!("partition {partition}: read {first:x?} before, {batch:x?} now"),
        })
    }

    /// Takes note of a high watermark in an answer (I6). In fsync mode it holds across crashes.
    pub(super) fn saw_high_watermark(&self, partition: usize, high_watermark: i64) -> Check {
        let mut known = self.known();
        let Some(known) = known.partitions.get_mut(partition) else {
            return Ok(());
        };
        let name = format!("partition {partition}");
        i6_never_decreases(
            &name,
            "high watermark",
            known.high_watermark,
            high_watermark,
        )?;
        known.high_watermark = high_watermark;
        Ok(())
    }

    /// Returns the highest high watermark that any answer named.
    pub(super) fn high_watermark(&self, partition: usize) -> i64 {
        self.known()
            .partitions
            .get(partition)
            .map_or(0, |known| known.high_watermark)
    }

    /// Takes note of a log start in an answer (I6).
    pub(super) fn saw_log_start(&self, partition: usize, log_start: i64) -> Check {
        let mut known = self.known();
        let Some(known) = known.partitions.get_mut(partition) else {
            return Ok(());
        };
        let name = format!("partition {partition}");
        i6_never_decreases(&name, "log start", known.log_start, log_start)?;
        known.log_start = log_start;
        Ok(())
    }

    /// Returns the highest log start that any answer named.
    pub(super) fn log_start(&self, partition: usize) -> i64 {
        let known = self.known();
        known.partitions.get(partition).map_or(0, |p| p.log_start)
    }

    /// Returns how many records lie below the log starts.
    pub(super) fn deleted_count(&self) -> u64 {
        let known = self.known();
        let starts = known.partitions.iter().map(|known| known.log_start);
        starts.map(i64::unsigned_abs).sum()
    }

    /// Returns at how many offsets readers were told of damage.
    pub(super) fn unreadable_count(&self) -> u64 {
        let known = self.known();
        let counts = known.partitions.iter().map(|known| known.unreadable.len());
        counts.map(|count| count as u64).sum()
    }

    /// Takes note that bits have flipped in a partition's segments.
    pub(super) fn damaged(&self, partition: usize) {
        if let Some(known) = self.known().partitions.get_mut(partition) {
            known.is_damaged = true;
        }
    }

    pub(super) fn is_damaged(&self, partition: usize) -> bool {
        let known = self.known();
        known
            .partitions
            .get(partition)
            .is_some_and(|p| p.is_damaged)
    }

    /// Takes note that the batch at `offset` is lost to damage; returns where the next may begin.
    pub(super) fn unreadable(&self, partition: usize, offset: i64) -> i64 {
        let mut known = self.known();
        let Some(known) = known.partitions.get_mut(partition) else {
            return offset + 1;
        };
        known.unreadable.insert(offset);
        let next_acked = known.acked.range(offset + 1..).next();
        next_acked.map_or(known.high_watermark.max(offset + 1), |(next, _)| *next)
    }

    /// Takes note of a commit that was acknowledged.
    pub(super) fn committed(&self, group: &'static str, partition: i32, offset: i64) {
        self.trace.record(
            "committed",
            &[partition.unsigned_abs().into(), offset.unsigned_abs()],
            group.as_bytes(),
        );
        let mut known = self.known();
        let highest = known.commits.entry((group, partition)).or_insert(0);
        *highest = offset.max(*highest);
    }

    /// Returns the highest offset whose commit was acknowledged.
    pub(super) fn commit_acked(&self, group: &'static str, partition: i32) -> i64 {
        let known = self.known();
        known.commits.get(&(group, partition)).copied().unwrap_or(0)
    }

    /// The last check: what was acknowledged stands where the answers said (I1, I4), and the
    /// sequences of every producer have neither gap nor double (I12). `logs` is every batch of
    /// every partition.
    pub(super) fn check_read_back(&self, logs: &[Vec<Found>]) -> Check {
        let known = self.known();
        for (partition, (log, known)) in logs.iter().zip(&known.partitions).enumerate() {
            let name = format!("partition {partition}");
            let by_offset: BTreeMap<i64, &Found> =
                log.iter().map(|batch| (batch.base_offset, batch)).collect();
            for (base_offset, producer) in &known.acked {
                match by_offset.get(base_offset) {
                    Some(found) if found.producer == *producer => {}
                    None if *base_offset < known.log_start => {}
                    None if known.is_damaged && known.unreadable.contains(base_offset) => {}
                    found => {
                        let stands = log.iter().find(|batch| batch.producer == *producer);
                        let stands = stands.map_or(-1, |batch| batch.base_offset);
                        i4_true_base_offset(&name, stands, *base_offset)?;
                        let sentence = "every acknowledged batch is read at its offset";
                        let detail =
                            format!("{name}: {producer:?} at {base_offset}, found {found:?}");
                        return Err(Violation {
                            invariant: "I1",
                            sentence,
                            detail,
                        });
                    }
                }
            }
            let mut next: BTreeMap<i64, i32> = BTreeMap::new();
            for batch in log {
                let (producer, sequence) = batch.producer;
                // What came before was deleted; a damaged range is a gap.
                let first = if known.log_start > 0 { sequence } else { 0 };
                let expected = next.entry(producer).or_insert(first);
                if !known.is_damaged {
                    i12_sequences_without_gap(&name, producer, *expected, sequence)?;
                }
                *expected = sequence + batch.record_count;
            }
        }
        Ok(())
    }
}
