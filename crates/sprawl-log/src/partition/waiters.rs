//! Who waits for a partition's durable end: producers for their batch, fetches for anything new.
//!
//! A waiter checks, registers under the lock and checks again; the flush path advances the end
//! first and then takes the lock: no wake is lost.
//!
//! Registering and renewing cost O(log waiters); an advance costs that for each one it wakes.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use sprawl_model::Offset;
use tokio::sync::Notify;

use super::PartitionLog;
use crate::error::FlushError;

/// Dead fetch registrations are swept when there are this many, and at each doubling.
const SWEEP_COUNT_MIN: usize = 16;

/// A value that is on stable storage as far as the partition's flush mode promises.
///
/// Only the flush path of this crate makes one, so that an acknowledgement cannot be built without
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable<T>(T);

impl<T> Durable<T> {
    /// Returns the value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> std::ops::Deref for Durable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// An appended batch that is not acknowledged yet.
#[derive(Debug)]
#[must_use = "a batch is acknowledged only when it is durable"]
pub struct Pending {
    partition: Arc<PartitionLog>,
    base_offset: Offset,
    end: Offset,
}

impl Pending {
    pub(super) fn new(partition: Arc<PartitionLog>, base_offset: Offset, end: Offset) -> Self {
        Self {
            partition,
            base_offset,
            end,
        }
    }

    /// Returns the offset of the batch's first record.
    pub fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// Waits until the batch is durable and returns its base offset.
    ///
    /// Cancel: safe; the batch becomes durable anyway.
    pub fn durable(
        self,
    ) -> impl Future<Output = Result<Durable<Offset>, FlushError>> + Send + 'static {
        WaitDurable {
            pending: self,
            id: None,
        }
    }
}

struct WaitDurable {
    pending: Pending,
    id: Option<u64>,
}

impl Future for WaitDurable {
    type Output = Result<Durable<Offset>, FlushError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let id = self.id;
        let Pending {
            partition,
            base_offset,
            end,
        } = &self.pending;
        if partition.durable_end() >= *end {
            return Poll::Ready(Ok(Durable(*base_offset)));
        }
        let mut waiters = partition.waiters();
        if partition.durable_end() >= *end {
            return Poll::Ready(Ok(Durable(*base_offset)));
        }
        if let Some(error) = partition.flush_error() {
            return Poll::Ready(Err(error));
        }
        let id = waiters.wait(*end, context.waker(), id);
        drop(waiters);
        self.id = Some(id);
        Poll::Pending
    }
}

/// The registrations of one partition, the lowest offset first, at one offset in the order in which
/// they came.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// Producers by the end of their batch.
    producers: BTreeMap<(Offset, u64), Waker>,
    /// Fetches by the offset beyond which something must come.
    fetches: BTreeMap<(Offset, u64), Weak<Notify>>,
    /// The key under which each fetch stands, by the address of its `Notify`: a look-up only, never
    /// an order. The weak reference keeps the address from being given to another.
    fetch_keys: BTreeMap<usize, (Offset, u64)>,
    next_id: u64,
    sweep_count: usize,
}

impl Waiters {
    /// Registers a producer, or renews its waker.
    fn wait(&mut self, end: Offset, waker: &Waker, id: Option<u64>) -> u64 {
        if let Some(id) = id
            && let Some(known) = self.producers.get_mut(&(end, id))
        {
            known.clone_from(waker);
            return id;
        }
        let id = self.new_id();
        self.producers.insert((end, id), waker.clone());
        id
    }

    /// Registers a fetch once, at the lowest offset it names.
    pub(super) fn notify_beyond(&mut self, offset: Offset, notify: &Arc<Notify>) {
        let address = Arc::as_ptr(notify).addr();
        if let Some(known) = self.fetch_keys.get_mut(&address) {
            let lower = (offset, known.1);
            if lower < *known
                && let Some(weak) = self.fetches.remove(known)
            {
                self.fetches.insert(lower, weak);
                *known = lower;
            }
            return;
        }
        if self.fetches.len() >= self.sweep_count.max(SWEEP_COUNT_MIN) {
            self.sweep();
        }
        let key = (offset, self.new_id());
        self.fetches.insert(key, Arc::downgrade(notify));
        self.fetch_keys.insert(address, key);
    }

    fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }

    /// Drops registrations of fetches that ended. Amortised: the next one is at twice the size.
    fn sweep(&mut self) {
        self.fetches.retain(|_, weak| weak.strong_count() > 0);
        let Self {
            fetches,
            fetch_keys,
            ..
        } = self;
        fetch_keys.retain(|_, key| fetches.contains_key(key));
        self.sweep_count = self.fetches.len().saturating_mul(2);
    }

    /// Wakes whoever waited for an offset below `durable_end`.
    pub(super) fn advance(&mut self, durable_end: Offset) {
        while let Some(producer) = self.producers.first_entry()
            && producer.key().0 <= durable_end
        {
            producer.remove().wake();
        }
        while let Some(fetch) = self.fetches.first_entry()
            && fetch.key().0 < durable_end
        {
            let weak = fetch.remove();
            self.fetch_keys.remove(&weak.as_ptr().addr());
            wake(&weak);
        }
    }

    /// Wakes everybody, to look again.
    pub(super) fn wake_all(&mut self) {
        for producer in std::mem::take(&mut self.producers).into_values() {
            producer.wake();
        }
        self.fetch_keys.clear();
        for weak in std::mem::take(&mut self.fetches).into_values() {
            wake(&weak);
        }
    }
}

fn wake(weak: &Weak<Notify>) {
    if let Some(notify) = weak.upgrade() {
        notify.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn is_woken(notify: &Notify) -> bool {
        let mut notified = Box::pin(notify.notified());
        let mut context = Context::from_waker(Waker::noop());
        notified.as_mut().poll(&mut context) == Poll::Ready(())
    }

    #[test]
    fn fetch_registered_twice_is_woken_once_at_its_lower_offset() {
        let mut waiters = Waiters::default();
        let (twice, other) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        waiters.notify_beyond(Offset(9), &twice);
        waiters.notify_beyond(Offset(4), &twice);
        waiters.notify_beyond(Offset(7), &twice);
        waiters.notify_beyond(Offset(5), &other);
        waiters.advance(Offset(5));
        assert!(is_woken(&twice) && !is_woken(&other));
        waiters.advance(Offset(20));
        assert!(!is_woken(&twice) && is_woken(&other));
        assert!(waiters.fetches.is_empty() && waiters.fetch_keys.is_empty());
    }

    #[test]
    fn registrations_of_ended_fetches_do_not_pile_up() {
        let mut waiters = Waiters::default();
        let kept = Arc::new(Notify::new());
        waiters.notify_beyond(Offset(1), &kept);
        for offset in 0..10_000 {
            waiters.notify_beyond(Offset(offset), &Arc::new(Notify::new()));
        }
        assert!(waiters.fetches.len() <= 2 * SWEEP_COUNT_MIN);
        assert_eq!(waiters.fetches.len(), waiters.fetch_keys.len());
        waiters.wake_all();
        assert!(is_woken(&kept) && waiters.fetch_keys.is_empty());
    }
}
