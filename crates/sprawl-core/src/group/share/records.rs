//! How does a share group look in `__consumer_offsets`?
//!
//! Keys 10 to 15, each value at version 0 in the flexible encoding.
//!
//! Source: Kafka's ShareGroup*Key and *Value message definitions; KIP-932, KIP-1263 (assignment
//! timestamp).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sprawl_model::TopicId;

use super::request::StatePartitions;
use crate::coordinator::wire::{Encoding, Reader, Writer};
use crate::coordinator::{Record, RecordError};
use crate::group::modern::{Assignment, decode_assignment, encode_assignment};

const MEMBER_KEY: i16 = 10;
const GROUP_KEY: i16 = 11;
const TARGET_EPOCH_KEY: i16 = 12;
const TARGET_KEY: i16 = 13;
const CURRENT_KEY: i16 = 14;
const STATES_KEY: i16 = 15;

/// The state of a member that has what it should have; share groups know no other.
const MEMBER_STATE_STABLE: i8 = 0;

/// What a member said about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct Member {
    pub(in crate::group) rack_id: Option<String>,
    pub(in crate::group) client_id: String,
    pub(in crate::group) client_host: String,
    pub(in crate::group) topics: BTreeSet<String>,
}

/// What a member has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct Current {
    pub(in crate::group) epoch: i32,
    pub(in crate::group) previous_epoch: i32,
    pub(in crate::group) assigned: Assignment,
}

/// Whose state was begun, is being begun, or is being deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct States {
    pub(in crate::group) initializing: StatePartitions,
    pub(in crate::group) initialized: StatePartitions,
    pub(in crate::group) deleting: BTreeMap<TopicId, String>,
}

/// A record of a share group; `None` deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) enum ShareRecord {
    /// The epoch and the metadata hash.
    Group(Option<(i32, i64)>),
    Member(String, Option<Member>),
    /// The epoch and when it was computed.
    TargetEpoch(Option<(i32, i64)>),
    Target(String, Option<Assignment>),
    Current(String, Option<Current>),
    States(Option<States>),
}

impl ShareRecord {
    fn key_version(&self) -> i16 {
        match self {
            Self::Group(_) => GROUP_KEY,
            Self::Member(..) => MEMBER_KEY,
            Self::TargetEpoch(_) => TARGET_EPOCH_KEY,
            Self::Target(..) => TARGET_KEY,
            Self::Current(..) => CURRENT_KEY,
            Self::States(_) => STATES_KEY,
        }
    }

    /// Whether the record deletes.
    pub(in crate::group) fn is_tombstone(&self) -> bool {
        match self {
            Self::Group(value) | Self::TargetEpoch(value) => value.is_none(),
            Self::Member(_, value) => value.is_none(),
            Self::Target(_, value) => value.is_none(),
            Self::Current(_, value) => value.is_none(),
            Self::States(value) => value.is_none(),
        }
    }

    /// Writes the record.
    pub(in crate::group) fn encode(&self, group_id: &str) -> Record {
        let mut key = Writer::version(self.key_version());
        key.string(group_id);
        let value = match self {
            Self::Group(value) => value.map(encode_group),
            Self::TargetEpoch(value) => value.map(encode_target_epoch),
            Self::Member(member_id, value) => {
                key.string(member_id);
                value.as_ref().map(encode_member)
            }
            Self::Target(member_id, value) => {
                key.string(member_id);
                value.as_ref().map(encode_target)
            }
            Self::Current(member_id, value) => {
                key.string(member_id);
                value.as_ref().map(encode_current)
            }
            Self::States(value) => value.as_ref().map(encode_states),
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
        if !(MEMBER_KEY..=STATES_KEY).contains(&version) {
            return Ok(None);
        }
        let group_id = key.string()?;
        let value = record.value.as_deref();
        let record = match version {
            GROUP_KEY => Self::Group(value.map(decode_group).transpose()?),
            TARGET_EPOCH_KEY => Self::TargetEpoch(value.map(decode_target_epoch).transpose()?),
            MEMBER_KEY => Self::Member(key.string()?, value.map(decode_member).transpose()?),
            TARGET_KEY => Self::Target(key.string()?, value.map(decode_target).transpose()?),
            CURRENT_KEY => Self::Current(key.string()?, value.map(decode_current).transpose()?),
            _ => Self::States(value.map(decode_states).transpose()?),
        };
        Ok(Some((group_id, record)))
    }
}

fn value_reader(value: &[u8]) -> Result<Reader<'_>, RecordError> {
    let mut reader = Reader::new(value);
    let found = reader.int16()?;
    if found != 0 {
        let known_max = 0;
        return Err(RecordError::ValueVersion { known_max, found });
    }
    reader.set_encoding(Encoding::Compact);
    Ok(reader)
}

fn encode_group((epoch, metadata_hash): (i32, i64)) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer.int32(epoch).int64(metadata_hash).no_tags();
    writer.finish()
}

fn decode_group(value: &[u8]) -> Result<(i32, i64), RecordError> {
    let mut reader = value_reader(value)?;
    let group = (reader.int32()?, reader.int64()?);
    reader.tagged_fields()?;
    Ok(group)
}

fn encode_target_epoch((epoch, timestamp_ms): (i32, i64)) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer.int32(epoch);
    match timestamp_ms {
        0 => writer.no_tags(),
        timestamp_ms => writer.one_tag(0, |field| {
            field.int64(timestamp_ms);
        }),
    };
    writer.finish()
}

fn decode_target_epoch(value: &[u8]) -> Result<(i32, i64), RecordError> {
    let mut reader = value_reader(value)?;
    let epoch = reader.int32()?;
    let mut timestamp_ms = 0;
    reader.tags(|tag, field| {
        if tag == 0 {
            timestamp_ms = field.int64()?;
        }
        Ok(())
    })?;
    Ok((epoch, timestamp_ms))
}

fn encode_member(member: &Member) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer
        .nullable_string(member.rack_id.as_deref())
        .string(&member.client_id)
        .string(&member.client_host)
        .count(member.topics.len());
    for topic in &member.topics {
        writer.string(topic);
    }
    writer.no_tags().finish()
}

fn decode_member(value: &[u8]) -> Result<Member, RecordError> {
    let mut reader = value_reader(value)?;
    let mut member = Member {
        rack_id: reader.nullable_string()?,
        client_id: reader.string()?,
        client_host: reader.string()?,
        topics: BTreeSet::new(),
    };
    for _ in 0..reader.count()? {
        member.topics.insert(reader.string()?);
    }
    reader.tagged_fields()?;
    Ok(member)
}

fn encode_target(target: &Assignment) -> Bytes {
    let mut writer = Writer::flexible(0);
    encode_assignment(&mut writer, target);
    writer.no_tags().finish()
}

fn decode_target(value: &[u8]) -> Result<Assignment, RecordError> {
    let mut reader = value_reader(value)?;
    let target = decode_assignment(&mut reader)?;
    reader.tagged_fields()?;
    Ok(target)
}

fn encode_current(current: &Current) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer
        .int32(current.epoch)
        .int32(current.previous_epoch)
        .int8(MEMBER_STATE_STABLE);
    encode_assignment(&mut writer, &current.assigned);
    writer.no_tags().finish()
}

fn decode_current(value: &[u8]) -> Result<Current, RecordError> {
    let mut reader = value_reader(value)?;
    let (epoch, previous_epoch) = (reader.int32()?, reader.int32()?);
    let _state = reader.int8()?;
    let assigned = decode_assignment(&mut reader)?;
    reader.tagged_fields()?;
    Ok(Current {
        epoch,
        previous_epoch,
        assigned,
    })
}

fn encode_states(states: &States) -> Bytes {
    let mut writer = Writer::flexible(0);
    put_partitions(&mut writer, &states.initializing);
    put_partitions(&mut writer, &states.initialized);
    writer.count(states.deleting.len());
    for (topic_id, name) in &states.deleting {
        writer.uuid(topic_id.0).string(name).no_tags();
    }
    writer.no_tags().finish()
}

fn put_partitions(writer: &mut Writer, partitions: &StatePartitions) {
    writer.count(partitions.len());
    for (topic_id, (name, numbers)) in partitions {
        writer.uuid(topic_id.0).string(name).count(numbers.len());
        for number in numbers {
            writer.int32(*number);
        }
        writer.no_tags();
    }
}

fn decode_states(value: &[u8]) -> Result<States, RecordError> {
    let mut reader = value_reader(value)?;
    let initializing = read_partitions(&mut reader)?;
    let initialized = read_partitions(&mut reader)?;
    let mut deleting = BTreeMap::new();
    for _ in 0..reader.count()? {
        deleting.insert(TopicId(reader.uuid()?), reader.string()?);
        reader.tagged_fields()?;
    }
    reader.tagged_fields()?;
    Ok(States {
        initializing,
        initialized,
        deleting,
    })
}

fn read_partitions(reader: &mut Reader<'_>) -> Result<StatePartitions, RecordError> {
    let mut partitions = StatePartitions::new();
    for _ in 0..reader.count()? {
        let (topic_id, name) = (TopicId(reader.uuid()?), reader.string()?);
        let mut numbers = BTreeSet::new();
        for _ in 0..reader.count()? {
            numbers.insert(reader.int32()?);
        }
        reader.tagged_fields()?;
        partitions.insert(topic_id, (name, numbers));
    }
    Ok(partitions)
}
