//! The metadata at one moment. Clones share everything that did not change.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sprawl_model::{
    BrokerEpoch, BrokerId, LeaderEpoch, PartitionId, PartitionKey, ProducerId, TenantId, TopicId,
};
use uuid::Uuid;

use super::command::{ConfigResource, MetadataReply};
use super::names::is_internal_topic;
use super::quotas::{QuotaEntity, Quotas};
use super::scram::{ScramCredential, ScramKey};
use crate::config::{ConfigLayers, ConfigMap};

/// Where clients reach a broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The listener's name, such as `PLAINTEXT`.
    pub listener: String,
    /// A host name or address.
    pub host: String,
    /// A port.
    pub port: u16,
}

/// A broker that has registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerRegistration {
    /// Its number.
    pub id: BrokerId,
    /// The log index of its registration; a restart has a larger one.
    pub epoch: BrokerEpoch,
    /// Drawn at its start.
    pub incarnation_id: Uuid,
    /// Where clients reach it.
    pub endpoints: Vec<Endpoint>,
    /// Where it stands.
    pub rack: Option<String>,
}

/// A partition's replicas and who leads them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Those that have every committed record.
    pub isr: Vec<BrokerId>,
    /// Who leads, if anybody can.
    pub leader: Option<BrokerId>,
    /// Grows with every change of leader.
    pub leader_epoch: LeaderEpoch,
    /// Grows with every change.
    pub partition_epoch: i32,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its identity.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// Its own settings.
    pub configs: ConfigMap,
    /// Its partitions, by number.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// Returns the partition with this number.
    pub fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.get(usize::try_from(id.0).ok()?)
    }

    /// Returns the number of partitions.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).expect("partition numbers are 32 bits")
    }

    /// Returns the partition numbers, from 0.
    pub fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.partition_count()).map(PartitionId)
    }

    /// Returns the identity of a partition, whether or not there is one with this number.
    pub fn key(&self, partition: PartitionId) -> PartitionKey {
        PartitionKey {
            tenant: self.tenant,
            topic_id: self.id,
            partition,
        }
    }

    /// Returns whether clients are told that the topic is internal.
    pub fn is_internal(&self) -> bool {
        is_internal_topic(&self.name)
    }
}

type TopicsByName = BTreeMap<TenantId, BTreeMap<Arc<str>, Arc<Topic>>>;

/// The metadata after some number of commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataImage {
    pub(super) applied_index: u64,
    pub(super) cluster_id: Arc<str>,
    pub(super) features: Arc<BTreeMap<String, i16>>,
    pub(super) brokers: Arc<BTreeMap<BrokerId, Arc<BrokerRegistration>>>,
    pub(super) topics_by_name: Arc<TopicsByName>,
    pub(super) topics_by_id: Arc<BTreeMap<TopicId, Arc<Topic>>>,
    pub(super) broker_configs: Arc<BTreeMap<BrokerId, ConfigMap>>,
    pub(super) broker_default_configs: Arc<ConfigMap>,
    pub(super) group_configs: Arc<BTreeMap<String, ConfigMap>>,
    pub(super) client_metrics: Arc<BTreeMap<String, ConfigMap>>,
    pub(super) client_quotas: Arc<BTreeMap<QuotaEntity, Quotas>>,
    pub(super) scram_credentials: Arc<BTreeMap<ScramKey, ScramCredential>>,
    pub(super) next_producer_id: i64,
}

impl MetadataImage {
    /// Returns the log index of the last command applied; 0 before the first.
    pub fn applied_index(&self) -> u64 {
        self.applied_index
    }

    /// Returns the cluster's id; empty before it has one.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Returns the finalized features, by name.
    pub fn features(&self) -> &BTreeMap<String, i16> {
        &self.features
    }

    /// Returns the brokers, by number.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.brokers.values()
    }

    /// Returns one broker.
    pub fn broker(&self, id: BrokerId) -> Option<&Arc<BrokerRegistration>> {
        self.brokers.get(&id)
    }

    /// Returns a tenant's topics, by name.
    pub fn topics(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics_by_name
            .get(&tenant)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// Returns a tenant's topics whose names are `first` or later, by name.
    pub fn topics_from<'a>(
        &'a self,
        tenant: TenantId,
        first: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Topic>> {
        let from = (std::ops::Bound::Included(first), std::ops::Bound::Unbounded);
        self.topics_by_name
            .get(&tenant)
            .into_iter()
            .flat_map(move |topics| topics.range::<str, _>(from).map(|(_, topic)| topic))
    }

    /// Returns every topic of every tenant, by id.
    pub fn all_topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics_by_id.values()
    }

    /// Returns a tenant's topic by name. O(log topics).
    pub fn topic(&self, tenant: TenantId, name: &str) -> Option<&Arc<Topic>> {
        self.topics_by_name.get(&tenant)?.get(name)
    }

    /// Returns a topic by identity. O(log topics).
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics_by_id.get(&id)
    }

    /// Returns how many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics_by_id.len()
    }

    /// Returns the settings made at run time for one broker.
    pub fn broker_configs(&self, id: BrokerId) -> Option<&ConfigMap> {
        self.broker_configs.get(&id)
    }

    /// Returns the settings made at run time for all brokers.
    pub fn broker_default_configs(&self) -> &ConfigMap {
        &self.broker_default_configs
    }

    /// Returns the settings made at run time for one group.
    pub fn group_configs(&self, group_id: &str) -> Option<&ConfigMap> {
        self.group_configs.get(group_id)
    }

    /// Returns the groups that have settings of their own.
    pub fn configured_groups(&self) -> impl Iterator<Item = &str> {
        self.group_configs.keys().map(String::as_str)
    }

    /// Returns the client metrics subscriptions, by name. The same until one changes.
    pub fn client_metrics(&self) -> &Arc<BTreeMap<String, ConfigMap>> {
        &self.client_metrics
    }

    /// Returns the brokers that have settings of their own.
    pub fn configured_brokers(&self) -> impl Iterator<Item = BrokerId> {
        self.broker_configs.keys().copied()
    }

    /// Returns the layers of a broker's settings, given those of its start.
    pub fn layers<'a>(&'a self, id: BrokerId, statics: &'a ConfigMap) -> ConfigLayers<'a> {
        static NONE: ConfigMap = ConfigMap::new();
        ConfigLayers {
            dynamic_broker: self.broker_configs.get(&id).unwrap_or(&NONE),
            dynamic_default: &self.broker_default_configs,
            statics,
        }
    }

    /// Returns the settings made at run time for a resource, or `None` where it does not exist.
    /// All but topics always exist: they may be configured before they start.
    pub fn configs_of(&self, resource: &ConfigResource) -> Option<ConfigMap> {
        match resource {
            ConfigResource::Topic(topic) => self
                .topic(topic.tenant, &topic.name)
                .map(|topic| topic.configs.clone()),
            ConfigResource::Broker(id) => {
                Some(self.broker_configs.get(id).cloned().unwrap_or_default())
            }
            ConfigResource::BrokerDefault => Some(ConfigMap::clone(&self.broker_default_configs)),
            ConfigResource::Group(group_id) => Some(
                self.group_configs
                    .get(group_id)
                    .cloned()
                    .unwrap_or_default(),
            ),
            ConfigResource::ClientMetrics(name) => {
                Some(self.client_metrics.get(name).cloned().unwrap_or_default())
            }
        }
    }

    /// Returns the client quotas, by entity. The same until one changes.
    pub fn client_quotas(&self) -> &Arc<BTreeMap<QuotaEntity, Quotas>> {
        &self.client_quotas
    }

    /// Returns the SCRAM credentials, by user and mechanism.
    pub fn scram_credentials(&self) -> &BTreeMap<ScramKey, ScramCredential> {
        &self.scram_credentials
    }

    /// Returns the first producer id that was not handed out.
    pub fn next_producer_id(&self) -> ProducerId {
        ProducerId(self.next_producer_id)
    }

    pub(super) fn initialize(
        &mut self,
        cluster_id: &str,
        features: &BTreeMap<String, i16>,
    ) -> MetadataReply {
        if self.cluster_id.is_empty() {
            self.cluster_id = cluster_id.into();
            self.features = Arc::new(features.clone());
        }
        MetadataReply::Initialized {
            cluster_id: self.cluster_id.as_ref().to_owned(),
        }
    }

    pub(super) fn update_features(&mut self, levels: &BTreeMap<String, i16>) -> MetadataReply {
        let features = Arc::make_mut(&mut self.features);
        for (name, level) in levels {
            match level {
                0 => features.remove(name),
                level => features.insert(name.clone(), *level),
            };
        }
        MetadataReply::Done
    }

    /// Puts a topic in, or a changed one in its place. Both maps always name the same topics.
    pub(super) fn put_topic(&mut self, topic: Topic) {
        let topic = Arc::new(topic);
        Arc::make_mut(&mut self.topics_by_name)
            .entry(topic.tenant)
            .or_default()
            .insert(topic.name.as_str().into(), Arc::clone(&topic));
        Arc::make_mut(&mut self.topics_by_id).insert(topic.id, topic);
    }

    pub(super) fn remove_topic(&mut self, id: TopicId) {
        let Some(topic) = Arc::make_mut(&mut self.topics_by_id).remove(&id) else {
            return;
        };
        let tenants = Arc::make_mut(&mut self.topics_by_name);
        if let Some(topics) = tenants.get_mut(&topic.tenant) {
            topics.remove(topic.name.as_str());
            if topics.is_empty() {
                tenants.remove(&topic.tenant);
            }
        }
    }
}
