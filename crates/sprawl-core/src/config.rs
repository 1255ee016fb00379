//! Settings of topics and of the broker: which exist, what they mean, what they are right now.
//!
//! One table for topics, one for groups, one for client metrics, one for the broker; validation,
//! `DescribeConfigs` and the documentation all read them. Names, types, defaults and ranges are
//! Kafka's; names that start with `sprawl.` are ours. A Kafka name that means nothing here is
//! refused with what to do instead, never ignored.
//!
//! Source: the settings of Apache Kafka 4.3.

mod broker;
mod broker_settings;
mod broker_table;
mod client_metrics;
mod definition;
mod documentation;
mod error;
mod group;
mod group_table;
mod offset_reset;
mod refused;
mod resolve;
mod topic;
mod topic_table;

pub use broker::{BrokerScope, check_dynamic_broker, check_static_broker};
pub use broker_settings::{
    Bound, BrokerSettings, CleanerSettings, ConnectionSettings, ConsumerGroupLimits, DiskSettings,
    GroupLimits, HotSettings, JournalSettings, ListenerAddress, OffsetsSettings, QuotaSettings,
    ShareCoordinatorSettings, ShareGroupLimits, StreamsGroupLimits, TopicDefaults,
    TransactionLimits,
};
pub use broker_table::{broker_definition, broker_definitions};
pub use client_metrics::{
    ClientAttribute, ClientMetricsConfig, client_metrics_definition, client_metrics_definitions,
};
pub use definition::{ConfigType, Definition, Importance, Rule, Update, Value};
pub use documentation::documentation;
pub use error::ConfigError;
pub use group::{
    GroupConfigs, ShareGroupConfig, StreamsGroupConfig, check_group, check_group_bounds,
};
pub use group_table::{group_definition, group_definitions};
pub use offset_reset::OffsetReset;
pub use resolve::{
    ConfigEntry, ConfigLayers, ConfigMap, ConfigSource, ConfigSynonym, describe_broker,
    describe_client_metrics, describe_group, describe_topic,
};
pub use topic::{CleanupPolicy, CompressionSetting, FlushSetting, MessageTime, TopicConfig};
pub use topic_table::{topic_definition, topic_definitions};

#[cfg(test)]
mod tests;
