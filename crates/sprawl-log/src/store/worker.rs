//! The two workers of a store: group commit, and everything behind it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sprawl_io::{Step, Worker};
use sprawl_model::Offset;

use super::Shared;
use super::checkpoint::Kind;
use crate::aligned::AlignedBuffer;
use crate::error::{DiskError, LogError};
use crate::journal::Progress;
use crate::metrics as names;
use crate::partition::{PartitionLog, Run, RunWanted};

/// How long a full disk is left alone before the next try.
const FULL_DISK_PAUSE: Duration = Duration::from_millis(250);
/// How long the journal waits for a checkpoint to free a file.
const STALL_PAUSE: Duration = Duration::from_millis(5);
/// How long an idle store sleeps.
const IDLE_PAUSE: Duration = Duration::from_secs(1);
/// A checkpoint is due when the journal is this full.
const CHECKPOINT_FILL_PERCENT: u64 = 50;
/// A checkpoint is not due before this many bytes for each file that it has to sync.
const CHECKPOINT_BYTES_PER_FILE: u64 = 512 << 10;
const STAGING_BYTES: usize = 1 << 20;
const STAGING_BYTES_KEPT: usize = 4 << 20;

/// Runs group commits.
#[derive(Debug)]
pub(super) struct JournalWorker(pub(super) Arc<Shared>);

impl Worker for JournalWorker {
    fn step(&mut self) -> Step {
        let shared = &self.0;
        if shared.offline().is_some() {
            shared.journal.abandon();
            return Step::Stop;
        }
        match shared.journal.commit_group(shared) {
            Ok(Progress::Written) => Step::Again,
            Ok(Progress::Idle) if shared.is_closing() => Step::Stop,
            Ok(Progress::Idle) => Step::Wait,
            Ok(Progress::Stalled) => {
                shared.request_checkpoint();
                Step::Pause(STALL_PAUSE)
            }
            Err(error) if error.is_out_of_space() && error.action != "sync" => {
                // Only a new file needs space: its frames wait, and a checkpoint frees an old one.
                shared.release_ballast();
                shared.request_checkpoint();
                Step::Pause(FULL_DISK_PAUSE)
            }
            Err(error) => {
                shared.take_offline(&error.to_string());
                Step::Stop
            }
        }
    }
}

/// Runs everything else.
#[derive(Debug)]
pub(super) struct WriteBehindWorker(pub(super) Arc<Shared>);

impl Worker for WriteBehindWorker {
    fn step(&mut self) -> Step {
        let shared = &self.0;
        if shared.offline().is_some() || shared.is_closing() {
            return Step::Stop;
        }
        let mut worker = shared.write_behind();
        match worker.look_around(shared) {
            Ok(pause) => Step::Pause(pause),
            Err(error) if error.is_out_of_space() => {
                tracing::warn!(%error, "disk is full: what is dirty stays in memory and journal");
                shared.release_ballast();
                Step::Pause(FULL_DISK_PAUSE)
            }
            Err(error) => {
                drop(worker);
                shared.take_offline(&error.to_string());
                Step::Stop
            }
        }
    }
}

/// What the write-behind side remembers between steps.
#[derive(Debug)]
pub(super) struct WriteBehind {
    dirty: Vec<Arc<PartitionLog>>,
    /// Runs in memory that are in segments, too; the oldest goes first.
    clean: VecDeque<(Arc<PartitionLog>, Offset, u64)>,
    clean_bytes: u64,
    staging: AlignedBuffer,
    /// Directories of deleted partitions, kept as long as journal frames could bring them back.
    graves: Vec<PathBuf>,
    last_checkpoint: Duration,
    next_space_check: Duration,
    next_retention: Duration,
}

impl WriteBehind {
    pub(super) fn new(now: Duration, retention_interval: Duration) -> Self {
        Self {
            dirty: Vec::new(),
            clean: VecDeque::new(),
            clean_bytes: 0,
            staging: AlignedBuffer::with_capacity(STAGING_BYTES),
            graves: Vec::new(),
            last_checkpoint: now,
            next_space_check: now,
            next_retention: now.saturating_add(retention_interval),
        }
    }

    /// Does everything that is due and returns how long to sleep.
    fn look_around(&mut self, shared: &Shared) -> Result<Duration, LogError> {
        let now = shared.io.clock.monotonic();
        if now >= self.next_space_check {
            self.next_space_check = now.saturating_add(shared.settings.space_interval);
            shared.check_space()?;
            shared.publish_gauges();
        }
        self.write_due(shared, now)?;
        self.evict(shared);
        shared.journal.prepare(shared)?;
        if self.is_checkpoint_due(shared, now) {
            shared.checkpoint(self, Kind::Running)?;
            self.evict(shared);
        }
        if now >= self.next_retention {
            self.next_retention = now.saturating_add(shared.settings.retention_interval);
            shared.retain(self)?;
        }
        let is_ticking = shared.set_ticking(!self.dirty.is_empty());
        Ok(if is_ticking {
            shared.settings.write_behind_interval
        } else {
            IDLE_PAUSE
        })
    }

    fn write_due(&mut self, shared: &Shared, now: Duration) -> Result<(), DiskError> {
        let mut newly = shared.take_newly_dirty();
        self.dirty.append(&mut newly);
        let dirty = std::mem::take(&mut self.dirty);
        let mut result = Ok(());
        for partition in dirty {
            while result.is_ok() && !partition.is_deleted() {
                let wanted = if shared.memory.is_urgent() {
                    RunWanted::Now
                } else {
                    RunWanted::IfDue(now)
                };
                match partition.write_run(wanted, &mut self.staging) {
                    Ok(Some(run)) => self.note(&partition, run),
                    Ok(None) => break,
                    Err(error) => result = Err(error),
                }
            }
            if partition.is_deleted() || (partition.is_written() && partition.unlist()) {
                continue;
            }
            self.dirty.push(partition);
        }
        result
    }

    /// Writes one run of a partition whether due or not; false where there is none.
    pub(super) fn write_now(
        &mut self,
        _shared: &Shared,
        partition: &Arc<PartitionLog>,
    ) -> Result<bool, DiskError> {
        match partition.write_run(RunWanted::Now, &mut self.staging)? {
            Some(run) => {
                self.note(partition, run);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Writes everything of a partition to segments and drops it from memory, during recovery.
    pub(super) fn relieve(
        &mut self,
        shared: &Shared,
        partition: &Arc<PartitionLog>,
    ) -> Result<(), DiskError> {
        while self.write_now(shared, partition)? {}
        while let Some((partition, end, bytes)) = self.clean.pop_front() {
            partition.evict(end);
            self.clean_bytes = self.clean_bytes.saturating_sub(bytes);
        }
        Ok(())
    }

    fn note(&mut self, partition: &Arc<PartitionLog>, run: Run) {
        metrics::counter!(names::SEGMENT_WRITTEN_BYTES).increment(run.written_bytes);
        self.clean
            .push_back((Arc::clone(partition), run.end, run.batch_bytes));
        self.clean_bytes = self.clean_bytes.saturating_add(run.batch_bytes);
        if self.staging.capacity() > STAGING_BYTES_KEPT {
            self.staging = AlignedBuffer::with_capacity(STAGING_BYTES);
        }
    }

    /// Drops the oldest clean runs beyond the target.
    fn evict(&mut self, shared: &Shared) {
        while self.clean_bytes > shared.settings.clean_bytes_max
            || (self.clean_bytes > 0 && shared.memory.hot_bytes() > shared.memory.limit_bytes())
        {
            let Some((partition, end, bytes)) = self.clean.pop_front() else {
                break;
            };
            partition.evict(end);
            self.clean_bytes = self.clean_bytes.saturating_sub(bytes);
        }
    }

    fn is_checkpoint_due(&self, shared: &Shared, now: Duration) -> bool {
        let live = shared.journal.live_bytes();
        let fill = live.saturating_mul(100);
        let cap = shared
            .settings
            .journal_bytes_max
            .saturating_mul(CHECKPOINT_FILL_PERCENT);
        // A checkpoint costs a sync of each file that was written: with many, it pays to wait
        // longer.
        let files = u64::try_from(self.dirty.len()).unwrap_or(u64::MAX);
        let checkpoint_bytes = files
            .saturating_mul(CHECKPOINT_BYTES_PER_FILE)
            .max(shared.settings.checkpoint_bytes);
        let is_idle = now.saturating_sub(self.last_checkpoint) >= shared.settings.checkpoint_idle;
        shared.wants_checkpoint.load(Ordering::Acquire)
            || live >= checkpoint_bytes
            || fill >= cap
            || (is_idle
                && shared
                    .map()
                    .values()
                    .any(|partition| partition.is_changed()))
    }

    pub(super) fn checkpointed(&mut self, now: Duration) {
        self.last_checkpoint = now;
    }

    pub(super) fn bury(&mut self, dir: PathBuf) {
        self.graves.push(dir);
    }

    pub(super) fn graves(&self) -> Vec<PathBuf> {
        self.graves.clone()
    }

    pub(super) fn buried(&mut self, dir: &Path) {
        self.graves.retain(|grave| grave != dir);
    }

    pub(super) fn forget_partitions(&mut self) {
        self.dirty = Vec::new();
        self.clean = VecDeque::new();
        self.clean_bytes = 0;
    }
}

impl Shared {
    /// Applies retention to every partition.
    pub(super) fn retain(&self, _worker: &mut WriteBehind) -> Result<(), LogError> {
        let now_ms = self.io.clock.wall_ms();
        let partitions: Vec<_> = self.map().values().cloned().collect();
        for partition in partitions {
            partition.apply_retention(now_ms)?;
            partition.release_caches();
        }
        Ok(())
    }

    #[allow(clippy::cast_precision_loss, reason = "gauges are for people")]
    fn publish_gauges(&self) {
        let log_bytes: u64 = self
            .map()
            .values()
            .map(|partition| partition.size_bytes())
            .sum();
        metrics::gauge!(names::JOURNAL_LIVE_BYTES).set(self.journal.live_bytes() as f64);
        metrics::gauge!(names::HOT_BYTES).set(self.memory.hot_bytes() as f64);
        metrics::gauge!(names::HOT_DIRTY_BYTES).set(self.memory.dirty_bytes() as f64);
        metrics::gauge!(names::HOT_BYTES_MAX).set(self.memory.limit_bytes() as f64);
        metrics::gauge!(names::LOG_BYTES).set(log_bytes as f64);
    }
}
