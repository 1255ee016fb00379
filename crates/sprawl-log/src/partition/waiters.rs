//! Who waits for a partition's durable end: producers for their batch, fetches for anything new.
//!
//! A waiter checks, registers under the lock and checks again; the flush path advances the end
//! first and then takes the lock: no wake is lost.

use std::collections::VecDeque;
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

#[derive(Debug)]
struct Producer {
    end: Offset,
    id: u64,
    waker: Waker,
}

/// The registrations of one partition.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    producers: VecDeque<Producer>,
    next_id: u64,
    fetches: Vec<(Offset, Weak<Notify>)>,
    sweep_count: usize,
}

impl Waiters {
    /// Registers a producer, or renews its waker.
    fn wait(&mut self, end: Offset, waker: &Waker, id: Option<u64>) -> u64 {
        let known = id.and_then(|id| self.producers.iter_mut().find(|one| one.id == id));
        if let Some(producer) = known {
            producer.waker.clone_from(waker);
            return producer.id;
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let at = self.producers.partition_point(|one| one.end <= end);
        self.producers.insert(
            at,
            Producer {
                end,
                id,
                waker: waker.clone(),
            },
        );
        id
    }

    /// Registers a fetch once.
    pub(super) fn notify_beyond(&mut self, offset: Offset, notify: &Arc<Notify>) {
        let is_same = |weak: &Weak<Notify>| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(notify));
        if let Some(known) = self.fetches.iter_mut().find(|(_, weak)| is_same(weak)) {
            known.0 = known.0.min(offset);
            return;
        }
        if self.fetches.len() >= self.sweep_count.max(SWEEP_COUNT_MIN) {
            self.fetches.retain(|(_, weak)| weak.strong_count() > 0);
            self.sweep_count = self.fetches.len().saturating_mul(2);
        }
        self.fetches.push((offset, Arc::downgrade(notify)));
    }

    /// Wakes whoever waited for an offset below `durable_end`.
    pub(super) fn advance(&mut self, durable_end: Offset) {
        while let Some(producer) = self.producers.front()
            && producer.end <= durable_end
        {
            if let Some(producer) = self.producers.pop_front() {
                producer.waker.wake();
            }
        }
        self.fetches.retain(|(offset, weak)| {
            let waits = *offset >= durable_end;
            if !waits && let Some(notify) = weak.upgrade() {
                notify.notify_one();
            }
            waits
        });
    }

    /// Wakes everybody, to look again.
    pub(super) fn wake_all(&mut self) {
        for producer in self.producers.drain(..) {
            producer.waker.wake();
        }
        for (_, weak) in self.fetches.drain(..) {
            if let Some(notify) = weak.upgrade() {
                notify.notify_one();
            }
        }
    }
}
