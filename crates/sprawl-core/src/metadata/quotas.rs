//! Client quotas: who may use how much. What a quota means is the broker's business; here is which
//! quotas there are.
//!
//! Source: `ClientQuotaControlManager`, `ClientQuotasImage`; KIP-13, KIP-257, KIP-546, KIP-599,
//! KIP-612.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::MetadataReply;
use super::error::MetadataError;
use super::image::MetadataImage;

/// The most entities that have quotas.
pub const QUOTA_ENTITIES_MAX: usize = 10_000;

/// Bytes of produce requests a second.
pub const PRODUCER_BYTE_RATE: &str = "producer_byte_rate";
/// Bytes of fetch responses a second.
pub const CONSUMER_BYTE_RATE: &str = "consumer_byte_rate";
/// Percent of one thread's time.
pub const REQUEST_PERCENTAGE: &str = "request_percentage";
/// Partitions created and deleted a second.
pub const CONTROLLER_MUTATION_RATE: &str = "controller_mutation_rate";
/// Connections accepted a second.
pub const CONNECTION_CREATION_RATE: &str = "connection_creation_rate";

/// What a quota is for, in the order in which Kafka names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum QuotaEntityType {
    /// A principal.
    User,
    /// A client's name for itself.
    ClientId,
    /// An address.
    Ip,
}

impl QuotaEntityType {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ClientId => "client-id",
            Self::Ip => "ip",
        }
    }

    /// Finds a type by its name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::ClientId, Self::Ip]
            .into_iter()
            .find(|known| known.name() == name)
    }
}

/// Whom quotas bind: a name for each type it speaks of, or `None` for all that have no quotas of
/// their own.
pub type QuotaEntity = BTreeMap<QuotaEntityType, Option<String>>;

/// How much: a double, kept as its bits, so that it survives writing down exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuotaValue(u64);

impl QuotaValue {
    /// Keeps a number.
    pub fn new(value: f64) -> Self {
        Self(value.to_bits())
    }

    /// Returns the number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// The quotas of one entity, by name.
pub type Quotas = BTreeMap<String, QuotaValue>;

/// A change to one entity's quotas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaChange {
    /// Whose.
    pub entity: QuotaEntity,
    /// The quotas that are set, or with `None` no longer set.
    pub ops: BTreeMap<String, Option<QuotaValue>>,
}

/// Which numbers a quota takes.
#[derive(Clone, Copy)]
enum Number {
    Whole(f64),
    Any,
}

const OF_CLIENTS: &[(&str, Number)] = &[
    (PRODUCER_BYTE_RATE, Number::Whole(i64::MAX as f64)),
    (CONSUMER_BYTE_RATE, Number::Whole(i64::MAX as f64)),
    (REQUEST_PERCENTAGE, Number::Any),
    (CONTROLLER_MUTATION_RATE, Number::Any),
];
const OF_ADDRESSES: &[(&str, Number)] =
    &[(CONNECTION_CREATION_RATE, Number::Whole(i32::MAX as f64))];

/// Checks a change.
pub fn check_quota_change(change: &QuotaChange) -> Result<(), MetadataError> {
    let known = known_quotas(&change.entity)?;
    for (name, value) in &change.ops {
        // Taking away what is not there is no mistake, whatever it is called.
        if let Some(value) = value {
            check_value(known, name, value.get())?;
        }
    }
    Ok(())
}

fn known_quotas(entity: &QuotaEntity) -> Result<&'static [(&'static str, Number)], MetadataError> {
    if entity.is_empty() {
        return Err(invalid("expected an entity, found none".to_owned()));
    }
    for (kind, name) in entity {
        if name.as_ref().is_some_and(String::is_empty) {
            let kind = kind.name();
            return Err(invalid(format!("expected a name for {kind}, found none")));
        }
    }
    let Some(address) = entity.get(&QuotaEntityType::Ip) else {
        return Ok(OF_CLIENTS);
    };
    if entity.len() > 1 {
        let message = "expected an ip alone, found it with a user or a client id";
        return Err(invalid(message.to_owned()));
    }
    match address {
        Some(text) if text.parse::<IpAddr>().is_err() => {
            Err(invalid(format!("expected an ip address, found {text}")))
        }
        _ => Ok(OF_ADDRESSES),
    }
}

fn check_value(
    known: &[(&'static str, Number)],
    name: &str,
    value: f64,
) -> Result<(), MetadataError> {
    /// What a whole number may be off by, as Kafka has it.
    const FRACTION_MAX: f64 = 1e-6;
    let found = known.iter().find(|(known, _)| *known == name);
    let Some((_, number)) = found else {
        return Err(invalid(format!("invalid quota {name} for this entity")));
    };
    if !value.is_finite() || value <= 0.0 {
        return Err(invalid(format!("expected {name} above 0, found {value}")));
    }
    match number {
        Number::Whole(max) if value > *max => Err(invalid(format!(
            "expected {name} of {max} or less, found {value}"
        ))),
        Number::Whole(_) if (value % 1.0).abs() > FRACTION_MAX => {
            Err(invalid(format!("expected a whole {name}, found {value}")))
        }
        Number::Whole(_) | Number::Any => Ok(()),
    }
}

pub(super) fn alter(
    image: &mut MetadataImage,
    changes: &[QuotaChange],
) -> Result<MetadataReply, MetadataError> {
    changes.iter().try_for_each(check_quota_change)?;
    let mut quotas = BTreeMap::clone(&image.client_quotas);
    for QuotaChange { entity, ops } in changes {
        let own = quotas.entry(entity.clone()).or_default();
        for (name, value) in ops {
            match value {
                Some(value) => own.insert(name.clone(), *value),
                None => own.remove(name),
            };
        }
        if own.is_empty() {
            quotas.remove(entity);
        }
    }
    if quotas.len() > QUOTA_ENTITIES_MAX {
        return Err(MetadataError::TooMany {
            what: "entities with quotas".to_owned(),
            max: QUOTA_ENTITIES_MAX,
        });
    }
    image.client_quotas = Arc::new(quotas);
    Ok(MetadataReply::Done)
}

fn invalid(reason: String) -> MetadataError {
    MetadataError::InvalidRequest { reason }
}
