//! What every handler can reach: settings, metadata, partitions, sessions, the door to the outside.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sprawl_core::config::BrokerSettings;
use sprawl_core::metadata::{MetadataCommand, MetadataImage, MetadataReply, Topic};
use sprawl_io::{Io, spawn};
use sprawl_log::{LogStore, Pressure};
use sprawl_meta::{Metadata, ProposeError};
use sprawl_model::{BrokerEpoch, BrokerId, PartitionId, TenantId, TopicId};
use sprawl_protocol::ErrorCode;
use tokio::sync::Notify;

use crate::coordinator::{GroupCoordinator, TransactionCoordinator};
use crate::decoded::DecodedMemory;
use crate::dispatch::RequestContext;
use crate::fetch::session::FetchSessions;
use crate::listener::Connections;
use crate::metrics::BrokerMetrics;
use crate::options::Limits;
use crate::partition::Partition;
use crate::partitions::{Partitions, ReconcileError};
use crate::producer_ids::ProducerIds;
use crate::quotas::ClientQuotas;
use crate::share::ShareGroups;
use crate::telemetry::Telemetry;

/// The client id under which Kafka's own admin tools may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

/// The first produce version that names topics by id.
const PRODUCE_TOPIC_ID_VERSION: i16 = 13;

/// A running broker's parts.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) io: Io,
    pub(crate) settings: BrokerSettings,
    pub(crate) data_dir: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) broker_epoch: BrokerEpoch,
    pub(crate) metadata: Metadata,
    pub(crate) store: LogStore,
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) sessions: FetchSessions,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) coordinator: Arc<GroupCoordinator>,
    pub(crate) transactions: Arc<TransactionCoordinator>,
    pub(crate) share: ShareGroups,
    pub(crate) connections: Connections,
    /// Bytes of the requests that are being worked on.
    pub(crate) queued_bytes: AtomicU64,
    /// Bytes of large requests that have not arrived whole.
    pub(crate) unfinished_bytes: AtomicU64,
    /// What decoded requests take.
    pub(crate) decoded: DecodedMemory,
    pub(crate) quotas: ClientQuotas,
    pub(crate) telemetry: Telemetry,
    pub(crate) metrics: BrokerMetrics,
    pub(crate) stop: Stop,
}

/// Tells everybody that the broker stops, once. Waiters are woken in the order in which they came;
/// a `watch` channel of tokio wakes them in a random one, which no simulated seed repeats.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    is_stopping: AtomicBool,
    news: Notify,
}

impl Stop {
    /// Asks everybody to stop.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.news.notify_waiters();
    }

    /// Whether [`Self::stop`] was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Ends when [`Self::stop`] is called, or at once where it was.
    async fn stopped(&self) {
        // Made before the look, so that it hears of a stop right after it.
        let news = self.news.notified();
        if !self.is_stopping() {
            news.await;
        }
    }
}

/// Why a metadata change did not take effect here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// It was not committed.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// It was committed, but this broker cannot follow it yet.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    /// The broker is going down.
    #[error("the broker is stopping")]
    Stopping,
}

impl Broker {
    pub(crate) fn io(&self) -> &Io {
        &self.io
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn metrics(&self) -> &BrokerMetrics {
        &self.metrics
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    pub(crate) fn fetch_sessions(&self) -> &FetchSessions {
        &self.sessions
    }

    pub(crate) fn producer_ids(&self) -> &ProducerIds {
        &self.producer_ids
    }

    pub(crate) fn broker_id(&self) -> BrokerId {
        self.settings.node_id
    }

    pub(crate) fn broker_epoch(&self) -> BrokerEpoch {
        self.broker_epoch
    }

    /// The metadata as this broker knows it.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        self.metadata.image()
    }

    /// Whether no more bytes are to be taken from clients: the hot queue is full, or the requests
    /// being worked on have reached `queued.max.request.bytes`.
    pub(crate) fn must_stop_reading(&self) -> bool {
        let queued = self.queued_bytes.load(Ordering::Relaxed);
        queued >= self.limits.queued_bytes_max || self.store.pressure() == Pressure::StopReading
    }

    /// Ends when the broker is asked to stop.
    pub(crate) async fn stopping(&self) {
        self.stop.stopped().await;
    }

    /// Commits a change and waits until this broker's partitions follow it.
    pub(crate) async fn propose(
        &self,
        command: MetadataCommand,
    ) -> Result<MetadataReply, ChangeError> {
        let reply = self.metadata.propose(command).await?;
        self.follow_metadata().await?;
        Ok(reply)
    }

    /// Brings the partitions and the quotas in step with the metadata.
    pub(crate) async fn follow_metadata(&self) -> Result<(), ChangeError> {
        let (partitions, image) = (self.partitions.clone(), self.image());
        self.quotas.follow(&image);
        spawn::blocking(self.io.spawn.as_ref(), move || partitions.reconcile(&image))
            .await
            .ok_or(ChangeError::Stopping)??;
        Ok(())
    }

    /// Finds the topic that a request names, by id where there is one.
    pub(crate) fn find_topic(&self, name: &str, id: TopicId) -> Result<Arc<Topic>, ErrorCode> {
        let image = self.image();
        if id == TopicId::NONE {
            let found = image.topic(TenantId::DEFAULT, name);
            found.cloned().ok_or(ErrorCode::UnknownTopicOrPartition)
        } else {
            image
                .topic_by_id(id)
                .cloned()
                .ok_or(ErrorCode::UnknownTopicId)
        }
    }

    /// Finds a partition that this broker leads, by topic id where there is one, by name otherwise.
    pub(crate) fn find_partition(
        &self,
        name: &str,
        id: TopicId,
        partition: PartitionId,
    ) -> Result<Arc<Partition>, ErrorCode> {
        let topic = self.find_topic(name, id)?;
        if topic.partition(partition).is_none() {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        self.partitions
            .get(topic.id, partition)
            .ok_or(ErrorCode::NotLeaderOrFollower)
    }

    /// Finds a partition for a producer: internal topics are closed to ordinary clients.
    pub(crate) fn find_for_produce(
        &self,
        context: &RequestContext,
        name: &str,
        id: uuid::Uuid,
        partition: i32,
    ) -> Result<Arc<Partition>, ErrorCode> {
        if context.version >= PRODUCE_TOPIC_ID_VERSION && id.is_nil() {
            return Err(ErrorCode::UnknownTopicId);
        }
        let found = self.find_partition(name, TopicId(id), PartitionId(partition))?;
        let is_admin = context.client_id.as_deref() == Some(ADMIN_CLIENT_ID);
        if sprawl_core::metadata::is_internal_topic(&found.name().topic) && !is_admin {
            return Err(ErrorCode::InvalidTopicException);
        }
        Ok(found)
    }
}
