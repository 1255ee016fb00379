//! The values of single settings, of the type their table promises.

use std::time::Duration;

use super::connections::ListenerAddress;
use crate::config::definition::Value;
use crate::config::error::ConfigError;
use crate::config::resolve::{ConfigLayers, broker_value};

pub(super) struct Values<'a> {
    pub(super) layers: &'a ConfigLayers<'a>,
}

impl Values<'_> {
    pub(super) fn value(&self, name: &'static str) -> Result<Option<Value>, ConfigError> {
        broker_value(name, self.layers)
    }

    pub(super) fn integer(&self, name: &'static str) -> Result<i64, ConfigError> {
        match self.value(name)? {
            Some(Value::Integer(value)) => Ok(value),
            _ => unreachable!("{name} is a number with a default"),
        }
    }

    pub(super) fn int(&self, name: &'static str) -> Result<i32, ConfigError> {
        Ok(i32::try_from(self.integer(name)?).expect("the table bounds it to 32 bits"))
    }

    /// For settings whose rule admits no value outside `T`.
    pub(super) fn unsigned<T: TryFrom<i64>>(&self, name: &'static str) -> Result<T, ConfigError> {
        let value = self.integer(name)?;
        Ok(T::try_from(value).unwrap_or_else(|_| unreachable!("the table bounds {name}")))
    }

    /// For settings that say "none" with a negative number.
    pub(super) fn natural<T: TryFrom<i64>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, ConfigError> {
        Ok(T::try_from(self.integer(name)?).ok())
    }

    pub(super) fn ms(&self, name: &'static str) -> Result<Duration, ConfigError> {
        Ok(Duration::from_millis(self.unsigned(name)?))
    }

    pub(super) fn boolean(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.value(name)? {
            Some(Value::Boolean(value)) => Ok(value),
            _ => unreachable!("{name} is a boolean with a default"),
        }
    }

    pub(super) fn double(&self, name: &'static str) -> Result<f64, ConfigError> {
        match self.value(name)? {
            Some(Value::Double(value)) => Ok(value),
            _ => unreachable!("{name} is a double with a default"),
        }
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        match self.value(name)? {
            None => Ok(None),
            Some(Value::Text(value)) => Ok(Some(value)),
            Some(_) => unreachable!("{name} is a string"),
        }
    }

    pub(super) fn listener(
        &self,
        name: &'static str,
    ) -> Result<Option<ListenerAddress>, ConfigError> {
        let Some(Value::List(items)) = self.value(name)? else {
            return Ok(None);
        };
        let parsed = match items.as_slice() {
            [one] => parse_listener(one),
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| ConfigError::Invalid {
            name: name.to_owned(),
            value: items.join(","),
            expected: "one address as PLAINTEXT://host:port".to_owned(),
        })
    }
}

fn parse_listener(text: &str) -> Option<ListenerAddress> {
    let address = text.strip_prefix("PLAINTEXT://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Some(ListenerAddress {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}
