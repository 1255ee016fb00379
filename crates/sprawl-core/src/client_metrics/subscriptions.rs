//! Which subscription a client gets, out of all that match it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprawl_model::checksum::crc32c;
use uuid::Uuid;

use super::Subscription;
use super::client::{Attributes, Client};
use crate::config::{ClientMetricsConfig, ConfigMap};

/// Every metric, as a client is told.
const ALL_METRICS: &str = "*";

/// The subscriptions of the cluster.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// What [`Self::follow`] saw last.
    followed: Arc<BTreeMap<String, ConfigMap>>,
    configs: Vec<ClientMetricsConfig>,
    version: u64,
}

impl Subscriptions {
    /// Takes the subscriptions over where they have changed.
    pub(super) fn follow(&mut self, all: &Arc<BTreeMap<String, ConfigMap>>) {
        if Arc::ptr_eq(&self.followed, all) {
            return;
        }
        self.followed = all.clone();
        // The metadata takes no settings that do not resolve.
        let resolved = all.values().map(ClientMetricsConfig::resolve);
        self.configs = resolved.filter_map(Result::ok).collect();
        self.version += 1;
    }

    /// Grows with every change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Puts together what a client is to push.
    pub(super) fn of(&self, client: Client<'_>) -> Subscription {
        let attributes = Attributes::of(client);
        let matching = || {
            self.configs
                .iter()
                .filter(|config| attributes.match_all(config))
        };
        let push_interval = matching()
            .map(|config| config.interval)
            .chain([ClientMetricsConfig::INTERVAL_DEFAULT])
            .min()
            .expect("the default is there");
        let metrics: Vec<String> = if matching().any(ClientMetricsConfig::wants_all) {
            vec![ALL_METRICS.to_owned()]
        } else {
            let distinct: BTreeSet<&String> =
                matching().flat_map(|config| &config.metrics).collect();
            distinct.into_iter().cloned().collect()
        };
        Subscription {
            id: subscription_id(&metrics, push_interval.as_millis(), client.instance_id),
            metrics,
            push_interval,
        }
    }
}

/// The checksum of what is asked for, mixed with the asker's id, as Kafka makes it. The order of
/// the names is Kafka's only by chance: a client never computes it.
fn subscription_id(metrics: &[String], interval_ms: u128, instance_id: Uuid) -> i32 {
    let text = format!("[{}]{interval_ms}", metrics.join(", "));
    let (high, low) = instance_id.as_u64_pair();
    let mixed = high ^ low;
    // Java's hash of a long: its two halves.
    let hash = u32::try_from(mixed >> 32).expect("half of it") ^ low_half(mixed);
    (crc32c(text.as_bytes()) ^ hash).cast_signed()
}

fn low_half(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).expect("masked")
}
