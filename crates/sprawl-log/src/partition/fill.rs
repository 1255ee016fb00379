//! Puts journal frames into holes between segments, at recovery.
//!
//! A power cut may take the name of a segment that was written after the last checkpoint. With its
//! state store a partition knows that the journal has what is missing; without, all it sees is a
//! hole before later segments, or a later first one. The frames of the hole go to segments of their
//! own, so that only what the journal does not have either is damage (I26). Records that were
//! deleted shortly before the state was lost come back this way, too; none that count are lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sprawl_model::Offset;

use super::recover::Replayed;
use super::{Inner, PartitionLog, Writer};
use crate::aligned::AlignedBuffer;
use crate::error::DiskError;
use crate::journal::scan::ScannedFrame;
use crate::segment::write::SegmentWriter;
use crate::segment::{Segment, SegmentMeta};
use crate::state::record::{DamageRange, EpochStart};

/// Writes the segment that a hole is filled with.
#[derive(Debug)]
pub(super) struct Filler {
    active: SegmentWriter,
    staging: AlignedBuffer,
}

impl PartitionLog {
    /// Writes a frame below the log end to a segment if it is missing there.
    pub(super) fn fill(&self, frame: &ScannedFrame) -> Result<Replayed, DiskError> {
        let (base_offset, end) = (frame.header.base_offset, frame.header.end());
        let mut writer = self.writer();
        if writer.lost_below.is_some_and(|first| end <= first) {
            let to = writer.lost_below.take().unwrap_or(end);
            let from = base_offset;
            self.log_start.fetch_min(from.0, Ordering::AcqRel);
            self.inner().damage.push(DamageRange { from, to });
        }
        {
            let inner = self.inner();
            let mut damage = inner.damage.iter();
            let is_missing = damage.any(|range| range.from <= base_offset && end <= range.to);
            // A segment of that name of which nothing is left stays as it is, for inspection; and
            // what a compacted one stands for is in its name.
            let before = inner.segments.range(..=base_offset).next_back();
            let is_taken = before.is_some_and(|(before_base, before)| {
                let meta = before.meta();
                *before_base == base_offset
                    || (meta.generation > 0 && meta.next_offset > base_offset)
            });
            if !is_missing || is_taken {
                return Ok(Replayed::Known);
            }
        }
        let mut filler = self.filler_at(&mut writer, base_offset)?;
        filler
            .active
            .write(std::slice::from_ref(&frame.batch), &mut filler.staging)?;
        let interval = self.shared.settings.index_interval_bytes;
        filler
            .active
            .segment
            .extend(&[frame.batch_header], interval);
        writer.filler = Some(filler);
        drop(writer);
        let mut inner = self.inner();
        inner.mend(base_offset, end);
        inner.note_earlier_epoch(EpochStart {
            epoch: frame.header.leader_epoch,
            start: base_offset,
        });
        let size = frame.batch.len() as u64;
        self.size_bytes.fetch_add(size, Ordering::Relaxed);
        Ok(Replayed::Filled)
    }

    /// Returns the filler that stands at `base_offset`, a new one where the last ends elsewhere.
    fn filler_at(&self, writer: &mut Writer, base_offset: Offset) -> Result<Filler, DiskError> {
        if let Some(filler) = writer.filler.take() {
            if filler.active.segment.meta().next_offset == base_offset {
                return Ok(filler);
            }
            writer.filler = Some(filler);
            self.finish_filling(writer)?;
        }
        let meta = SegmentMeta::empty(base_offset);
        let segment = Arc::new(Segment::new(&self.dir, meta, base_offset));
        let disk = self.shared.io.disk.as_ref();
        let active = SegmentWriter::open(disk, Arc::clone(&segment))?;
        writer.needs_dir_sync = true;
        writer.changed.insert(base_offset, Arc::clone(&segment));
        let mut inner = self.inner();
        let before = inner.segments.range(..base_offset).next_back();
        if let Some((_, before)) = before {
            // A shortened segment stands for what it has lost, up to here.
            let mut meta = before.meta();
            meta.next_offset = meta.next_offset.min(base_offset);
            before.replace(meta);
            writer
                .changed
                .insert(before.base_offset, Arc::clone(before));
        }
        inner.segments.insert(base_offset, segment);
        Ok(Filler {
            active,
            staging: AlignedBuffer::with_capacity(0),
        })
    }

    /// Seals the segment that was filled last.
    pub(super) fn finish_filling(&self, writer: &mut Writer) -> Result<(), DiskError> {
        match writer.filler.take() {
            Some(filler) => filler
                .active
                .seal(self.shared.io.disk.as_ref())
                .map(|damage| debug_assert!(damage.is_none(), "its digest was kept on the way")),
            None => Ok(()),
        }
    }
}

impl Inner {
    /// Takes a range out of what is damaged.
    fn mend(&mut self, from: Offset, to: Offset) {
        let damage = std::mem::take(&mut self.damage);
        for range in damage {
            if to <= range.from || range.to <= from {
                self.damage.push(range);
                continue;
            }
            let parts = [(range.from, from), (to, range.to)];
            self.damage.extend(
                parts
                    .into_iter()
                    .filter(|(from, to)| from < to)
                    .map(|(from, to)| DamageRange { from, to }),
            );
        }
    }

    /// Records where an epoch begins that later ones may be known of already.
    fn note_earlier_epoch(&mut self, new: EpochStart) {
        let at = self.epochs.partition_point(|known| known.epoch < new.epoch);
        match self
            .epochs
            .get_mut(at)
            .filter(|known| known.epoch == new.epoch)
        {
            Some(known) => known.start = known.start.min(new.start),
            None if new.epoch.0 >= 0 => self.epochs.insert(at, new),
            None => {}
        }
    }
}
