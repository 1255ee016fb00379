//! Which part of a log may be cleaned, how much of that is dirty, and which segments become one.
//!
//! Pure. Source: Kafka's `LogCleanerManager.cleanableOffsets`, `calculateCleanableBytes` and
//! `maxCompactionDelay`, `Cleaner.groupSegmentsBySize`.

use std::sync::Arc;

use sprawl_model::Offset;

use super::CompactionConfig;
use crate::segment::{Segment, SegmentMeta};

/// The sealed segments of a log and where cleaning may go.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// All but the active segment, in offset order.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Where the active segment begins.
    pub(crate) active_base: Offset,
    /// Below this the log was cleaned before.
    pub(crate) first_dirty: Offset,
    /// Nothing at or above is stable.
    pub(crate) stable_end: Offset,
    /// Below this no crash can take anything.
    pub(crate) synced_end: Offset,
}

/// The part of a log that a round may clean.
#[derive(Clone, Debug)]
pub(crate) struct Cleanable {
    /// Every segment below `end`, clean ones included.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Where dirty records begin.
    pub(crate) first_dirty: Offset,
    /// The end of what may be cleaned: a segment's end.
    pub(crate) end: Offset,
    /// Bytes of dirty segments.
    pub(crate) dirty_bytes: u64,
    /// Bytes of clean ones.
    pub(crate) clean_bytes: u64,
    /// Dirty records waited for longer than they may.
    pub(crate) is_overdue: bool,
}

impl Cleanable {
    /// Returns how much of the log is dirty, from 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "a ratio of bytes")]
    pub(crate) fn ratio(&self) -> f64 {
        let total = self.clean_bytes.saturating_add(self.dirty_bytes);
        if total == 0 {
            0.0
        } else {
            self.dirty_bytes as f64 / total as f64
        }
    }

    /// Returns whether it is worth a round.
    pub(crate) fn is_due(&self, config: &CompactionConfig) -> bool {
        self.dirty_bytes > 0 && (self.is_overdue || self.ratio() > config.dirty_ratio_min)
    }
}

impl View {
    /// Returns what may be cleaned at a time.
    pub(crate) fn cleanable(&self, config: &CompactionConfig, now_ms: i64) -> Cleanable {
        self.cleanable_below(self.synced_end, config, now_ms)
    }

    /// Returns what could be cleaned if everything was synced.
    pub(crate) fn cleanable_if_synced(&self, config: &CompactionConfig, now_ms: i64) -> Cleanable {
        self.cleanable_below(self.active_base, config, now_ms)
    }

    fn cleanable_below(
        &self,
        synced_end: Offset,
        config: &CompactionConfig,
        now_ms: i64,
    ) -> Cleanable {
        let mut limit = self.stable_end.min(self.active_base).min(synced_end);
        let dirty_from = self.floor(self.first_dirty);
        let dirty = self.segments.get(dirty_from..).unwrap_or_default();
        if config.lag_ms_min > 0 {
            let young_from = now_ms.saturating_sub(config.lag_ms_min);
            let young = dirty
                .iter()
                .find(|one| one.meta().max_timestamp > young_from);
            limit = young.map_or(limit, |young| limit.min(young.base_offset));
        }
        // A segment is cleaned as a whole or not at all.
        let below = self
            .segments
            .partition_point(|one| one.meta().next_offset <= limit);
        let segments = self.segments.get(..below).unwrap_or_default();
        let end = segments
            .last()
            .map_or(Offset(0), |last| last.meta().next_offset);
        let clean = segments
            .iter()
            .filter(|one| one.base_offset < self.first_dirty);
        let dirty_segments = segments.get(dirty_from..).unwrap_or_default();
        let oldest = dirty.iter().map(|one| one.meta().first_timestamp);
        let oldest = oldest.filter(|timestamp| *timestamp > 0).min();
        let overdue_below = now_ms.saturating_sub(config.lag_ms_max.max(0));
        Cleanable {
            first_dirty: self.first_dirty,
            end,
            dirty_bytes: size_of(dirty_segments.iter()),
            clean_bytes: size_of(clean),
            is_overdue: oldest.is_some_and(|oldest| oldest < overdue_below),
            segments: segments.to_vec(),
        }
    }

    /// Returns the place of the segment that holds an offset.
    fn floor(&self, offset: Offset) -> usize {
        let after = self
            .segments
            .partition_point(|one| one.meta().next_offset <= offset);
        after.min(self.segments.len())
    }
}

fn size_of<'a>(segments: impl Iterator<Item = &'a Arc<Segment>>) -> u64 {
    segments.map(|one| one.meta().size).sum()
}

/// Splits segments below `end` into groups, each of which becomes one segment of at most
/// `segment_bytes` (more where one alone is larger). A group spans at most 2^31 offsets and no gap
/// between segments, as damage leaves one.
pub(crate) fn group(
    segments: &[Arc<Segment>],
    end: Offset,
    segment_bytes: u64,
) -> Vec<Vec<Arc<Segment>>> {
    let mut groups: Vec<Vec<Arc<Segment>>> = Vec::new();
    let mut so_far = SegmentMeta::empty(Offset(0));
    let mut group_base = Offset(0);
    for segment in segments.iter().filter(|one| one.base_offset < end) {
        let meta = segment.meta();
        let size = so_far.size.saturating_add(meta.size);
        let span = meta.next_offset.0.saturating_sub(group_base.0);
        let fits = size <= segment_bytes
            && span <= i64::from(i32::MAX)
            && so_far.next_offset == segment.base_offset;
        match groups.last_mut() {
            Some(group) if fits => {
                group.push(Arc::clone(segment));
                so_far.size = size;
            }
            _ => {
                groups.push(vec![Arc::clone(segment)]);
                so_far.size = meta.size;
                group_base = segment.base_offset;
            }
        }
        so_far.next_offset = meta.next_offset;
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Base offset, end, size, largest timestamp.
    fn segment((base, end, size, timestamp): (i64, i64, u64, i64)) -> Arc<Segment> {
        let meta = SegmentMeta {
            size,
            next_offset: Offset(end),
            first_timestamp: timestamp,
            max_timestamp: timestamp,
            digest: Some([0; 32]),
            generation: 0,
        };
        Arc::new(Segment::new(Path::new("/p"), meta, Offset(base)))
    }

    fn view(first_dirty: i64, stable_end: i64) -> View {
        let segments = [
            (0, 10, 100, 1_000),
            (10, 20, 100, 2_000),
            (20, 30, 100, 3_000),
            (30, 40, 100, 4_000),
        ];
        View {
            segments: segments.map(segment).to_vec(),
            active_base: Offset(40),
            first_dirty: Offset(first_dirty),
            stable_end: Offset(stable_end),
            synced_end: Offset(100),
        }
    }

    fn summary(cleanable: &Cleanable) -> (i64, u64, u64) {
        (
            cleanable.end.0,
            cleanable.dirty_bytes,
            cleanable.clean_bytes,
        )
    }

    #[test]
    fn nothing_at_or_above_the_stable_end_or_the_checkpoint_is_cleanable() {
        let config = CompactionConfig::default();
        assert_eq!(
            summary(&view(0, 100).cleanable(&config, 9_000)),
            (40, 400, 0)
        );
        assert_eq!(
            summary(&view(0, 39).cleanable(&config, 9_000)),
            (30, 300, 0)
        );
        assert_eq!(
            summary(&view(20, 40).cleanable(&config, 9_000)),
            (40, 200, 200)
        );
        assert_eq!(summary(&view(20, 9).cleanable(&config, 9_000)), (0, 0, 0));
        let mut unsynced = view(0, 100);
        unsynced.synced_end = Offset(20);
        assert_eq!(summary(&unsynced.cleanable(&config, 9_000)), (20, 200, 0));
        let if_synced = unsynced.cleanable_if_synced(&config, 9_000);
        assert_eq!(summary(&if_synced), (40, 400, 0));
    }

    #[test]
    fn lags_hold_young_records_back_and_push_old_ones() {
        let config = CompactionConfig {
            lag_ms_min: 6_500,
            ..CompactionConfig::default()
        };
        assert_eq!(
            summary(&view(0, 100).cleanable(&config, 9_000)),
            (20, 200, 0)
        );
        let config = CompactionConfig {
            lag_ms_max: 6_500,
            dirty_ratio_min: 0.9,
            ..CompactionConfig::default()
        };
        let clean_half = view(20, 100).cleanable(&config, 9_000);
        assert!(!clean_half.is_overdue && !clean_half.is_due(&config));
        let late = view(20, 100).cleanable(&config, 9_600);
        assert!(late.is_overdue && late.is_due(&config));
    }

    #[test]
    fn the_ratio_must_be_above_the_limit() {
        let config = CompactionConfig::default();
        let half = view(20, 100).cleanable(&config, 9_000);
        assert!((half.ratio() - 0.5).abs() < 1e-9);
        assert!(!half.is_due(&config));
        assert!(view(10, 100).cleanable(&config, 9_000).is_due(&config));
    }

    #[test]
    fn groups_stay_below_a_segments_size_and_span_no_gap() {
        let segments: Vec<_> = [
            (0, 10, 30, 0),
            (10, 20, 30, 0),
            (20, 30, 50, 0),
            (40, 50, 10, 0),
            (50, 60, 200, 0),
            (60, 70, 1, 0),
            (70, 70 + (1 << 31), 1, 0),
        ]
        .map(segment)
        .to_vec();
        let bases = |end: i64| -> Vec<Vec<i64>> {
            let groups = group(&segments, Offset(end), 100);
            let bases = groups.iter().map(|one| one.iter().map(|s| s.base_offset.0));
            bases.map(Iterator::collect).collect()
        };
        let all = [
            vec![0, 10],
            vec![20],
            vec![40],
            vec![50],
            vec![60],
            vec![70],
        ];
        assert_eq!(bases(i64::MAX), all);
        assert_eq!(bases(25), [vec![0, 10], vec![20]]);
    }
}
