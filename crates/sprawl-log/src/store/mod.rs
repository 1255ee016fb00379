//! A log store: everything in one data directory, behind one handle.
//!
//! Two workers serve it: the journal's group commit, and the write-behind side (runs, checkpoints,
//! retention, space). The first failure of the disk takes the store offline for good: nothing is
//! written any more and every waiter is told (I28).

mod checkpoint;
mod memory;
mod open;
mod space;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use sprawl_io::{Io, Wake};
use sprawl_model::{Offset, PartitionKey};

use crate::compaction::{Cleaner, CleanerSettings, CompactionGuard, CompactionStats};
use crate::error::{AppendError, DiskError, LogError};
use crate::journal::Journal;
use crate::metrics as names;
use crate::partition::PartitionLog;
use crate::partition::retain::forget_partition;
use crate::partition::timers;
use crate::segment::{DELETED_SUFFIX, PARTITIONS_DIR, dir_name};
use crate::settings::{LogSettings, PartitionConfig};
use crate::state::{StateStore, WriteBatch};
pub(crate) use memory::Memory;
pub use open::{DamagedPartition, NoObserver, RecoveryObserver, RecoveryReport, RecoveryStage};
use space::SpaceWatch;
use worker::WriteBehind;

/// The directory of the state store inside the data directory.
pub const STATE_DIR: &str = "state";
/// The lock file inside the data directory.
pub(crate) const LOCK_FILE: &str = "lock";

/// The name under which the checkpoint hook's snapshots are kept.
pub const PRODUCER_SNAPSHOT: &str = "producers";

/// Gives the bytes to save for a partition at a checkpoint, with the offset they are complete to.
pub type CheckpointHook = Box<dyn Fn(&PartitionLog) -> Option<(Offset, Vec<u8>)> + Send + Sync>;

/// How hard producers should be held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Not at all.
    None,
    /// Slow producers down.
    Throttle,
    /// Take no more bytes from producers.
    StopReading,
}

/// The state of a store at one moment.
#[derive(Clone, Debug)]
pub struct StoreStatus {
    /// Journal bytes that a restart would replay.
    pub journal_live_bytes: u64,
    /// Bytes in memory that are not in a segment yet.
    pub dirty_bytes: u64,
    /// Bytes of batches in memory.
    pub hot_bytes: u64,
    /// The limit of the latter.
    pub hot_bytes_max: u64,
    /// How long the last journal sync took.
    pub last_sync: Duration,
    /// Why nothing is written any more, if so.
    pub offline: Option<Arc<str>>,
    /// How full the disk is.
    pub disk_used_percent: u8,
    /// Bytes still free on the disk.
    pub disk_available_bytes: u64,
    /// Bytes of all partitions' logs.
    pub log_bytes: u64,
    /// How many partitions there are.
    pub partition_count: usize,
    /// How hard producers should be held back.
    pub pressure: Pressure,
}

/// Partitions that became dirty since the write-behind worker looked.
#[derive(Debug, Default)]
struct NewlyDirty {
    partitions: Vec<Arc<PartitionLog>>,
    /// The worker comes around soon anyway and needs no wake.
    is_ticking: bool,
}

/// What the handle, the partitions and the workers share.
pub(crate) struct Shared {
    pub(crate) io: Io,
    pub(crate) dir: PathBuf,
    pub(crate) settings: LogSettings,
    pub(crate) state: Arc<dyn StateStore>,
    pub(crate) journal: Journal,
    pub(crate) memory: Memory,
    partitions: RwLock<BTreeMap<PartitionKey, Arc<PartitionLog>>>,
    newly_dirty: Mutex<NewlyDirty>,
    write_behind: Mutex<WriteBehind>,
    write_behind_wake: OnceLock<Arc<dyn Wake>>,
    wants_checkpoint: AtomicBool,
    /// Held from reading a partition's log start until it is in the state store.
    meta_writes: Mutex<()>,
    hook: OnceLock<CheckpointHook>,
    pub(crate) cleaner: Cleaner,
    space: SpaceWatch,
    offline: OnceLock<Arc<str>>,
    is_closing: AtomicBool,
    /// Keeps other processes out; given back at close.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// Everything in one data directory. A cheap handle to clone.
#[derive(Clone, Debug)]
pub struct LogStore {
    shared: Arc<Shared>,
}

impl LogStore {
    /// Returns a partition, created if it is new, under this configuration.
    pub fn open_partition(
        &self,
        key: PartitionKey,
        config: PartitionConfig,
    ) -> Result<Arc<PartitionLog>, LogError> {
        self.shared.check_online()?;
        if self.shared.is_closing() {
            return Err(LogError::Closed);
        }
        let mut partitions = self
            .shared
            .partitions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(partition) = partitions.get(&key) {
            partition.set_config(config);
            return Ok(Arc::clone(partition));
        }
        let dir = self.shared.dir.join(PARTITIONS_DIR).join(dir_name(key));
        self.shared
            .io
            .disk
            .create_dir_all(&dir)
            .map_err(DiskError::at("create", &dir))?;
        let partition = Arc::new(PartitionLog::new(&self.shared, key, config));
        partitions.insert(key, Arc::clone(&partition));
        Ok(partition)
    }

    /// Returns a partition that is open.
    pub fn partition(&self, key: PartitionKey) -> Option<Arc<PartitionLog>> {
        self.shared.map().get(&key).cloned()
    }

    /// Returns all partitions in key order, those found at the start included.
    pub fn partitions(&self) -> Vec<Arc<PartitionLog>> {
        self.shared.map().values().cloned().collect()
    }

    /// Deletes a partition with its data. Blocks.
    ///
    /// When this returns, the partition stays deleted whatever happens: its directory bears another
    /// name, which also keeps journal frames from bringing it back.
    pub fn delete_partition(&self, key: PartitionKey) -> Result<(), LogError> {
        self.shared.check_online()?;
        let result = self.bury_partition(key);
        self.shared.judge(result)
    }

    fn bury_partition(&self, key: PartitionKey) -> Result<(), LogError> {
        let mut worker = self.shared.write_behind();
        let partition = {
            let mut partitions = self
                .shared
                .partitions
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            partitions
                .remove(&key)
                .ok_or(LogError::UnknownPartition { key })?
        };
        partition.retire();
        let disk = self.shared.io.disk.as_ref();
        let parent = self.shared.dir.join(PARTITIONS_DIR);
        let name = dir_name(key);
        let dir = parent.join(&name);
        let doomed = parent.join(format!("{name}{DELETED_SUFFIX}"));
        disk.rename(&dir, &doomed)
            .map_err(DiskError::at("rename", &dir))?;
        disk.sync_dir(&parent)
            .map_err(DiskError::at("sync", &parent))?;
        let mut changes = WriteBatch::default();
        forget_partition(self.shared.state.as_ref(), key, &mut changes)?;
        self.shared.state.write(changes)?;
        // Whoever changes timers has done so, or sees that the partition is gone.
        drop(self.shared.order_meta_writes());
        timers::forget(self.shared.state.as_ref(), key)?;
        for entry in disk
            .read_dir(&doomed)
            .map_err(DiskError::at("list", &doomed))?
        {
            let path = doomed.join(entry.name);
            disk.remove_file(&path)
                .map_err(DiskError::at("remove", &path))?;
        }
        worker.bury(doomed);
        Ok(())
    }

    /// Names what gives producer state at every checkpoint and at close; once.
    ///
    /// Its result is kept under [`PRODUCER_SNAPSHOT`] for partitions that changed since the last
    /// one.
    pub fn set_checkpoint_hook(&self, hook: CheckpointHook) {
        if self.shared.hook.set(hook).is_err() {
            tracing::warn!("the checkpoint hook was set before; the new one is ignored");
        }
    }

    /// Takes a checkpoint now. Blocks.
    pub fn checkpoint(&self) -> Result<(), LogError> {
        self.shared.check_online()?;
        let mut worker = self.shared.write_behind();
        let result = self
            .shared
            .checkpoint(&mut worker, checkpoint::Kind::Running);
        self.shared.judge(result)
    }

    /// Applies retention to all partitions now. Blocks.
    pub fn apply_retention(&self) -> Result<(), LogError> {
        self.shared.check_online()?;
        let mut worker = self.shared.write_behind();
        let result = self.shared.retain(&mut worker);
        self.shared.judge(result)
    }

    /// Names what compaction has to respect of each partition; once. Nothing is compacted before.
    pub fn set_compaction_guard(&self, guard: Box<dyn CompactionGuard>) {
        self.shared.cleaner.set_guard(guard);
    }

    /// Takes over what compaction may use, and starts its threads where they are wanted.
    pub fn set_cleaner(&self, settings: CleanerSettings) {
        self.shared.set_cleaner(settings);
    }

    /// Compacts everything that is due now, beside whatever the threads do, without a pause for the
    /// I/O budget; returns what was done. Blocks.
    pub fn compact(&self) -> Result<Vec<CompactionStats>, LogError> {
        self.shared.check_online()?;
        self.shared.clean_all()
    }

    /// Drains, checkpoints and marks a clean stop: the next start replays nothing. Blocks.
    pub fn close(&self) -> Result<(), LogError> {
        if self.shared.is_closing.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        for partition in self.partitions() {
            partition.barrier();
        }
        let result = self.shared.drain_and_checkpoint();
        let result = self.shared.judge(result);
        self.release();
        result
    }

    /// Stops without writing anything more, as a killed process does. For tests and simulation.
    pub fn abandon(&self) {
        self.shared.is_closing.store(true, Ordering::Release);
        self.shared.take_offline("abandoned");
        self.release();
    }

    fn release(&self) {
        self.shared.journal.join();
        if let Some(wake) = self.shared.write_behind_wake.get() {
            wake.wake();
            wake.join();
        }
        self.shared.cleaner.join();
        let partitions = std::mem::take(
            &mut *self
                .shared
                .partitions
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for partition in partitions.values() {
            partition.wake_all();
        }
        drop(self.shared.take_newly_dirty());
        self.shared.write_behind().forget_partitions();
        self.shared
            .lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// Returns how hard producers should be held back. Cheap.
    pub fn pressure(&self) -> Pressure {
        self.shared.pressure()
    }

    /// Returns the state of the store.
    pub fn status(&self) -> StoreStatus {
        let shared = &self.shared;
        let partitions = shared.map();
        StoreStatus {
            journal_live_bytes: shared.journal.live_bytes(),
            dirty_bytes: shared.memory.dirty_bytes(),
            hot_bytes: shared.memory.hot_bytes(),
            hot_bytes_max: shared.memory.limit_bytes(),
            last_sync: shared.journal.last_sync(),
            offline: shared.offline(),
            disk_used_percent: shared.space.used_percent(),
            disk_available_bytes: shared.space.available_bytes(),
            log_bytes: partitions
                .values()
                .map(|partition| partition.size_bytes())
                .sum(),
            partition_count: partitions.len(),
            pressure: shared.pressure(),
        }
    }
}

impl Shared {
    fn map(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<PartitionKey, Arc<PartitionLog>>> {
        self.partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all partitions in key order.
    pub(crate) fn all_partitions(&self) -> Vec<Arc<PartitionLog>> {
        self.map().values().cloned().collect()
    }

    /// Calls while the write-behind side is kept out; `None` where the store is closing.
    pub(crate) fn exclusively<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        let _worker = self.write_behind();
        (!self.is_closing() && self.offline().is_none()).then(call)
    }

    fn write_behind(&self) -> std::sync::MutexGuard<'_, WriteBehind> {
        self.write_behind
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses appends that cannot succeed.
    pub(crate) fn admit_append(&self) -> Result<(), AppendError> {
        if let Some(reason) = self.offline() {
            return Err(AppendError::Offline { reason });
        }
        if self.is_closing() {
            return Err(AppendError::Closed);
        }
        if self.space.is_full() {
            return Err(AppendError::DiskFull {
                used_percent: self.space.used_percent(),
            });
        }
        Ok(())
    }

    pub(crate) fn check_online(&self) -> Result<(), LogError> {
        match self.offline() {
            Some(reason) => Err(LogError::Offline { reason }),
            None => Ok(()),
        }
    }

    pub(crate) fn offline(&self) -> Option<Arc<str>> {
        self.offline.get().cloned()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// Takes the store offline where an operation failed in a way that says nothing certain of the
    /// disk.
    pub(crate) fn judge<T>(&self, result: Result<T, LogError>) -> Result<T, LogError> {
        result.inspect_err(|error| {
            if error.is_fatal() {
                self.take_offline(&error.to_string());
            }
        })
    }

    /// Ends all writing after a failure that says nothing certain about what is on disk.
    pub(crate) fn take_offline(&self, reason: &str) {
        if self.offline.set(reason.into()).is_ok() {
            metrics::gauge!(names::STORE_OFFLINE).set(1.0);
            if !self.is_closing() {
                tracing::error!(
                    reason,
                    "log store is offline: nothing is written until a restart"
                );
            }
        }
        self.journal.abandon();
        for partition in self.map().values() {
            partition.wake_all();
        }
    }

    pub(crate) fn order_meta_writes(&self) -> std::sync::MutexGuard<'_, ()> {
        self.meta_writes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a partition on the write-behind worker's list.
    pub(crate) fn list_dirty(&self, partition: Arc<PartitionLog>) {
        let was_ticking = {
            let mut newly = self.newly_dirty();
            newly.partitions.push(partition);
            std::mem::replace(&mut newly.is_ticking, true)
        };
        if !was_ticking {
            self.wake_write_behind();
        }
    }

    fn newly_dirty(&self) -> std::sync::MutexGuard<'_, NewlyDirty> {
        self.newly_dirty
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn take_newly_dirty(&self) -> Vec<Arc<PartitionLog>> {
        std::mem::take(&mut self.newly_dirty().partitions)
    }

    /// Says whether the worker comes around soon: something is dirty, or became so meanwhile.
    fn set_ticking(&self, has_dirty: bool) -> bool {
        let mut newly = self.newly_dirty();
        newly.is_ticking = has_dirty || !newly.partitions.is_empty();
        newly.is_ticking
    }

    pub(crate) fn wake_write_behind(&self) {
        if let Some(wake) = self.write_behind_wake.get() {
            wake.wake();
        }
    }

    /// Asks for a checkpoint soon.
    pub(crate) fn request_checkpoint(&self) {
        self.wants_checkpoint.store(true, Ordering::Release);
        self.wake_write_behind();
    }

    fn pressure(&self) -> Pressure {
        let journal = self.journal.live_bytes();
        let journal_max = self.settings.journal_bytes_max;
        let percent = |part: u64, whole: u64| {
            part.saturating_mul(100)
                .checked_div(whole.max(1))
                .unwrap_or(0)
        };
        let dirty = percent(self.memory.dirty_bytes(), self.memory.limit_bytes());
        let filled = percent(journal, journal_max);
        if dirty >= memory::STOP_PERCENT || filled >= memory::STOP_PERCENT {
            Pressure::StopReading
        } else if dirty >= memory::THROTTLE_PERCENT
            || filled >= memory::THROTTLE_PERCENT
            || self.space.is_tight()
        {
            Pressure::Throttle
        } else {
            Pressure::None
        }
    }
}
