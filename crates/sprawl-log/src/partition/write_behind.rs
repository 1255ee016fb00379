//! Moves a partition's durable batches from the hot queue into its segments, in large runs.
//!
//! Only the write-behind side calls these, one call at a time per store. A batch is published in
//! the segment before it may leave the hot queue, so that a reader always finds it in one of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use sprawl_model::Offset;
use sprawl_model::batch::BatchHeader;
use sprawl_model::mutant::{Mutant, active};

use super::{HotBatch, Inner, PartitionLog, Writer};
use crate::aligned::AlignedBuffer;
use crate::error::{DiskError, LogError};
use crate::segment::write::{SegmentWriter, prove};
use crate::segment::{Segment, SegmentMeta};
use crate::settings::PartitionConfig;
use crate::state::record::{DamageRange, PartitionMeta, index_key, segment_key, snapshot};
use crate::state::{ColumnFamily, StateError, WriteBatch};

/// Whether a run is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunWanted {
    /// If it is large or old enough at this time.
    IfDue(Duration),
    /// If there is anything.
    Now,
}

/// A run that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Bytes of its batches.
    pub(crate) batch_bytes: u64,
    /// Bytes that went to disk.
    pub(crate) written_bytes: u64,
    /// The offset after it.
    pub(crate) end: Offset,
}

struct Plan {
    batches: Vec<Bytes>,
    headers: Vec<BatchHeader>,
    batch_bytes: u64,
    end: Offset,
    rolls: bool,
    base_offset: Offset,
}

impl PartitionLog {
    /// Writes one run to the active segment, rolling before it where needed.
    pub(crate) fn write_run(
        &self,
        wanted: RunWanted,
        staging: &mut AlignedBuffer,
    ) -> Result<Option<Run>, DiskError> {
        let Some(plan) = self.plan_run(wanted) else {
            return Ok(None);
        };
        let mut writer = self.writer();
        if plan.rolls {
            self.roll(&mut writer, plan.base_offset)?;
        }
        let active = self.active_writer(&mut writer)?;
        let written_bytes = active.write(&plan.batches, staging)?;
        let segment = Arc::clone(&active.segment);
        segment.extend(&plan.headers, self.shared.settings.index_interval_bytes);
        writer.changed.insert(segment.base_offset, segment);
        let mut inner = self.inner();
        inner.segment_end = plan.end;
        inner.dirty_bytes = inner.dirty_bytes.saturating_sub(plan.batch_bytes);
        let is_dirty = inner.dirty_bytes > 0;
        inner.dirty_since = is_dirty.then(|| self.shared.io.clock.monotonic());
        self.shared.memory.sub_dirty(plan.batch_bytes);
        Ok(Some(Run {
            batch_bytes: plan.batch_bytes,
            written_bytes,
            end: plan.end,
        }))
    }

    fn plan_run(&self, wanted: RunWanted) -> Option<Plan> {
        let settings = &self.shared.settings;
        let inner = self.inner();
        if let RunWanted::IfDue(now) = wanted {
            let age = now.saturating_sub(inner.dirty_since?);
            let is_large = inner.dirty_bytes >= settings.run_bytes_min as u64;
            if !is_large && age < settings.run_age_max {
                return None;
            }
        }
        let durable_end = self.durable_end();
        let mut meta = inner.active().map(|segment| segment.meta());
        let mut base_offset = inner
            .active()
            .map_or(Offset(0), |segment| segment.base_offset);
        let mut plan = Plan {
            batches: Vec::new(),
            headers: Vec::new(),
            batch_bytes: 0,
            end: inner.segment_end,
            rolls: false,
            base_offset,
        };
        for batch in inner.hot.from(inner.segment_end) {
            let size = batch.bytes.len() as u64;
            let is_over = plan.batch_bytes.saturating_add(size) > settings.run_bytes_max as u64;
            if batch.next_offset > durable_end || (plan.batch_bytes > 0 && is_over) {
                break;
            }
            if meta.is_none_or(|meta| needs_roll(&inner.config, &meta, base_offset, batch)) {
                if plan.batch_bytes > 0 {
                    break;
                }
                plan.rolls = true;
                base_offset = batch.base_offset;
                meta = Some(SegmentMeta::empty(base_offset));
            }
            let header =
                BatchHeader::parse(&batch.bytes).expect("its header was parsed when it came");
            if let Some(meta) = &mut meta {
                meta.extend(&header);
            }
            plan.headers.push(header);
            plan.batches.push(batch.bytes.clone());
            plan.batch_bytes = plan.batch_bytes.saturating_add(size);
            plan.end = batch.next_offset;
        }
        plan.base_offset = base_offset;
        (plan.batch_bytes > 0).then_some(plan)
    }

    /// Seals the active segment and starts one at `base_offset`.
    fn roll(&self, writer: &mut Writer, base_offset: Offset) -> Result<(), DiskError> {
        let old = self
            .inner()
            .active()
            .filter(|segment| segment.base_offset < base_offset);
        if let Some(old) = old {
            self.seal(writer, old)?;
        }
        self.start_segment(writer, base_offset)
    }

    fn seal(&self, writer: &mut Writer, segment: Arc<Segment>) -> Result<(), DiskError> {
        let disk = self.shared.io.disk.as_ref();
        let active = match writer.active.take() {
            Some(active) => active,
            None => SegmentWriter::open(disk, Arc::clone(&segment))?,
        };
        if let Some(from) = active.seal(disk)? {
            self.report_damage(&segment, from);
        }
        writer.changed.insert(segment.base_offset, segment);
        Ok(())
    }

    /// Records that a segment is bad from an offset on. The log goes on behind it, and so do the
    /// other partitions.
    fn report_damage(&self, segment: &Segment, from: Offset) {
        let to = segment.meta().next_offset;
        tracing::error!(path = %segment.path.display(), from = from.0, to = to.0, "a segment is damaged");
        let mut inner = self.inner();
        let is_known = inner
            .damage
            .iter()
            .any(|known| known.from <= from && to <= known.to);
        if !is_known {
            inner.damage.push(DamageRange { from, to });
        }
    }

    /// Creates an empty active segment.
    pub(super) fn start_segment(
        &self,
        writer: &mut Writer,
        base_offset: Offset,
    ) -> Result<(), DiskError> {
        let meta = SegmentMeta::empty(base_offset);
        let segment = Arc::new(Segment::new(&self.dir, meta, base_offset));
        let disk = self.shared.io.disk.as_ref();
        writer.active = Some(SegmentWriter::open(disk, Arc::clone(&segment))?);
        writer.needs_dir_sync = true;
        writer.changed.insert(base_offset, Arc::clone(&segment));
        self.inner().segments.insert(base_offset, segment);
        Ok(())
    }

    fn active_writer<'a>(
        &self,
        writer: &'a mut Writer,
    ) -> Result<&'a mut SegmentWriter, DiskError> {
        if writer.active.is_none() {
            let segment = self
                .inner()
                .active()
                .expect("a run without a segment rolls first");
            writer.active = Some(SegmentWriter::open(self.shared.io.disk.as_ref(), segment)?);
        }
        Ok(writer.active.as_mut().expect("it was opened above"))
    }

    /// Returns whether everything that was durable at `target` is in segments.
    pub(crate) fn is_written_to(&self, target: Offset) -> bool {
        self.inner().segment_end >= target
    }

    /// Returns whether nothing waits to be written behind.
    pub(crate) fn is_written(&self) -> bool {
        self.inner().dirty_bytes == 0
    }

    /// Syncs what was written to segments, names included, and returns the offset behind it.
    pub(crate) fn sync_segments(&self) -> Result<Offset, DiskError> {
        let mut writer = self.writer();
        let end = self.inner().segment_end;
        while let Some((base_offset, from)) = writer.unproven.pop_first() {
            let segment = self.inner().segments.get(&base_offset).cloned();
            if let Some(segment) = segment {
                prove(self.shared.io.disk.as_ref(), &segment, from)?;
            }
        }
        if let Some(segment) = &mut writer.active
            && !active(Mutant::JournalRecycledBeforeSegmentSync)
        {
            segment.sync()?;
        }
        if writer.needs_dir_sync {
            let disk = self.shared.io.disk.as_ref();
            disk.sync_dir(&self.dir)
                .map_err(DiskError::at("sync", &self.dir))?;
            writer.needs_dir_sync = false;
        }
        writer.synced_end = end;
        drop(writer);
        self.release_hold(end);
        Ok(end)
    }

    /// Adds to `changes` what a checkpoint saves of this partition; segments are synced before.
    pub(crate) fn save(&self, changes: &mut WriteBatch) -> Result<(), StateError> {
        let writer = self.writer();
        for base_offset in &writer.forgotten {
            self.forget_segment(*base_offset, changes);
        }
        self.save_aborted(writer.synced_end, changes)?;
        for (base_offset, segment) in &writer.changed {
            let key = segment_key(self.key, *base_offset);
            let meta = segment.meta();
            changes.put(ColumnFamily::Segment, &key, meta.encode());
            if let Some((first, chunk)) = segment.index().unsaved_chunk() {
                let key = index_key(self.key, *base_offset, meta.generation, first);
                changes.put(ColumnFamily::Index, &key, chunk);
            }
        }
        let inner = self.inner();
        let meta = inner.meta(self.log_start(), writer.synced_end);
        changes.put(ColumnFamily::Partition, &self.key.to_bytes(), meta.encode());
        for (name, (offset, bytes)) in &inner.snapshots {
            if *offset <= writer.synced_end {
                let (key, value) = snapshot(self.key, name, *offset, bytes);
                changes.put(ColumnFamily::Snapshot, &key, value);
            }
        }
        Ok(())
    }

    /// Records that what [`Self::save`] gave is on stable storage.
    pub(crate) fn saved(&self) {
        let mut writer = self.writer();
        writer.forgotten.clear();
        for segment in std::mem::take(&mut writer.changed).into_values() {
            let mut index = segment.index();
            index.mark_saved();
            if segment.is_sealed() {
                index.unload();
            }
        }
        let synced_end = writer.synced_end;
        let has_unsaved = self.saved_aborted();
        let mut inner = self.inner();
        inner
            .snapshots
            .retain(|_, (offset, _)| *offset > synced_end);
        // An idle partition keeps no file open.
        if inner.dirty_bytes == 0 {
            writer.active = None;
        }
        let is_changed = inner.dirty_bytes > 0 || !inner.snapshots.is_empty() || has_unsaved;
        self.is_changed.store(is_changed, Ordering::Release);
        drop(inner);
        drop(writer);
        self.release_caches();
    }

    /// Makes a raised log start durable.
    pub(super) fn save_log_start(&self) -> Result<(), LogError> {
        // A checkpoint must not save an older log start in between.
        let _order = self.shared.order_meta_writes();
        // The flushed end must stay what the last checkpoint saved.
        let key = self.key.to_bytes();
        let saved = self.shared.state.get(ColumnFamily::Partition, &key)?;
        let saved = saved.and_then(|value| PartitionMeta::decode(&value).ok());
        let flushed_end = saved.map_or(Offset(0), |meta| meta.flushed_end);
        let meta = self.inner().meta(self.log_start(), flushed_end);
        let mut changes = WriteBatch::default();
        changes.put(ColumnFamily::Partition, &key, meta.encode());
        self.shared.state.write(changes)?;
        self.shared.state.flush()?;
        Ok(())
    }

    /// Closes the files and drops the indexes that reads opened; the next read opens them again.
    pub(crate) fn release_caches(&self) {
        let segments: Vec<_> = self.inner().segments.values().cloned().collect();
        for segment in segments {
            segment.close_reader();
            if segment.is_sealed() {
                segment.index().unload();
            }
        }
    }

    /// Drops clean batches below `end` from memory.
    pub(crate) fn evict(&self, end: Offset) {
        let mut inner = self.inner();
        let end = end.min(inner.segment_end);
        let bytes = inner.hot.evict(end);
        self.shared.memory.sub_hot(bytes);
    }

    /// Takes the partition off the write-behind list unless something came meanwhile.
    pub(crate) fn unlist(&self) -> bool {
        let inner = self.inner();
        if inner.dirty_bytes > 0 {
            return false;
        }
        self.is_listed.store(false, Ordering::Release);
        true
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed.load(Ordering::Acquire)
    }
}

impl Inner {
    /// Returns the segment that is being written, if the last one is not sealed.
    pub(super) fn active(&self) -> Option<Arc<Segment>> {
        let (_, last) = self.segments.last_key_value()?;
        (!last.is_sealed()).then(|| Arc::clone(last))
    }
}

/// Returns whether a batch has to begin a new segment: size, age, relative offsets of 31 bits (as
/// Kafka's), or damage before it.
fn needs_roll(
    config: &PartitionConfig,
    meta: &SegmentMeta,
    base_offset: Offset,
    batch: &HotBatch,
) -> bool {
    if meta.next_offset != batch.base_offset {
        return true;
    }
    if meta.size == 0 {
        return false;
    }
    let size = meta.size.saturating_add(batch.bytes.len() as u64);
    let age = batch.max_timestamp.saturating_sub(meta.first_timestamp);
    let span = batch.next_offset.0.saturating_sub(base_offset.0);
    size > u64::from(config.segment_bytes)
        || (meta.first_timestamp >= 0 && age > config.segment_ms)
        || span > i64::from(i32::MAX)
}
