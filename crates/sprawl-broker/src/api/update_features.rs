//! UpdateFeatures (key 57): finalizes features at other levels, all or none, or only checks.
//!
//! Dependencies between features (`Feature.validateVersion`) need no check: in Kafka 4.3 every
//! level from 1 on needs `metadata.version` 7, the lowest there is here, and beyond that only
//! `eligible.leader.replicas.version` needs anything, which is not served.
//!
//! Source: `FeatureControlManager.updateFeatures`, `QuorumController.updateFeatures`; KIP-584,
//! KIP-778.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprawl_core::metadata::MetadataCommand;
use sprawl_protocol::messages::update_features_request::FeatureUpdateKey;
use sprawl_protocol::messages::update_features_response::UpdatableFeatureResult;
use sprawl_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::admin::Failure;
use super::config_changes::Mode;
use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::features;

/// The feature that says what the metadata may hold.
const METADATA_VERSION: &str = "metadata.version";

/// The levels of [`METADATA_VERSION`] that brought new metadata in Kafka 4.3: below one of them it
/// would be lost.
const METADATA_CHANGED: [i16; 9] = [7, 8, 11, 13, 14, 15, 17, 23, 30];

/// The first version with upgrade types and `validate_only`.
const UPGRADE_TYPE_VERSION: i16 = 1;

/// The first version that answers for all features at once.
const ONE_RESULT_VERSION: i16 = 2;

/// How far a change may go; the numbers of Kafka's `FeatureUpdate.UpgradeType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UpgradeType {
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

/// Checks or carries out the changes.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: UpdateFeaturesRequest,
) -> UpdateFeaturesResponse {
    let mode = if context.version >= UPGRADE_TYPE_VERSION {
        Mode::from(request.validate_only)
    } else {
        Mode::CarryOut
    };
    let checked = check_all(broker, context, &request.feature_updates);
    let response = UpdateFeaturesResponse::default();
    match mode.finish(broker, checked).await {
        Err(failure) => {
            let message = format!("no feature was changed: {}", failure.message);
            response
                .with_error_code(failure.code.number())
                .with_error_message(Some(StrBytes::from_string(message)))
        }
        Ok(()) if context.version < ONE_RESULT_VERSION => {
            let results = request.feature_updates.into_iter().map(|update| {
                UpdatableFeatureResult::default()
                    .with_feature(update.feature)
                    .with_error_message(None)
            });
            response
                .with_error_message(None)
                .with_results(results.collect())
        }
        Ok(()) => response.with_error_message(None),
    }
}

fn check_all(
    broker: &Broker,
    context: &RequestContext,
    updates: &[FeatureUpdateKey],
) -> Result<MetadataCommand, Failure> {
    let image = broker.image();
    let mut levels = BTreeMap::new();
    for update in updates {
        let name = update.feature.as_str();
        let current = image.features().get(name).copied().unwrap_or(0);
        let upgrade_type = upgrade_type(context, update)
            .ok_or_else(|| invalid(update, "the upgrade type is unknown"))?;
        check_level(update)?;
        check_direction(update, current, upgrade_type)?;
        if name == METADATA_VERSION && update.max_version_level < current {
            check_metadata_downgrade(update, current)?;
        }
        levels.insert(name.to_owned(), update.max_version_level);
    }
    Ok(MetadataCommand::UpdateFeatures { levels })
}

fn upgrade_type(context: &RequestContext, update: &FeatureUpdateKey) -> Option<UpgradeType> {
    if context.version < UPGRADE_TYPE_VERSION {
        return Some(if update.allow_downgrade {
            UpgradeType::SafeDowngrade
        } else {
            UpgradeType::Upgrade
        });
    }
    match update.upgrade_type {
        1 => Some(UpgradeType::Upgrade),
        2 => Some(UpgradeType::SafeDowngrade),
        3 => Some(UpgradeType::UnsafeDowngrade),
        _ => None,
    }
}

/// Level 0 takes a feature away, which all but `metadata.version` allow.
fn check_level(update: &FeatureUpdateKey) -> Result<(), Failure> {
    let level = update.max_version_level;
    if level < 0 {
        return Err(invalid(update, "a level is 0 or more"));
    }
    let known = features::SUPPORTED
        .iter()
        .find(|feature| feature.name == update.feature.as_str());
    let Some(feature) = known else {
        return Err(invalid(update, "this broker does not have the feature"));
    };
    let is_off = level == 0 && feature.name != METADATA_VERSION;
    if is_off || (feature.min..=feature.max).contains(&level) {
        return Ok(());
    }
    let (min, max) = (feature.min, feature.max);
    Err(invalid(
        update,
        &format!("this broker has levels {min} to {max}"),
    ))
}

fn check_direction(
    update: &FeatureUpdateKey,
    current: i16,
    upgrade_type: UpgradeType,
) -> Result<(), Failure> {
    let level = update.max_version_level;
    let is_upgrade = upgrade_type == UpgradeType::Upgrade;
    if level < current && is_upgrade {
        let reason = "a downgrade has to be asked for as a safe or an unsafe one";
        return Err(invalid(update, reason));
    }
    if level > current && !is_upgrade {
        return Err(invalid(update, "the level is not below the current one"));
    }
    Ok(())
}

/// Kafka carries out no downgrade that might lose metadata, not even an unsafe one (KAFKA-13896).
fn check_metadata_downgrade(update: &FeatureUpdateKey, current: i16) -> Result<(), Failure> {
    let target = update.max_version_level;
    let is_between = |level: &&i16| target < **level && **level <= current;
    match METADATA_CHANGED.iter().find(is_between) {
        None => Ok(()),
        Some(level) => {
            let reason = format!("level {level} added metadata that the downgrade might lose");
            Err(invalid(update, &reason))
        }
    }
}

fn invalid(update: &FeatureUpdateKey, reason: &str) -> Failure {
    let (name, level) = (update.feature.as_str(), update.max_version_level);
    let message = format!("invalid level {level} of {name}: {reason}");
    Failure::new(ErrorCode::InvalidUpdateVersion, message)
}
