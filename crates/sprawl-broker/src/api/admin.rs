//! What the administration APIs share: failures with their messages, and who a setting belongs to.

use std::collections::BTreeSet;

use sprawl_core::config::{
    BrokerSettings, ConfigError, ConfigLayers, ConfigMap, TopicConfig, check_group_bounds,
};
use sprawl_core::metadata::{ConfigResource, MetadataError, MetadataImage, TopicRef};
use sprawl_model::{BrokerId, TenantId};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::{Broker, ChangeError};
use crate::wire_error;

/// The numbers of Kafka's `ConfigResource.Type`.
pub(crate) mod resource_type {
    pub(crate) const TOPIC: i8 = 2;
    pub(crate) const BROKER: i8 = 4;
    pub(crate) const BROKER_LOGGER: i8 = 8;
    pub(crate) const CLIENT_METRICS: i8 = 16;
    pub(crate) const GROUP: i8 = 32;
}

/// A failure as the administration APIs tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A failure that only has its code's own message.
    pub(crate) fn of(code: ErrorCode) -> Self {
        Self::new(code, code.message())
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn wire_message(&self) -> Option<StrBytes> {
        Some(StrBytes::from_string(self.message.clone()))
    }
}

impl From<MetadataError> for Failure {
    fn from(error: MetadataError) -> Self {
        Self::new(wire_error::of_metadata(&error), error.to_string())
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        Self::new(wire_error::of_change(&error), error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(ErrorCode::InvalidConfig, error.to_string())
    }
}

/// Splits a result into its code and message.
pub(crate) fn code_and_message(result: &Result<(), Failure>) -> (i16, Option<StrBytes>) {
    match result {
        Ok(()) => (ErrorCode::None.number(), None),
        Err(failure) => (failure.code.number(), failure.wire_message()),
    }
}

/// A topic of the only tenant there is so far.
pub(crate) fn topic_ref(name: &str) -> TopicRef {
    TopicRef {
        tenant: TenantId::DEFAULT,
        name: name.to_owned(),
    }
}

/// Finds out whose settings a request means. Only this broker's own are known here, and those of
/// all.
pub(crate) fn config_resource(
    broker: &Broker,
    kind: i8,
    name: &str,
) -> Result<ConfigResource, Failure> {
    match kind {
        resource_type::TOPIC if name.is_empty() => Err(Failure::invalid_request(
            "expected the name of a topic, found none",
        )),
        resource_type::TOPIC => Ok(ConfigResource::Topic(topic_ref(name))),
        resource_type::BROKER if name.is_empty() => Ok(ConfigResource::BrokerDefault),
        resource_type::BROKER => this_broker(broker, name).map(ConfigResource::Broker),
        resource_type::GROUP if name.is_empty() => Err(Failure::invalid_request(
            "expected the id of a group, found none",
        )),
        resource_type::GROUP => Ok(ConfigResource::Group(name.to_owned())),
        resource_type::CLIENT_METRICS if name.is_empty() => Err(Failure::invalid_request(
            "expected the name of a client metrics subscription, found none",
        )),
        resource_type::CLIENT_METRICS => Ok(ConfigResource::ClientMetrics(name.to_owned())),
        resource_type::BROKER_LOGGER => {
            let message = "expected a topic, a broker, a group or client metrics; loggers have no \
                           settings on this broker";
            Err(Failure::invalid_request(message))
        }
        _ => Err(Failure::invalid_request(format!(
            "unknown resource type {kind}"
        ))),
    }
}

fn this_broker(broker: &Broker, name: &str) -> Result<BrokerId, Failure> {
    let own = broker.broker_id();
    match name.parse::<i32>() {
        Ok(id) if id == own.0 => Ok(own),
        Ok(id) => {
            let message = format!("unexpected broker id: expected {own} or none, found {id}");
            Err(Failure::invalid_request(message))
        }
        Err(_) => Err(Failure::invalid_request(format!(
            "expected a broker id, found {name:?}"
        ))),
    }
}

/// Checks settings against those this broker was started with, which the metadata rules do not
/// know.
///
/// For brokers Kafka answers INVALID_REQUEST to values that do not fit (KAFKA-13609).
pub(crate) fn check_here(
    broker: &Broker,
    image: &MetadataImage,
    resource: &ConfigResource,
    configs: &ConfigMap,
) -> Result<(), Failure> {
    let layers = image.layers(broker.broker_id(), &broker.settings.statics);
    match resource {
        ConfigResource::Topic(_) => {
            TopicConfig::resolve(configs, &layers)?;
            Ok(())
        }
        ConfigResource::Broker(_) => {
            let layers = ConfigLayers {
                dynamic_broker: configs,
                ..layers
            };
            as_broker(BrokerSettings::resolve(&layers))
        }
        ConfigResource::BrokerDefault => {
            // What this broker sets for itself must not hide a default that would not fit.
            let (dynamic_broker, dynamic_default) = (&ConfigMap::new(), configs);
            let layers = ConfigLayers {
                dynamic_broker,
                dynamic_default,
                ..layers
            };
            as_broker(BrokerSettings::resolve(&layers))
        }
        ConfigResource::Group(_) => Ok(check_group_bounds(configs, &layers)?),
        // The metadata rules know all there is to them.
        ConfigResource::ClientMetrics(_) => Ok(()),
    }
}

fn as_broker(resolved: Result<BrokerSettings, ConfigError>) -> Result<(), Failure> {
    resolved
        .map(drop)
        .map_err(|error| Failure::invalid_request(error.to_string()))
}

/// As [`check_here`] for what the metadata rules said.
pub(crate) fn as_resource(resource: &ConfigResource, failure: Failure) -> Failure {
    let of_broker = matches!(
        resource,
        ConfigResource::Broker(_) | ConfigResource::BrokerDefault
    );
    if of_broker && failure.code == ErrorCode::InvalidConfig {
        return Failure::invalid_request(failure.message);
    }
    failure
}

/// Returns what appears more than once, in order. O(n log n).
pub(crate) fn duplicates<T: Ord + Copy>(items: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    items.filter(|item| !seen.insert(*item)).collect()
}

/// Refuses a setting that a request changes twice.
pub(crate) fn check_once<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    match duplicates(names).first() {
        None => Ok(()),
        Some(name) => {
            let message = format!("expected setting {name} once, found it twice");
            Err(Failure::invalid_request(message))
        }
    }
}

/// "No time" in answers about tokens.
pub(crate) const NO_TIMESTAMP: i64 = -1;

/// Who everybody is on a listener without authentication.
pub(crate) mod principal {
    pub(crate) const USER_TYPE: &str = "User";
    pub(crate) const ANONYMOUS: &str = "ANONYMOUS";
}

/// What every request about access rules is told.
pub(crate) fn no_authorizer() -> Failure {
    let message = "no authorizer is configured: everybody may do everything";
    Failure::new(ErrorCode::SecurityDisabled, message)
}

/// Checks whom a change of the quorum means.
pub(crate) fn check_voter(
    broker: &Broker,
    cluster_id: Option<&str>,
    (voter_id, directory_id): (i32, uuid::Uuid),
) -> Result<(), Failure> {
    let image = broker.image();
    let own = image.cluster_id();
    if let Some(found) = cluster_id
        && found != own
    {
        let message = format!("expected cluster id {own}, found {found}");
        return Err(Failure::new(ErrorCode::InconsistentClusterId, message));
    }
    if voter_id < 0 || directory_id.is_nil() {
        let message = "expected a voter with its id and directory id";
        return Err(Failure::invalid_request(message));
    }
    Ok(())
}

/// Why voters neither come nor go.
pub(crate) fn fixed_voters() -> Failure {
    let message = "the voters of this cluster are fixed: kraft.version is 0";
    Failure::new(ErrorCode::UnsupportedVersion, message)
}
