//! How much has somebody used, how much may they use, and how long must they wait?
//!
//! Rates are measured over a row of short windows and bursts by a token bucket, both as Kafka does,
//! so that a client is slowed down here as much as there. Times are milliseconds on one clock that
//! the caller reads.
//!
//! Source: KIP-13, KIP-124, KIP-219, KIP-257, KIP-599, KIP-612; `Rate`, `SampledStat`,
//! `TokenBucket`, `ClientQuotaManager`.

mod limits;
mod rate;
mod token_bucket;

pub use limits::{Applied, QuotaKind, QuotaLimits};
pub use rate::Rate;
pub use token_bucket::TokenBucket;

/// The windows that a rate is measured over (`quota.window.num`, `quota.window.size.seconds`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaWindows {
    /// How many.
    pub count: u32,
    /// How long each is, in milliseconds.
    pub window_ms: u64,
}

impl QuotaWindows {
    /// Kafka's defaults.
    pub const DEFAULT: Self = Self {
        count: 11,
        window_ms: 1000,
    };

    /// All of them, in milliseconds.
    pub fn total_ms(self) -> u64 {
        self.window_ms.saturating_mul(self.count.into())
    }

    /// The most that may be used at once without a wait that is sure to follow: what all windows
    /// but the last allow.
    pub fn largest_use(self, limit: f64) -> f64 {
        let windows = self.count.saturating_sub(1);
        limit * f64::from(windows) * seconds(self.window_ms)
    }
}

/// Milliseconds as seconds.
fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

/// A wait in whole milliseconds, rounded as Kafka rounds it.
fn whole_ms(ms: f64) -> u64 {
    // Out of range only for limits near zero; `as` stays within the bounds of the type.
    ms.round() as u64
}
