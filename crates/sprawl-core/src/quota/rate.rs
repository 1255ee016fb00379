//! A rate over the last windows.

use std::collections::VecDeque;

use super::{QuotaWindows, seconds, whole_ms};

#[derive(Clone, Debug)]
struct Sample {
    start_ms: u64,
    last_ms: u64,
    value: f64,
}

/// What somebody used lately.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// The oldest first; at most one more than there are windows.
    samples: VecDeque<Sample>,
}

impl Rate {
    /// Adds a use; a negative one takes back what was added at the same time.
    pub fn record(&mut self, windows: QuotaWindows, value: f64, now_ms: u64) {
        let last = self.samples.back_mut();
        let open = last.filter(|last| now_ms.saturating_sub(last.start_ms) < windows.window_ms);
        match open {
            Some(sample) => {
                sample.value += value;
                sample.last_ms = now_ms;
            }
            None => {
                self.samples.push_back(Sample {
                    start_ms: now_ms,
                    last_ms: now_ms,
                    value,
                });
                let kept_max = usize::try_from(windows.count).unwrap_or(usize::MAX);
                while self.samples.len() > kept_max.saturating_add(1) {
                    self.samples.pop_front();
                }
            }
        }
    }

    /// How long nothing may be used until the rate is down to `limit`, in milliseconds; 0 where it
    /// is not above. With O the rate, T the limit and W the time it was measured over, the wait X
    /// makes O * W / (W + X) equal to T.
    pub fn throttle_ms(&mut self, windows: QuotaWindows, limit: f64, now_ms: u64) -> u64 {
        let measured_ms = self.measured_ms(windows, now_ms);
        let rate = self.total() / seconds(measured_ms);
        if rate <= limit {
            return 0;
        }
        let measured_ms = seconds(measured_ms) * 1000.0;
        whole_ms((rate - limit) / limit * measured_ms)
    }

    /// When something was last used, in milliseconds.
    pub fn last_ms(&self) -> u64 {
        self.samples.back().map_or(0, |sample| sample.last_ms)
    }

    fn total(&self) -> f64 {
        self.samples.iter().map(|sample| sample.value).sum()
    }

    /// The time the rate is measured over: at least all windows but one, so that a first use does
    /// not look like a flood.
    fn measured_ms(&mut self, windows: QuotaWindows, now_ms: u64) -> u64 {
        let total_ms = windows.total_ms();
        self.samples
            .retain(|sample| now_ms.saturating_sub(sample.last_ms) < total_ms);
        let start_ms = self
            .samples
            .front()
            .map_or(now_ms, |oldest| oldest.start_ms);
        let elapsed_ms = now_ms.saturating_sub(start_ms);
        let full = elapsed_ms.checked_div(windows.window_ms).unwrap_or(0);
        let full_min = u64::from(windows.count.saturating_sub(1));
        let missing = full_min.saturating_sub(full);
        elapsed_ms
            .saturating_add(missing.saturating_mul(windows.window_ms))
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: QuotaWindows = QuotaWindows::DEFAULT;

    #[test]
    fn first_use_is_measured_over_all_windows_but_one() {
        let mut rate = Rate::default();
        rate.record(WINDOWS, 1000.0, 5000);
        // 1,000 in 10 s are 100 a second.
        assert_eq!(rate.throttle_ms(WINDOWS, 100.0, 5000), 0);
        assert_eq!(rate.throttle_ms(WINDOWS, 50.0, 5000), 10_000);
        assert_eq!(rate.throttle_ms(WINDOWS, 99.0, 5000), 101);
    }

    #[test]
    fn wait_brings_the_rate_down_to_the_limit() {
        let mut rate = Rate::default();
        rate.record(WINDOWS, 1500.0, 0);
        let wait = rate.throttle_ms(WINDOWS, 100.0, 0);
        assert_eq!(wait, 5000);
        // Waiting counts as time in which nothing was used, once it is beyond the windows assumed.
        assert_eq!(rate.throttle_ms(WINDOWS, 100.0, 10_000), 5000);
        assert_eq!(rate.throttle_ms(WINDOWS, 100.0, 10_999), 4001);
    }

    #[test]
    fn old_use_is_forgotten() {
        let mut rate = Rate::default();
        rate.record(WINDOWS, 1e9, 0);
        assert!(rate.throttle_ms(WINDOWS, 1.0, 10_999) > 0);
        assert_eq!(rate.throttle_ms(WINDOWS, 1.0, 11_000), 0);
        for at in 0..1000 {
            rate.record(WINDOWS, 1.0, 20_000 + at * 1000);
        }
        assert_eq!(rate.samples.len(), 12);
    }

    #[test]
    fn use_that_is_taken_back_leaves_nothing() {
        let mut rate = Rate::default();
        rate.record(WINDOWS, 5000.0, 7);
        assert!(rate.throttle_ms(WINDOWS, 100.0, 7) > 0);
        rate.record(WINDOWS, -5000.0, 7);
        assert_eq!(rate.throttle_ms(WINDOWS, 100.0, 7), 0);
    }
}
