//! A group's settings as values: what the group coordinator looks at.
//!
//! Source: `GroupConfig` of Kafka's group coordinator. Bounds that a broker sets count when a
//! setting is made and again when it is used, since they may change between.

use super::definition::Value;
use super::error::{ConfigError, nearest};
use super::group_table::{group_definition, group_definitions};
use super::resolve::ConfigMap;

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
