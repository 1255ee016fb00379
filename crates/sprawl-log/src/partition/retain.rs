//! Deletes old segments: by time, by size, below the log start; and whole partitions.
//!
//! The log start is saved before a file goes, so that it never falls back. Something always remains
//! to tell the log end: where the active segment goes, an empty one begins at the log end first.
//! Source: Kafka's UnifiedLog.deleteOldSegments.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sprawl_model::{Offset, PartitionKey};

use super::{Inner, PartitionLog, aborted};
use crate::error::{DiskError, LogError};
use crate::segment::Segment;
use crate::settings::Cleanup;
use crate::state::record::segment_key;
use crate::state::{ColumnFamily, StateError, StateStore, WriteBatch};

impl PartitionLog {
    /// Applies retention once; returns how many segments were deleted.
    pub(crate) fn apply_retention(&self, now_ms: i64) -> Result<usize, LogError> {
        let doomed = self.doomed_segments(now_ms);
        let Some(last) = doomed.last() else {
            return Ok(0);
        };
        let new_start = last.meta().next_offset;
        let is_active = self
            .inner()
            .segments
            .last_key_value()
            .map(|(base, _)| *base)
            == Some(last.base_offset);
        if is_active {
            let mut writer = self.writer();
            writer.active = None;
            self.start_segment(&mut writer, new_start)?;
            self.shared
                .io
                .disk
                .sync_dir(&self.dir)
                .map_err(DiskError::at("sync", &self.dir))?;
        }
        self.raise_log_start(new_start);
        self.save_log_start()?;
        for segment in &doomed {
            self.drop_segment(segment)?;
        }
        self.shared
            .io
            .disk
            .sync_dir(&self.dir)
            .map_err(DiskError::at("sync", &self.dir))?;
        tracing::info!(partition = %self.key, segments = doomed.len(), log_start = new_start.0, "deleted old segments");
        Ok(doomed.len())
    }

    fn doomed_segments(&self, now_ms: i64) -> Vec<Arc<Segment>> {
        let inner = self.inner();
        let (log_start, durable_end) = (self.log_start(), self.durable_end());
        let kept_from = durable_end.min(self.pinned_from());
        let is_all_written = inner.segment_end == self.log_end();
        let mut excess = excess_bytes(&inner, self.size_bytes());
        let last = inner.segments.last_key_value().map(|(base, _)| *base);
        let mut doomed = Vec::new();
        // Segments that compaction emptied go with the first one after them that goes.
        let mut doomed_count = 0;
        for segment in inner.segments.values() {
            let meta = segment.meta();
            let is_active = last == Some(segment.base_offset);
            let is_below_start = meta.next_offset <= log_start && !is_active;
            let is_over_size = excess.is_some_and(|excess| excess >= meta.size) && meta.size > 0;
            let is_expired = inner.is_expired(&meta, now_ms);
            let is_free = meta.next_offset <= kept_from && (!is_active || is_all_written);
            let is_emptied = meta.size == 0 && !is_active;
            let is_due = is_below_start || (meta.size > 0 && (is_over_size || is_expired));
            if !is_free || !(is_due || is_emptied) {
                break;
            }
            excess = excess.map(|excess| excess.saturating_sub(meta.size));
            doomed.push(Arc::clone(segment));
            if is_due {
                doomed_count = doomed.len();
            }
        }
        doomed.truncate(doomed_count);
        doomed
    }

    /// Removes a segment from the map, the state store and the disk.
    fn drop_segment(&self, segment: &Segment) -> Result<(), LogError> {
        let size = segment.meta().size;
        let bytes = {
            let mut inner = self.inner();
            inner.segments.remove(&segment.base_offset);
            let end = segment.meta().next_offset.min(inner.segment_end);
            inner.hot.evict(end)
        };
        self.writer().changed.remove(&segment.base_offset);
        self.shared.memory.sub_hot(bytes);
        self.size_bytes
            .fetch_sub(size.min(self.size_bytes()), Ordering::Relaxed);
        segment.close_reader();
        let mut changes = WriteBatch::default();
        self.forget_segment(segment.base_offset, &mut changes);
        self.shared.state.write(changes)?;
        let disk = self.shared.io.disk.as_ref();
        match disk.remove_file(&segment.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                tracing::warn!(path = %segment.path.display(), "a segment to delete was gone");
            }
            result => result.map_err(DiskError::at("remove", &segment.path))?,
        }
        Ok(())
    }

    /// Adds to `changes` the removal of what the state store knows of a segment. Index chunks that
    /// cannot be listed stay: they bear the generation of a file that is gone, and nobody asks.
    pub(super) fn forget_segment(&self, base_offset: Offset, changes: &mut WriteBatch) {
        let prefix = segment_key(self.key, base_offset);
        changes.delete(ColumnFamily::Segment, &prefix);
        match self.shared.state.scan(ColumnFamily::Index, &prefix) {
            Ok(chunks) => {
                for (key, _) in chunks {
                    changes.delete(ColumnFamily::Index, &key);
                }
            }
            Err(error) => {
                tracing::warn!(partition = %self.key, %error, "cannot list the index of a segment");
            }
        }
    }

    /// Lets go of everything: appends are refused, waiters told, memory given back.
    pub(crate) fn retire(&self) {
        self.is_deleted.store(true, Ordering::Release);
        let (hot, dirty) = {
            let mut inner = self.inner();
            let dirty = std::mem::take(&mut inner.dirty_bytes);
            inner.dirty_since = None;
            for segment in inner.segments.values() {
                segment.close_reader();
            }
            (inner.hot.clear(), dirty)
        };
        self.shared.memory.sub_hot(hot);
        self.shared.memory.sub_dirty(dirty);
        self.writer().active = None;
        self.wake_all();
    }
}

/// Adds to `changes` the removal of everything the state store knows of a partition.
pub(crate) fn forget_partition(
    state: &dyn StateStore,
    key: PartitionKey,
    changes: &mut WriteBatch,
) -> Result<(), StateError> {
    let key = key.to_bytes();
    changes.delete(ColumnFamily::Partition, &key);
    for family in [
        ColumnFamily::Segment,
        ColumnFamily::Index,
        ColumnFamily::Snapshot,
    ] {
        for (key, _) in state.scan(family, &key)? {
            changes.delete(family, &key);
        }
    }
    aborted::forget(state, &key, changes)
}

/// Returns by how many bytes the log is above its limit; `None` where no limit applies.
fn excess_bytes(inner: &Inner, size_bytes: u64) -> Option<u64> {
    let applies = inner.config.cleanup_delete == Cleanup::Yes;
    let limit = inner.config.retention_bytes.filter(|_| applies)?;
    size_bytes.checked_sub(limit)
}

impl Inner {
    fn is_expired(&self, meta: &crate::segment::SegmentMeta, now_ms: i64) -> bool {
        let applies = self.config.cleanup_delete == Cleanup::Yes && meta.max_timestamp >= 0;
        let age_max = self.config.retention_ms.filter(|_| applies);
        age_max.is_some_and(|age_max| now_ms.saturating_sub(meta.max_timestamp) > age_max)
    }
}
