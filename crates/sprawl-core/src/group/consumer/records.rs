//! How does a consumer group look in `__consumer_offsets`?
//!
//! Keys 3 to 8 and 16, each value at version 0 in the flexible encoding. Written as Kafka 4.3 does:
//! the metadata hash stands in the group's own record, so that key 4 is only ever deleted.
//!
//! Source: Kafka's ConsumerGroup*Key and *Value message definitions; KIP-848, KIP-1101 (metadata
//! hash), KIP-1263 (assignment timestamp).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::member::{ClassicMetadata, Current, MemberMetadata, MemberState, Owned};
use crate::coordinator::wire::{Encoding, Reader, Writer};
use crate::coordinator::{Record, RecordError};
use crate::group::modern::{Assignment, decode_assignment, encode_assignment};
use crate::group::request::JoinProtocol;

const GROUP_KEY: i16 = 3;
const PARTITION_METADATA_KEY: i16 = 4;
const MEMBER_KEY: i16 = 5;
const TARGET_EPOCH_KEY: i16 = 6;
const TARGET_KEY: i16 = 7;
const CURRENT_KEY: i16 = 8;
const REGEX_KEY: i16 = 16;

/// The epoch of a group and the metadata it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct GroupEpoch {
    pub(in crate::group) epoch: i32,
    pub(in crate::group) metadata_hash: i64,
}

/// The epoch of the target assignment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct TargetEpoch {
    pub(in crate::group) epoch: i32,
    pub(in crate::group) timestamp_ms: i64,
}

/// The topics that a pattern matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct ResolvedRegex {
    pub(in crate::group) topics: BTreeSet<String>,
    /// The metadata that was looked at.
    pub(in crate::group) version: i64,
    pub(in crate::group) timestamp_ms: i64,
}

/// A record of a consumer group; `None` deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) enum ConsumerRecord {
    Group(Option<GroupEpoch>),
    /// Only whether Kafka before 4.1 left such a record.
    PartitionMetadata(Option<()>),
    Member(String, Option<MemberMetadata>),
    TargetEpoch(Option<TargetEpoch>),
    Target(String, Option<Assignment>),
    Current(String, Option<Current>),
    Regex(String, Option<ResolvedRegex>),
}

impl ConsumerRecord {
    fn key_version(&self) -> i16 {
        match self {
            Self::Group(_) => GROUP_KEY,
            Self::PartitionMetadata(_) => PARTITION_METADATA_KEY,
            Self::Member(..) => MEMBER_KEY,
            Self::TargetEpoch(_) => TARGET_EPOCH_KEY,
            Self::Target(..) => TARGET_KEY,
            Self::Current(..) => CURRENT_KEY,
            Self::Regex(..) => REGEX_KEY,
        }
    }

    /// Whether the record deletes.
    pub(in crate::group) fn is_tombstone(&self) -> bool {
        match self {
            Self::Group(value) => value.is_none(),
            Self::PartitionMetadata(value) => value.is_none(),
            Self::Member(_, value) => value.is_none(),
            Self::TargetEpoch(value) => value.is_none(),
            Self::Target(_, value) => value.is_none(),
            Self::Current(_, value) => value.is_none(),
            Self::Regex(_, value) => value.is_none(),
        }
    }

    /// Writes the record.
    pub(in crate::group) fn encode(&self, group_id: &str) -> Record {
        let mut key = Writer::version(self.key_version());
        key.string(group_id);
        let value = match self {
            Self::Group(value) => value.map(encode_group),
            Self::PartitionMetadata(None) => None,
            Self::PartitionMetadata(Some(())) => unreachable!("replaced by the metadata hash"),
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
            Self::Regex(regex, value) => {
                key.string(regex);
                value.as_ref().map(encode_regex)
            }
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
        if !(GROUP_KEY..=CURRENT_KEY).contains(&version) && version != REGEX_KEY {
            return Ok(None);
        }
        let group_id = key.string()?;
        let value = record.value.as_deref();
        let record = match version {
            GROUP_KEY => Self::Group(value.map(decode_group).transpose()?),
            PARTITION_METADATA_KEY => Self::PartitionMetadata(value.map(|_| ())),
            TARGET_EPOCH_KEY => Self::TargetEpoch(value.map(decode_target_epoch).transpose()?),
            MEMBER_KEY => Self::Member(key.string()?, value.map(decode_member).transpose()?),
            TARGET_KEY => Self::Target(key.string()?, value.map(decode_target).transpose()?),
            CURRENT_KEY => Self::Current(key.string()?, value.map(decode_current).transpose()?),
            _ => Self::Regex(key.string()?, value.map(decode_regex).transpose()?),
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

fn encode_group(group: GroupEpoch) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer.int32(group.epoch);
    match group.metadata_hash {
        0 => writer.no_tags(),
        hash => writer.one_tag(0, |field| {
            field.int64(hash);
        }),
    };
    writer.finish()
}

fn decode_group(value: &[u8]) -> Result<GroupEpoch, RecordError> {
    let mut reader = value_reader(value)?;
    let epoch = reader.int32()?;
    let mut metadata_hash = 0;
    reader.tags(|tag, field| {
        if tag == 0 {
            metadata_hash = field.int64()?;
        }
        Ok(())
    })?;
    Ok(GroupEpoch {
        epoch,
        metadata_hash,
    })
}

fn encode_target_epoch(target: TargetEpoch) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer.int32(target.epoch);
    match target.timestamp_ms {
        0 => writer.no_tags(),
        timestamp_ms => writer.one_tag(0, |field| {
            field.int64(timestamp_ms);
        }),
    };
    writer.finish()
}

fn decode_target_epoch(value: &[u8]) -> Result<TargetEpoch, RecordError> {
    let mut reader = value_reader(value)?;
    let epoch = reader.int32()?;
    let mut timestamp_ms = 0;
    reader.tags(|tag, field| {
        if tag == 0 {
            timestamp_ms = field.int64()?;
        }
        Ok(())
    })?;
    Ok(TargetEpoch {
        epoch,
        timestamp_ms,
    })
}

fn encode_member(member: &MemberMetadata) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer
        .nullable_string(member.instance_id.as_deref())
        .nullable_string(member.rack_id.as_deref())
        .string(&member.client_id)
        .string(&member.client_host)
        .count(member.topics.len());
    for topic in &member.topics {
        writer.string(topic);
    }
    writer
        .nullable_string(member.regex.as_deref())
        .int32(member.rebalance_timeout_ms)
        .nullable_string(member.server_assignor.as_deref());
    match &member.classic {
        None => writer.no_tags(),
        Some(classic) => writer.one_tag(0, |field| encode_classic(field, classic)),
    };
    writer.finish()
}

/// A nullable structure begins with 1, or is -1 for null.
fn encode_classic(field: &mut Writer, classic: &ClassicMetadata) {
    field
        .int8(1)
        .int32(classic.session_timeout_ms)
        .count(classic.protocols.len());
    for protocol in &classic.protocols {
        field
            .string(&protocol.name)
            .bytes(&protocol.metadata)
            .no_tags();
    }
    field.no_tags();
}

fn decode_member(value: &[u8]) -> Result<MemberMetadata, RecordError> {
    let mut reader = value_reader(value)?;
    let mut member = MemberMetadata {
        instance_id: reader.nullable_string()?,
        rack_id: reader.nullable_string()?,
        client_id: reader.string()?,
        client_host: reader.string()?,
        ..MemberMetadata::default()
    };
    for _ in 0..reader.count()? {
        member.topics.insert(reader.string()?);
    }
    // Kafka writes an empty pattern for "none any more".
    member.regex = reader.nullable_string()?.filter(|regex| !regex.is_empty());
    member.rebalance_timeout_ms = reader.int32()?;
    member.server_assignor = reader.nullable_string()?;
    reader.tags(|tag, field| {
        if tag == 0 {
            member.classic = decode_classic(field)?;
        }
        Ok(())
    })?;
    Ok(member)
}

fn decode_classic(field: &mut Reader<'_>) -> Result<Option<ClassicMetadata>, RecordError> {
    if field.int8()? < 0 {
        return Ok(None);
    }
    let session_timeout_ms = field.int32()?;
    let mut protocols = Vec::new();
    for _ in 0..field.count()? {
        let (name, metadata) = (field.string()?, field.bytes()?);
        field.tagged_fields()?;
        protocols.push(JoinProtocol { name, metadata });
    }
    if protocols.is_empty() {
        return Err(RecordError::Null);
    }
    Ok(Some(ClassicMetadata {
        session_timeout_ms,
        protocols,
    }))
}

fn encode_target(assignment: &Assignment) -> Bytes {
    let mut writer = Writer::flexible(0);
    encode_assignment(&mut writer, assignment);
    writer.no_tags().finish()
}

fn decode_target(value: &[u8]) -> Result<Assignment, RecordError> {
    let mut reader = value_reader(value)?;
    let assignment = decode_assignment(&mut reader)?;
    reader.tagged_fields()?;
    Ok(assignment)
}

fn encode_current(current: &Current) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer
        .int32(current.epoch)
        .int32(current.previous_epoch)
        .int8(current.state.number());
    encode_owned(&mut writer, &current.assigned);
    encode_owned(&mut writer, &current.revoking);
    writer.no_tags().finish()
}

fn encode_owned(writer: &mut Writer, owned: &Owned) {
    writer.count(owned.len());
    for (topic_id, partitions) in owned.iter() {
        writer.uuid(topic_id.0).count(partitions.len());
        for partition in partitions.keys() {
            writer.int32(*partition);
        }
        writer.one_tag(0, |field| {
            field.count(partitions.len());
            for epoch in partitions.values() {
                field.int32(*epoch);
            }
        });
    }
}

fn decode_current(value: &[u8]) -> Result<Current, RecordError> {
    let mut reader = value_reader(value)?;
    let epoch = reader.int32()?;
    let previous_epoch = reader.int32()?;
    let state = MemberState::numbered(reader.int8()?);
    let assigned = decode_owned(&mut reader, epoch)?;
    let revoking = decode_owned(&mut reader, epoch)?;
    reader.tagged_fields()?;
    Ok(Current {
        epoch,
        previous_epoch,
        state,
        assigned,
        revoking,
    })
}

/// Partitions without epochs of their own, as Kafka before 4.2 wrote them, get the member's.
fn decode_owned(reader: &mut Reader<'_>, member_epoch: i32) -> Result<Owned, RecordError> {
    let mut owned = Owned::default();
    for _ in 0..reader.count()? {
        let topic_id = sprawl_model::TopicId(reader.uuid()?);
        let mut partitions = Vec::new();
        for _ in 0..reader.count()? {
            partitions.push(reader.int32()?);
        }
        let mut epochs = Vec::new();
        reader.tags(|tag, field| {
            if tag == 0 {
                for _ in 0..field.count()? {
                    epochs.push(field.int32()?);
                }
            }
            Ok(())
        })?;
        let epochs = epochs.into_iter().chain(std::iter::repeat(member_epoch));
        let partitions: BTreeMap<i32, i32> = partitions.into_iter().zip(epochs).collect();
        if !partitions.is_empty() {
            owned.insert(topic_id, partitions);
        }
    }
    Ok(owned)
}

fn encode_regex(regex: &ResolvedRegex) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer.count(regex.topics.len());
    for topic in &regex.topics {
        writer.string(topic);
    }
    writer
        .int64(regex.version)
        .int64(regex.timestamp_ms)
        .no_tags()
        .finish()
}

fn decode_regex(value: &[u8]) -> Result<ResolvedRegex, RecordError> {
    let mut reader = value_reader(value)?;
    let mut topics = BTreeSet::new();
    for _ in 0..reader.count()? {
        topics.insert(reader.string()?);
    }
    let (version, timestamp_ms) = (reader.int64()?, reader.int64()?);
    reader.tagged_fields()?;
    Ok(ResolvedRegex {
        topics,
        version,
        timestamp_ms,
    })
}
