//! What can be proposed, and what comes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sprawl_model::{BrokerEpoch, BrokerId, PartitionId, ProducerId, TenantId, TopicId};
use uuid::Uuid;

use super::image::Endpoint;
use super::quotas::QuotaChange;
use super::scram::ScramChange;
use crate::config::ConfigMap;

/// A change to the cluster's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetadataCommand {
    /// Gives a new cluster its id and features; changes nothing once it has them.
    Initialize {
        /// The id, drawn by the proposer.
        cluster_id: String,
        /// The finalized features, by name.
        features: BTreeMap<String, i16>,
    },
    /// A broker has started.
    RegisterBroker(BrokerSpec),
    /// Reserves ids that no other broker will hand out.
    AllocateProducerIds {
        /// Who asks.
        broker_id: BrokerId,
        /// Its registration; an older one is refused.
        broker_epoch: BrokerEpoch,
        /// How many.
        count: u32,
    },
    /// Creates a topic.
    CreateTopic(NewTopic),
    /// Deletes a topic, with its partitions and settings.
    DeleteTopic {
        /// Which.
        topic_id: TopicId,
    },
    /// Adds partitions to a topic.
    CreatePartitions(NewPartitions),
    /// Changes settings one by one (IncrementalAlterConfigs).
    AlterConfigs {
        /// Whose.
        resource: ConfigResource,
        /// How, in order.
        ops: Vec<ConfigOp>,
    },
    /// Replaces all settings (AlterConfigs).
    ReplaceConfigs {
        /// Whose.
        resource: ConfigResource,
        /// The settings afterwards.
        configs: ConfigMap,
    },
    /// Finalizes features at other levels. Whether a level makes sense is for the proposer to know,
    /// since it is the release that knows its features.
    UpdateFeatures {
        /// The levels, by name; 0 takes a feature away.
        levels: BTreeMap<String, i16>,
    },
    /// Changes client quotas, all or none.
    AlterClientQuotas {
        /// How, each entity once.
        changes: Vec<QuotaChange>,
    },
    /// Changes SCRAM credentials, all or none.
    AlterScramCredentials {
        /// How, each credential once.
        changes: Vec<ScramChange>,
    },
}

/// A broker that registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerSpec {
    /// Its number.
    pub id: BrokerId,
    /// Drawn at every start; tells a restart from a repeated registration.
    pub incarnation_id: Uuid,
    /// Where clients reach it.
    pub endpoints: Vec<Endpoint>,
    /// Where it stands.
    pub rack: Option<String>,
}

/// A topic by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopicRef {
    /// Whose.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTopic {
    /// Its name.
    pub topic: TopicRef,
    /// Its identity, drawn by the proposer and never used before.
    pub topic_id: TopicId,
    /// Its partitions. Defaults are filled in by the proposer.
    pub placement: Placement,
    /// Its own settings.
    pub configs: ConfigMap,
}

/// Which brokers hold a new topic's partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// Spread over the brokers there are.
    Spread {
        /// How many partitions.
        partition_count: i32,
        /// How many replicas each.
        replication_factor: i16,
    },
    /// As listed, in the order the client gave.
    Manual(Vec<(PartitionId, Vec<BrokerId>)>),
}

/// Partitions to add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPartitions {
    /// To which topic.
    pub topic: TopicRef,
    /// How many there are afterwards.
    pub count: i32,
    /// The replicas of each added partition, unless the cluster decides.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// What has settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConfigResource {
    /// A topic.
    Topic(TopicRef),
    /// One broker.
    Broker(BrokerId),
    /// All brokers, unless one says otherwise.
    BrokerDefault,
    /// A group, whether or not it exists.
    Group(String),
    /// A client metrics subscription (KIP-714); it exists while it has settings.
    ClientMetrics(String),
}

/// A change to one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigOp {
    /// The setting.
    pub name: String,
    /// The change.
    pub action: ConfigAction,
}

/// How a setting changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfigAction {
    /// It gets this value.
    Set(String),
    /// It is no longer set.
    Delete,
    /// These items are added to the list.
    Append(String),
    /// These items are taken out of the list.
    Subtract(String),
}

/// What an applied command answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetadataReply {
    /// Done; nothing more to say.
    Done,
    /// The cluster has this id, new or old.
    Initialized {
        /// The id.
        cluster_id: String,
    },
    /// The broker is registered.
    BrokerRegistered {
        /// Its epoch.
        epoch: BrokerEpoch,
    },
    /// These ids belong to the asker.
    ProducerIds {
        /// The first.
        first: ProducerId,
        /// How many.
        count: u32,
    },
}
