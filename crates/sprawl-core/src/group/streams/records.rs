//! How does a streams group look in `__consumer_offsets`?
//!
//! Keys 17 and 19 to 23, each value at version 0 in the flexible encoding.
//!
//! Source: Kafka's StreamsGroup*Key and *Value message definitions; KIP-1071, KIP-1263 (assignment
//! timestamp).

#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;

use super::member::{Current, MemberMetadata};
use super::tasks::Tasks;
use super::topology::Topology;
use crate::coordinator::wire::{Reader, Writer};
use crate::coordinator::{Record, RecordError};

const GROUP_KEY: i16 = 17;
const MEMBER_KEY: i16 = 19;
const TARGET_EPOCH_KEY: i16 = 20;
const TARGET_KEY: i16 = 21;
const CURRENT_KEY: i16 = 22;
const TOPOLOGY_KEY: i16 = 23;

/// The epoch of a group, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct GroupEpoch {
    pub(super) epoch: i32,
    pub(super) metadata_hash: i64,
    /// The epoch of the topology whose topics were found as they should be; -1 for none.
    pub(super) validated_topology_epoch: i32,
    /// The settings that assignments are made with.
    pub(super) assignment_configs: BTreeMap<String, String>,
}

impl Default for GroupEpoch {
    fn default() -> Self {
        Self {
            epoch: 1,
            metadata_hash: 0,
            validated_topology_epoch: -1,
            assignment_configs: BTreeMap::new(),
        }
    }
}

/// The epoch of the target assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) struct TargetEpoch {
    pub(super) epoch: i32,
    pub(super) timestamp_ms: i64,
}

impl Default for TargetEpoch {
    fn default() -> Self {
        Self {
            epoch: 1,
            timestamp_ms: 0,
        }
    }
}

/// A record of a streams group; `None` deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) enum StreamsRecord {
    Group(Option<GroupEpoch>),
    Member(String, Option<MemberMetadata>),
    TargetEpoch(Option<TargetEpoch>),
    Target(String, Option<Tasks>),
    Current(String, Option<Current>),
    Topology(Option<Topology>),
}

impl StreamsRecord {
    fn key_version(&self) -> i16 {
        match self {
            Self::Group(_) => GROUP_KEY,
            Self::Member(..) => MEMBER_KEY,
            Self::TargetEpoch(_) => TARGET_EPOCH_KEY,
            Self::Target(..) => TARGET_KEY,
            Self::Current(..) => CURRENT_KEY,
            Self::Topology(_) => TOPOLOGY_KEY,
        }
    }

    /// Whether the record deletes.
    pub(in crate::group) fn is_tombstone(&self) -> bool {
        match self {
            Self::Group(value) => value.is_none(),
            Self::Member(_, value) => value.is_none(),
            Self::TargetEpoch(value) => value.is_none(),
            Self::Target(_, value) => value.is_none(),
            Self::Current(_, value) => value.is_none(),
            Self::Topology(value) => value.is_none(),
        }
    }

    /// Writes the record.
    pub(in crate::group) fn encode(&self, group_id: &str) -> Record {
        let mut key = Writer::version(self.key_version());
        key.string(group_id);
        let value = match self {
            Self::Group(value) => value.as_ref().map(values::encode_group),
            Self::TargetEpoch(value) => value.map(values::encode_target_epoch),
            Self::Member(member_id, value) => {
                key.string(member_id);
                value.as_ref().map(values::encode_member)
            }
            Self::Target(member_id, value) => {
                key.string(member_id);
                value.as_ref().map(values::encode_target)
            }
            Self::Current(member_id, value) => {
                key.string(member_id);
                value.as_ref().map(values::encode_current)
            }
            Self::Topology(value) => value.as_ref().map(values::encode_topology),
        };
        Record {
            key: key.finish(),
            value,
        }
    }

    /// Reads a record; `None` for a key of another kind.
    pub(in crate::group) fn decode(record: &Record) -> Result<Option<(String, Self)>, RecordError> {
        let mut key = Reader::new(&record.key);
        let version = key.int16()?;
        if version != GROUP_KEY && !(MEMBER_KEY..=TOPOLOGY_KEY).contains(&version) {
            return Ok(None);
        }
        let group_id = key.string()?;
        let value = record.value.as_deref();
        let record = match version {
            GROUP_KEY => Self::Group(value.map(values::decode_group).transpose()?),
            MEMBER_KEY => {
                Self::Member(key.string()?, value.map(values::decode_member).transpose()?)
            }
            TARGET_EPOCH_KEY => {
                Self::TargetEpoch(value.map(values::decode_target_epoch).transpose()?)
            }
            TARGET_KEY => {
                Self::Target(key.string()?, value.map(values::decode_target).transpose()?)
            }
            CURRENT_KEY => Self::Current(
                key.string()?,
                value.map(values::decode_current).transpose()?,
            ),
            _ => Self::Topology(value.map(values::decode_topology).transpose()?),
        };
        Ok(Some((group_id, record)))
    }
}
