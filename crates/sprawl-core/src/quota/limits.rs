//! Which limit binds whom: the most specific quota wins.
//!
//! Order: user and client id, user and any client id, user, any user and client id, any user and
//! any client id, any user, client id, any client id. The default of a level binds each of its
//! members alone, not all of them together.
//!
//! Source: `ClientQuotaManager.DefaultQuotaCallback`, `ConnectionQuotas`; KIP-55, KIP-612.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::metadata::{
    CONNECTION_CREATION_RATE, CONSUMER_BYTE_RATE, CONTROLLER_MUTATION_RATE, PRODUCER_BYTE_RATE,
    QuotaEntity, QuotaEntityType, Quotas, REQUEST_PERCENTAGE,
};

/// What of a client is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaKind {
    /// Bytes of produce requests.
    Produce,
    /// Bytes of fetch responses.
    Fetch,
    /// Time spent on requests.
    Request,
    /// Partitions created and deleted.
    ControllerMutation,
}

impl QuotaKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::Produce,
        Self::Fetch,
        Self::Request,
        Self::ControllerMutation,
    ];

    /// The quota that limits it.
    pub const fn quota(self) -> &'static str {
        match self {
            Self::Produce => PRODUCER_BYTE_RATE,
            Self::Fetch => CONSUMER_BYTE_RATE,
            Self::Request => REQUEST_PERCENTAGE,
            Self::ControllerMutation => CONTROLLER_MUTATION_RATE,
        }
    }
}

/// A limit that binds a client, and with whom it shares what it uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Applied<'a> {
    /// How much a second.
    pub limit: f64,
    /// The user, where the quota speaks of users.
    pub user: Option<&'a str>,
    /// The client id, where the quota speaks of client ids.
    pub client_id: Option<&'a str>,
}

/// The quotas of a level: by name, and for all others.
#[derive(Clone, Debug, Default)]
struct Level {
    named: BTreeMap<String, f64>,
    default: Option<f64>,
}

impl Level {
    fn set(&mut self, name: Option<&str>, limit: f64) {
        match name {
            Some(name) => {
                self.named.insert(name.to_owned(), limit);
            }
            None => self.default = Some(limit),
        }
    }

    fn get(&self, name: &str) -> Option<f64> {
        self.named.get(name).copied().or(self.default)
    }
}

/// The quotas of one kind.
#[derive(Clone, Debug, Default)]
struct KindLimits {
    /// Of client ids, under each user.
    of_user: BTreeMap<String, Level>,
    /// Of client ids, under any user.
    of_any_user: Level,
    /// Of users.
    users: Level,
    /// Of client ids, whoever the user.
    client_ids: Level,
}

/// All limits there are, arranged to be looked up. Lookups are O(log quotas) and allocate nothing.
#[derive(Clone, Debug, Default)]
pub struct QuotaLimits {
    kinds: BTreeMap<QuotaKind, KindLimits>,
    addresses: BTreeMap<IpAddr, f64>,
    any_address: Option<f64>,
}

impl QuotaLimits {
    /// Arranges the quotas of the metadata.
    pub fn new(quotas: &BTreeMap<QuotaEntity, Quotas>) -> Self {
        let mut limits = Self::default();
        for (entity, of_entity) in quotas {
            for kind in QuotaKind::ALL {
                if let Some(limit) = of_entity.get(kind.quota()) {
                    let kind = limits.kinds.entry(kind).or_default();
                    kind.set(entity, limit.get());
                }
            }
            let rate = of_entity.get(CONNECTION_CREATION_RATE);
            if let (Some(limit), Some(address)) = (rate, entity.get(&QuotaEntityType::Ip)) {
                limits.set_address(address.as_deref(), limit.get());
            }
        }
        limits
    }

    fn set_address(&mut self, address: Option<&str>, limit: f64) {
        match address {
            None => self.any_address = Some(limit),
            // A quota of something else was refused when it was set.
            Some(text) => {
                if let Ok(address) = text.parse() {
                    self.addresses.insert(address, limit);
                }
            }
        }
    }

    /// Whether anybody is limited in this.
    pub fn limits(&self, kind: QuotaKind) -> bool {
        self.kinds.contains_key(&kind)
    }

    /// Whether anybody is limited in opening connections.
    pub fn limits_connections(&self) -> bool {
        self.any_address.is_some() || !self.addresses.is_empty()
    }

    /// Finds the limit that binds a client.
    pub fn find<'a>(
        &self,
        kind: QuotaKind,
        user: &'a str,
        client_id: &'a str,
    ) -> Option<Applied<'a>> {
        self.kinds.get(&kind)?.find(user, client_id)
    }

    /// How many connections a second an address may open.
    pub fn connection_rate(&self, address: IpAddr) -> Option<f64> {
        self.addresses.get(&address).copied().or(self.any_address)
    }
}

impl KindLimits {
    fn set(&mut self, entity: &QuotaEntity, limit: f64) {
        let user = entity.get(&QuotaEntityType::User).map(Option::as_deref);
        let client_id = entity.get(&QuotaEntityType::ClientId).map(Option::as_deref);
        match (user, client_id) {
            (Some(Some(user)), Some(client_id)) => {
                let level = self.of_user.entry(user.to_owned()).or_default();
                level.set(client_id, limit);
            }
            (Some(None), Some(client_id)) => self.of_any_user.set(client_id, limit),
            (Some(user), None) => self.users.set(user, limit),
            (None, Some(client_id)) => self.client_ids.set(client_id, limit),
            (None, None) => {}
        }
    }

    fn find<'a>(&self, user: &'a str, client_id: &'a str) -> Option<Applied<'a>> {
        // A client without a name is bound by what binds its user, as in Kafka.
        let named = !client_id.is_empty();
        let by_client = |level: &Level| {
            let limit = level.get(client_id).filter(|_| named)?;
            Some(Applied {
                limit,
                user: Some(user),
                client_id: Some(client_id),
            })
        };
        let by_user = |limit: f64| Applied {
            limit,
            user: Some(user),
            client_id: None,
        };
        let of_user = || self.of_user.get(user).and_then(by_client);
        let own = || self.users.named.get(user).copied().map(by_user);
        let of_any = || by_client(&self.of_any_user);
        let any = || self.users.default.map(by_user);
        let by_client_id = || {
            let limit = self.client_ids.get(client_id).filter(|_| named)?;
            Some(Applied {
                limit,
                user: None,
                client_id: Some(client_id),
            })
        };
        of_user()
            .or_else(own)
            .or_else(of_any)
            .or_else(any)
            .or_else(by_client_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::QuotaValue;

    /// A user and a client id; `*` is the default, `-` is not named.
    fn entity(user: &str, client_id: &str) -> QuotaEntity {
        let part = |kind, name: &str| match name {
            "-" => None,
            "*" => Some((kind, None)),
            name => Some((kind, Some(name.to_owned()))),
        };
        let user = part(QuotaEntityType::User, user);
        let client_id = part(QuotaEntityType::ClientId, client_id);
        user.into_iter().chain(client_id).collect()
    }

    #[test]
    fn most_specific_quota_wins_and_says_who_shares_it() {
        let order = [
            (("u", "c"), (Some("u"), Some("c"))),
            (("u", "*"), (Some("u"), Some("c"))),
            (("u", "-"), (Some("u"), None)),
            (("*", "c"), (Some("u"), Some("c"))),
            (("*", "*"), (Some("u"), Some("c"))),
            (("*", "-"), (Some("u"), None)),
            (("-", "c"), (None, Some("c"))),
            (("-", "*"), (None, Some("c"))),
        ];
        for first in 0..order.len() {
            let quotas = order
                .iter()
                .enumerate()
                .skip(first)
                .map(|(at, ((user, client), _))| {
                    let limit = QuotaValue::new(at as f64 + 1.0);
                    let quotas = Quotas::from([(PRODUCER_BYTE_RATE.to_owned(), limit)]);
                    (entity(user, client), quotas)
                });
            let limits = QuotaLimits::new(&quotas.collect());
            let found = limits.find(QuotaKind::Produce, "u", "c").unwrap();
            assert_eq!(found.limit, first as f64 + 1.0);
            assert_eq!((found.user, found.client_id), order[first].1);
            assert_eq!(limits.find(QuotaKind::Fetch, "u", "c"), None);
        }
        assert_eq!(
            QuotaLimits::default().find(QuotaKind::Produce, "u", "c"),
            None
        );
    }

    #[test]
    fn client_without_a_name_is_bound_by_the_quotas_of_its_user() {
        let quota = |limit| Quotas::from([(PRODUCER_BYTE_RATE.to_owned(), QuotaValue::new(limit))]);
        let quotas = [
            (entity("-", "*"), quota(1.0)),
            (entity("*", "*"), quota(2.0)),
        ];
        let limits = QuotaLimits::new(&quotas.clone().into());
        assert_eq!(limits.find(QuotaKind::Produce, "u", ""), None);
        let with_user = quotas.into_iter().chain([(entity("*", "-"), quota(3.0))]);
        let limits = QuotaLimits::new(&with_user.collect());
        let found = limits.find(QuotaKind::Produce, "u", "").unwrap();
        assert_eq!((found.limit, found.client_id), (3.0, None));
    }

    #[test]
    fn address_has_its_own_rate_or_that_of_all() {
        let quota =
            |limit| Quotas::from([(CONNECTION_CREATION_RATE.to_owned(), QuotaValue::new(limit))]);
        let own = [(QuotaEntityType::Ip, Some("10.0.0.1".to_owned()))].into();
        let any = [(QuotaEntityType::Ip, None)].into();
        let limits = QuotaLimits::new(&[(own, quota(5.0)), (any, quota(2.0))].into());
        assert!(limits.limits_connections());
        let rate = |text: &str| limits.connection_rate(text.parse().unwrap());
        assert_eq!((rate("10.0.0.1"), rate("10.0.0.2")), (Some(5.0), Some(2.0)));
    }
}
