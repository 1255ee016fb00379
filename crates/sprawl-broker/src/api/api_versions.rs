//! ApiVersions (key 18): what this broker speaks, and its features.
//!
//! The version of InitProducerId that Kafka calls unstable is announced where two-phase commit is
//! let (`transaction.two.phase.commit.enable`), and nowhere else: no other client sees a change.
//!
//! Source: KIP-35, KIP-511 (software name), KIP-584 (features), KIP-939.

use sprawl_protocol::api::{self, TwoPhaseCommit};
use sprawl_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::features;

/// The first version in which the client names its software.
const SOFTWARE_VERSION: i16 = 3;

/// The longest software name or version that is accepted, in bytes.
const SOFTWARE_BYTES_MAX: usize = 128;

/// Answers with the table of APIs.
pub(crate) fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: ApiVersionsRequest,
) -> ApiVersionsResponse {
    let named = context.version < SOFTWARE_VERSION
        || (is_software_name(&request.client_software_name)
            && is_software_name(&request.client_software_version));
    if !named {
        return ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.number());
    }
    if context.version >= SOFTWARE_VERSION {
        let (name, version) = (
            &request.client_software_name,
            &request.client_software_version,
        );
        context.peer.software.set(name, version);
    }
    let image = broker.image();
    let supported = features::SUPPORTED.iter().map(|feature| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(feature.name))
            .with_min_version(feature.min)
            .with_max_version(feature.max)
    });
    let finalized = image.features().iter().map(|(name, level)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_min_version_level(*level)
            .with_max_version_level(*level)
    });
    let two_phase_commit = if broker.settings.transactions.two_phase_commit {
        TwoPhaseCommit::Advertised
    } else {
        TwoPhaseCommit::Hidden
    };
    let epoch = i64::try_from(image.applied_index()).unwrap_or(i64::MAX);
    ApiVersionsResponse::default()
        .with_api_keys(api::advertised_versions(two_phase_commit))
        .with_supported_features(supported.collect())
        .with_finalized_features(finalized.collect())
        .with_finalized_features_epoch(epoch)
}

/// Letters and digits, with dots and dashes inside.
fn is_software_name(name: &str) -> bool {
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= SOFTWARE_BYTES_MAX
        && alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_follow_kip_511() {
        for good in ["librdkafka", "apache-kafka-java", "2.12.1", "a"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "a_b", "\u{e9}"] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }
}
