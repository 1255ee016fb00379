//! What is a coordinator, and how do requests reach its shards?
//!
//! Every partition of an internal topic that this broker leads is one [`shard::Shard`]: a pure
//! state machine behind one short lock, with the partition's log below it. [`Coordinator`] holds
//! the shards of one topic, whatever their machine: [`group`] coordinates groups on
//! `__consumer_offsets`, [`transaction`] transactional ids on `__transaction_state`, and [`share`]
//! keeps what share groups did on `__share_group_state`. An id belongs to the shard it hashes to.
//! One task a coordinator drives the timers of all its shards, one task follows the metadata for
//! all coordinators.
//!
//! Invariants: no lock is held across an await; a reply that confirms a write leaves only when the
//! log has called its records durable (I5); what a shard answers survives a restart, because its
//! state is nothing but the replay of its log.
//!
//! The logs are compacted like any other, so that loading reads about as much as there is state,
//! and what was written since.

mod alarm;
mod error;
mod follow;
mod group;
mod hash;
mod load;
mod log;
mod shard;
mod share;
pub(crate) mod timers;
mod topic;
mod transaction;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use sprawl_core::coordinator::{Machine, Token};
use sprawl_core::metadata::MetadataImage;
use sprawl_io::net::BoxFuture;
use sprawl_io::{Io, time};
use sprawl_model::{PartitionId, TenantId, TopicId, TopicPartition};

use crate::partitions::Partitions;
use alarm::Alarm;
use log::{CoordinatorLog, PartitionLog};
use shard::{Errands, Shard};

pub(crate) use alarm::Alarm as TimerAlarm;
pub(crate) use error::{CoordinatorError, of_coordinator};
pub(crate) use follow::start;
pub(crate) use group::{GroupCoordinator, of_group};
pub(crate) use share::{ShareCoordinator, ShareCoordinatorError, of_share_coordinator};
pub(crate) use topic::{ensure_offsets_topic, ensure_share_state_topic, ensure_transactions_topic};
pub(crate) use transaction::{Initialised, TransactionCoordinator, of_transaction};

/// How often the gauges of a coordinator are brought up to date.
const GAUGES_INTERVAL: Duration = Duration::from_secs(10);

/// The shards of one internal topic.
#[derive(Debug)]
pub(crate) struct Coordinator<M: Machine> {
    io: Io,
    /// The internal topic.
    topic: &'static str,
    settings: M::Settings,
    errands: Arc<dyn Errands<M>>,
    shards: ArcSwapOption<Shards<M>>,
    /// The last image followed; its lock serialises following.
    followed: Mutex<Option<Arc<MetadataImage>>>,
    next_token: AtomicU64,
    alarm: Arc<Alarm>,
}

/// The shards of one life of the internal topic. Their number is fixed while the broker runs: ids
/// would change places with it.
#[derive(Debug)]
struct Shards<M: Machine> {
    topic_id: TopicId,
    by_partition: Vec<Option<Arc<Shard<M>>>>,
}

impl<M: Machine> Coordinator<M> {
    /// A coordinator without shards; [`Self::follow_reached`] opens them.
    fn new(
        io: Io,
        topic: &'static str,
        settings: M::Settings,
        errands: Arc<dyn Errands<M>>,
    ) -> Self {
        Self {
            io,
            topic,
            settings,
            errands,
            shards: ArcSwapOption::empty(),
            followed: Mutex::new(None),
            next_token: AtomicU64::new(0),
            alarm: Arc::default(),
        }
    }

    /// The partition of the topic that an id belongs to; `None` before the topic exists.
    pub(crate) fn partition_for(&self, id: &str) -> Option<PartitionId> {
        let shards = self.shards.load();
        hash::partition_for(id, shards.as_ref()?.by_partition.len())
    }

    fn shard_for(&self, id: &str) -> Result<Arc<Shard<M>>, CoordinatorError> {
        let partition = self.partition_for(id);
        partition.map_or(Err(CoordinatorError::NotCoordinator), |partition| {
            self.shard(partition)
        })
    }

    fn shard(&self, partition: PartitionId) -> Result<Arc<Shard<M>>, CoordinatorError> {
        let shards = self.shards.load();
        let index = usize::try_from(partition.0).ok();
        let shard = shards
            .as_ref()
            .zip(index)
            .and_then(|(shards, index)| shards.by_partition.get(index)?.clone());
        shard.ok_or(CoordinatorError::NotCoordinator)
    }

    /// Gives a request to the shard of `id` and waits for the answer, which may be as far away as
    /// the end of a rebalance.
    ///
    /// Cancel: safe; the request is carried out all the same, as Kafka does for a closed
    /// connection.
    pub(crate) async fn submit(
        &self,
        id: &str,
        request: impl FnOnce(Token) -> M::Input,
    ) -> Result<M::Response, CoordinatorError> {
        let shard = self.shard_for(id)?;
        let token = Token(self.next_token.fetch_add(1, Ordering::Relaxed));
        let reply = shard.ask(token, request(token))?;
        reply.await.map_err(|_| CoordinatorError::NotCoordinator)
    }

    /// Gives a request to the shard of a partition, now; the future waits for the answer.
    pub(crate) fn ask_partition(
        &self,
        partition: PartitionId,
        request: impl FnOnce(Token) -> M::Input,
    ) -> BoxFuture<'static, Result<M::Response, CoordinatorError>> {
        let token = Token(self.next_token.fetch_add(1, Ordering::Relaxed));
        let shard = self.shard(partition);
        let asked = shard.and_then(|shard| shard.ask(token, request(token)));
        Box::pin(async move { asked?.await.map_err(|_| CoordinatorError::NotCoordinator) })
    }

    /// As [`Self::submit`], but waits no longer than `wait_max`.
    pub(crate) async fn submit_within(
        &self,
        wait_max: Duration,
        id: &str,
        request: impl FnOnce(Token) -> M::Input,
    ) -> Result<M::Response, CoordinatorError> {
        let answered = time::timeout(wait_max, self.submit(id, request)).await;
        answered.unwrap_or(Err(CoordinatorError::TimedOut))
    }

    /// Reads the shard of an id.
    pub(crate) fn read<T>(
        &self,
        id: &str,
        read: impl FnOnce(&M) -> T,
    ) -> Result<T, CoordinatorError> {
        self.shard_for(id)?.read(read)
    }

    /// Reads every shard that this broker leads, in partition order.
    pub(crate) fn read_all<T>(
        &self,
        mut read: impl FnMut(&M) -> T,
    ) -> Result<Vec<T>, CoordinatorError> {
        let mut all = Vec::new();
        for shard in self.all_shards() {
            match shard.read(&mut read) {
                Ok(value) => all.push(value),
                Err(CoordinatorError::NotCoordinator) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn all_shards(&self) -> Vec<Arc<Shard<M>>> {
        let shards = self.shards.load();
        let by_partition = shards.as_ref().map(|shards| shards.by_partition.as_slice());
        by_partition
            .unwrap_or_default()
            .iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Follows the image that the partitions have reached. A newer one may name partitions that are
    /// not open yet, whose shards would then stay closed.
    pub(crate) fn follow_reached(&self, partitions: &Partitions) {
        if let Some(image) = partitions.reached() {
            self.follow(&image, partitions);
        }
    }

    /// Takes over what the metadata says: opens or gives up the shards of the topic, and tells them
    /// of partitions that are gone.
    fn follow(&self, image: &Arc<MetadataImage>, partitions: &Partitions) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if followed
            .as_ref()
            .is_some_and(|last| last.applied_index() >= image.applied_index())
        {
            return;
        }
        let topic = image.topic(TenantId::DEFAULT, self.topic);
        let held = self.shards.load().as_ref().map(|shards| shards.topic_id);
        if held != topic.map(|topic| topic.id) {
            self.unload();
            self.shards.store(None);
            if let Some(topic) = topic {
                let logs = topic.partition_ids().map(|id| {
                    let partition = partitions.get(topic.id, id)?;
                    Some(Arc::new(PartitionLog::new(partition)) as Arc<dyn CoordinatorLog>)
                });
                self.open(topic.id, logs.collect());
            }
        }
        for shard in self.all_shards() {
            shard.follow_metadata(image);
        }
        if let Some(last) = followed.as_deref() {
            self.forget_deleted(last, image);
        }
        *followed = Some(image.clone());
    }

    /// Opens one shard a log and loads them, one after the other, in the background.
    fn open(&self, topic_id: TopicId, logs: Vec<Option<Arc<dyn CoordinatorLog>>>) {
        let by_partition: Vec<Option<Arc<Shard<M>>>> = logs
            .into_iter()
            .map(|log| {
                Some(Arc::new(Shard::loading(
                    self.io.clone(),
                    log?,
                    self.alarm.clone(),
                    self.errands.clone(),
                )))
            })
            .collect();
        let shards: Vec<_> = by_partition.iter().flatten().cloned().collect();
        self.shards.store(Some(Arc::new(Shards {
            topic_id,
            by_partition,
        })));
        let settings = self.settings.clone();
        self.io.spawn.task(Box::pin(async move {
            for shard in shards {
                load::load(&shard, settings.clone()).await;
            }
        }));
    }

    fn forget_deleted(&self, last: &MetadataImage, image: &MetadataImage) {
        let mut deleted = Vec::new();
        for topic in last
            .all_topics()
            .filter(|topic| image.topic_by_id(topic.id).is_none())
        {
            deleted.extend(topic.partition_ids().map(|partition| TopicPartition {
                topic: topic.name.clone(),
                partition,
            }));
        }
        if !deleted.is_empty() {
            for shard in self.all_shards() {
                shard.forget_partitions(deleted.clone());
            }
        }
    }

    fn unload(&self) {
        for shard in self.all_shards() {
            shard.unload();
        }
    }

    /// Raises timers when they are due and keeps the gauges fresh; never ends.
    async fn drive(&self, update_gauges: impl Fn(&[Arc<Shard<M>>])) {
        let mut gauges_due = self.io.clock.monotonic();
        loop {
            self.alarm.reset();
            for shard in self.all_shards() {
                if let Some(deadline_ms) = shard.fire_due_timers() {
                    self.alarm.note(deadline_ms);
                }
            }
            let now = self.io.clock.monotonic();
            if now >= gauges_due {
                update_gauges(&self.all_shards());
                gauges_due = now.saturating_add(GAUGES_INTERVAL);
            }
            let pause = self.alarm.pause(now).min(gauges_due.saturating_sub(now));
            tokio::select! {
                biased;
                () = self.alarm.rung() => {}
                () = time::sleep(pause) => {}
            }
        }
    }
}
