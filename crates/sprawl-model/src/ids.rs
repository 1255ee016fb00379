//! Identifiers and counters, each its own type so that two of them cannot be swapped.
//!
//! Source: Kafka protocol primitive types; tenant ids are ours and stand in every key.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone,
            Copy,
            Debug,
            Default,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// The position of a record in its partition, counted in records from 0.
    Offset(i64)
);
number!(
    /// A partition's number inside its topic, from 0.
    PartitionId(i32)
);
number!(
    /// A broker's number, from 0. Clients print it; it never changes for a data directory.
    BrokerId(i32)
);
number!(
    /// How often a partition has changed leader; every batch carries the epoch that wrote it.
    LeaderEpoch(i32)
);
number!(
    /// The raft log index of a broker's registration: a restarted broker has a larger one.
    BrokerEpoch(i64)
);
number!(
    /// An idempotent or transactional producer, as assigned by `InitProducerId` (KIP-98).
    ProducerId(i64)
);
number!(
    /// Fences older instances of one producer id (KIP-98).
    ProducerEpoch(i16)
);
number!(
    /// The number of a record within one (producer id, epoch, partition); wraps from `i32::MAX` to
    /// 0.
    Sequence(i32)
);
number!(
    /// Whose data a key names. A single-tenant installation uses [`TenantId::DEFAULT`] only.
    TenantId(u32)
);

impl Offset {
    /// The offset before anything was written: "none" on the wire.
    pub const NONE: Self = Self(-1);

    /// Returns the offset `count` records later, or `None` where that cannot be counted.
    pub fn checked_add(self, count: i64) -> Option<Self> {
        self.0.checked_add(count).map(Self)
    }
}

impl LeaderEpoch {
    /// "Unknown" on the wire.
    pub const NONE: Self = Self(-1);
}

impl ProducerId {
    /// "Not idempotent" in a batch header.
    pub const NONE: Self = Self(-1);
}

impl ProducerEpoch {
    /// "Not idempotent" in a batch header.
    pub const NONE: Self = Self(-1);
}

impl TenantId {
    /// The one tenant of an installation without tenancy.
    pub const DEFAULT: Self = Self(0);
}

/// A producer and the epoch it writes in, as they stand together in batch headers and requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProducerIdAndEpoch {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
}

impl ProducerIdAndEpoch {
    /// No producer: "not idempotent" in a batch header.
    pub const NONE: Self = Self {
        producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch::NONE,
    };
}

impl fmt::Display for ProducerIdAndEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in epoch {}", self.producer_id, self.producer_epoch)
    }
}

/// A topic's identity for its whole life; a topic made again under the same name has another one.
///
/// Source: KIP-516.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TopicId(pub Uuid);

impl TopicId {
    /// "No id" on the wire.
    pub const NONE: Self = Self(Uuid::nil());
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A partition by name, as people and most requests write it: `topic-3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: PartitionId,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A partition by identity, as it stands in every frame, key and file on disk.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct PartitionKey {
    /// Whose partition it is.
    pub tenant: TenantId,
    /// The topic's identity.
    pub topic_id: TopicId,
    /// The partition's number.
    pub partition: PartitionId,
}

impl PartitionKey {
    /// The size of [`Self::to_bytes`] in bytes.
    pub const ENCODED_BYTES: usize = 24;

    /// Encodes the key so that byte order is (tenant, topic id, partition) order.
    pub fn to_bytes(self) -> [u8; Self::ENCODED_BYTES] {
        let mut bytes = [0; Self::ENCODED_BYTES];
        bytes[..4].copy_from_slice(&self.tenant.0.to_be_bytes());
        bytes[4..20].copy_from_slice(self.topic_id.0.as_bytes());
        bytes[20..].copy_from_slice(&self.partition.0.to_be_bytes());
        bytes
    }

    /// Decodes what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8; Self::ENCODED_BYTES]) -> Self {
        let [t0, t1, t2, t3, topic @ .., p0, p1, p2, p3] = *bytes;
        Self {
            tenant: TenantId(u32::from_be_bytes([t0, t1, t2, t3])),
            topic_id: TopicId(Uuid::from_bytes(topic)),
            partition: PartitionId(i32::from_be_bytes([p0, p1, p2, p3])),
        }
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}-{}", self.tenant, self.topic_id, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_key_survives_its_encoding_and_sorts_by_partition() {
        let key = PartitionKey {
            tenant: TenantId(7),
            topic_id: TopicId(Uuid::from_u128(0x0102_0304)),
            partition: PartitionId(258),
        };
        assert_eq!(PartitionKey::from_bytes(&key.to_bytes()), key);
        let later = PartitionKey {
            partition: PartitionId(259),
            ..key
        };
        assert!(key.to_bytes() < later.to_bytes());
    }
}
