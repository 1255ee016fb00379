//! The cluster's only truth: which brokers, topics, partitions and settings there are.
//!
//! Pure: a [`MetadataCommand`] applied to a [`MetadataImage`] gives the next image and a reply, the
//! same on every node. Ids and times are drawn by whoever proposes the command. A refused command
//! changes nothing. An image is cheap to clone and to share: its parts are behind `Arc`.
//!
//! Source: Kafka's controller (`ReplicationControlManager`, `ConfigurationControlManager`,
//! `ClusterControlManager`, `ProducerIdControlManager`, `FeatureControlManager`); topic ids
//! KIP-516.

mod brokers;
mod command;
mod configs;
mod error;
mod image;
mod names;
mod quotas;
mod scram;
mod snapshot;
mod topics;

pub use command::{
    BrokerSpec, ConfigAction, ConfigOp, ConfigResource, MetadataCommand, MetadataReply,
    NewPartitions, NewTopic, Placement, TopicRef,
};
pub use configs::{plan_alter_configs, plan_replace_configs};
pub use error::MetadataError;
pub use image::{BrokerRegistration, Endpoint, MetadataImage, Partition, Topic};
pub use names::{
    OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTION_STATE_TOPIC, check_topic_name, is_internal_topic,
};
pub use quotas::{
    CONNECTION_CREATION_RATE, CONSUMER_BYTE_RATE, CONTROLLER_MUTATION_RATE, PRODUCER_BYTE_RATE,
    QUOTA_ENTITIES_MAX, QuotaChange, QuotaEntity, QuotaEntityType, QuotaValue, Quotas,
    REQUEST_PERCENTAGE, check_quota_change,
};
pub use scram::{SCRAM_CREDENTIALS_MAX, ScramChange, ScramCredential, ScramKey, ScramMechanism};
pub use snapshot::{IMAGE_SNAPSHOT_VERSION, ImageSnapshot, ImageSnapshotError};
pub use topics::{
    PARTITIONS_PER_COMMAND_MAX, plan_create_partitions, plan_create_topic, plan_delete_topic,
};

/// Applies one committed command. `index` is its place in the metadata log, from 1, and grows.
pub fn apply(
    image: &mut MetadataImage,
    index: u64,
    command: &MetadataCommand,
) -> Result<MetadataReply, MetadataError> {
    assert!(
        index > image.applied_index,
        "commands are applied in log order, each once"
    );
    image.applied_index = index;
    match command {
        MetadataCommand::Initialize {
            cluster_id,
            features,
        } => Ok(image.initialize(cluster_id, features)),
        MetadataCommand::RegisterBroker(spec) => brokers::register(image, index, spec),
        MetadataCommand::AllocateProducerIds {
            broker_id,
            broker_epoch,
            count,
        } => brokers::allocate_producer_ids(image, (*broker_id, *broker_epoch), *count),
        MetadataCommand::CreateTopic(new) => topics::create(image, new),
        MetadataCommand::DeleteTopic { topic_id } => topics::delete(image, *topic_id),
        MetadataCommand::CreatePartitions(new) => topics::create_partitions(image, new),
        MetadataCommand::AlterConfigs { resource, ops } => configs::alter(image, resource, ops),
        MetadataCommand::ReplaceConfigs { resource, configs } => {
            configs::replace(image, resource, configs)
        }
        MetadataCommand::UpdateFeatures { levels } => Ok(image.update_features(levels)),
        MetadataCommand::AlterClientQuotas { changes } => quotas::alter(image, changes),
        MetadataCommand::AlterScramCredentials { changes } => scram::alter(image, changes),
    }
}

#[cfg(test)]
mod tests;
