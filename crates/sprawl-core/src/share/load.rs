//! How does a share-partition begin, from what was stored of it?
//!
//! Offsets between stored runs were never answered: they are delivered again. So are those that
//! were held by members of the broker's last life.

use super::counts::ShareCounts;
use super::partition::SharePartition;
use super::record::{DeathCause, DeliveryState, Slot, Standing, StateBatch};
use super::settings::SharePartitionSettings;
use super::spans::Spans;

/// Why stored state is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A run ends before it begins, or begins before the start offset or the end of the last one.
    #[error("stored runs are not in order: expected one from {expected}, found {first} to {last}")]
    Order {
        /// The first offset it may begin at.
        expected: i64,
        /// Where it begins.
        first: i64,
        /// Where it ends.
        last: i64,
    },
}

impl SharePartition {
    /// A share-partition that starts at `start_offset` with what was stored from there on.
    ///
    /// `now_ms` starts the rests of records that were delivered before; `jitter` as in
    /// [`RetryDelay::after`](super::RetryDelay::after).
    pub fn load(
        settings: SharePartitionSettings,
        (state_epoch, leader_epoch): (i32, i32),
        start_offset: i64,
        batches: &[StateBatch],
        (now_ms, jitter): (u64, u32),
    ) -> Result<Self, LoadError> {
        let mut loaded = Self {
            settings,
            start_offset,
            next_offset: start_offset,
            state_epoch,
            leader_epoch,
            spans: Spans::default(),
            writes: Default::default(),
            next_write: 0,
            counts: ShareCounts::default(),
            lock_timeouts: 0,
        };
        for batch in batches {
            let (expected, first, last) = (loaded.next_offset, batch.first, batch.last);
            if first < expected || last < first || last == i64::MAX {
                return Err(LoadError::Order {
                    expected,
                    first,
                    last,
                });
            }
            if first > expected {
                let fresh = Slot::new(Standing::Available { due_ms: 0 }, 0);
                loaded.extend(first - 1, fresh);
            }
            let count = batch.delivery_count;
            let standing = match batch.state {
                DeliveryState::Available => Standing::Available {
                    due_ms: loaded.rest_until(now_ms, count, jitter),
                },
                DeliveryState::Acknowledged => Standing::Acknowledged,
                DeliveryState::Archiving => Standing::Archiving {
                    cause: DeathCause::Unknown,
                    due_ms: now_ms,
                    may_be_moved: true,
                },
                DeliveryState::Archived => Standing::Archived,
            };
            loaded.extend(last, Slot::new(standing, count));
        }
        loaded.advance_start();
        loaded.check();
        Ok(loaded)
    }

    /// When a record that was delivered `delivery_count` times may be delivered again.
    pub(super) fn rest_until(&self, now_ms: u64, delivery_count: i16, jitter: u32) -> u64 {
        if delivery_count == 0 {
            return 0;
        }
        let rest = self.settings.retry_delay.after(delivery_count, jitter);
        if rest == 0 {
            0
        } else {
            now_ms.saturating_add(rest)
        }
    }
}
