//! A clock that moves only when every task waits.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::Clock;

/// Where simulated wall time starts: 2026-01-01T00:00:00Z, in ms since the Unix epoch.
pub const WALL_MS_START: i64 = 1_767_225_600_000;

/// Tokio's paused time, and a wall clock that may be set wrong.
#[derive(Debug)]
pub struct SimClock {
    start: Instant,
    skew_ms: AtomicI64,
}

impl SimClock {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            skew_ms: AtomicI64::new(0),
        }
    }

    /// Sets the wall clock `skew_ms` off; monotonic time does not notice.
    pub fn set_skew_ms(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn wall_ms(&self) -> i64 {
        let elapsed_ms = i64::try_from(self.monotonic().as_millis()).unwrap_or(i64::MAX);
        WALL_MS_START
            .saturating_add(elapsed_ms)
            .saturating_add(self.skew_ms.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_passes_only_in_sleeps_and_skew_moves_the_wall_alone() {
        let clock = SimClock::new();
        assert_eq!(clock.wall_ms(), WALL_MS_START);
        crate::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.monotonic(), Duration::from_secs(3600));
        clock.set_skew_ms(-7_200_000);
        assert_eq!(clock.wall_ms(), WALL_MS_START - 3_600_000);
        assert_eq!(clock.monotonic(), Duration::from_secs(3600));
    }
}
