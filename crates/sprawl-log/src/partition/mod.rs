//! One partition's log: append in memory and to the journal, read from memory or segments.
//!
//! Invariants: `log_start <= durable_end <= log_end`; all three only grow while the store is open.
//! Batches follow each other without a gap. What is below `segment_end` is in segments (maybe not
//! synced), what is at or above it is in the hot queue.

pub(crate) mod aborted;
pub(crate) mod compact;
mod fill;
mod hot;
mod lookup;
mod read;
pub(crate) mod recover;
pub(crate) mod retain;
pub(crate) mod timers;
mod visible;
mod waiters;
mod write_behind;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sprawl_model::batch::BatchHeader;
use sprawl_model::{LeaderEpoch, Offset, PartitionKey};
use tokio::sync::Notify;

use crate::error::{AppendError, FlushError, LogError};
use crate::journal::Queued;
use crate::segment::Segment;
use crate::segment::write::SegmentWriter;
use crate::settings::{FlushMode, PartitionConfig};
use crate::state::ColumnFamily;
use crate::state::record::{DamageRange, EpochStart, PartitionMeta};
use crate::store::Shared;
use aborted::AbortedIndex;
pub use aborted::AbortedTxn;
use hot::{HotBatch, HotQueue};
pub use lookup::{Headers, TimestampOffset};
pub use read::{AtLeastOne, FileRange, LogRead, Part, ReadRequest};
pub use timers::{KeyHash, Timer, TimerChanges, TimerMeta, TimerStore, Waiting};
use waiters::Waiters;
pub use waiters::{Durable, Pending};
pub(crate) use write_behind::{Run, RunWanted};

/// One partition's log. Appends come from one caller at a time, reads from anywhere.
#[derive(Debug)]
pub struct PartitionLog {
    key: PartitionKey,
    dir: PathBuf,
    shared: Arc<Shared>,
    log_start: AtomicI64,
    log_end: AtomicI64,
    durable_end: AtomicI64,
    /// The end of what the journal has acknowledged; ahead of `durable_end` while `hold` is set.
    journal_end: AtomicI64,
    /// The end of the last batch that asked for a sync.
    sync_end: AtomicI64,
    /// Nothing at or above this offset is deleted; `i64::MAX` is no limit.
    pinned_from: AtomicI64,
    /// Nothing is acknowledged before segments are synced up to here; -1 is none. Set when a
    /// partition leaves memory mode, since the journal alone does not hold the batches before.
    hold: AtomicI64,
    /// Bytes in segments and in memory above them.
    size_bytes: AtomicU64,
    is_deleted: AtomicBool,
    /// On the write-behind worker's list.
    is_listed: AtomicBool,
    /// Something changed since the last checkpoint.
    is_changed: AtomicBool,
    inner: Mutex<Inner>,
    waiters: Mutex<Waiters>,
    writer: Mutex<Writer>,
    aborted: Mutex<AbortedIndex>,
}

/// What short critical sections guard.
#[derive(Debug)]
pub(crate) struct Inner {
    config: Arc<PartitionConfig>,
    hot: HotQueue,
    segments: BTreeMap<Offset, Arc<Segment>>,
    segment_end: Offset,
    /// The end of the last batch that went only to memory.
    memory_end: Offset,
    epochs: Vec<EpochStart>,
    damage: Vec<DamageRange>,
    dirty_bytes: u64,
    dirty_since: Option<Duration>,
    /// Snapshots that wait until what they cover is in synced segments.
    snapshots: BTreeMap<String, (Offset, Vec<u8>)>,
}

/// What only the write-behind side touches.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    active: Option<SegmentWriter>,
    /// Below this everything is in synced segments.
    synced_end: Offset,
    needs_dir_sync: bool,
    /// Segments, and from which position on their bytes were read at the start without a sign that
    /// a sync ever covered them.
    unproven: BTreeMap<Offset, u64>,
    /// The lowest offset that the journal had a frame for at the start.
    first_frame: Option<Offset>,
    /// Where the first segment begins, when the state that knew the log start is lost: segments
    /// before it may be, too.
    lost_below: Option<Offset>,
    /// Fills holes with journal frames, during recovery.
    filler: Option<fill::Filler>,
    /// Segments whose metas are to be saved.
    changed: BTreeMap<Offset, Arc<Segment>>,
    /// Base offsets of segments that are no more, or that a compacted one stands for, which the
    /// state store may still know.
    forgotten: BTreeSet<Offset>,
}

impl PartitionLog {
    /// Returns the partition.
    pub fn key(&self) -> PartitionKey {
        self.key
    }

    /// Returns the first offset.
    pub fn log_start(&self) -> Offset {
        Offset(self.log_start.load(Ordering::Acquire))
    }

    /// Returns the offset that the next record gets.
    pub fn log_end(&self) -> Offset {
        Offset(self.log_end.load(Ordering::Acquire))
    }

    /// Returns the offset after the last durable record: the high watermark of a single node.
    pub fn durable_end(&self) -> Offset {
        Offset(self.durable_end.load(Ordering::Acquire))
    }

    /// Returns the size of all batches in bytes, in segments or not yet.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Relaxed)
    }

    /// Returns the configuration.
    pub fn config(&self) -> Arc<PartitionConfig> {
        Arc::clone(&self.inner().config)
    }

    /// Replaces the configuration; it applies from the next append.
    pub fn set_config(&self, config: PartitionConfig) {
        self.inner().config = Arc::new(config);
    }

    /// Returns the ranges of offsets that were lost to damage.
    pub fn damage(&self) -> Vec<DamageRange> {
        self.inner().damage.clone()
    }

    /// Appends one batch, which waits for its flush as the result.
    ///
    /// Shape: exactly one record batch (magic 2), offset and leader epoch patched, `base_offset`
    /// equal to the log end. The caller holds its own lock on the partition.
    /// Errors: nothing was written; see the variants.
    pub fn append(
        self: &Arc<Self>,
        batch: Bytes,
        header: &BatchHeader,
    ) -> Result<Pending, AppendError> {
        self.shared.admit_append()?;
        if batch.len() != header.size() {
            let (expected, found) = (header.size(), batch.len());
            return Err(AppendError::SizeMismatch { expected, found });
        }
        let (base_offset, end) = (header.base_offset, header.next_offset());
        let mut inner = self.inner();
        self.check_append(&inner, base_offset)?;
        let mode = self.effective_mode(&inner, base_offset);
        inner.note_epoch(header.leader_epoch, base_offset);
        self.take_in(&mut inner, HotBatch::new(header, batch.clone()));
        match mode {
            FlushMode::Memory => {
                inner.memory_end = end;
                self.journal_end.store(end.0, Ordering::Release);
                drop(inner);
                self.publish_durable(end);
            }
            FlushMode::Fsync | FlushMode::Async => {
                let sync = mode == FlushMode::Fsync;
                if sync {
                    self.sync_end.store(end.0, Ordering::Release);
                }
                self.shared.journal.push(Queued {
                    partition: Arc::clone(self),
                    batch,
                    base_offset,
                    end,
                    last_offset_delta: header.last_offset_delta,
                    leader_epoch: header.leader_epoch,
                    sync,
                    after_memory: self.hold.load(Ordering::Acquire) >= 0,
                });
                drop(inner);
            }
        }
        Ok(Pending::new(Arc::clone(self), base_offset, end))
    }

    fn check_append(&self, inner: &Inner, base_offset: Offset) -> Result<(), AppendError> {
        if self.is_deleted() {
            return Err(AppendError::Deleted { key: self.key });
        }
        // Checked again under the lock, so that close can wait for appends under way.
        if self.shared.is_closing() {
            return Err(AppendError::Closed);
        }
        let expected = self.log_end();
        if let Some(range) = inner.damage.iter().find(|range| range.to > expected) {
            return Err(AppendError::Damaged {
                from: range.from,
                to: range.to,
            });
        }
        if base_offset != expected {
            return Err(AppendError::OutOfOrder {
                expected,
                found: base_offset,
            });
        }
        Ok(())
    }

    /// Returns the configured mode, but never acknowledges past what an earlier mode still owes.
    fn effective_mode(&self, inner: &Inner, base_offset: Offset) -> FlushMode {
        let configured = inner.config.flush;
        match configured {
            FlushMode::Memory if self.durable_end() < base_offset => FlushMode::Async,
            FlushMode::Memory => FlushMode::Memory,
            FlushMode::Fsync | FlushMode::Async => {
                let owed = inner.memory_end;
                if owed > Offset(0) && self.hold.load(Ordering::Acquire) < owed.0 {
                    self.hold.store(owed.0, Ordering::Release);
                    self.shared.request_checkpoint();
                }
                configured
            }
        }
    }

    /// Puts a batch at the end of the hot queue.
    fn take_in(self: &Arc<Self>, inner: &mut Inner, batch: HotBatch) {
        let size = batch.bytes.len() as u64;
        let end = batch.next_offset;
        inner.hot.push(batch);
        inner.dirty_bytes = inner.dirty_bytes.saturating_add(size);
        self.log_end.store(end.0, Ordering::Release);
        self.size_bytes.fetch_add(size, Ordering::Relaxed);
        self.is_changed.store(true, Ordering::Release);
        let is_urgent = self.shared.memory.add_dirty(size);
        let is_first = !self.is_listed.swap(true, Ordering::AcqRel);
        if inner.dirty_since.is_none() {
            inner.dirty_since = Some(self.shared.io.clock.monotonic());
        }
        if is_first {
            self.shared.list_dirty(Arc::clone(self));
        } else if is_urgent {
            self.shared.wake_write_behind();
        }
    }

    /// Registers a fetch that waits for records at or above `offset`.
    ///
    /// Returns false, and registers nothing, when such a record is durable already. Otherwise
    /// `notify` is notified once when one is, or when the partition goes away.
    pub fn notify_beyond(&self, offset: Offset, notify: &Arc<Notify>) -> bool {
        if self.durable_end() > offset {
            return false;
        }
        let mut waiters = self.waiters();
        if self.durable_end() > offset || self.flush_error().is_some() {
            return false;
        }
        waiters.notify_beyond(offset, notify);
        true
    }

    /// Returns the leader epoch that an epoch's records end under and the offset they end at.
    ///
    /// As Kafka answers: for the newest epoch the log end; for an older one the largest known epoch
    /// at or below it and the start of the next; below the oldest, `epoch` itself and the start of
    /// the oldest; `None` for an epoch not seen yet or an empty log.
    /// Source: KIP-320, KIP-279.
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let inner = self.inner();
        let newest = inner.epochs.last()?;
        if epoch > newest.epoch || epoch == LeaderEpoch::NONE {
            return None;
        }
        if epoch == newest.epoch {
            return Some((epoch, self.log_end()));
        }
        let higher = inner.epochs.partition_point(|known| known.epoch <= epoch);
        let end = inner.epochs.get(higher)?.start;
        let floor = higher
            .checked_sub(1)
            .and_then(|index| inner.epochs.get(index));
        Some((floor.map_or(epoch, |known| known.epoch), end))
    }

    /// Returns the wait for a batch that was appended earlier: the original of a duplicate.
    pub fn pending(self: &Arc<Self>, base_offset: Offset, end: Offset) -> Pending {
        Pending::new(Arc::clone(self), base_offset, end)
    }

    /// Returns the leader epoch under which the record at `offset` was, or would be, appended.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let inner = self.inner();
        let after = inner.epochs.partition_point(|known| known.start <= offset);
        inner
            .epochs
            .get(after.checked_sub(1)?)
            .map(|known| known.epoch)
    }

    /// Returns the newest leader epoch in the log.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.inner().epochs.last().map(|known| known.epoch)
    }

    /// Moves the log start to `before`; [`Offset::NONE`] means the durable end. Returns the new log
    /// start.
    ///
    /// The new start is on stable storage when this returns; it blocks for that. Segments wholly
    /// below it are deleted later.
    pub fn delete_records(&self, before: Offset) -> Result<Offset, LogError> {
        self.shared.check_online()?;
        let before = if before == Offset::NONE {
            self.durable_end()
        } else {
            before
        };
        let (log_start, durable_end) = (self.log_start(), self.durable_end());
        if before > durable_end || before < Offset(0) {
            return Err(LogError::OutOfRange {
                offset: before,
                log_start,
                durable_end,
            });
        }
        if before <= log_start {
            return Ok(log_start);
        }
        let pinned_from = self.pinned_from();
        if before > pinned_from {
            return Err(LogError::Pinned { pinned_from });
        }
        self.raise_log_start(before);
        let saved = self.save_log_start();
        self.shared.judge(saved)?;
        Ok(self.log_start())
    }

    /// Keeps everything at or above an offset, whatever retention says; `None` lifts that.
    ///
    /// The layer above says so before records that must not go are appended.
    pub fn pin(&self, from: Option<Offset>) {
        let from = from.map_or(i64::MAX, |from| from.0);
        self.pinned_from.store(from, Ordering::Release);
    }

    /// Returns the offset from which on nothing is deleted.
    pub fn pinned_from(&self) -> Offset {
        Offset(self.pinned_from.load(Ordering::Acquire))
    }

    /// Saves bytes of the layer above under a name, complete to `offset`.
    ///
    /// They are stored at the first checkpoint that has everything below `offset` in synced
    /// segments, so that a snapshot never speaks of records that a crash can still take.
    pub fn save_snapshot(&self, name: &str, offset: Offset, bytes: Vec<u8>) {
        self.inner()
            .snapshots
            .insert(name.to_owned(), (offset, bytes));
        self.is_changed.store(true, Ordering::Release);
    }

    /// Returns what was saved last under a name, if it is sound and not beyond the log end.
    pub fn load_snapshot(&self, name: &str) -> Option<(Offset, Vec<u8>)> {
        if let Some(waiting) = self.inner().snapshots.get(name) {
            return Some(waiting.clone());
        }
        let key = crate::state::record::snapshot_key(self.key, name);
        let value = self.shared.state.get(ColumnFamily::Snapshot, &key);
        let value = match value {
            Ok(value) => value?,
            Err(error) => {
                tracing::warn!(partition = %self.key, name, %error, "cannot load a snapshot");
                return None;
            }
        };
        match crate::state::record::decode_snapshot(&value) {
            Ok((offset, bytes)) => (offset <= self.log_end()).then_some((offset, bytes)),
            Err(error) => {
                tracing::warn!(partition = %self.key, name, %error, "a snapshot is damaged");
                None
            }
        }
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }

    /// Acknowledges everything below `end`: the journal's write, and sync where asked, returned.
    pub(crate) fn acknowledge(&self, end: Offset) {
        self.journal_end.fetch_max(end.0, Ordering::AcqRel);
        if self.hold.load(Ordering::Acquire) < 0 {
            self.publish_durable(end);
        }
    }

    /// Acknowledges after the write alone, unless a batch before `end` waits for a sync.
    pub(crate) fn acknowledge_unsynced(&self, end: Offset) {
        if self.sync_end.load(Ordering::Acquire) <= self.durable_end.load(Ordering::Acquire) {
            self.acknowledge(end);
        }
    }

    /// Ends a hold once segments are synced far enough.
    pub(crate) fn release_hold(&self, synced_end: Offset) {
        let hold = self.hold.load(Ordering::Acquire);
        if hold >= 0 && synced_end.0 >= hold {
            let mut inner = self.inner();
            inner.memory_end = Offset(0);
            self.hold.store(-1, Ordering::Release);
            drop(inner);
            self.publish_durable(Offset(self.journal_end.load(Ordering::Acquire)));
        }
    }

    fn publish_durable(&self, end: Offset) {
        let before = self.durable_end.fetch_max(end.0, Ordering::AcqRel);
        if before < end.0 {
            self.waiters().advance(end);
        }
    }

    /// Makes every waiter look again, after the store or the partition went away.
    pub(crate) fn wake_all(&self) {
        self.waiters().wake_all();
    }

    /// Waits for appends under way to be queued.
    pub(crate) fn barrier(&self) {
        drop(self.inner());
    }

    fn flush_error(&self) -> Option<FlushError> {
        if self.is_deleted() {
            return Some(FlushError::Deleted { key: self.key });
        }
        self.shared
            .offline()
            .map(|reason| FlushError::Offline { reason })
    }

    fn raise_log_start(&self, offset: Offset) {
        self.log_start.fetch_max(offset.0, Ordering::AcqRel);
        self.is_changed.store(true, Ordering::Release);
        let mut inner = self.inner();
        inner.cut_epochs(offset);
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(crate) fn new(config: PartitionConfig) -> Self {
        Self {
            config: Arc::new(config),
            hot: HotQueue::default(),
            segments: BTreeMap::new(),
            segment_end: Offset(0),
            memory_end: Offset(0),
            epochs: Vec::new(),
            damage: Vec::new(),
            dirty_bytes: 0,
            dirty_since: None,
            snapshots: BTreeMap::new(),
        }
    }

    /// Records where a leader epoch begins.
    fn note_epoch(&mut self, epoch: LeaderEpoch, start: Offset) {
        if epoch >= LeaderEpoch(0) && self.epochs.last().is_none_or(|last| last.epoch < epoch) {
            self.epochs.push(EpochStart { epoch, start });
        }
    }

    /// Forgets epochs that end at or below the log start, as Kafka does: the last one before it
    /// moves up.
    fn cut_epochs(&mut self, log_start: Offset) {
        let above = self
            .epochs
            .partition_point(|known| known.start <= log_start);
        if let Some(last) = above.checked_sub(1) {
            self.epochs.drain(..last);
            if let Some(first) = self.epochs.first_mut() {
                first.start = first.start.max(log_start);
            }
        }
    }

    fn meta(&self, log_start: Offset, flushed_end: Offset) -> PartitionMeta {
        PartitionMeta {
            log_start,
            flushed_end,
            epochs: self.epochs.clone(),
            damage: self.damage.clone(),
        }
    }
}
