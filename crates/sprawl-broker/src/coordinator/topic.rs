//! How does the offsets topic come to be?

use std::sync::Arc;

use sprawl_core::config::ConfigMap;
use sprawl_core::metadata::{
    MetadataCommand, MetadataError, NewTopic, OFFSETS_TOPIC, Placement, TopicRef,
};
use sprawl_meta::ProposeError;
use sprawl_model::{TenantId, TopicId};

use crate::broker::{Broker, ChangeError};
use crate::start::random_uuid;

/// Creates the offsets topic where it does not exist, and opens its shards.
///
/// Errors: the metadata does not take it; the client asks again.
pub(crate) async fn ensure_offsets_topic(broker: &Arc<Broker>) -> Result<(), ChangeError> {
    if broker
        .image()
        .topic(TenantId::DEFAULT, OFFSETS_TOPIC)
        .is_none()
    {
        match broker
            .propose(MetadataCommand::CreateTopic(offsets_topic(broker)))
            .await
        {
            // Somebody else was faster: just as good.
            Ok(_)
            | Err(ChangeError::Propose(ProposeError::Refused(MetadataError::TopicExists {
                ..
            }))) => {}
            Err(error) => return Err(error),
        }
        broker.follow_metadata().await?;
    }
    broker.coordinator.follow_reached(&broker.partitions);
    Ok(())
}

fn offsets_topic(broker: &Broker) -> NewTopic {
    let settings = &broker.settings.offsets;
    let broker_count = i16::try_from(broker.image().brokers().count()).unwrap_or(i16::MAX);
    let configs = [
        ("cleanup.policy", "compact".to_owned()),
        ("compression.type", "producer".to_owned()),
        ("segment.bytes", settings.topic_segment_bytes.to_string()),
    ];
    let configs: ConfigMap = configs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    NewTopic {
        topic: TopicRef {
            tenant: TenantId::DEFAULT,
            name: OFFSETS_TOPIC.to_owned(),
        },
        topic_id: TopicId(random_uuid(broker.io())),
        placement: Placement::Spread {
            partition_count: settings.topic_partition_count,
            replication_factor: settings.topic_replication_factor_max.min(broker_count),
        },
        configs,
    }
}
