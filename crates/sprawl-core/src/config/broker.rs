//! Which settings a broker takes, at start and at run time.

use super::broker_table::{broker_definition, broker_definitions};
use super::definition::Update;
use super::error::{ConfigError, nearest};
use super::refused::instead_of;
use super::resolve::ConfigMap;

/// Whom a run-time setting concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerScope {
    /// One broker.
    One,
    /// All brokers, unless one says otherwise.
    All,
}

/// Checks the names and values of settings given at start.
pub fn check_static_broker(settings: &ConfigMap) -> Result<(), ConfigError> {
    settings.iter().try_for_each(|(name, value)| {
        let definition = broker_definition(name).ok_or_else(|| unknown(name))?;
        definition.parse(value).map(drop)
    })
}

/// Checks the names and values of settings given at run time.
pub fn check_dynamic_broker(settings: &ConfigMap) -> Result<(), ConfigError> {
    settings.iter().try_for_each(|(name, value)| {
        let definition = broker_definition(name).ok_or_else(|| unknown(name))?;
        if definition.update == Update::ReadOnly {
            return Err(ConfigError::ReadOnly { name: name.clone() });
        }
        definition.parse(value).map(drop)
    })
}

fn unknown(name: &str) -> ConfigError {
    let names = broker_definitions()
        .iter()
        .map(|definition| definition.name);
    match instead_of(name) {
        Some(instead) => ConfigError::NotApplicable {
            name: name.to_owned(),
            instead,
        },
        None => ConfigError::Unknown {
            name: name.to_owned(),
            nearest: nearest(name, names),
        },
    }
}
