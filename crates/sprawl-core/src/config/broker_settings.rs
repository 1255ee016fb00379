//! The broker's settings as values, validated once and passed down by part.

mod connections;
mod contradictions;
mod groups;
mod offsets;
mod quotas;
mod share_groups;
mod storage;
mod streams_groups;
mod topics;
mod transactions;
mod values;

use std::time::Duration;

use sprawl_model::BrokerId;

use self::values::Values;
use super::broker::check_static_broker;
use super::error::ConfigError;
use super::resolve::{ConfigLayers, ConfigMap};
use super::topic::TopicConfig;

pub use self::connections::{ConnectionSettings, ListenerAddress};
pub use self::groups::{ConsumerGroupLimits, GroupLimits};
pub use self::offsets::OffsetsSettings;
pub use self::quotas::QuotaSettings;
pub use self::share_groups::{Bound, ShareCoordinatorSettings, ShareGroupLimits};
pub use self::storage::{CleanerSettings, DiskSettings, HotSettings, JournalSettings};
pub use self::streams_groups::StreamsGroupLimits;
pub use self::topics::TopicDefaults;
pub use self::transactions::TransactionLimits;

/// The validated settings of a broker, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerSettings {
    /// `node.id`
    pub node_id: BrokerId,
    /// `broker.rack`
    pub rack: Option<String>,
    /// `listeners`
    pub listener: ListenerAddress,
    /// `advertised.listeners`; `None` is where `listener` was bound.
    pub advertised: Option<ListenerAddress>,
    /// Defaults of new topics.
    pub topics: TopicDefaults,
    /// Limits of the listener.
    pub connections: ConnectionSettings,
    /// Limits of groups.
    pub groups: GroupLimits,
    /// Limits of share groups.
    pub share_groups: ShareGroupLimits,
    /// Limits of streams groups.
    pub streams_groups: StreamsGroupLimits,
    /// The share coordinator.
    pub share_coordinator: ShareCoordinatorSettings,
    /// Committed offsets.
    pub offsets: OffsetsSettings,
    /// Transactions.
    pub transactions: TransactionLimits,
    /// Client quotas.
    pub quotas: QuotaSettings,
    /// The hot queue.
    pub hot: HotSettings,
    /// The journal.
    pub journal: JournalSettings,
    /// The disk.
    pub disk: DiskSettings,
    /// Compaction.
    pub cleaner: CleanerSettings,
    /// `log.retention.check.interval.ms`
    pub retention_check_interval: Duration,
    /// `producer.id.expiration.ms`
    pub producer_id_expiration_ms: i64,
    /// What topics get that set nothing of their own.
    pub topic_config: TopicConfig,
    /// The settings as they were given, for `DescribeConfigs`.
    pub statics: ConfigMap,
}

impl BrokerSettings {
    /// Validates the settings given at start and fills in the rest.
    pub fn from_map(statics: &ConfigMap) -> Result<Self, ConfigError> {
        check_static_broker(statics)?;
        let none = ConfigMap::new();
        Self::resolve(&ConfigLayers {
            statics: &with_both_ids(statics),
            ..ConfigLayers::empty(&none)
        })
    }

    /// Validates the settings in effect: those given at start and those set at run time over them.
    pub fn resolve(layers: &ConfigLayers<'_>) -> Result<Self, ConfigError> {
        let values = Values { layers };
        let settings = Self {
            node_id: BrokerId(values.int("node.id")?),
            rack: values.text("broker.rack")?,
            listener: values
                .listener("listeners")?
                .expect("listeners has a default"),
            advertised: values.listener("advertised.listeners")?,
            topics: TopicDefaults::resolve(&values)?,
            connections: ConnectionSettings::resolve(&values)?,
            groups: GroupLimits::resolve(&values)?,
            share_groups: ShareGroupLimits::resolve(&values)?,
            streams_groups: StreamsGroupLimits::resolve(&values)?,
            share_coordinator: ShareCoordinatorSettings::resolve(&values)?,
            offsets: OffsetsSettings::resolve(&values)?,
            transactions: TransactionLimits::resolve(&values)?,
            quotas: QuotaSettings::resolve(&values)?,
            hot: HotSettings::resolve(&values)?,
            journal: JournalSettings::resolve(&values)?,
            disk: DiskSettings::resolve(&values)?,
            cleaner: CleanerSettings::resolve(&values)?,
            retention_check_interval: values.ms("log.retention.check.interval.ms")?,
            producer_id_expiration_ms: values.integer("producer.id.expiration.ms")?,
            topic_config: TopicConfig::resolve(&ConfigMap::new(), layers)?,
            statics: layers.statics.clone(),
        };
        values.check_contradictions()?;
        Ok(settings)
    }
}

/// Gives `broker.id` the value of `node.id`, or the other way round, as Kafka does.
fn with_both_ids(statics: &ConfigMap) -> ConfigMap {
    let mut both = statics.clone();
    for (set, other) in [("node.id", "broker.id"), ("broker.id", "node.id")] {
        if let Some(value) = statics.get(set).cloned() {
            both.entry(other.to_owned()).or_insert(value);
        }
    }
    both
}
