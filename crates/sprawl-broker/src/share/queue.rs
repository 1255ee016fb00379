//! One partition as one share group consumes it, at the partition's leader.
//!
//! A change is begun under the queue's lock and handed to the share coordinator; a task of its own
//! waits for it, so that a client that goes away leaves nothing unfinished. A write that fails
//! other than for want of room closes the queue: what is durable then is not known here, and the
//! next fetch reads it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sprawl_core::share::coordinator::{ShareStateError, ShareStateKey, ShareStateWrite};
use sprawl_core::share::{SharePartition, StateWrite};
use tokio::sync::{Notify, oneshot};

use super::lookup::now_ms;
use crate::broker::Broker;
use crate::coordinator::{ShareCoordinatorError, of_share_coordinator};
use crate::partition::Partition;
use crate::replicated_log::ReplicatedLog;
use sprawl_protocol::ErrorCode;

/// How many times more is read than the records asked for take, about: some are with others.
const READ_AHEAD: usize = 2;

/// What came of a write: the error that the client gets.
pub(super) type Written = oneshot::Receiver<Result<(), ErrorCode>>;

/// A share-partition that is served.
#[derive(Debug)]
pub(crate) struct Queue {
    key: ShareStateKey,
    partition: Arc<Partition>,
    state: Mutex<SharePartition>,
    /// Fetches that wait for something to be given out.
    waiters: Mutex<Vec<Arc<Notify>>>,
    closed: AtomicBool,
    /// How many bytes a record took in the last read; 0 before the first.
    record_bytes: AtomicUsize,
}

impl Queue {
    pub(super) fn new(
        key: ShareStateKey,
        partition: Arc<Partition>,
        state: SharePartition,
    ) -> Self {
        Self {
            key,
            partition,
            state: Mutex::new(state),
            waiters: Mutex::default(),
            closed: AtomicBool::new(false),
            record_bytes: AtomicUsize::new(0),
        }
    }

    pub(super) fn key(&self) -> &ShareStateKey {
        &self.key
    }

    pub(super) fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// Whether it is about this partition, in the epoch in which the state was read.
    pub(super) fn is_over(&self, partition: &Arc<Partition>) -> bool {
        Arc::ptr_eq(&self.partition, partition)
            && self.state().leader_epoch() == partition.leader_epoch().0
    }

    pub(super) fn state(&self) -> MutexGuard<'_, SharePartition> {
        // A panic in a step would leave the state machine between two states; the assertion that
        // raised it raises again at the next step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes to read for so many records, about, going by the last read.
    pub(super) fn bytes_for(&self, records_max: u64) -> usize {
        match self.record_bytes.load(Ordering::Relaxed) {
            0 => usize::MAX,
            bytes => {
                let records = usize::try_from(records_max).unwrap_or(usize::MAX);
                bytes.saturating_mul(records).saturating_mul(READ_AHEAD)
            }
        }
    }

    /// Takes note of a read.
    pub(super) fn note_read(&self, size: usize, offset_count: i64) {
        let count = usize::try_from(offset_count).unwrap_or(0).max(1);
        let bytes = size.div_ceil(count).max(1);
        self.record_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Gives the queue up; waiting fetches look for the next one.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    /// Asks to be woken when records may be there to be given out.
    pub(super) fn wait(&self, notify: &Arc<Notify>) {
        let mut waiters = self.waiters();
        // Whoever waits no longer has dropped its half.
        waiters.retain(|waiter| Arc::strong_count(waiter) > 1);
        waiters.push(notify.clone());
    }

    /// Wakes the fetches that wait.
    pub(super) fn wake(&self) {
        for waiter in self.waiters().drain(..) {
            waiter.notify_one();
        }
    }

    fn waiters(&self) -> MutexGuard<'_, Vec<Arc<Notify>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a change written, in the background.
    pub(super) fn persist(self: &Arc<Self>, broker: &Arc<Broker>, write: StateWrite) -> Written {
        let (sender, receiver) = oneshot::channel();
        let (queue, broker) = (self.clone(), broker.clone());
        let spawner = broker.io.spawn.clone();
        spawner.task(Box::pin(async move {
            let outcome = queue.write_down(&broker, write).await;
            // Nobody may be waiting: the client is gone, or it was a lock that ran out.
            let _unheard = sender.send(outcome).is_err();
        }));
        receiver
    }

    async fn write_down(
        self: &Arc<Self>,
        broker: &Arc<Broker>,
        write: StateWrite,
    ) -> Result<(), ErrorCode> {
        let id = write.id;
        let change = ShareStateWrite {
            state_epoch: write.state_epoch,
            leader_epoch: write.leader_epoch,
            start_offset: write.start_offset,
            delivery_complete_count: write.delivery_complete_count,
            batches: write.batches,
        };
        let coordinator = broker.share.coordinator.clone();
        let outcome = coordinator.write_state(self.key.clone(), change).await;
        match outcome {
            Ok(()) => {
                let mut state = self.state();
                let dead = state.counts().dead;
                state.written(id, Ok(()));
                let dead = state.counts().dead - dead;
                let deadline_ms = state.next_deadline_ms(now_ms(broker));
                drop(state);
                broker.share.metrics.count_dead(dead);
                self.wake();
                // A rest that began, or dead records to be moved.
                if let Some(deadline_ms) = deadline_ms {
                    broker.share.ring_at(deadline_ms);
                }
                Ok(())
            }
            Err(error) => {
                if !is_refused_for_room(error) {
                    tracing::warn!(share_partition = %self.key, %error, "share state not written");
                    broker.share.drop_queue(self);
                }
                self.state().written(id, Err(()));
                Err(of_write(error))
            }
        }
    }
}

fn is_refused_for_room(error: ShareCoordinatorError) -> bool {
    matches!(
        error,
        ShareCoordinatorError::Refused(ShareStateError::NoRoom)
    )
}

/// What the member is told of a write that failed: a fenced leader leads no more, and a missing
/// coordinator may be back soon. Codes as `SharePartition.fetchPersisterError` answers.
fn of_write(error: ShareCoordinatorError) -> ErrorCode {
    match of_share_coordinator(error) {
        ErrorCode::FencedStateEpoch | ErrorCode::FencedLeaderEpoch => {
            ErrorCode::NotLeaderOrFollower
        }
        other => other,
    }
}
