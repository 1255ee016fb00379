//! Brings a partition back from its directory, what the state store knew of it, and journal frames.
//!
//! Below the flushed end everything is in synced segments: what is missing there is damage. Above
//! it everything promised is in the journal, too: what does not pass the checks there is cut, and
//! the journal's frames follow. Doing this again after a crash at any point gives the same log
//! (I26). What a crash in the middle of a compaction left behind is told by its name and removed.
//! Without the state store the segments are read whole, and bad bytes before another segment are
//! damage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sprawl_io::disk::OpenMode;
use sprawl_model::{LeaderEpoch, Offset, PartitionKey};

use super::aborted::AbortedIndex;
use super::hot::HotBatch;
use super::{Inner, PartitionLog, Writer};
use crate::error::DiskError;
use crate::journal::scan::ScannedFrame;
use crate::segment::name::{SegmentName, sort_names};
use crate::segment::walk::{CheckedWalk, Gaps};
use crate::segment::write::{DAMAGED_DIGEST, header_digest, record_digest};
use crate::segment::{PARTITIONS_DIR, Segment, SegmentMeta, dir_name};
use crate::settings::PartitionConfig;
use crate::state::record::{DamageRange, PartitionMeta};
use crate::store::Shared;

/// What the state store knew of a partition.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) meta: Option<PartitionMeta>,
    pub(crate) segments: BTreeMap<Offset, SegmentMeta>,
    pub(crate) aborted: AbortedIndex,
}

/// How much of the files has to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The last stop was clean: nothing.
    All,
    /// What lies above the flushed end.
    BelowFlushedEnd,
    /// Everything: the state store was lost.
    Nothing,
}

/// A tail that was cut off a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutSegment {
    /// The segment.
    pub path: PathBuf,
    /// Where it ends now, in bytes.
    pub position: u64,
}

/// What became of a journal frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// It continued the log.
    Appended,
    /// A segment has it already.
    Known,
    /// It was missing between segments and is in one of its own now.
    Filled,
    /// Batches before it were only in memory and are lost, as their mode allows: dropped.
    AfterMemory,
    /// Batches before it are lost to damage; it was appended behind a gap.
    AfterDamage(DamageRange),
}

impl PartitionLog {
    /// Makes a partition without contents.
    pub(crate) fn new(shared: &Arc<Shared>, key: PartitionKey, config: PartitionConfig) -> Self {
        Self {
            key,
            dir: shared.dir.join(PARTITIONS_DIR).join(dir_name(key)),
            shared: Arc::clone(shared),
            log_start: AtomicI64::new(0),
            log_end: AtomicI64::new(0),
            durable_end: AtomicI64::new(0),
            journal_end: AtomicI64::new(0),
            sync_end: AtomicI64::new(0),
            pinned_from: AtomicI64::new(i64::MAX),
            hold: AtomicI64::new(-1),
            size_bytes: AtomicU64::new(0),
            is_deleted: AtomicBool::new(false),
            is_listed: AtomicBool::new(false),
            is_changed: AtomicBool::new(true),
            inner: Mutex::new(Inner::new(config)),
            waiters: Mutex::default(),
            writer: Mutex::default(),
            aborted: Mutex::default(),
        }
    }

    /// Reads the directory and checks what has to be checked.
    pub(crate) fn recover(
        self: &Arc<Self>,
        known: Known,
        trust: Trust,
        cuts: &mut Vec<CutSegment>,
    ) -> Result<(), DiskError> {
        let disk = self.shared.io.disk.as_ref();
        let entries = disk
            .read_dir(&self.dir)
            .map_err(DiskError::at("list", &self.dir))?;
        let names = sort_names(entries.iter().map(|entry| entry.name.as_str()));
        self.remove_remains(&names.remains)?;
        let live: BTreeSet<Offset> = names.live.iter().map(|name| name.base_offset).collect();
        let forgotten = known.segments.keys().filter(|base| !live.contains(base));
        self.writer().forgotten = forgotten.copied().collect();
        let mut scan = SegmentScan {
            partition: self,
            log_start: known.meta.as_ref().map_or(Offset(0), |meta| meta.log_start),
            flushed_end: known
                .meta
                .as_ref()
                .map_or(Offset(0), |meta| meta.flushed_end),
            trust,
            last_base: names.live.last().map(|name| name.base_offset),
            damage: known
                .meta
                .as_ref()
                .map_or_else(Vec::new, |meta| meta.damage.clone()),
            epochs: known
                .meta
                .as_ref()
                .map_or_else(Vec::new, |meta| meta.epochs.clone()),
            segments: BTreeMap::new(),
            changed: BTreeMap::new(),
            unproven: BTreeMap::new(),
            needs_dir_sync: false,
            end: None,
            cuts,
        };
        let mut is_cut = false;
        for name in names.live {
            // The state store may still speak of what a compacted segment replaced.
            let saved = known.segments.get(&name.base_offset).copied();
            let saved = saved.filter(|saved| SegmentName::of(saved, name.base_offset) == name);
            is_cut = scan.segment(&name, saved, is_cut)?;
        }
        if scan.needs_dir_sync {
            // Names that come back would stand behind what is appended from now on.
            disk.sync_dir(&self.dir)
                .map_err(DiskError::at("sync", &self.dir))?;
        }
        scan.finish(known.meta.as_ref());
        *self.aborted() = known.aborted;
        Ok(())
    }

    /// Removes files that a crash in the middle of a compaction left behind.
    fn remove_remains(&self, remains: &[String]) -> Result<(), DiskError> {
        let disk = self.shared.io.disk.as_ref();
        for name in remains {
            let path = self.dir.join(name);
            tracing::info!(path = %path.display(), "removing what a compaction left behind");
            disk.remove_file(&path)
                .map_err(DiskError::at("remove", &path))?;
        }
        if !remains.is_empty() {
            disk.sync_dir(&self.dir)
                .map_err(DiskError::at("sync", &self.dir))?;
        }
        Ok(())
    }

    /// Applies one journal frame.
    pub(crate) fn replay(self: &Arc<Self>, frame: ScannedFrame) -> Result<Replayed, DiskError> {
        let (log_end, base_offset) = (self.log_end(), frame.header.base_offset);
        self.writer().first_frame.get_or_insert(base_offset);
        if base_offset < log_end {
            return self.fill(&frame);
        }
        if base_offset > log_end && frame.header.after_memory {
            return Ok(Replayed::AfterMemory);
        }
        let mut inner = self.inner();
        let mut replayed = Replayed::Appended;
        // What lies below the log start was deleted before it was lost.
        if base_offset > log_end && base_offset > self.log_start() {
            let range = DamageRange {
                from: log_end,
                to: base_offset,
            };
            inner.damage.push(range);
            replayed = Replayed::AfterDamage(range);
        }
        // Batches before the gap that are in memory alone still have to be written.
        if base_offset > log_end && inner.segment_end == log_end {
            inner.segment_end = base_offset;
        }
        inner.note_epoch(frame.header.leader_epoch, base_offset);
        self.take_in(&mut inner, HotBatch::new(&frame.batch_header, frame.batch));
        Ok(replayed)
    }

    /// Records that offsets from the log end up to `to` are lost; new records come behind them.
    pub(crate) fn lose_to(&self, to: Offset) -> Option<DamageRange> {
        let from = self.log_end();
        if to <= from {
            return None;
        }
        let mut inner = self.inner();
        let range = DamageRange { from, to };
        inner.damage.push(range);
        if inner.segment_end == from {
            inner.segment_end = to;
        }
        self.log_end.store(to.0, Ordering::Release);
        self.is_changed.store(true, Ordering::Release);
        Some(range)
    }

    /// Lets what was replayed so far be written to segments.
    pub(crate) fn publish_replayed(&self) {
        self.durable_end.store(self.log_end().0, Ordering::Release);
    }

    /// Opens the partition for appends: everything recovered counts as durable. What only the page
    /// cache may hold stays in the journal until the first checkpoint has written it again.
    pub(crate) fn finish_recovery(&self, trust: Trust) -> Result<(), DiskError> {
        self.finish_filling(&mut self.writer())?;
        if trust == Trust::Nothing {
            self.narrow_unproven();
        }
        // A log start never falls, even where what followed it was in memory only and is lost.
        let end = self.log_end().max(self.log_start()).0;
        self.log_end.store(end, Ordering::Release);
        self.durable_end.store(end, Ordering::Release);
        self.journal_end.store(end, Ordering::Release);
        self.sync_end.store(end, Ordering::Release);
        Ok(())
    }

    /// Drops what was synced before a checkpoint that is lost: the journal has frames of everything
    /// behind the last one.
    fn narrow_unproven(&self) {
        let mut writer = self.writer();
        let inner = self.inner();
        let first_frame = writer.first_frame;
        writer.unproven.retain(|base_offset, _| {
            let segment = inner.segments.get(base_offset);
            let end = segment.map(|segment| segment.meta().next_offset);
            end.is_some_and(|end| first_frame.is_some_and(|first| end > first))
        });
    }
}

/// The walk over a partition's segments, in offset order.
struct SegmentScan<'a> {
    partition: &'a Arc<PartitionLog>,
    log_start: Offset,
    flushed_end: Offset,
    trust: Trust,
    last_base: Option<Offset>,
    damage: Vec<DamageRange>,
    epochs: Vec<crate::state::record::EpochStart>,
    segments: BTreeMap<Offset, Arc<Segment>>,
    changed: BTreeMap<Offset, Arc<Segment>>,
    unproven: BTreeMap<Offset, u64>,
    needs_dir_sync: bool,
    /// The offset behind the last segment.
    end: Option<Offset>,
    cuts: &'a mut Vec<CutSegment>,
}

impl SegmentScan<'_> {
    /// Takes one segment in; returns whether it, and all after it, was cut off.
    fn segment(
        &mut self,
        name: &SegmentName,
        saved: Option<SegmentMeta>,
        is_cut: bool,
    ) -> Result<bool, DiskError> {
        let base_offset = name.base_offset;
        let meta = saved.unwrap_or(SegmentMeta::named(name));
        let segment = Arc::new(Segment::new(&self.partition.dir, meta, base_offset));
        // The log start is saved before a segment goes: what is missing above it was not deleted.
        let is_after_hole =
            self.end.is_none() && self.trust != Trust::Nothing && base_offset > self.log_start;
        let expected = self.end.or(is_after_hole.then_some(self.log_start));
        if let Some(end) = expected
            && base_offset != end
        {
            // Above the flushed end the journal has it all; a hole there is a torn tail.
            let is_unsynced = base_offset >= self.flushed_end && end >= self.flushed_end;
            if is_cut || (self.trust != Trust::Nothing && is_unsynced) {
                let disk = self.partition.shared.io.disk.as_ref();
                disk.remove_file(&segment.path)
                    .map_err(DiskError::at("remove", &segment.path))?;
                self.cuts.push(CutSegment {
                    path: segment.path.clone(),
                    position: 0,
                });
                self.needs_dir_sync = true;
                return Ok(true);
            }
            if base_offset < end {
                let path = segment.path.display();
                tracing::error!(%path, end = end.0, "a segment overlaps the one before and is left out");
                return Ok(false);
            }
            self.note_damage(end, base_offset);
        }
        self.check(&segment, saved.is_some())?;
        self.end = Some(segment.meta().next_offset);
        self.segments.insert(base_offset, segment);
        Ok(false)
    }

    /// Checks a segment as far as it is not trusted.
    fn check(&mut self, segment: &Arc<Segment>, is_saved: bool) -> Result<(), DiskError> {
        let disk = self.partition.shared.io.disk.as_ref();
        let at = || DiskError::at("read", &segment.path);
        let saved = segment.meta();
        let size = disk.size(&segment.path).map_err(at())?.unwrap_or(0);
        if size < saved.size {
            return self.rescan_short(segment, saved);
        }
        if is_saved && (saved.digest.is_some() || self.trust == Trust::All) {
            return Ok(());
        }
        if saved.generation > 0 {
            return self.check_compacted(segment, size);
        }
        let file = segment.reader(disk)?;
        let mut walk =
            CheckedWalk::new(Arc::clone(&file), saved.size, saved.next_offset).map_err(at())?;
        let interval = self.partition.shared.settings.index_interval_bytes;
        while let Some((header, _)) = walk.next().map_err(at())? {
            self.note_epoch(header.leader_epoch, header.base_offset);
            segment.extend(&[header], interval);
        }
        if walk.position() > saved.size || !is_saved {
            self.changed
                .insert(segment.base_offset, Arc::clone(segment));
            self.unproven.insert(segment.base_offset, saved.size);
        }
        segment.close_reader();
        if size > walk.position() {
            let is_last = self.last_base == Some(segment.base_offset);
            let has_remainder = walk.has_remainder().map_err(at())?;
            if is_last && !has_remainder {
                return Ok(()); // Padding: the next run writes over it.
            }
            if has_remainder {
                let position = walk.position();
                self.cuts.push(CutSegment {
                    path: segment.path.clone(),
                    position,
                });
                if self.trust == Trust::Nothing && !is_last {
                    return Ok(()); // Damage, kept for inspection.
                }
            }
            let writable = disk
                .open(&segment.path, OpenMode::ReadWrite)
                .map_err(at())?;
            writable
                .set_size(walk.position())
                .map_err(DiskError::at("cut", &segment.path))?;
            // What is cut must not come back behind what is written in its place.
            writable
                .sync_data()
                .map_err(DiskError::at("sync", &segment.path))?;
        }
        Ok(())
    }

    /// Reads a compacted segment whose meta a crash took. It got its name when it was whole: what
    /// does not pass the checks is damage.
    fn check_compacted(&mut self, segment: &Arc<Segment>, size: u64) -> Result<(), DiskError> {
        let disk = self.partition.shared.io.disk.as_ref();
        let at = || DiskError::at("read", &segment.path);
        let file = segment.reader(disk)?;
        let end = segment.meta().next_offset;
        let mut walk = CheckedWalk::new(Arc::clone(&file), 0, segment.base_offset)
            .map_err(at())?
            .with_gaps(Gaps::UpTo(end));
        let interval = self.partition.shared.settings.index_interval_bytes;
        while let Some((header, _)) = walk.next().map_err(at())? {
            self.note_epoch(header.leader_epoch, header.base_offset);
            segment.extend(&[header], interval);
        }
        if walk.position() < size {
            self.note_damage(walk.next_offset(), end);
        }
        let digest = header_digest(file.as_ref(), walk.position());
        segment.set_digest(digest.unwrap_or(DAMAGED_DIGEST));
        segment.close_reader();
        self.changed
            .insert(segment.base_offset, Arc::clone(segment));
        Ok(())
    }

    /// Finds what is left of a segment that lost its end, and marks the rest as damaged.
    fn rescan_short(
        &mut self,
        segment: &Arc<Segment>,
        saved: SegmentMeta,
    ) -> Result<(), DiskError> {
        let disk = self.partition.shared.io.disk.as_ref();
        let at = || DiskError::at("read", &segment.path);
        let fresh = SegmentMeta::named(&SegmentName::of(&saved, segment.base_offset));
        let fresh = Segment::new(&self.partition.dir, fresh, segment.base_offset);
        let file = fresh.reader(disk)?;
        let mut walk = CheckedWalk::new(file, 0, segment.base_offset)
            .map_err(at())?
            .with_gaps(Gaps::of(&saved));
        while let Some((header, _)) = walk.next().map_err(at())? {
            fresh.extend(
                &[header],
                self.partition.shared.settings.index_interval_bytes,
            );
        }
        let mut meta = fresh.meta();
        self.note_damage(walk.next_offset(), saved.next_offset);
        // What is left is not written again: its end is not where its batches ended.
        meta.next_offset = saved.next_offset;
        meta.digest = saved.digest.or(Some(DAMAGED_DIGEST));
        segment.replace(meta);
        Ok(())
    }

    fn note_damage(&mut self, from: Offset, to: Offset) {
        let range = DamageRange { from, to };
        if from < to && to > self.log_start && !self.damage.contains(&range) {
            self.damage.push(range);
        }
    }

    fn note_epoch(&mut self, epoch: LeaderEpoch, start: Offset) {
        if epoch >= LeaderEpoch(0) && self.epochs.last().is_none_or(|last| last.epoch < epoch) {
            self.epochs
                .push(crate::state::record::EpochStart { epoch, start });
        }
    }

    /// Gives segments before the last one the digest that a crash before a checkpoint took from
    /// them.
    fn seal_all_but_last(&mut self) {
        let disk = self.partition.shared.io.disk.as_ref();
        let before_last = self.segments.len().saturating_sub(1);
        let unsealed: Vec<_> = self
            .segments
            .values()
            .take(before_last)
            .filter(|segment| !segment.is_sealed())
            .cloned()
            .collect();
        for segment in &unsealed {
            match record_digest(disk, segment) {
                Ok(None) => {}
                Ok(Some(from)) => self.note_damage(from, segment.meta().next_offset),
                Err(error) => tracing::error!(%error, "cannot seal a segment"),
            }
            segment.close_reader();
            self.changed
                .insert(segment.base_offset, Arc::clone(segment));
        }
    }

    /// Publishes the result.
    fn finish(mut self, meta: Option<&PartitionMeta>) {
        self.seal_all_but_last();
        let first = self.segments.keys().next().copied();
        let mut end = self.end.unwrap_or(first.unwrap_or(Offset(0)));
        if end < self.flushed_end && self.trust != Trust::Nothing {
            let from = if self.segments.is_empty() {
                Offset(0)
            } else {
                end
            };
            self.note_damage(from.max(self.log_start), self.flushed_end);
            end = self.flushed_end;
        }
        let log_start = match meta {
            Some(meta) => meta.log_start.max(first.unwrap_or(meta.log_start)),
            None => first.unwrap_or(Offset(0)),
        };
        // Epochs of batches that a crash took, or that the journal brings back.
        self.epochs.retain(|known| known.start < end);
        let partition = self.partition;
        partition.log_start.store(log_start.0, Ordering::Release);
        partition.log_end.store(end.0, Ordering::Release);
        let size: u64 = self
            .segments
            .values()
            .map(|segment| segment.meta().size)
            .sum();
        partition.size_bytes.store(size, Ordering::Release);
        let mut inner = partition.inner();
        inner.segments = self.segments;
        inner.segment_end = end;
        inner.epochs = self.epochs;
        inner.damage = self.damage;
        drop(inner);
        let is_changed = !self.changed.is_empty()
            || self.trust == Trust::Nothing
            || !partition.writer().forgotten.is_empty();
        partition.is_changed.store(is_changed, Ordering::Release);
        let mut writer = partition.writer();
        *writer = Writer {
            changed: self.changed,
            needs_dir_sync: self.trust != Trust::All || !self.unproven.is_empty(),
            unproven: self.unproven,
            lost_below: first.filter(|_| self.trust == Trust::Nothing),
            synced_end: self.flushed_end,
            forgotten: std::mem::take(&mut writer.forgotten),
            ..Writer::default()
        };
    }
}
