//! The hot queue of one partition: its newest batches, in memory, by reference.
//!
//! Dirty batches (not yet in a segment) stay; clean ones are evicted from the front.

use std::collections::VecDeque;

use bytes::Bytes;
use sprawl_model::Offset;
use sprawl_model::batch::BatchHeader;

/// One batch in memory.
#[derive(Clone, Debug)]
pub(crate) struct HotBatch {
    pub(crate) base_offset: Offset,
    pub(crate) next_offset: Offset,
    pub(crate) max_timestamp: i64,
    pub(crate) bytes: Bytes,
}

impl HotBatch {
    pub(crate) fn new(header: &BatchHeader, bytes: Bytes) -> Self {
        Self {
            base_offset: header.base_offset,
            next_offset: header.next_offset(),
            max_timestamp: header.max_timestamp,
            bytes,
        }
    }
}

/// Batches in offset order without a gap.
#[derive(Debug, Default)]
pub(crate) struct HotQueue {
    batches: VecDeque<HotBatch>,
}

impl HotQueue {
    pub(crate) fn push(&mut self, batch: HotBatch) {
        self.batches.push_back(batch);
    }

    /// Returns the first offset in memory.
    pub(crate) fn start(&self) -> Option<Offset> {
        self.batches.front().map(|batch| batch.base_offset)
    }

    /// Returns the batches from the one that holds `offset`; O(log n) to find it.
    pub(crate) fn from(&self, offset: Offset) -> impl Iterator<Item = &HotBatch> {
        let first = self
            .batches
            .partition_point(|batch| batch.next_offset <= offset);
        self.batches.range(first..)
    }

    /// Drops batches below `end` from the front and returns their bytes.
    pub(crate) fn evict(&mut self, end: Offset) -> u64 {
        let mut bytes = 0_u64;
        while let Some(batch) = self.batches.front()
            && batch.next_offset <= end
        {
            bytes = bytes.saturating_add(batch.bytes.len() as u64);
            self.batches.pop_front();
        }
        bytes
    }

    /// Drops everything and returns its bytes.
    pub(crate) fn clear(&mut self) -> u64 {
        let bytes = self
            .batches
            .iter()
            .map(|batch| batch.bytes.len() as u64)
            .sum();
        self.batches = VecDeque::new();
        bytes
    }
}
