//! Which version of an API do we speak with this broker?
//!
//! Our side of each range is in [`ours`]: it ends before a version that needs topic ids or several
//! groups in one request, which this client does not use.

use std::collections::BTreeMap;

use sprawl_protocol::ApiKey;
use sprawl_protocol::VersionRange;
use sprawl_protocol::messages::ApiVersionsResponse;

use crate::error::ClientError;

/// What a broker announced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    ranges: BTreeMap<i16, VersionRange>,
}

impl Versions {
    pub(crate) fn new(response: &ApiVersionsResponse) -> Self {
        let ranges = response.api_keys.iter().map(|row| {
            (
                row.api_key,
                VersionRange {
                    min: row.min_version,
                    max: row.max_version,
                },
            )
        });
        Self {
            ranges: ranges.collect(),
        }
    }

    /// Returns the highest version that both sides speak.
    pub(crate) fn choose(&self, key: ApiKey) -> Result<i16, ClientError> {
        let ours = ours(key);
        let Some(theirs) = self.ranges.get(&key.number()) else {
            return Err(ClientError::Version {
                api: key.name().to_owned(),
                ours: text(ours),
                theirs: "none".to_owned(),
            });
        };
        let version = ours.max.min(theirs.max);
        if version >= ours.min.max(theirs.min) {
            Ok(version)
        } else {
            Err(ClientError::Version {
                api: key.name().to_owned(),
                ours: text(ours),
                theirs: text(*theirs),
            })
        }
    }

    /// Lists (api key, lowest, highest).
    pub(crate) fn list(&self) -> Vec<(i16, i16, i16)> {
        self.ranges
            .iter()
            .map(|(key, range)| (*key, range.min, range.max))
            .collect()
    }
}

fn text(range: VersionRange) -> String {
    format!("{} to {}", range.min, range.max)
}

/// The versions this client builds requests for.
fn ours(api: ApiKey) -> VersionRange {
    let served = api.served();
    let max = match api {
        // Topic ids replace names from the next version on (KIP-516).
        ApiKey::Produce | ApiKey::Fetch | ApiKey::Metadata => 12,
        // Several groups, or topic ids, from the next version on (KIP-709, KIP-848).
        ApiKey::OffsetFetch => 7,
        ApiKey::OffsetCommit => 8,
        // Several keys in one request from the next version on (KIP-699).
        ApiKey::FindCoordinator => 3,
        // Between brokers from the next version on (KIP-890).
        ApiKey::AddPartitionsToTxn => 3,
        // Bumps the epoch from the next version on, where the cluster lets it (KIP-890).
        ApiKey::EndTxn => 4,
        // Later versions only add special timestamps and a timeout.
        ApiKey::ListOffsets => 9,
        _ => served.max,
    };
    VersionRange {
        min: served.min,
        max: max.min(served.max),
    }
}

#[cfg(test)]
mod tests {
    use sprawl_protocol::messages::ApiVersion;

    use super::*;

    fn announced(key: ApiKey, min: i16, max: i16) -> Versions {
        let row = ApiVersion::default()
            .with_api_key(key.number())
            .with_min_version(min)
            .with_max_version(max);
        Versions::new(&ApiVersionsResponse::default().with_api_keys(vec![row]))
    }

    #[test]
    fn the_highest_common_version_is_chosen() {
        assert_eq!(
            announced(ApiKey::Fetch, 4, 7)
                .choose(ApiKey::Fetch)
                .unwrap(),
            7
        );
        assert_eq!(
            announced(ApiKey::Fetch, 4, 18)
                .choose(ApiKey::Fetch)
                .unwrap(),
            12
        );
    }

    #[test]
    fn disjoint_ranges_and_missing_apis_are_named() {
        let error = announced(ApiKey::Fetch, 15, 18)
            .choose(ApiKey::Fetch)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "Fetch: this client speaks versions 4 to 12, the broker 15 to 18"
        );
        let error = announced(ApiKey::Fetch, 4, 18)
            .choose(ApiKey::Produce)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "Produce: this client speaks versions 3 to 12, the broker none"
        );
    }
}
