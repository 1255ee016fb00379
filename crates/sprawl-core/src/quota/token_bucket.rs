//! A bucket that fills at a steady rate: for uses that come in bursts.

use super::{QuotaWindows, seconds, whole_ms};

/// What somebody may use at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenBucket {
    /// `None` before the first use: full.
    filled: Option<(f64, u64)>,
}

impl TokenBucket {
    /// How long to wait until there is something in the bucket again, in milliseconds; 0 where
    /// there is.
    pub fn throttle_ms(&mut self, windows: QuotaWindows, limit: f64, now_ms: u64) -> u64 {
        let tokens = self.fill(windows, limit, now_ms);
        if tokens >= 0.0 {
            return 0;
        }
        whole_ms(-tokens / limit * 1000.0)
    }

    /// Takes out of the bucket, below zero where it has to be.
    pub fn record(&mut self, windows: QuotaWindows, limit: f64, (value, now_ms): (f64, u64)) {
        let tokens = self.fill(windows, limit, now_ms);
        self.filled = Some((tokens - value, now_ms));
    }

    /// When it was last filled, in milliseconds.
    pub fn last_ms(&self) -> u64 {
        self.filled.map_or(0, |(_, at_ms)| at_ms)
    }

    fn fill(&mut self, windows: QuotaWindows, limit: f64, now_ms: u64) -> f64 {
        let burst = limit * seconds(windows.total_ms());
        let tokens = match self.filled {
            None => burst,
            Some((tokens, at_ms)) => {
                burst.min(tokens + limit * seconds(now_ms.saturating_sub(at_ms)))
            }
        };
        self.filled = Some((tokens, now_ms));
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_is_let_through_and_paid_for_afterwards() {
        let windows = QuotaWindows {
            count: 100,
            window_ms: 1000,
        };
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.throttle_ms(windows, 5.0, 0), 0);
        // A bucket of 500, a burst of 560: 60 are missing, 5 come a second.
        bucket.record(windows, 5.0, (560.0, 0));
        assert_eq!(bucket.throttle_ms(windows, 5.0, 0), 12_000);
        assert_eq!(bucket.throttle_ms(windows, 5.0, 11_999), 1);
        assert_eq!(bucket.throttle_ms(windows, 5.0, 12_000), 0);
    }
}
