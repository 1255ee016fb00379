//! When is the next timer of any shard due?

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// The earliest deadline, and a bell for a still earlier one.
#[derive(Debug)]
pub(crate) struct Alarm {
    next_ms: AtomicU64,
    bell: Notify,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            next_ms: AtomicU64::new(u64::MAX),
            bell: Notify::new(),
        }
    }
}

impl Alarm {
    /// Forgets the deadline. Called before the shards are looked through: what is set meanwhile
    /// stays.
    pub(crate) fn reset(&self) {
        self.next_ms.store(u64::MAX, Ordering::SeqCst);
    }

    /// Notes a deadline, in milliseconds of the monotonic clock.
    pub(crate) fn set(&self, deadline_ms: u64) {
        if self.next_ms.fetch_min(deadline_ms, Ordering::SeqCst) > deadline_ms {
            self.bell.notify_one();
        }
    }

    /// Notes a deadline without ringing, for whoever answers the bell.
    pub(crate) fn note(&self, deadline_ms: u64) {
        self.next_ms.fetch_min(deadline_ms, Ordering::SeqCst);
    }

    /// How long it is from `now` to the deadline.
    pub(crate) fn pause(&self, now: Duration) -> Duration {
        let deadline = Duration::from_millis(self.next_ms.load(Ordering::SeqCst));
        deadline.saturating_sub(now)
    }

    /// Waits until an earlier deadline was set.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}
