//! A group's settings as values: what the group coordinator looks at.
//!
//! Source: `GroupConfig` of Kafka's group coordinator. Bounds that a broker sets count when a
//! setting is made and again when it is used, since they may change between.

use super::definition::Value;
use super::error::{ConfigError, nearest};
use super::group_table::{group_definition, group_definitions};
use super::resolve::{ConfigLayers, ConfigMap, broker_value};
use super::topic::topic_value;

/// Checks the names and values of settings made on a group, but for what a broker bounds.
pub fn check_group(settings: &ConfigMap) -> Result<(), ConfigError> {
    settings.iter().try_for_each(|(name, value)| {
        let definition = group_definition(name).ok_or_else(|| ConfigError::Unknown {
            name: name.clone(),
            nearest: nearest(name, group_definitions().iter().map(|known| known.name)),
        })?;
        definition.parse(value).map(drop)
    })
}

/// Settings made on one group.
#[derive(Clone, Copy, Debug)]
pub struct GroupConfigs<'a> {
    set: Option<&'a ConfigMap>,
}

impl<'a> GroupConfigs<'a> {
    /// The settings of a group, if it has any.
    pub fn new(set: Option<&'a ConfigMap>) -> Self {
        Self { set }
    }

    /// A value that was set on the group; `None` leaves it to the broker.
    pub fn value(&self, name: &str) -> Option<Value> {
        let raw = self.set?.get(name)?;
        // The metadata takes no value that does not parse.
        group_definition(name)?.parse(raw).ok()
    }

    /// A number that was set on the group; `None` leaves it to the broker.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Integer(value) => Some(value),
            Value::Boolean(_) | Value::Double(_) | Value::Text(_) | Value::List(_) => None,
        }
    }
}

/// Checks settings made on a group against the bounds of a broker, and against each other.
pub fn check_group_bounds(
    settings: &ConfigMap,
    layers: &ConfigLayers<'_>,
) -> Result<(), ConfigError> {
    for (name, min, max) in BOUNDS {
        let value = effective(name, settings, layers)?;
        let (low, high) = (bound(min, layers)?, bound(max, layers)?);
        if !(low..=high).contains(&value) {
            return Err(ConfigError::Invalid {
                name: (*name).to_owned(),
                value: value.to_string(),
                expected: format!("{low} to {high}, as {min} and {max} say"),
            });
        }
    }
    for (shorter, longer) in SHORTER {
        let (short, long) = (
            effective(shorter, settings, layers)?,
            effective(longer, settings, layers)?,
        );
        if short >= long {
            return Err(ConfigError::Contradiction {
                name: shorter,
                value: short.to_string(),
                other: longer,
                other_value: long.to_string(),
                expected: "the first below the second",
            });
        }
    }
    Ok(())
}

/// A group setting, and the broker settings that bound it.
const BOUNDS: &[(&str, &str, &str)] = &[
    (
        "consumer.heartbeat.interval.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    (
        "consumer.session.timeout.ms",
        "group.consumer.min.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ),
];

/// Group settings of which the first must stay below the second.
const SHORTER: &[(&str, &str)] = &[(
    "consumer.heartbeat.interval.ms",
    "consumer.session.timeout.ms",
)];

fn effective(
    name: &str,
    settings: &ConfigMap,
    layers: &ConfigLayers<'_>,
) -> Result<i64, ConfigError> {
    let definition = group_definition(name).expect("named after the table");
    match topic_value(definition, settings, layers)? {
        Value::Integer(value) => Ok(value),
        _ => unreachable!("{name} is a number"),
    }
}

fn bound(name: &str, layers: &ConfigLayers<'_>) -> Result<i64, ConfigError> {
    match broker_value(name, layers)? {
        Some(Value::Integer(value)) => Ok(value),
        _ => unreachable!("{name} is a number with a default"),
    }
}
