//! How much memory the hot queues of all partitions use, against one limit.

use std::sync::atomic::{AtomicU64, Ordering};

/// From here on everything dirty is written behind at once.
pub(crate) const URGENT_PERCENT: u64 = 60;
/// From here on producers are slowed down.
pub(crate) const THROTTLE_PERCENT: u64 = 80;
/// From here on no more bytes are taken from producers.
pub(crate) const STOP_PERCENT: u64 = 95;

/// Counters over all partitions.
#[derive(Debug)]
pub(crate) struct Memory {
    hot: AtomicU64,
    dirty: AtomicU64,
    limit: u64,
}

impl Memory {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self {
            hot: AtomicU64::new(0),
            dirty: AtomicU64::new(0),
            limit: limit_bytes.max(1),
        }
    }

    /// Counts a new batch; returns true where this crosses the urgent mark.
    pub(crate) fn add_dirty(&self, bytes: u64) -> bool {
        self.hot.fetch_add(bytes, Ordering::Relaxed);
        let before = self.dirty.fetch_add(bytes, Ordering::Relaxed);
        let mark = self.urgent_mark();
        before < mark && before.saturating_add(bytes) >= mark
    }

    pub(crate) fn sub_dirty(&self, bytes: u64) {
        self.dirty.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn sub_hot(&self, bytes: u64) {
        self.hot.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn hot_bytes(&self) -> u64 {
        self.hot.load(Ordering::Relaxed)
    }

    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.dirty.load(Ordering::Relaxed)
    }

    pub(crate) fn limit_bytes(&self) -> u64 {
        self.limit
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.dirty_bytes() >= self.urgent_mark()
    }

    fn urgent_mark(&self) -> u64 {
        self.limit
            .saturating_mul(URGENT_PERCENT)
            .checked_div(100)
            .unwrap_or(0)
    }
}
