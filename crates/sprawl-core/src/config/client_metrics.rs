//! Which clients push which metrics, and how often: the settings of a client metrics subscription.
//!
//! Source: `ClientMetricsConfigs` of Kafka's server (KIP-714). A pattern is a regular expression of
//! the `regex` crate, which has neither look-around nor back-references.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use regex::{Regex, RegexBuilder};

use super::definition::ConfigType::{Int, List};
use super::definition::{Definition, Rule, Value, changeable as setting, find};
use super::error::{ConfigError, nearest};
use super::resolve::ConfigMap;

/// The most memory that one pattern takes, in bytes.
const PATTERN_BYTES_MAX: usize = 64 * 1024;

/// The item of `metrics` that stands for every metric.
const ALL_METRICS: &str = "*";

/// Returns all settings of a client metrics subscription, by name.
pub fn client_metrics_definitions() -> &'static [Definition] {
    TABLE
}

/// Returns the setting of a client metrics subscription called `name`.
pub fn client_metrics_definition(name: &str) -> Option<&'static Definition> {
    find(TABLE, name)
}

const TABLE: &[Definition] = &[
    setting(
        "interval.ms",
        (Int, "300000", Rule::Between(100, 3_600_000)),
        &[],
        "How often a client pushes its metrics. A client that several subscriptions match follows \
         the shortest interval, and never one longer than the default.",
    ),
    setting(
        "match",
        (List, "", Rule::Distinct),
        &[],
        "Which clients push: `NAME=PATTERN` for any of client_instance_id, client_id, \
         client_software_name, client_software_version, client_source_address and \
         client_source_port. A pattern is a regular expression for all of the value, and all \
         patterns must match; empty is every client.",
    ),
    setting(
        "metrics",
        (List, "", Rule::Distinct),
        &[],
        "How the names of the metrics begin that clients push, such as \
         `org.apache.kafka.producer.`; `*` is all of them, empty is none.",
    ),
];

/// What a pattern of `match` looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientAttribute {
    /// The id that the client got with its first subscription.
    InstanceId,
    /// The client's name for itself.
    Id,
    /// What it is made with (KIP-511).
    SoftwareName,
    /// In which version.
    SoftwareVersion,
    /// The address it connects from.
    SourceAddress,
    /// The port it connects from.
    SourcePort,
}

impl ClientAttribute {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "client_instance_id" => Self::InstanceId,
            "client_id" => Self::Id,
            "client_software_name" => Self::SoftwareName,
            "client_software_version" => Self::SoftwareVersion,
            "client_source_address" => Self::SourceAddress,
            "client_source_port" => Self::SourcePort,
            _ => return None,
        })
    }
}

/// The settings of a client metrics subscription, defaults filled in.
#[derive(Clone, Debug)]
pub struct ClientMetricsConfig {
    /// How the names of the metrics begin; `*` is all.
    pub metrics: BTreeSet<String>,
    /// How often they are pushed.
    pub interval: Duration,
    patterns: BTreeMap<ClientAttribute, Regex>,
}

impl ClientMetricsConfig {
    /// How often a client pushes that nobody says it to.
    pub const INTERVAL_DEFAULT: Duration = Duration::from_secs(300);

    /// Validates the settings of a subscription and fills in the rest.
    ///
    /// Names are checked before values, as Kafka does.
    pub fn resolve(settings: &ConfigMap) -> Result<Self, ConfigError> {
        let names = || TABLE.iter().map(|known| known.name);
        let known = |name: &&String| client_metrics_definition(name).is_some();
        if let Some(name) = settings.keys().find(|name| !known(name)) {
            return Err(ConfigError::Unknown {
                name: name.clone(),
                nearest: nearest(name, names()),
            });
        }
        let interval_ms = match value("interval.ms", settings)? {
            Value::Integer(value) => u64::try_from(value).expect("the table bounds it"),
            _ => unreachable!("the interval is a number"),
        };
        Ok(Self {
            metrics: list("metrics", settings)?.into_iter().collect(),
            interval: Duration::from_millis(interval_ms),
            patterns: patterns(&list("match", settings)?)?,
        })
    }

    /// Whether every metric is asked for.
    pub fn wants_all(&self) -> bool {
        self.metrics.contains(ALL_METRICS)
    }

    /// Whether every pattern matches what `of` says of a client.
    pub fn matches<'a>(&self, of: impl Fn(ClientAttribute) -> Option<&'a str>) -> bool {
        self.patterns
            .iter()
            .all(|(attribute, pattern)| of(*attribute).is_some_and(|value| pattern.is_match(value)))
    }
}

fn value(name: &str, settings: &ConfigMap) -> Result<Value, ConfigError> {
    let definition = client_metrics_definition(name).expect("named after the table");
    let raw = settings.get(name).map(String::as_str);
    definition.parse(raw.or(definition.default).expect("all have a default"))
}

fn list(name: &str, settings: &ConfigMap) -> Result<Vec<String>, ConfigError> {
    match value(name, settings)? {
        Value::List(items) => Ok(items),
        _ => unreachable!("{name} is a list"),
    }
}

/// Reads `NAME=PATTERN` items; the last one of a name counts.
fn patterns(items: &[String]) -> Result<BTreeMap<ClientAttribute, Regex>, ConfigError> {
    let read = |item: &String| {
        parse_pattern(item).ok_or_else(|| ConfigError::Invalid {
            name: "match".to_owned(),
            value: item.clone(),
            expected: "NAME=PATTERN with an attribute of clients and a regular expression"
                .to_owned(),
        })
    };
    items.iter().map(read).collect()
}

fn parse_pattern(item: &str) -> Option<(ClientAttribute, Regex)> {
    // Kafka splits with Java's `split`, which drops what is empty at the end.
    let (name, pattern) = item.trim_end_matches('=').split_once('=')?;
    if pattern.contains('=') {
        return None;
    }
    let pattern = pattern.trim();
    let compile = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build()
            .ok()
    };
    // Alone first: a lone parenthesis must not pair up with ours.
    compile(pattern)?;
    let whole = compile(&format!("^(?:{pattern})$"))?;
    Some((ClientAttribute::parse(name.trim())?, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(settings: &[(&str, &str)]) -> Result<ClientMetricsConfig, ConfigError> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        ClientMetricsConfig::resolve(&settings.iter().map(owned).collect())
    }

    #[test]
    fn defaults_match_everybody_and_ask_for_nothing() {
        let config = resolve(&[]).unwrap();
        assert!(config.metrics.is_empty() && !config.wants_all());
        assert_eq!(config.interval, ClientMetricsConfig::INTERVAL_DEFAULT);
        assert!(config.matches(|_| None));
    }

    #[test]
    fn every_pattern_must_match_all_of_its_value() {
        let patterns = " client_software_name = apache-kafka-java , client_software_version=4\\..*";
        let config = resolve(&[("match", patterns)]).unwrap();
        let of = |name: &'static str, version: &'static str| {
            config.matches(|attribute| match attribute {
                ClientAttribute::SoftwareName => Some(name),
                ClientAttribute::SoftwareVersion => Some(version),
                _ => None,
            })
        };
        assert!(of("apache-kafka-java", "4.3.1"));
        assert!(!of("apache-kafka-java", "3.9.0"));
        assert!(!of("apache-kafka-javascript", "4.3.1"));
        assert!(!config.matches(|_| None), "what is unknown matches nothing");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (name, value) in [
            ("match", "client_id"),
            ("match", "client_id="),
            ("match", "=a"),
            ("match", "client_id=a=b"),
            ("match", "client_name=a"),
            ("match", "client_id=("),
            ("match", "client_id=a)(b"),
            ("match", "client_id=a,client_id=a"),
            ("match", "client_id=a,"),
            ("match", "client_id=[a-z]{1000}{1000}"),
            ("metrics", "a,,b"),
            ("metrics", "a,a"),
            ("interval.ms", "99"),
            ("interval.ms", "3600001"),
            ("interval.ms", "soon"),
            ("interval", "1000"),
        ] {
            assert!(resolve(&[(name, value)]).is_err(), "{name}={value}");
        }
        for (name, value) in [
            ("match", "client_id=a=="),
            ("match", ""),
            ("metrics", ""),
            ("metrics", "*,a"),
            ("interval.ms", "100"),
            ("interval.ms", "3600000"),
        ] {
            resolve(&[(name, value)]).unwrap();
        }
    }
}
