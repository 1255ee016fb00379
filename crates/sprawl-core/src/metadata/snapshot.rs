//! The image as plain values that can be written down and read again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sprawl_model::BrokerId;

use super::image::{BrokerRegistration, MetadataImage, Topic};
use super::quotas::{QuotaEntity, Quotas};
use super::scram::{ScramCredential, ScramKey};
use crate::config::ConfigMap;

/// The version this build writes. Version 1, which had neither quotas nor credentials, is read.
pub const IMAGE_SNAPSHOT_VERSION: u32 = 2;

/// Why a snapshot is not an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageSnapshotError {
    /// Written by a later release.
    #[error("expected metadata image version 1 to {IMAGE_SNAPSHOT_VERSION}, found {found}")]
    UnknownVersion {
        /// The version.
        found: u32,
    },
}

/// An image, written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSnapshot {
    version: u32,
    applied_index: u64,
    cluster_id: String,
    features: BTreeMap<String, i16>,
    brokers: Vec<BrokerRegistration>,
    topics: Vec<Topic>,
    broker_configs: Vec<(BrokerId, ConfigMap)>,
    broker_default_configs: ConfigMap,
    /// Absent in snapshots of releases that had no settings of groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    group_configs: Vec<(String, ConfigMap)>,
    /// Absent in snapshots of releases that had no client metrics subscriptions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    client_metrics: Vec<(String, ConfigMap)>,
    /// Since version 2.
    #[serde(default)]
    client_quotas: Vec<(QuotaEntity, Quotas)>,
    /// Since version 2.
    #[serde(default)]
    scram_credentials: Vec<(ScramKey, ScramCredential)>,
    next_producer_id: i64,
}

impl MetadataImage {
    /// Writes the image down; the same image gives the same snapshot.
    pub fn to_snapshot(&self) -> ImageSnapshot {
        let owned = |(id, configs): (&BrokerId, &ConfigMap)| (*id, configs.clone());
        ImageSnapshot {
            version: IMAGE_SNAPSHOT_VERSION,
            applied_index: self.applied_index,
            cluster_id: self.cluster_id.as_ref().to_owned(),
            features: BTreeMap::clone(&self.features),
            brokers: self
                .brokers()
                .map(|broker| BrokerRegistration::clone(broker))
                .collect(),
            topics: self.all_topics().map(|topic| Topic::clone(topic)).collect(),
            broker_configs: self.broker_configs.iter().map(owned).collect(),
            broker_default_configs: ConfigMap::clone(&self.broker_default_configs),
            group_configs: pairs(&self.group_configs),
            client_metrics: pairs(&self.client_metrics),
            client_quotas: pairs(&self.client_quotas),
            scram_credentials: pairs(&self.scram_credentials),
            next_producer_id: self.next_producer_id,
        }
    }

    /// Reads an image that was written down.
    pub fn from_snapshot(snapshot: ImageSnapshot) -> Result<Self, ImageSnapshotError> {
        if !(1..=IMAGE_SNAPSHOT_VERSION).contains(&snapshot.version) {
            return Err(ImageSnapshotError::UnknownVersion {
                found: snapshot.version,
            });
        }
        let brokers = snapshot.brokers.into_iter();
        let mut image = Self {
            applied_index: snapshot.applied_index,
            cluster_id: snapshot.cluster_id.into(),
            features: Arc::new(snapshot.features),
            brokers: Arc::new(
                brokers
                    .map(|broker| (broker.id, Arc::new(broker)))
                    .collect(),
            ),
            broker_configs: Arc::new(snapshot.broker_configs.into_iter().collect()),
            broker_default_configs: Arc::new(snapshot.broker_default_configs),
            group_configs: Arc::new(snapshot.group_configs.into_iter().collect()),
            client_metrics: Arc::new(snapshot.client_metrics.into_iter().collect()),
            client_quotas: Arc::new(snapshot.client_quotas.into_iter().collect()),
            scram_credentials: Arc::new(snapshot.scram_credentials.into_iter().collect()),
            next_producer_id: snapshot.next_producer_id,
            ..Self::default()
        };
        for topic in snapshot.topics {
            image.put_topic(topic);
        }
        Ok(image)
    }
}

/// A map with keys that JSON has no names for.
fn pairs<K: Clone, V: Clone>(map: &BTreeMap<K, V>) -> Vec<(K, V)> {
    map.iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
