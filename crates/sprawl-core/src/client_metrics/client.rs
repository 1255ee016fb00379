//! Who asks or pushes, as patterns and labels see it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use sprawl_model::kafka_uuid;
use uuid::Uuid;

use crate::config::{ClientAttribute, ClientMetricsConfig};

/// What Kafka calls software that never named itself.
const UNKNOWN_SOFTWARE: &str = "unknown";

/// A client as it stands behind one request.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its instance.
    pub instance_id: Uuid,
    /// Its name for itself.
    pub id: Option<&'a str>,
    /// What it is made with and in which version, if it said so (KIP-511).
    pub software: Option<(&'a str, &'a str)>,
    /// Where it connects from; one connection has one such address.
    pub address: SocketAddr,
}

/// A client's attributes as text.
pub(super) struct Attributes<'a> {
    client: Client<'a>,
    instance_id: String,
    address: String,
    port: String,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(client: Client<'a>) -> Self {
        Self {
            client,
            instance_id: kafka_uuid(client.instance_id),
            address: host_address(client.address.ip()),
            port: client.address.port().to_string(),
        }
    }

    pub(super) fn match_all(&self, config: &ClientMetricsConfig) -> bool {
        let (name, version) = self
            .client
            .software
            .unwrap_or((UNKNOWN_SOFTWARE, UNKNOWN_SOFTWARE));
        config.matches(|attribute| match attribute {
            ClientAttribute::InstanceId => Some(self.instance_id.as_str()),
            ClientAttribute::Id => self.client.id,
            ClientAttribute::SoftwareName => Some(name),
            ClientAttribute::SoftwareVersion => Some(version),
            ClientAttribute::SourceAddress => Some(self.address.as_str()),
            ClientAttribute::SourcePort => Some(self.port.as_str()),
        })
    }
}

/// Writes an address as Java's `getHostAddress` does: IPv6 with all its eight numbers.
fn host_address(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => full(ip),
    }
}

fn full(ip: Ipv6Addr) -> String {
    ip.segments().map(|number| format!("{number:x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_look_as_in_java() {
        for (address, text) in [
            ("10.0.0.7", "10.0.0.7"),
            ("::ffff:10.0.0.7", "10.0.0.7"),
            ("::1", "0:0:0:0:0:0:0:1"),
            ("2001:db8::a", "2001:db8:0:0:0:0:0:a"),
        ] {
            assert_eq!(host_address(address.parse().unwrap()), text);
        }
    }
}
