//! What compaction needs of a partition: what may be cleaned, and the swap of segments.
//!
//! The new segment is whole and synced before the swap. Order: rename it to the name that
//! supersedes the old ones, sync the directory, publish it to readers, remove the old files. A
//! crash before the rename is durable leaves the old ones; after it, the new one counts and a start
//! removes what is left of the old. Readers that found an old segment keep its open file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sprawl_model::Offset;
use sprawl_model::mutant::{Mutant, active};

use super::PartitionLog;
use crate::compaction::CLEANED_SNAPSHOT;
use crate::compaction::plan::View;
use crate::error::{DiskError, LogError};
use crate::segment::Segment;

/// Whether segments were replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swapped {
    /// The new one counts.
    Yes,
    /// The old ones were deleted or replaced meanwhile; nothing was done.
    No,
}

impl PartitionLog {
    /// Returns the sealed segments with what limits their cleaning.
    pub(crate) fn cleaning_view(&self, stable_end: Offset) -> View {
        let synced_end = self.writer().synced_end;
        let cleaned = self.load_snapshot(CLEANED_SNAPSHOT);
        let first_dirty = cleaned.map_or(Offset(0), |(offset, _)| offset);
        let first_dirty = first_dirty.max(self.log_start());
        let stable_end = stable_end.min(self.durable_end());
        let inner = self.inner();
        let mut segments: Vec<_> = inner.segments.values().cloned().collect();
        let active = segments.pop();
        View {
            active_base: active.map_or(Offset(0), |active| active.base_offset),
            segments,
            first_dirty,
            stable_end,
            synced_end,
        }
    }

    /// Returns whether damage lies inside one of these segments.
    pub(crate) fn is_damaged_within(&self, segments: &[Arc<Segment>]) -> bool {
        let damage = self.damage();
        segments.iter().any(|segment| {
            let end = segment.meta().next_offset;
            let mut ranges = damage.iter();
            ranges.any(|range| range.from < end && segment.base_offset < range.to)
        })
    }

    /// Returns whether a segment is still part of the log.
    pub(crate) fn holds_segment(&self, segment: &Arc<Segment>) -> bool {
        let inner = self.inner();
        let held = inner.segments.get(&segment.base_offset);
        held.is_some_and(|held| Arc::ptr_eq(held, segment))
    }

    /// Returns a sealed segment under the name that it gets when it replaces others.
    pub(crate) fn finished_segment(&self, unfinished: &Segment) -> Arc<Segment> {
        let meta = unfinished.meta();
        let finished = Segment::new(&self.dir, meta, unfinished.base_offset);
        let entries = unfinished.index().entries().to_vec();
        finished.index().load(entries, 0);
        Arc::new(finished)
    }

    /// Puts `new`, whose file is whole and synced at `unfinished`, in the place of `old`.
    ///
    /// The caller keeps the write-behind side out meanwhile.
    pub(crate) fn replace_segments(
        &self,
        old: &[Arc<Segment>],
        new: &Arc<Segment>,
        unfinished: &Path,
    ) -> Result<Swapped, LogError> {
        if self.is_deleted() || !old.iter().all(|segment| self.holds_segment(segment)) {
            return Ok(Swapped::No);
        }
        let disk = self.shared.io.disk.as_ref();
        for segment in old {
            // Whoever holds the segment finds its file open, and its index in memory.
            segment.reader(disk)?;
            if let Err(error) = self.load_index(segment) {
                tracing::debug!(partition = %self.key, %error, "cannot load an index to be replaced");
            }
        }
        if active(Mutant::OldSegmentsRemovedFirst) {
            self.remove_files(old)?;
        }
        disk.rename(unfinished, &new.path)
            .map_err(DiskError::at("rename", unfinished))?;
        disk.sync_dir(&self.dir)
            .map_err(DiskError::at("sync", &self.dir))?;
        self.publish_replacement(old, new);
        // Memory may still hold what the old segments held, and reads ask it first.
        self.evict(new.meta().next_offset);
        if !active(Mutant::OldSegmentsRemovedFirst) {
            self.remove_files(old)?;
        }
        disk.sync_dir(&self.dir)
            .map_err(DiskError::at("sync", &self.dir))?;
        Ok(Swapped::Yes)
    }

    fn remove_files(&self, segments: &[Arc<Segment>]) -> Result<(), DiskError> {
        let disk = self.shared.io.disk.as_ref();
        for segment in segments {
            disk.remove_file(&segment.path)
                .map_err(DiskError::at("remove", &segment.path))?;
        }
        Ok(())
    }

    fn publish_replacement(&self, old: &[Arc<Segment>], new: &Arc<Segment>) {
        let old_bytes: u64 = old.iter().map(|segment| segment.meta().size).sum();
        let mut writer = self.writer();
        let mut inner = self.inner();
        for segment in old {
            inner.segments.remove(&segment.base_offset);
            writer.changed.remove(&segment.base_offset);
            writer.forgotten.insert(segment.base_offset);
        }
        inner.segments.insert(new.base_offset, Arc::clone(new));
        writer.changed.insert(new.base_offset, Arc::clone(new));
        // Appends add to the size meanwhile; what compaction writes may be larger, too.
        self.size_bytes
            .fetch_add(new.meta().size, Ordering::Relaxed);
        self.size_bytes.fetch_sub(old_bytes, Ordering::Relaxed);
        self.is_changed.store(true, Ordering::Release);
    }

    /// Returns the partition's directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}
