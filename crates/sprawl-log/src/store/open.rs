//! Opens a data directory: state, partitions, journal, workers; in that order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use sprawl_io::Io;
use sprawl_model::mutant::{Mutant, active};
use sprawl_model::{PartitionKey, TopicPartition};

use super::memory::Memory;
use super::space::SpaceWatch;
use super::worker::{JournalWorker, WriteBehind, WriteBehindWorker};
use super::{LOCK_FILE, LogStore, Shared};
use crate::compaction::Cleaner;
use crate::error::{DiskError, OpenError};
use crate::journal::Journal;
use crate::journal::files::JOURNAL_DIR;
use crate::journal::scan::{self, LostFrames, Outcome, ScannedFrame, Start, TornTail};
use crate::partition::PartitionLog;
use crate::partition::recover::{CutSegment, Known, Replayed, Trust};
use crate::partition::retain::forget_partition;
use crate::partition::timers;
use crate::segment::{DELETED_SUFFIX, PARTITIONS_DIR, SegmentMeta, dir_key, dir_name};
use crate::settings::{LogSettings, PartitionConfig};
use crate::state::record::{
    CHECKPOINT_KEY, DamageRange, PartitionMeta, checkpoint, decode_aborted, decode_checkpoint,
    segment_key_offset,
};
use crate::state::{ColumnFamily, StateError, StateStore, WriteBatch};

/// Progress is reported every so many frames or partitions.
const REPORT_INTERVAL: u64 = 256;

/// What recovery is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryStage {
    /// Reading partition directories; counted in partitions.
    Partitions,
    /// Replaying the journal; counted in frames, total unknown (0).
    Journal,
}

/// Hears how far recovery is.
pub trait RecoveryObserver {
    /// `done` of `total` things are done; a total of 0 is unknown.
    fn progress(&self, stage: RecoveryStage, done: u64, total: u64);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl RecoveryObserver for NoObserver {
    fn progress(&self, _stage: RecoveryStage, _done: u64, _total: u64) {}
}

/// A range of offsets of a partition that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedPartition {
    /// The partition.
    pub key: PartitionKey,
    /// The lost offsets.
    pub range: DamageRange,
}

/// What was found at the start.
#[derive(Clone, Debug, Default)]
pub struct RecoveryReport {
    /// The last stop was clean: nothing had to be replayed.
    pub was_clean: bool,
    /// The state store was missing or damaged and was built again from segments and journal.
    pub state_rebuilt: bool,
    /// How many partitions there are.
    pub partition_count: usize,
    /// How many journal frames were read.
    pub frame_count: u64,
    /// How many of them were not in segments yet.
    pub replayed_count: u64,
    /// Frames dropped because batches before them were only in memory.
    pub after_memory_count: u64,
    /// The unfinished end of the journal, if any.
    pub torn: Option<TornTail>,
    /// Tails cut off segments; the journal has what was promised of them.
    pub cuts: Vec<CutSegment>,
    /// Journal frames that are lost.
    pub lost: Vec<LostFrames>,
    /// Partitions with lost offsets, old damage included.
    pub damaged: Vec<DamagedPartition>,
    /// How long it took.
    pub elapsed: Duration,
}

impl LogStore {
    /// Opens or creates a data directory and brings everything acknowledged back.
    ///
    /// Blocks. Errors: `Locked` where another process serves the directory.
    pub fn open(
        io: Io,
        dir: PathBuf,
        settings: LogSettings,
        state: Arc<dyn StateStore>,
        observer: &dyn RecoveryObserver,
    ) -> Result<(Self, RecoveryReport), OpenError> {
        let started = io.clock.monotonic();
        let lock = prepare_dir(&io, &dir)?;
        let mut recovery = Recovery::load(&io, &dir, state.as_ref())?;
        let shared = Arc::new(new_shared(io, dir, settings, state, lock));
        recovery.open_partitions(&shared, observer)?;
        recovery.replay_journal(&shared, observer)?;
        recovery.finish(&shared)?;
        shared.journal.ensure_file(&shared)?;
        recovery.report.elapsed = shared.io.clock.monotonic().saturating_sub(started);
        start_workers(&shared);
        Ok((Self { shared }, recovery.report))
    }
}

/// Makes the directories and takes the lock.
fn prepare_dir(io: &Io, dir: &Path) -> Result<Box<dyn Send + Sync>, OpenError> {
    let mut missing = Vec::new();
    for ancestor in dir.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        let size = io
            .disk
            .size(ancestor)
            .map_err(DiskError::at("look up", ancestor))?;
        if size.is_some() {
            break;
        }
        missing.push(ancestor);
    }
    let (partitions, journal) = (dir.join(PARTITIONS_DIR), dir.join(JOURNAL_DIR));
    for path in [dir, &partitions, &journal] {
        io.disk
            .create_dir_all(path)
            .map_err(DiskError::at("create", path))?;
    }
    // A killed process leaves names that only memory holds. Frames will be acknowledged in those
    // files.
    for path in [dir, &partitions, &journal] {
        io.disk
            .sync_dir(path)
            .map_err(DiskError::at("sync", path))?;
    }
    // A directory that was just made is durable only when its own name is.
    for parent in missing.iter().filter_map(|path| path.parent()) {
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        io.disk
            .sync_dir(parent)
            .map_err(DiskError::at("sync", parent))?;
    }
    let path = dir.join(LOCK_FILE);
    io.disk.lock(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => OpenError::Locked {
            dir: dir.to_path_buf(),
        },
        _ => DiskError::at("lock", &path)(error).into(),
    })
}

fn new_shared(
    io: Io,
    dir: PathBuf,
    settings: LogSettings,
    state: Arc<dyn StateStore>,
    lock: Box<dyn Send + Sync>,
) -> Shared {
    let now = io.clock.monotonic();
    Shared {
        memory: Memory::new(settings.hot_bytes_max),
        journal: Journal::default(),
        partitions: RwLock::default(),
        newly_dirty: Mutex::default(),
        write_behind: Mutex::new(WriteBehind::new(now, settings.retention_interval)),
        write_behind_wake: OnceLock::new(),
        wants_checkpoint: AtomicBool::new(false),
        meta_writes: Mutex::default(),
        hook: OnceLock::new(),
        cleaner: Cleaner::default(),
        space: SpaceWatch::new(settings.disk_throttle_percent, settings.disk_full_percent),
        offline: OnceLock::new(),
        is_closing: AtomicBool::new(false),
        lock: Mutex::new(Some(lock)),
        io,
        dir,
        settings,
        state,
    }
}

fn start_workers(shared: &Arc<Shared>) {
    let spawn = Arc::clone(&shared.io.spawn);
    let wake = spawn.worker("journal", Box::new(JournalWorker(Arc::clone(shared))));
    shared.journal.set_wake(wake);
    let wake = spawn.worker(
        "write-behind",
        Box::new(WriteBehindWorker(Arc::clone(shared))),
    );
    if shared.write_behind_wake.set(wake).is_err() {
        tracing::error!("the write-behind worker was started twice");
    }
    shared.journal.wake();
    shared.wake_write_behind();
}

/// What recovery knows and finds.
#[derive(Debug, Default)]
struct Recovery {
    start: Start,
    known: BTreeMap<PartitionKey, Known>,
    /// Partitions whose directory bears the deleted name.
    graves: BTreeMap<PartitionKey, PathBuf>,
    dirs: Vec<PartitionKey>,
    report: RecoveryReport,
    is_new: bool,
}

impl Recovery {
    /// Reads the state store and the list of directories; a damaged store is reset.
    fn load(io: &Io, dir: &Path, state: &dyn StateStore) -> Result<Self, OpenError> {
        let mut recovery = Self::default();
        match recovery.load_state(state) {
            Ok(()) => {}
            Err(StateError::Corrupt(reason)) => {
                tracing::warn!(reason, "state store is damaged: building it again");
                recovery = Self::default();
                state.reset()?;
                recovery.report.state_rebuilt = true;
            }
            Err(error) => return Err(error.into()),
        }
        let parent = dir.join(PARTITIONS_DIR);
        for entry in io
            .disk
            .read_dir(&parent)
            .map_err(DiskError::at("list", &parent))?
        {
            let grave = entry.name.strip_suffix(DELETED_SUFFIX).and_then(dir_key);
            match (grave, dir_key(&entry.name)) {
                (Some(key), _) => drop(recovery.graves.insert(key, parent.join(&entry.name))),
                (None, Some(key)) => recovery.dirs.push(key),
                (None, None) => {
                    tracing::warn!(
                        name = entry.name,
                        "an unknown directory among the partitions is left alone"
                    );
                }
            }
        }
        let has_state = recovery.start != Start::default();
        // A process that started after the clean stop may have died before its first checkpoint.
        let newest = scan::newest_generation(io.disk.as_ref(), dir)?;
        recovery.start.is_clean &= newest <= recovery.start.resume.generation;
        recovery.is_new = !has_state && recovery.dirs.is_empty() && !recovery.report.state_rebuilt;
        recovery.report.was_clean = recovery.start.is_clean;
        recovery.report.state_rebuilt |= !has_state && !recovery.dirs.is_empty();
        Ok(recovery)
    }

    fn load_state(&mut self, state: &dyn StateStore) -> Result<(), StateError> {
        let damaged = |error: crate::codec::FormatError| StateError::Corrupt(error.to_string());
        if let Some(value) = state.get(ColumnFamily::Store, CHECKPOINT_KEY)? {
            self.start = decode_checkpoint(&value).map_err(damaged)?;
        }
        for (key, value) in state.scan(ColumnFamily::Partition, &[])? {
            let meta = PartitionMeta::decode(&value).map_err(damaged)?;
            self.known_of(&key)?.meta = Some(meta);
        }
        for (key, value) in state.scan(ColumnFamily::Segment, &[])? {
            let meta = SegmentMeta::decode(&value).map_err(damaged)?;
            let base_offset = segment_key_offset(&key)
                .ok_or_else(|| StateError::Corrupt("a segment key is short".to_owned()))?;
            self.known_of(&key)?.segments.insert(base_offset, meta);
        }
        for (key, value) in state.scan(ColumnFamily::Aborted, &[])? {
            if active(Mutant::AbortedIndexLostAtRestart) {
                break;
            }
            let entry = decode_aborted(&key, &value).map_err(damaged)?;
            self.known_of(&key)?.aborted.load(entry);
        }
        Ok(())
    }

    fn known_of(&mut self, key: &[u8]) -> Result<&mut Known, StateError> {
        let key = key
            .first_chunk::<{ PartitionKey::ENCODED_BYTES }>()
            .ok_or_else(|| StateError::Corrupt("a partition key is short".to_owned()))?;
        Ok(self.known.entry(PartitionKey::from_bytes(key)).or_default())
    }

    fn trust(&self) -> Trust {
        if self.report.state_rebuilt {
            Trust::Nothing
        } else if self.start.is_clean {
            Trust::All
        } else {
            Trust::BelowFlushedEnd
        }
    }

    fn open_partitions(
        &mut self,
        shared: &Arc<Shared>,
        observer: &dyn RecoveryObserver,
    ) -> Result<(), OpenError> {
        // A directory that the state store knows and nobody deleted is missing: its offsets are
        // lost.
        let missing: Vec<_> = self
            .known
            .iter()
            .filter(|(key, known)| known.meta.is_some() && !self.is_there(**key))
            .map(|(key, _)| *key)
            .collect();
        for key in missing {
            let dir = shared.dir.join(PARTITIONS_DIR).join(dir_name(key));
            shared
                .io
                .disk
                .create_dir_all(&dir)
                .map_err(DiskError::at("create", &dir))?;
            self.dirs.push(key);
        }
        self.dirs.sort_unstable();
        let trust = self.trust();
        let total = u64::try_from(self.dirs.len()).unwrap_or(u64::MAX);
        for (done, key) in (0_u64..).zip(std::mem::take(&mut self.dirs)) {
            if done.is_multiple_of(REPORT_INTERVAL) {
                observer.progress(RecoveryStage::Partitions, done, total);
            }
            let partition = add_partition(shared, key)?;
            let known = self.known.remove(&key).unwrap_or_default();
            partition.recover(known, trust, &mut self.report.cuts)?;
        }
        observer.progress(RecoveryStage::Partitions, total, total);
        Ok(())
    }

    fn is_there(&self, key: PartitionKey) -> bool {
        self.graves.contains_key(&key) || self.dirs.contains(&key)
    }

    fn replay_journal(
        &mut self,
        shared: &Arc<Shared>,
        observer: &dyn RecoveryObserver,
    ) -> Result<(), OpenError> {
        let mut frame_count = 0_u64;
        let outcome: Outcome = scan::scan(
            shared.io.disk.as_ref(),
            &shared.dir,
            self.start,
            &mut |frame: ScannedFrame| -> Result<(), OpenError> {
                frame_count = frame_count.saturating_add(1);
                if frame_count.is_multiple_of(REPORT_INTERVAL) {
                    observer.progress(RecoveryStage::Journal, frame_count, 0);
                }
                self.replay(shared, frame)
            },
        )?;
        // Frames that a dead process left in a cache count as durable from now on.
        if let (Some((from, end)), Some(last)) = (outcome.unproven, outcome.files.last()) {
            last.prove(from, end)?;
        }
        observer.progress(RecoveryStage::Journal, frame_count, frame_count);
        for lost in outcome.lost.iter().filter_map(|lost| lost.batch) {
            if self.graves.contains_key(&lost.key) {
                continue;
            }
            add_partition(shared, lost.key)?.lose_to(lost.end);
        }
        self.report.was_clean &= outcome.frame_count == 0;
        self.report.frame_count = outcome.frame_count;
        self.report.torn = outcome.torn;
        self.report.lost = outcome.lost;
        shared
            .journal
            .install(outcome.files, outcome.resume, outcome.live_bytes);
        Ok(())
    }

    fn replay(&mut self, shared: &Arc<Shared>, frame: ScannedFrame) -> Result<(), OpenError> {
        let key = frame.header.key;
        if self.graves.contains_key(&key) {
            return Ok(());
        }
        match add_partition(shared, key)?.replay(frame)? {
            Replayed::Appended | Replayed::Filled | Replayed::AfterDamage(_) => {
                self.report.replayed_count = self.report.replayed_count.saturating_add(1);
            }
            Replayed::AfterMemory => {
                self.report.after_memory_count = self.report.after_memory_count.saturating_add(1);
            }
            Replayed::Known => {}
        }
        if shared.memory.is_urgent() {
            let mut worker = shared.write_behind();
            for partition in shared.map().values() {
                partition.publish_replayed();
                worker.relieve(shared, partition)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, shared: &Arc<Shared>) -> Result<(), OpenError> {
        let trust = self.trust();
        let partitions = shared.map();
        self.report.partition_count = partitions.len();
        for (key, partition) in partitions.iter() {
            partition.finish_recovery(trust)?;
            let damage = partition.damage().into_iter();
            self.report
                .damaged
                .extend(damage.map(|range| DamagedPartition { key: *key, range }));
        }
        drop(partitions);
        let mut worker = shared.write_behind();
        let mut changes = WriteBatch::default();
        for (key, grave) in std::mem::take(&mut self.graves) {
            // The crash may have come between the new name and this.
            forget_partition(shared.state.as_ref(), key, &mut changes)?;
            timers::forget(shared.state.as_ref(), key)?;
            worker.bury(grave);
        }
        shared.state.write(changes)?;
        drop(worker);
        self.log(shared);
        if self.is_new {
            // From now on a state store without a checkpoint is one that was lost.
            let start = Start {
                resume: shared.journal.place(),
                is_clean: false,
            };
            let mut changes = WriteBatch::default();
            changes.put(ColumnFamily::Store, CHECKPOINT_KEY, checkpoint(&start));
            shared.state.write(changes)?;
            shared.state.flush()?;
        } else if !self.report.was_clean {
            shared.request_checkpoint();
        }
        Ok(())
    }

    fn log(&self, shared: &Shared) {
        let report = &self.report;
        for DamagedPartition { key, range } in &report.damaged {
            tracing::error!(partition = %key, from = range.from.0, to = range.to.0, "records are lost to damage");
        }
        for lost in &report.lost {
            tracing::error!(path = %lost.path.display(), first_lsn = lost.first_lsn, end_lsn = lost.end_lsn, "journal frames are lost to damage");
        }
        for cut in &report.cuts {
            tracing::info!(path = %cut.path.display(), position = cut.position, "cut the torn tail of a segment");
        }
        if let Some(torn) = &report.torn {
            tracing::info!(path = %torn.path.display(), position = torn.position, "cut the torn tail of the journal");
        }
        if report.state_rebuilt {
            tracing::warn!("the state store was built again from segments and journal");
        }
        tracing::info!(dir = %shared.dir.display(), partitions = report.partition_count, frames = report.frame_count, replayed = report.replayed_count, clean = report.was_clean, "opened the log store");
    }
}

/// Returns a partition, made with its directory if it is not there.
fn add_partition(shared: &Arc<Shared>, key: PartitionKey) -> Result<Arc<PartitionLog>, OpenError> {
    if let Some(partition) = shared.map().get(&key) {
        return Ok(Arc::clone(partition));
    }
    let dir = shared.dir.join(PARTITIONS_DIR).join(dir_name(key));
    shared
        .io
        .disk
        .create_dir_all(&dir)
        .map_err(DiskError::at("create", &dir))?;
    // Nothing is known of its topic yet: nothing of it is deleted before the broker says so.
    let mut config = PartitionConfig::new(unnamed(key));
    config.retention_ms = None;
    let partition = Arc::new(PartitionLog::new(shared, key, config));
    let mut partitions = shared
        .partitions
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    partitions.insert(key, Arc::clone(&partition));
    Ok(partition)
}

fn unnamed(key: PartitionKey) -> TopicPartition {
    TopicPartition {
        topic: key.topic_id.to_string(),
        partition: key.partition,
    }
}
