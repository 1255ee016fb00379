//! The metadata quorum and the cluster's features.

use std::collections::BTreeMap;

use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use sprawl_protocol::messages::update_features_request::FeatureUpdateKey;
use sprawl_protocol::messages::{
    ApiVersionsRequest, DescribeQuorumRequest, TopicName, UpdateFeaturesRequest,
};

use super::{Admin, CHANGE_WAIT_MS};
use crate::error::ClientError;

/// The name under which the metadata log is asked for.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The quorum at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Who leads; -1 for nobody.
    pub leader_id: i32,
    /// The term.
    pub leader_epoch: i32,
    /// What is committed ends here.
    pub high_watermark: i64,
    /// The end of each voter's log, by its number.
    pub voters: BTreeMap<i32, i64>,
    /// The end of each observer's log, by its number.
    pub observers: BTreeMap<i32, i64>,
}

/// A feature of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feature {
    /// The lowest level the broker can run at.
    pub supported_min: i16,
    /// The highest level the broker can run at.
    pub supported_max: i16,
    /// The level the cluster runs at; `None` where it is off.
    pub finalized: Option<i16>,
}

/// How far a change of a feature's level may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureChange {
    /// Only up.
    Upgrade,
    /// Down, where no metadata is lost.
    SafeDowngrade,
    /// Down, whatever is lost.
    UnsafeDowngrade,
}

/// Whether a change is carried out or only checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeMode {
    /// It is carried out.
    CarryOut,
    /// It is checked.
    ValidateOnly,
}

impl Admin {
    /// Returns who votes on the metadata and how far each is.
    pub async fn describe_quorum(&self) -> Result<Quorum, ClientError> {
        let topic = TopicData::default()
            .with_topic_name(TopicName(StrBytes::from_static_str(METADATA_TOPIC)))
            .with_partitions(vec![PartitionData::default()]);
        let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
        let response = self.client.any().await?.call(request).await?;
        let subject = || "the metadata quorum".to_owned();
        let message = response.error_message.map(|message| message.to_string());
        ClientError::check_with(subject, response.error_code, message)?;
        let topics = response.topics.into_iter();
        let Some(found) = topics.flat_map(|topic| topic.partitions).next() else {
            let reason = "expected a partition of the metadata log, found none";
            return Err(ClientError::Malformed(reason.to_owned()));
        };
        let message = found.error_message.map(|message| message.to_string());
        ClientError::check_with(subject, found.error_code, message)?;
        Ok(Quorum {
            leader_id: found.leader_id.0,
            leader_epoch: found.leader_epoch,
            high_watermark: found.high_watermark,
            voters: found
                .current_voters
                .iter()
                .map(|voter| (voter.replica_id.0, voter.log_end_offset))
                .collect(),
            observers: found
                .observers
                .iter()
                .map(|observer| (observer.replica_id.0, observer.log_end_offset))
                .collect(),
        })
    }

    /// Returns the features the broker knows, by name.
    pub async fn describe_features(&self) -> Result<BTreeMap<String, Feature>, ClientError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("sprawl"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let response = self.client.any().await?.call(request).await?;
        ClientError::check_with(|| "features".to_owned(), response.error_code, None)?;
        let mut features: BTreeMap<String, Feature> = BTreeMap::new();
        for supported in response.supported_features {
            let feature = features.entry(supported.name.to_string()).or_default();
            feature.supported_min = supported.min_version;
            feature.supported_max = supported.max_version;
        }
        for finalized in response.finalized_features {
            let feature = features.entry(finalized.name.to_string()).or_default();
            feature.finalized = Some(finalized.max_version_level);
        }
        Ok(features)
    }

    /// Brings features to other levels, all or none; level 0 switches one off.
    pub async fn update_features(
        &self,
        levels: &BTreeMap<String, i16>,
        change: FeatureChange,
        mode: ChangeMode,
    ) -> Result<(), ClientError> {
        let upgrade_type = match change {
            FeatureChange::Upgrade => 1,
            FeatureChange::SafeDowngrade => 2,
            FeatureChange::UnsafeDowngrade => 3,
        };
        let updates = levels.iter().map(|(name, level)| {
            FeatureUpdateKey::default()
                .with_feature(StrBytes::from_string(name.clone()))
                .with_max_version_level(*level)
                .with_upgrade_type(upgrade_type)
        });
        let request = UpdateFeaturesRequest::default()
            .with_timeout_ms(CHANGE_WAIT_MS)
            .with_feature_updates(updates.collect())
            .with_validate_only(mode == ChangeMode::ValidateOnly);
        let response = self.client.any().await?.call(request).await?;
        let message = response.error_message.map(|message| message.to_string());
        ClientError::check_with(|| "features".to_owned(), response.error_code, message)
    }
}
