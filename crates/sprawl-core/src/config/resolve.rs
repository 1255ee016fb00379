//! Where a setting's value comes from, layer by layer, as `DescribeConfigs` reports it.
//!
//! Source: KIP-226 (dynamic broker settings), KIP-569 (types and documentation), and the order in
//! which Kafka's `ConfigHelper` lists synonyms: by layer first, by name second.

use std::collections::BTreeMap;

use super::broker::BrokerScope;
use super::broker_table::{broker_definition, broker_definitions};
use super::client_metrics::client_metrics_definitions;
use super::definition::{ConfigType, Definition, Update, Value};
use super::error::ConfigError;
use super::group_table::group_definitions;
use super::topic::topic_value;
use super::topic_table::topic_definitions;

/// Settings as text, by name.
pub type ConfigMap = BTreeMap<String, String>;

/// The broker's settings by layer, nearest first.
#[derive(Clone, Copy, Debug)]
pub struct ConfigLayers<'a> {
    /// Set at run time for this broker.
    pub dynamic_broker: &'a ConfigMap,
    /// Set at run time for all brokers.
    pub dynamic_default: &'a ConfigMap,
    /// Set at start.
    pub statics: &'a ConfigMap,
}

impl<'a> ConfigLayers<'a> {
    /// Makes layers that are all `empty`.
    pub fn empty(empty: &'a ConfigMap) -> Self {
        Self {
            dynamic_broker: empty,
            dynamic_default: empty,
            statics: empty,
        }
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        [self.dynamic_broker, self.dynamic_default, self.statics]
            .into_iter()
            .find_map(|layer| layer.get(name))
            .map(String::as_str)
    }
}

/// Where a value was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// On the topic.
    DynamicTopic,
    /// On the group.
    DynamicGroup,
    /// On the client metrics subscription.
    ClientMetrics,
    /// At run time for one broker.
    DynamicBroker,
    /// At run time for all brokers.
    DynamicDefaultBroker,
    /// At start.
    StaticBroker,
    /// Nowhere.
    Default,
}

impl ConfigSource {
    /// The number of the source on the wire.
    pub fn wire_id(self) -> i8 {
        match self {
            Self::DynamicTopic => 1,
            Self::DynamicBroker => 2,
            Self::DynamicDefaultBroker => 3,
            Self::StaticBroker => 4,
            Self::Default => 5,
            Self::ClientMetrics => 7,
            Self::DynamicGroup => 8,
        }
    }
}

/// A place that would give, or gives, a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The name there.
    pub name: &'static str,
    /// The value there.
    pub value: String,
    /// Where.
    pub source: ConfigSource,
}

/// A setting as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: &'static str,
    /// Its value; `None` is not set.
    pub value: Option<String>,
    /// Whether an update is refused.
    pub read_only: bool,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Every place that gives one, the one that counts first.
    pub synonyms: Vec<ConfigSynonym>,
    /// Its type.
    pub config_type: ConfigType,
    /// What it means.
    pub doc: &'static str,
}

/// Describes every setting of a topic.
pub fn describe_topic(
    overrides: &ConfigMap,
    layers: &ConfigLayers<'_>,
) -> Result<Vec<ConfigEntry>, ConfigError> {
    describe_over(
        topic_definitions(),
        ConfigSource::DynamicTopic,
        overrides,
        layers,
    )
}

/// Describes every setting of a group.
pub fn describe_group(
    overrides: &ConfigMap,
    layers: &ConfigLayers<'_>,
) -> Result<Vec<ConfigEntry>, ConfigError> {
    describe_over(
        group_definitions(),
        ConfigSource::DynamicGroup,
        overrides,
        layers,
    )
}

/// Describes every setting of a client metrics subscription.
pub fn describe_client_metrics(overrides: &ConfigMap) -> Result<Vec<ConfigEntry>, ConfigError> {
    describe_over(
        client_metrics_definitions(),
        ConfigSource::ClientMetrics,
        overrides,
        &ConfigLayers::empty(&ConfigMap::new()),
    )
}

/// Describes settings that may have broker settings below them.
fn describe_over(
    definitions: &'static [Definition],
    source: ConfigSource,
    overrides: &ConfigMap,
    layers: &ConfigLayers<'_>,
) -> Result<Vec<ConfigEntry>, ConfigError> {
    definitions
        .iter()
        .map(|definition| {
            let value = topic_value(definition, overrides, layers)?.to_text();
            let mut synonyms = Vec::new();
            if overrides.contains_key(definition.name) {
                let (name, value) = (definition.name, value.clone());
                synonyms.push(ConfigSynonym {
                    name,
                    value,
                    source,
                });
            }
            synonyms.extend(layered(definition.synonyms, layers));
            Ok(entry(definition, Some(value), synonyms))
        })
        .collect()
}

/// Describes the settings of one broker, or those set at run time for all brokers.
pub fn describe_broker(
    scope: BrokerScope,
    layers: &ConfigLayers<'_>,
) -> Result<Vec<ConfigEntry>, ConfigError> {
    let mut entries = Vec::new();
    for definition in broker_definitions() {
        let mut synonyms = layered(broker_synonyms(&definition.name), layers);
        let value = match scope {
            BrokerScope::One => broker_value(definition.name, layers)?.map(|value| value.to_text()),
            BrokerScope::All => match layers.dynamic_default.get(definition.name) {
                None => continue,
                Some(raw) => Some(definition.parse(raw)?.to_text()),
            },
        };
        if scope == BrokerScope::All {
            synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
        }
        entries.push(entry(definition, value, synonyms));
    }
    Ok(entries)
}

fn entry(
    definition: &Definition,
    value: Option<String>,
    synonyms: Vec<ConfigSynonym>,
) -> ConfigEntry {
    ConfigEntry {
        name: definition.name,
        value,
        read_only: definition.update == Update::ReadOnly,
        source: synonyms
            .first()
            .map_or(ConfigSource::Default, |synonym| synonym.source),
        synonyms,
        config_type: definition.config_type,
        doc: definition.doc,
    }
}

/// Returns a broker setting's value from the nearest layer, else its default.
pub(super) fn broker_value(
    name: &str,
    layers: &ConfigLayers<'_>,
) -> Result<Option<Value>, ConfigError> {
    let definition = broker_definition(name).expect("named after the table");
    layers
        .get(name)
        .or(definition.default)
        .map(|raw| definition.parse(raw))
        .transpose()
}

fn layered(names: &[&'static str], layers: &ConfigLayers<'_>) -> Vec<ConfigSynonym> {
    let by_layer = [
        (layers.dynamic_broker, ConfigSource::DynamicBroker),
        (layers.dynamic_default, ConfigSource::DynamicDefaultBroker),
        (layers.statics, ConfigSource::StaticBroker),
    ];
    let set = by_layer.into_iter().flat_map(|(layer, source)| {
        names.iter().filter_map(move |name| {
            let value = layer.get(*name)?.clone();
            Some(ConfigSynonym {
                name,
                value,
                source,
            })
        })
    });
    let defaults = names.iter().filter_map(|name| {
        let value = broker_definition(name)?.default?.to_owned();
        Some(ConfigSynonym {
            name,
            value,
            source: ConfigSource::Default,
        })
    });
    set.chain(defaults).collect()
}

/// Returns the names that set the same thing, in order of precedence, the finest unit first.
fn broker_synonyms<'a>(name: &'a &'static str) -> &'a [&'static str] {
    match *name {
        "log.roll.ms" | "log.roll.hours" => &["log.roll.ms", "log.roll.hours"],
        "log.roll.jitter.ms" | "log.roll.jitter.hours" => {
            &["log.roll.jitter.ms", "log.roll.jitter.hours"]
        }
        "log.flush.interval.ms" => &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" => &[
            "log.retention.ms",
            "log.retention.minutes",
            "log.retention.hours",
        ],
        _ => std::slice::from_ref(name),
    }
}
