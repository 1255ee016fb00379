//! Chooses the dirtiest log, runs its round step by step, and counts.
//!
//! Threads share one set of partitions under way, one I/O budget, and the settings, which may
//! change while they run.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sprawl_io::{Step, Wake, Worker};
use sprawl_model::PartitionKey;

use super::job::{CompactionStats, Job, JobError, Progress};
use super::plan::Cleanable;
use super::{CleanerSettings, CompactionGuard};
use crate::error::LogError;
use crate::metrics as names;
use crate::partition::PartitionLog;
use crate::store::Shared;

/// More threads than this help no disk.
const THREAD_COUNT_MAX: u32 = 64;
/// How long a full disk is left alone before the next try.
const FULL_DISK_PAUSE: Duration = Duration::from_secs(15);

/// What the threads of a store share.
#[derive(Default)]
pub(crate) struct Cleaner {
    settings: Mutex<CleanerSettings>,
    guard: OnceLock<Box<dyn CompactionGuard>>,
    under_way: Mutex<UnderWay>,
    threads: Mutex<Vec<Arc<dyn Wake>>>,
    /// When the I/O budget allows more, on the monotonic clock.
    next_io: Mutex<Duration>,
}

/// Partitions that no thread may take.
#[derive(Debug, Default)]
struct UnderWay {
    cleaning: BTreeSet<PartitionKey>,
    /// Those with damage; until a restart.
    uncleanable: BTreeSet<PartitionKey>,
    /// Those that are due and were passed over once, for a checkpoint to let them take more.
    awaited: BTreeSet<PartitionKey>,
}

/// Whether a log that is due may be passed over once for a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// It may, where the round would be larger by a quarter or more: what has to be left to another
    /// round would have this one's records read and written once more.
    OneLook,
    /// It is taken as it is.
    None,
}

impl UnderWay {
    fn holds(&self, key: PartitionKey) -> bool {
        self.cleaning.contains(&key) || self.uncleanable.contains(&key)
    }
}

impl Cleaner {
    fn settings(&self) -> CleanerSettings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Arc<dyn Wake>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names what gives bounds; once.
    pub(crate) fn set_guard(&self, guard: Box<dyn CompactionGuard>) {
        if self.guard.set(guard).is_err() {
            tracing::warn!("the compaction guard was set before; the new one is ignored");
        }
    }

    /// Ends the threads, which the store has told to stop.
    pub(crate) fn join(&self) {
        let threads = std::mem::take(&mut *self.threads());
        for thread in &threads {
            thread.wake();
        }
        for thread in &threads {
            thread.join();
        }
    }

    /// Takes bytes from the I/O budget and returns how long to pause for them.
    fn spend(&self, bytes: u64, now: Duration) -> Duration {
        let rate = self.settings().io_bytes_per_second_max;
        let mut next_io = self.next_io.lock().unwrap_or_else(PoisonError::into_inner);
        *next_io = (*next_io).max(now).saturating_add(cost(bytes, rate));
        next_io.saturating_sub(now)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share of a second")]
fn cost(bytes: u64, bytes_per_second: f64) -> Duration {
    let seconds = bytes as f64 / bytes_per_second.max(1.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

impl Shared {
    /// Takes over settings and starts the threads they ask for.
    pub(crate) fn set_cleaner(self: &Arc<Self>, settings: CleanerSettings) {
        *self
            .cleaner
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = settings;
        let mut threads = self.cleaner.threads();
        let wanted = settings.thread_count.min(THREAD_COUNT_MAX);
        let started = u32::try_from(threads.len()).unwrap_or(u32::MAX);
        if self.is_closing() || !settings.is_enabled {
            return;
        }
        for number in started..wanted {
            let worker = CleanerWorker {
                shared: Arc::clone(self),
                number,
                job: None,
            };
            // Producers and consumers go first: what is compacted later does no harm.
            let spawn = &self.io.spawn;
            threads.push(spawn.background_worker("log-cleaner", Box::new(worker)));
        }
        for thread in threads.iter() {
            thread.wake();
        }
    }

    /// Cleans everything that is due, here and now; returns the rounds.
    pub(crate) fn clean_all(self: &Arc<Self>) -> Result<Vec<CompactionStats>, LogError> {
        let mut worker = CleanerWorker {
            shared: Arc::clone(self),
            number: 0,
            job: None,
        };
        let mut rounds = Vec::new();
        while let Some(job) = self.dirtiest(&self.cleaner.settings(), Patience::None) {
            worker.job = Some(job);
            while worker.job.is_some() {
                match worker.advance() {
                    Ok(Some(Progress::Done(stats))) => rounds.push(stats),
                    Ok(_) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(rounds)
    }

    /// Returns a round for the dirtiest log that is due and that nobody cleans.
    fn dirtiest(&self, settings: &CleanerSettings, patience: Patience) -> Option<Job> {
        let guard = self.cleaner.guard.get()?;
        let now_ms = self.io.clock.wall_ms();
        let mut best: Option<(f64, Arc<PartitionLog>, Cleanable)> = None;
        let mut ratio_max = 0.0_f64;
        let (mut awaits_checkpoint, mut is_passed_over) = (false, false);
        let mut under_way = self.cleaner.under_way();
        for partition in self.all_partitions() {
            let Some(config) = partition.config().compaction else {
                continue;
            };
            if under_way.holds(partition.key()) {
                continue;
            }
            let Some(stable_end) = guard.stable_end(&partition) else {
                continue;
            };
            let view = partition.cleaning_view(stable_end);
            let cleanable = view.cleanable(&config, now_ms);
            let ratio = cleanable.ratio();
            ratio_max = ratio_max.max(ratio);
            let if_synced = view.cleanable_if_synced(&config, now_ms);
            if !cleanable.is_due(&config) {
                awaits_checkpoint |= if_synced.is_due(&config);
            } else if patience == Patience::OneLook
                && if_synced.dirty_bytes / 5 >= cleanable.dirty_bytes / 4
                && under_way.awaited.insert(partition.key())
            {
                is_passed_over = true;
            } else if partition.is_damaged_within(&cleanable.segments) {
                mark_uncleanable(&mut under_way, &partition, &"records are lost");
            } else if best.as_ref().is_none_or(|(known, ..)| ratio > *known) {
                best = Some((ratio, partition, cleanable));
            }
        }
        metrics::gauge!(names::CLEANER_DIRTY_PERCENT_MAX).set(ratio_max * 100.0);
        if is_passed_over || (awaits_checkpoint && best.is_none()) {
            self.request_checkpoint();
        } else if best.is_none() {
            under_way.awaited.clear();
        }
        let (_, partition, cleanable) = best?;
        under_way.awaited.remove(&partition.key());
        let bounds = guard.bounds(&partition)?;
        under_way.cleaning.insert(partition.key());
        Some(Job::new(self, partition, cleanable, bounds, settings))
    }
}

#[allow(clippy::cast_precision_loss, reason = "gauges are for people")]
fn mark_uncleanable(
    under_way: &mut UnderWay,
    partition: &PartitionLog,
    reason: &dyn std::fmt::Display,
) {
    tracing::warn!(partition = %partition.key(), %reason, "a log is not compacted any more until a restart");
    under_way.uncleanable.insert(partition.key());
    let count = under_way.uncleanable.len();
    metrics::gauge!(names::CLEANER_UNCLEANABLE_PARTITIONS).set(count as f64);
}

/// One thread.
#[derive(Debug)]
pub(crate) struct CleanerWorker {
    shared: Arc<Shared>,
    number: u32,
    job: Option<Job>,
}

impl Worker for CleanerWorker {
    fn step(&mut self) -> Step {
        let shared = Arc::clone(&self.shared);
        if shared.offline().is_some() || shared.is_closing() {
            self.end_job();
            return Step::Stop;
        }
        if self.job.is_none() {
            let settings = shared.cleaner.settings();
            let is_wanted = settings.is_enabled && self.number < settings.thread_count;
            self.job = is_wanted
                .then(|| shared.dirtiest(&settings, Patience::OneLook))
                .flatten();
            if self.job.is_none() {
                return Step::Pause(settings.backoff);
            }
        }
        match self.advance() {
            Ok(Some(Progress::More(bytes))) => {
                match shared.cleaner.spend(bytes, shared.io.clock.monotonic()) {
                    Duration::ZERO => Step::Again,
                    pause => Step::Pause(pause),
                }
            }
            Ok(Some(Progress::Done(_)) | None) => Step::Again,
            Err(error) if error.is_out_of_space() => Step::Pause(FULL_DISK_PAUSE),
            Err(_) => Step::Stop,
        }
    }
}

impl CleanerWorker {
    /// Does one step of the job; `None` where it ended without being done. After an error that is
    /// not a full disk the store is offline.
    fn advance(&mut self) -> Result<Option<Progress>, LogError> {
        let shared = Arc::clone(&self.shared);
        let Some(job) = &mut self.job else {
            return Ok(None);
        };
        match job.step(&shared) {
            Ok(Progress::More(bytes)) => Ok(Some(Progress::More(bytes))),
            Ok(Progress::Done(stats)) => {
                count(&job.partition, &stats);
                self.end_job();
                Ok(Some(Progress::Done(stats)))
            }
            Err(JobError::Gone) => {
                self.end_job();
                Ok(None)
            }
            Err(error @ (JobError::Damaged(_) | JobError::MapTooSmall)) => {
                let partition = Arc::clone(&job.partition);
                mark_uncleanable(&mut shared.cleaner.under_way(), &partition, &error);
                self.end_job();
                Ok(None)
            }
            Err(JobError::Log(error)) => {
                if error.is_out_of_space() {
                    let partition = job.partition.key();
                    tracing::warn!(%partition, %error, "disk is full: a log stays as it is");
                }
                let judged = shared.judge(Err(error));
                self.end_job();
                judged
            }
        }
    }

    fn end_job(&mut self) {
        if let Some(mut job) = self.job.take() {
            job.abandon(&self.shared);
            let mut under_way = self.shared.cleaner.under_way();
            under_way.cleaning.remove(&job.partition.key());
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "metrics are for people")]
fn count(partition: &PartitionLog, stats: &CompactionStats) {
    let read = stats.mapped_bytes.saturating_add(stats.read_bytes);
    metrics::counter!(names::CLEANER_READ_BYTES).increment(read);
    metrics::counter!(names::CLEANER_WRITTEN_BYTES).increment(stats.written_bytes);
    let removed = stats.records_read.saturating_sub(stats.records_kept);
    metrics::counter!(names::CLEANER_REMOVED_RECORDS).increment(removed);
    metrics::histogram!(names::CLEANER_SECONDS).record(stats.elapsed.as_secs_f64());
    let recopied = stats.written_bytes as f64 / stats.read_bytes.max(1) as f64;
    metrics::gauge!(names::CLEANER_RECOPY_PERCENT).set(recopied * 100.0);
    if stats.invalid_count > 0 {
        let count = stats.invalid_count;
        tracing::warn!(partition = %partition.key(), count, "records without a key were dropped from a compacted log");
    }
    tracing::info!(
        partition = %partition.key(),
        from = stats.from.0,
        to = stats.to.0,
        read_bytes = stats.read_bytes,
        written_bytes = stats.written_bytes,
        records_read = stats.records_read,
        records_kept = stats.records_kept,
        keys = stats.key_count,
        elapsed = ?stats.elapsed,
        "compacted a log"
    );
}
