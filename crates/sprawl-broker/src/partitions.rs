//! The partitions this broker leads, kept in step with the metadata image.
//!
//! Invariant: a partition's log is created or deleted only because a committed metadata record says
//! so (I9); what lies on disk without being in the image is left alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use sprawl_core::config::{
    self, BrokerSettings, ConfigError, ConfigMap, FlushSetting, TopicConfig,
};
use sprawl_core::metadata::{MetadataImage, Topic};
use sprawl_io::Clock;
use sprawl_log::{
    CleanerSettings, Cleanup, CompactionBounds, CompactionConfig, CompactionGuard, FlushMode,
    LogError, LogStore, PartitionConfig, PartitionLog,
};
use sprawl_model::{
    BrokerId, LeaderEpoch, Offset, PartitionId, PartitionKey, TopicId, TopicPartition,
};

use crate::delay::Agenda;
use crate::partition::{OpenPartitionError, Partition};
use crate::replicated_log::ReplicatedLog;

/// The partitions of one topic, by number; `None` where this broker does not lead.
type Led = Vec<Option<Arc<Partition>>>;

/// Every partition this broker leads.
#[derive(Debug)]
pub(crate) struct Partitions {
    broker_id: BrokerId,
    statics: ConfigMap,
    store: LogStore,
    clock: Arc<dyn Clock>,
    by_topic: ArcSwap<HashMap<TopicId, Led>>,
    agenda: Arc<Agenda>,
    /// Serialises reconciliation; holds the image it has reached.
    reached: Mutex<Option<Arc<MetadataImage>>>,
}

/// Why the partitions could not follow the metadata.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    /// A partition could not be opened.
    #[error(transparent)]
    Open(#[from] OpenPartitionError),
    /// A log could not be deleted.
    #[error("deleting the log of {key}: {source}")]
    Delete {
        /// Which partition.
        key: PartitionKey,
        /// What the log said.
        source: LogError,
    },
    /// The metadata holds a topic setting that does not parse.
    #[error("settings of topic {topic}: {source}")]
    Config {
        /// Which topic.
        topic: String,
        /// What is wrong.
        source: ConfigError,
    },
}

impl Partitions {
    pub(crate) fn new(
        broker_id: BrokerId,
        statics: ConfigMap,
        store: LogStore,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let by_topic = ArcSwap::default();
        Self {
            broker_id,
            statics,
            store,
            clock,
            by_topic,
            agenda: Arc::default(),
            reached: Mutex::new(None),
        }
    }

    /// When delayed records are due, in all partitions.
    pub(crate) fn agenda(&self) -> &Arc<Agenda> {
        &self.agenda
    }

    /// Finds a partition this broker leads. O(1), lock-free.
    pub(crate) fn get(&self, topic: TopicId, partition: PartitionId) -> Option<Arc<Partition>> {
        let index = usize::try_from(partition.0).ok()?;
        self.by_topic.load().get(&topic)?.get(index)?.clone()
    }

    /// Every partition, by topic id and number.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        let by_topic = self.by_topic.load();
        let sorted: BTreeMap<_, _> = by_topic.iter().collect();
        sorted.into_values().flatten().flatten().cloned().collect()
    }

    /// The image that the partitions are in step with: what it names is open.
    pub(crate) fn reached(&self) -> Option<Arc<MetadataImage>> {
        self.reached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Opens, changes and deletes partitions until they are as `image` says. Blocking.
    pub(crate) fn reconcile(&self, image: &Arc<MetadataImage>) -> Result<(), ReconcileError> {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if reached
            .as_ref()
            .is_some_and(|last| last.applied_index() >= image.applied_index())
        {
            return Ok(());
        }
        let mut by_topic = HashMap::clone(&self.by_topic.load());
        let before = reached.as_deref();
        if before.is_none_or(|before| !same_layers(before, image, self.broker_id)) {
            self.set_cleaner(image);
        }
        for topic in image.all_topics() {
            let known = before.and_then(|image| image.topic_by_id(topic.id));
            let layers_changed =
                before.is_none_or(|before| !same_layers(before, image, self.broker_id));
            if layers_changed || known.is_none_or(|known| !Arc::ptr_eq(known, topic)) {
                let led = by_topic.entry(topic.id).or_default();
                self.follow(image, topic, led)?;
            }
        }
        let gone: Vec<TopicId> = by_topic
            .keys()
            .filter(|id| image.topic_by_id(**id).is_none())
            .copied()
            .collect();
        for id in gone {
            let led = by_topic.remove(&id).unwrap_or_default();
            self.by_topic.store(Arc::new(by_topic.clone()));
            self.delete(led)?;
        }
        let by_topic = Arc::new(by_topic);
        self.by_topic.store(Arc::clone(&by_topic));
        for partition in by_topic.values().flatten().flatten() {
            partition.wake_delayed();
        }
        *reached = Some(image.clone());
        Ok(())
    }

    /// Takes over what compaction may use: it may be changed while the broker runs.
    fn set_cleaner(&self, image: &MetadataImage) {
        let layers = image.layers(self.broker_id, &self.statics);
        match BrokerSettings::resolve(&layers) {
            Ok(settings) => self.store.set_cleaner(cleaner_settings(&settings.cleaner)),
            Err(error) => tracing::error!(%error, "compaction keeps its settings"),
        }
    }

    fn follow(
        &self,
        image: &MetadataImage,
        topic: &Topic,
        led: &mut Led,
    ) -> Result<(), ReconcileError> {
        let layers = image.layers(self.broker_id, &self.statics);
        let config = TopicConfig::resolve(&topic.configs, &layers).map_err(|source| {
            ReconcileError::Config {
                topic: topic.name.clone(),
                source,
            }
        })?;
        let config = Arc::new(config);
        led.resize(topic.partitions.len(), None);
        for (id, slot) in topic.partition_ids().zip(led) {
            let Some(state) = topic.partition(id) else {
                continue;
            };
            if state.leader != Some(self.broker_id) {
                *slot = None;
                continue;
            }
            match slot {
                Some(partition) => {
                    let log_config = log_config(partition.name().clone(), &config);
                    partition.log().set_config(log_config);
                    partition.set_config(config.clone());
                    partition.set_leader_epoch(state.leader_epoch);
                }
                None => *slot = Some(self.open(topic, id, config.clone(), state.leader_epoch)?),
            }
        }
        Ok(())
    }

    fn open(
        &self,
        topic: &Topic,
        id: PartitionId,
        config: Arc<TopicConfig>,
        leader_epoch: LeaderEpoch,
    ) -> Result<Arc<Partition>, ReconcileError> {
        let name = TopicPartition {
            topic: topic.name.clone(),
            partition: id,
        };
        let log = self
            .store
            .open_partition(topic.key(id), keeping(log_config(name.clone(), &config)))
            .map_err(OpenPartitionError::from)?;
        // What must not be deleted is known only once the partition is open.
        let clock = self.clock.clone();
        let agenda = self.agenda.clone();
        let log_config = log_config(name.clone(), &config);
        let opened = Partition::open(name, log, clock, (config, leader_epoch), agenda)?;
        opened.log().set_config(log_config);
        Ok(Arc::new(opened))
    }

    fn delete(&self, led: Led) -> Result<(), ReconcileError> {
        for partition in led.into_iter().flatten() {
            let key = partition.key();
            self.agenda.forget(key);
            self.store
                .delete_partition(key)
                .map_err(|source| ReconcileError::Delete { key, source })?;
        }
        Ok(())
    }
}

fn same_layers(before: &MetadataImage, after: &MetadataImage, broker_id: BrokerId) -> bool {
    before.broker_configs(broker_id) == after.broker_configs(broker_id)
        && before.broker_default_configs() == after.broker_default_configs()
}

/// What the log needs to know of a topic's settings.
fn log_config(name: TopicPartition, config: &TopicConfig) -> PartitionConfig {
    PartitionConfig {
        retention_ms: config.retention_ms,
        retention_bytes: config.retention_bytes,
        segment_bytes: config.segment_bytes,
        segment_ms: segment_ms(config),
        flush: match config.flush {
            FlushSetting::Fsync => FlushMode::Fsync,
            FlushSetting::Async => FlushMode::Async,
            FlushSetting::Memory => FlushMode::Memory,
        },
        cleanup_delete: if config.cleanup_policy.deletes() {
            Cleanup::Yes
        } else {
            Cleanup::No
        },
        compaction: config
            .cleanup_policy
            .compacts()
            .then_some(CompactionConfig {
                dirty_ratio_min: config.cleanable_dirty_ratio_min,
                lag_ms_min: config.compaction_lag_ms_min,
                lag_ms_max: config.compaction_lag_ms_max,
                delete_retention_ms: config.delete_retention_ms,
            }),
        ..PartitionConfig::new(name)
    }
}

/// The same without retention.
fn keeping(config: PartitionConfig) -> PartitionConfig {
    PartitionConfig {
        retention_ms: None,
        retention_bytes: None,
        ..config
    }
}

/// When a segment is sealed for its age: no later than its records have to be compacted (KIP-354).
fn segment_ms(config: &TopicConfig) -> i64 {
    if config.cleanup_policy.compacts() {
        config.segment_ms.min(config.compaction_lag_ms_max)
    } else {
        config.segment_ms
    }
}

fn cleaner_settings(settings: &config::CleanerSettings) -> CleanerSettings {
    CleanerSettings {
        is_enabled: settings.is_enabled,
        thread_count: settings.thread_count,
        dedupe_bytes_max: settings.dedupe_bytes_max,
        load_factor: settings.load_factor,
        io_buffer_bytes: settings.io_buffer_bytes,
        io_bytes_per_second_max: settings.io_bytes_per_second_max,
        backoff: settings.backoff,
    }
}

/// What compaction may not touch of the partitions that this broker leads; it leaves others alone.
#[derive(Debug)]
pub(crate) struct StableParts(Weak<Partitions>);

impl StableParts {
    pub(crate) fn new(partitions: &Arc<Partitions>) -> Self {
        Self(Arc::downgrade(partitions))
    }

    fn find(&self, log: &PartitionLog) -> Option<Arc<Partition>> {
        let key = log.key();
        self.0.upgrade()?.get(key.topic_id, key.partition)
    }
}

impl CompactionGuard for StableParts {
    fn stable_end(&self, log: &PartitionLog) -> Option<Offset> {
        let partition = self.find(log)?;
        // Compaction would take a waiting record for one of the topic's, and a cancelling one for a
        // tombstone.
        (!partition.holds_delayed()).then(|| partition.last_stable_offset())
    }

    fn bounds(&self, log: &PartitionLog) -> Option<CompactionBounds> {
        self.find(log)?.compaction_bounds()
    }
}
