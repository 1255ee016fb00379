//! Which groups does this broker coordinate, and how do requests reach them?
//!
//! Every partition of `__consumer_offsets` that this broker leads is one [`shard::Shard`]: the pure
//! state machine of `sprawl_core::group` behind one short lock, with the partition's log below it.
//! A group belongs to the shard its id hashes to. One task drives the timers of all shards, one
//! follows the metadata.
//!
//! Invariants: no lock is held across an await; a reply that confirms a write leaves only when the
//! log has called its records durable (I5); what a shard answers survives a restart, because its
//! state is nothing but the replay of its log.
//!
//! The log is compacted like any other, so that loading reads about as much as there are groups and
//! commits, and what was written since.

mod alarm;
mod error;
mod hash;
mod load;
mod log;
mod metrics;
mod shard;
#[cfg(test)]
mod tests;
mod timers;
mod topic;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use sprawl_core::config::BrokerSettings;
use sprawl_core::group::{GroupSettings, GroupShard, Input, Response, Token};
use sprawl_core::metadata::{MetadataImage, OFFSETS_TOPIC};
use sprawl_io::{Io, time};
use sprawl_model::{PartitionId, TenantId, TopicId, TopicPartition};

use crate::broker::Broker;
use crate::partitions::Partitions;
use alarm::Alarm;
use log::{CoordinatorLog, PartitionLog};
use metrics::GroupMetrics;
use shard::Shard;

pub(crate) use error::{CoordinatorError, of_coordinator, of_group};
pub(crate) use topic::ensure_offsets_topic;

/// The groups this broker coordinates.
#[derive(Debug)]
pub(crate) struct GroupCoordinator {
    io: Io,
    settings: GroupSettings,
    shards: ArcSwapOption<Shards>,
    /// The last image followed; its lock serialises following.
    followed: Mutex<Option<Arc<MetadataImage>>>,
    next_token: AtomicU64,
    alarm: Arc<Alarm>,
    metrics: GroupMetrics,
}

/// The shards of one life of the offsets topic. Their number is fixed while the broker runs: groups
/// would change places with it.
#[derive(Debug)]
struct Shards {
    topic_id: TopicId,
    by_partition: Vec<Option<Arc<Shard>>>,
}

/// Kafka's limits of a group, from the broker's settings.
fn group_settings(settings: &BrokerSettings) -> GroupSettings {
    let whole_ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    GroupSettings {
        session_timeout_ms_min: settings.groups.session_timeout_ms_min,
        session_timeout_ms_max: settings.groups.session_timeout_ms_max,
        initial_rebalance_delay_ms: u64::try_from(settings.groups.initial_rebalance_delay_ms)
            .unwrap_or(0),
        size_max: settings.groups.size_max,
        offset_metadata_size_max: settings.offsets.metadata_size_max,
        offsets_retention_ms: i64::try_from(whole_ms(settings.offsets.retention))
            .unwrap_or(i64::MAX),
        offsets_retention_check_interval_ms: whole_ms(settings.offsets.retention_check_interval),
        ..GroupSettings::default()
    }
}

impl GroupCoordinator {
    /// A coordinator without groups; [`Self::start`] makes it follow the metadata.
    pub(crate) fn new(io: Io, settings: &BrokerSettings) -> Self {
        Self::with_settings(io, group_settings(settings))
    }

    fn with_settings(io: Io, settings: GroupSettings) -> Self {
        Self {
            io,
            settings,
            shards: ArcSwapOption::empty(),
            followed: Mutex::new(None),
            next_token: AtomicU64::new(0),
            alarm: Arc::default(),
            metrics: GroupMetrics::register(),
        }
    }

    /// Starts loading the groups of partitions that are open already, and the tasks that drive
    /// timers and follow the metadata until the broker stops.
    pub(crate) fn start(broker: &Arc<Broker>) {
        let coordinator = broker.coordinator.clone();
        coordinator.follow_reached(&broker.partitions);
        let (driven, stopping) = (coordinator.clone(), broker.clone());
        broker.io.spawn.task(Box::pin(async move {
            tokio::select! {
                biased;
                () = stopping.stopping() => driven.unload(),
                () = driven.drive_timers() => {}
            }
        }));
        let followed = broker.clone();
        broker
            .io
            .spawn
            .task(Box::pin(async move { follow_metadata(&followed).await }));
    }

    /// The partition of the offsets topic that a group belongs to; `None` before the topic exists.
    pub(crate) fn partition_for(&self, group_id: &str) -> Option<PartitionId> {
        let shards = self.shards.load();
        hash::partition_for(group_id, shards.as_ref()?.by_partition.len())
    }

    fn shard_for(&self, group_id: &str) -> Result<Arc<Shard>, CoordinatorError> {
        let shards = self.shards.load();
        let shards = shards.as_ref().ok_or(CoordinatorError::NotCoordinator)?;
        let partition = hash::partition_for(group_id, shards.by_partition.len());
        let index = partition.and_then(|partition| usize::try_from(partition.0).ok());
        let shard = index.and_then(|index| shards.by_partition.get(index)?.clone());
        shard.ok_or(CoordinatorError::NotCoordinator)
    }

    /// Gives a request to the group's shard and waits for the answer, which may be as far away as
    /// the end of a rebalance.
    ///
    /// Cancel: safe; the request is carried out all the same, as Kafka does for a closed
    /// connection.
    pub(crate) async fn submit(
        &self,
        group_id: &str,
        request: impl FnOnce(Token) -> Input,
    ) -> Result<Response, CoordinatorError> {
        let shard = self.shard_for(group_id)?;
        let token = Token(self.next_token.fetch_add(1, Ordering::Relaxed));
        let reply = shard.ask(token, request(token))?;
        reply.await.map_err(|_| CoordinatorError::NotCoordinator)
    }

    /// As [`Self::submit`], but waits no longer than `wait_max`.
    pub(crate) async fn submit_within(
        &self,
        wait_max: Duration,
        group_id: &str,
        request: impl FnOnce(Token) -> Input,
    ) -> Result<Response, CoordinatorError> {
        let answered = time::timeout(wait_max, self.submit(group_id, request)).await;
        answered.unwrap_or(Err(CoordinatorError::TimedOut))
    }

    /// Reads the shard of a group.
    pub(crate) fn read<T>(
        &self,
        group_id: &str,
        read: impl FnOnce(&GroupShard) -> T,
    ) -> Result<T, CoordinatorError> {
        self.shard_for(group_id)?.read(read)
    }

    /// Reads every shard that this broker leads, in partition order.
    pub(crate) fn read_all<T>(
        &self,
        mut read: impl FnMut(&GroupShard) -> T,
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

    /// Counts committed offsets, for the metrics.
    pub(crate) fn count_commits(&self, count: usize) {
        self.metrics.count_commits(count);
    }

    /// Draws the id of a new member.
    pub(crate) fn new_member_id(&self, prefix: &str) -> String {
        format!("{prefix}-{}", crate::start::random_uuid(&self.io))
    }

    fn all_shards(&self) -> Vec<Arc<Shard>> {
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

    /// Takes over what the metadata says: opens or gives up the shards of the offsets topic, and
    /// drops the committed offsets of topics that are gone.
    fn follow(&self, image: &Arc<MetadataImage>, partitions: &Partitions) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if followed
            .as_ref()
            .is_some_and(|last| last.applied_index() >= image.applied_index())
        {
            return;
        }
        let topic = image.topic(TenantId::DEFAULT, OFFSETS_TOPIC);
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
        let by_partition: Vec<Option<Arc<Shard>>> = logs
            .into_iter()
            .map(|log| {
                Some(Arc::new(Shard::loading(
                    self.io.clone(),
                    log?,
                    self.alarm.clone(),
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
    async fn drive_timers(&self) {
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
                self.metrics.update(&self.all_shards());
                gauges_due = now.saturating_add(metrics::UPDATE_INTERVAL);
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

/// Follows the metadata until the broker stops.
async fn follow_metadata(broker: &Arc<Broker>) {
    let mut images = broker.metadata.watch();
    loop {
        tokio::select! {
            biased;
            () = broker.stopping() => return,
            changed = images.changed() => if changed.is_err() { return },
        }
        images.mark_unchanged();
        // The shards need the partitions' logs to be open first.
        if let Err(error) = broker.follow_metadata().await {
            tracing::warn!(%error, "the group coordinator cannot follow the metadata");
            continue;
        }
        broker.coordinator.follow_reached(&broker.partitions);
    }
}
