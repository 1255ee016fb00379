//! How does an internal topic come to be?

use std::sync::Arc;

use sprawl_core::config::ConfigMap;
use sprawl_core::metadata::{
    MetadataCommand, MetadataError, NewTopic, OFFSETS_TOPIC, Placement, SHARE_STATE_TOPIC,
    TRANSACTION_STATE_TOPIC, TopicRef,
};
use sprawl_meta::ProposeError;
use sprawl_model::{TenantId, TopicId};

use super::follow::follow_reached;
use crate::broker::{Broker, ChangeError};
use crate::start::random_uuid;

/// What an internal topic is made with.
#[derive(Clone, Copy, Debug)]
struct InternalTopic {
    name: &'static str,
    partition_count: i32,
    /// As many replicas as there are brokers, up to this.
    replication_factor_max: i16,
    segment_bytes: u32,
    /// As many replicas as the topic gets, up to this.
    min_isr_max: Option<i16>,
    cleanup: Cleanup,
}

/// How records of an internal topic end.
#[derive(Clone, Copy, Debug)]
enum Cleanup {
    /// The last record of each key stays.
    Compact,
    /// The coordinator deletes what it does not need.
    Pruned,
}

/// Creates the offsets topic where it does not exist, and opens its shards.
///
/// Errors: the metadata does not take it; the client asks again.
pub(crate) async fn ensure_offsets_topic(broker: &Arc<Broker>) -> Result<(), ChangeError> {
    let settings = &broker.settings.offsets;
    let topic = InternalTopic {
        name: OFFSETS_TOPIC,
        partition_count: settings.topic_partition_count,
        replication_factor_max: settings.topic_replication_factor_max,
        segment_bytes: settings.topic_segment_bytes,
        min_isr_max: None,
        cleanup: Cleanup::Compact,
    };
    ensure(broker, topic).await
}

/// Creates the topic of transactional ids where it does not exist, and opens its shards.
///
/// Errors: as [`ensure_offsets_topic`].
pub(crate) async fn ensure_transactions_topic(broker: &Arc<Broker>) -> Result<(), ChangeError> {
    let settings = &broker.settings.transactions;
    let topic = InternalTopic {
        name: TRANSACTION_STATE_TOPIC,
        partition_count: settings.topic_partition_count,
        replication_factor_max: settings.topic_replication_factor_max,
        segment_bytes: settings.topic_segment_bytes,
        min_isr_max: Some(settings.topic_min_isr_max),
        cleanup: Cleanup::Compact,
    };
    ensure(broker, topic).await
}

/// Creates the topic of share states where it does not exist, and opens its shards.
///
/// Errors: the metadata does not take it; the client asks again.
pub(crate) async fn ensure_share_state_topic(broker: &Arc<Broker>) -> Result<(), ChangeError> {
    let settings = &broker.settings.share_coordinator;
    let topic = InternalTopic {
        name: SHARE_STATE_TOPIC,
        partition_count: settings.topic_partition_count,
        replication_factor_max: settings.topic_replication_factor_max,
        segment_bytes: settings.topic_segment_bytes,
        min_isr_max: None,
        cleanup: Cleanup::Pruned,
    };
    ensure(broker, topic).await
}

async fn ensure(broker: &Arc<Broker>, topic: InternalTopic) -> Result<(), ChangeError> {
    let image = broker.image();
    if image.topic(TenantId::DEFAULT, topic.name).is_none() {
        let command = MetadataCommand::CreateTopic(new_topic(broker, topic));
        match broker.propose(command).await {
            // Somebody else was faster: just as good.
            Ok(_)
            | Err(ChangeError::Propose(ProposeError::Refused(MetadataError::TopicExists {
                ..
            }))) => {}
            Err(error) => return Err(error),
        }
        broker.follow_metadata().await?;
    }
    follow_reached(broker);
    Ok(())
}

fn new_topic(broker: &Broker, topic: InternalTopic) -> NewTopic {
    let broker_count = i16::try_from(broker.image().brokers().count()).unwrap_or(i16::MAX);
    let replication_factor = topic.replication_factor_max.min(broker_count);
    let (cleanup, retention_ms) = match topic.cleanup {
        Cleanup::Compact => ("compact", None),
        Cleanup::Pruned => ("delete", Some(("retention.ms", "-1".to_owned()))),
    };
    let mut configs: ConfigMap = [
        ("cleanup.policy", cleanup.to_owned()),
        ("compression.type", "producer".to_owned()),
        ("segment.bytes", topic.segment_bytes.to_string()),
    ]
    .into_iter()
    .chain(retention_ms)
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(min_isr_max) = topic.min_isr_max {
        let min_isr = min_isr_max.min(replication_factor).to_string();
        configs.insert("min.insync.replicas".to_owned(), min_isr);
    }
    NewTopic {
        topic: TopicRef {
            tenant: TenantId::DEFAULT,
            name: topic.name.to_owned(),
        },
        topic_id: TopicId(random_uuid(broker.io())),
        placement: Placement::Spread {
            partition_count: topic.partition_count,
            replication_factor,
        },
        configs,
    }
}
