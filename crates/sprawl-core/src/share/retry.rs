//! How long does a record rest before it is delivered again?
//!
//! `delay * multiplier ^ (deliveries - 1)`, at most `max`, then up to `jitter` of it taken away, so
//! that records which failed together do not all come back at once. Kafka delivers again at once;
//! that is the default here too.

/// The delays of a group's retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryDelay {
    /// The delay after the first delivery, in ms; 0 is none ever (`sprawl.share.retry.delay.ms`).
    pub first_ms: u64,
    /// What each further delivery multiplies it by, in hundredths
    /// (`sprawl.share.retry.multiplier`).
    pub multiplier_percent: u64,
    /// The longest delay, in ms (`sprawl.share.retry.delay.max.ms`).
    pub max_ms: u64,
    /// How much of the delay the jitter may take away, in percent (`sprawl.share.retry.jitter`).
    pub jitter_percent: u64,
}

/// What a jitter of all takes away: a fraction of 2^32.
const JITTER_SCALE: u128 = 1 << 32;

impl RetryDelay {
    /// Delivers again at once.
    pub const NONE: Self = Self {
        first_ms: 0,
        multiplier_percent: 200,
        max_ms: 0,
        jitter_percent: 0,
    };

    /// The delay after `delivery_count` deliveries, in ms. `jitter` is any random number.
    pub fn after(&self, delivery_count: i16, jitter: u32) -> u64 {
        let mut delay_ms = self.first_ms.min(self.max_ms);
        for _ in 1..delivery_count {
            if delay_ms >= self.max_ms {
                break;
            }
            let grown = delay_ms.saturating_mul(self.multiplier_percent) / 100;
            delay_ms = grown.min(self.max_ms);
        }
        let share = u128::from(delay_ms) * u128::from(self.jitter_percent.min(100)) / 100;
        let taken = share * u128::from(jitter) / JITTER_SCALE;
        delay_ms.saturating_sub(u64::try_from(taken).unwrap_or(delay_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: RetryDelay = RetryDelay {
        first_ms: 100,
        multiplier_percent: 200,
        max_ms: 1_000,
        jitter_percent: 50,
    };

    #[test]
    fn a_delay_doubles_with_each_delivery_up_to_the_maximum() {
        let delays: Vec<u64> = (1..=6).map(|count| DELAY.after(count, 0)).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_000, 1_000]);
    }

    #[test]
    fn jitter_takes_away_at_most_its_share() {
        assert_eq!(DELAY.after(1, u32::MAX), 51);
        assert_eq!(DELAY.after(1, u32::MAX / 2), 76);
    }

    #[test]
    fn without_a_first_delay_there_is_none() {
        assert_eq!(RetryDelay::NONE.after(5, 7), 0);
    }
}
