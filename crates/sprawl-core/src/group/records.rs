//! How does group state look in `__consumer_offsets`?
//!
//! Keys begin with a version that names the record's kind: 0 and 1 an offset commit, 2 a group. A
//! record without a value is a tombstone. Written: OffsetCommitKey 1, OffsetCommitValue 3 (1 with a
//! retention of its own), GroupMetadataKey 2, GroupMetadataValue 3. Read: values 0 to 4, the
//! flexible version 4 included, so that a log written by Apache Kafka loads as well.
//!
//! Source: Kafka's OffsetCommitKey/Value and GroupMetadataKey/Value message definitions, KIP-915.

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;

use super::member::Member;
use super::membership::Group;
use super::offsets::CommittedOffset;
use super::wire::{Encoding, Reader, Writer};

/// A key and value of `__consumer_offsets`; no value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Option<Bytes>,
}

/// Why a record could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The record ends too early.
    #[error("expected {expected} more bytes, found {found}")]
    Short {
        /// Bytes, or elements of at least one byte, that should follow.
        expected: usize,
        /// Bytes that do follow.
        found: usize,
    },
    /// A length is negative.
    #[error("expected a length, found {0}")]
    Length(i64),
    /// A varint does not end within 32 bits.
    #[error("expected a varint of at most 32 bits, found a longer one")]
    Varint,
    /// A string is not UTF-8.
    #[error("expected a UTF-8 string, found other bytes")]
    Utf8,
    /// Null where a value is needed.
    #[error("expected a value, found null")]
    Null,
    /// A value of a version this code does not know.
    #[error("expected a value version from 0 to {known_max}, found {found}")]
    ValueVersion {
        /// The newest version that is read.
        known_max: i16,
        /// The version found.
        found: i16,
    },
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordKey {
    /// A committed offset.
    OffsetCommit {
        /// The group.
        group_id: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// A group's generation, members and assignments.
    Group {
        /// The group.
        group_id: String,
    },
    /// A kind of record that belongs to a later protocol.
    Unknown {
        /// The key's version.
        version: i16,
    },
}

impl RecordKey {
    /// Reads a record's key.
    pub fn decode(key: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(key);
        match reader.int16()? {
            0 | 1 => Ok(Self::OffsetCommit {
                group_id: reader.string()?,
                topic: reader.string()?,
                partition: reader.int32()?,
            }),
            2 => Ok(Self::Group {
                group_id: reader.string()?,
            }),
            version => Ok(Self::Unknown { version }),
        }
    }

    /// Writes a record's key; an unknown kind has nothing but its version.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::OffsetCommit {
                group_id,
                topic,
                partition,
            } => Writer::version(1)
                .string(group_id)
                .string(topic)
                .int32(*partition)
                .finish(),
            Self::Group { group_id } => Writer::version(2).string(group_id).finish(),
            Self::Unknown { version } => Writer::version(*version).finish(),
        }
    }

    pub(super) fn offset_commit(group_id: &str, topic: &str, partition: i32) -> Self {
        Self::OffsetCommit {
            group_id: group_id.to_owned(),
            topic: topic.to_owned(),
            partition,
        }
    }

    pub(super) fn tombstone(&self) -> Record {
        Record {
            key: self.encode(),
            value: None,
        }
    }
}

const VALUE_VERSION_MAX: i16 = 4;

fn value_reader(value: &[u8]) -> Result<(Reader<'_>, i16), RecordError> {
    let mut reader = Reader::new(value);
    let version = reader.int16()?;
    if !(0..=VALUE_VERSION_MAX).contains(&version) {
        return Err(RecordError::ValueVersion {
            known_max: VALUE_VERSION_MAX,
            found: version,
        });
    }
    if version == 4 {
        reader.set_encoding(Encoding::Compact);
    }
    Ok((reader, version))
}

pub(super) fn offset_commit_value(committed: &CommittedOffset) -> Bytes {
    match committed.expire_timestamp_ms {
        None => Writer::version(3)
            .int64(committed.offset)
            .int32(committed.leader_epoch)
            .string(&committed.metadata)
            .int64(committed.commit_timestamp_ms)
            .finish(),
        Some(expire_timestamp_ms) => Writer::version(1)
            .int64(committed.offset)
            .string(&committed.metadata)
            .int64(committed.commit_timestamp_ms)
            .int64(expire_timestamp_ms)
            .finish(),
    }
}

pub(super) fn decode_offset_commit(value: &[u8]) -> Result<CommittedOffset, RecordError> {
    let (mut reader, version) = value_reader(value)?;
    let offset = reader.int64()?;
    let leader_epoch = if version >= 3 { reader.int32()? } else { -1 };
    let metadata = reader.string()?;
    let commit_timestamp_ms = reader.int64()?;
    let expire_timestamp_ms = if version == 1 { reader.int64()? } else { -1 };
    reader.tagged_fields()?;
    Ok(CommittedOffset {
        offset,
        leader_epoch,
        metadata,
        commit_timestamp_ms,
        expire_timestamp_ms: (expire_timestamp_ms != -1).then_some(expire_timestamp_ms),
    })
}

/// A group's metadata, as its record holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupValue {
    pub(super) protocol_type: Option<String>,
    pub(super) generation: i32,
    pub(super) protocol_name: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) state_timestamp_ms: Option<i64>,
    pub(super) members: Vec<MemberValue>,
}

/// A member, as its group's record holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemberValue {
    pub(super) member_id: String,
    pub(super) group_instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    pub(super) subscription: Bytes,
    pub(super) assignment: Bytes,
}

impl MemberValue {
    fn of(member: &Member, protocol_name: &str, assignment: Bytes) -> Self {
        Self {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol_name),
            assignment,
        }
    }

    fn encode(&self, writer: &mut Writer) {
        writer
            .string(&self.member_id)
            .nullable_string(self.group_instance_id.as_deref())
            .string(&self.client_id)
            .string(&self.client_host)
            .int32(self.rebalance_timeout_ms)
            .int32(self.session_timeout_ms)
            .bytes(&self.subscription)
            .bytes(&self.assignment);
    }

    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, RecordError> {
        let member_id = reader.string()?;
        let group_instance_id = if version >= 3 {
            reader.nullable_string()?
        } else {
            None
        };
        let client_id = reader.string()?;
        let client_host = reader.string()?;
        let rebalance_timeout_ms = if version >= 1 { reader.int32()? } else { -1 };
        let session_timeout_ms = reader.int32()?;
        let subscription = reader.bytes()?;
        let assignment = reader.bytes()?;
        reader.tagged_fields()?;
        Ok(Self {
            member_id,
            group_instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: match rebalance_timeout_ms {
                -1 => session_timeout_ms,
                timeout_ms => timeout_ms,
            },
            session_timeout_ms,
            subscription,
            assignment,
        })
    }
}

impl GroupValue {
    pub(super) fn encode(&self) -> Bytes {
        let mut writer = Writer::version(3);
        writer
            .string(self.protocol_type.as_deref().unwrap_or(""))
            .int32(self.generation)
            .nullable_string(self.protocol_name.as_deref())
            .nullable_string(self.leader.as_deref())
            .int64(self.state_timestamp_ms.unwrap_or(-1))
            .count(self.members.len());
        for member in &self.members {
            member.encode(&mut writer);
        }
        writer.finish()
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, version) = value_reader(value)?;
        let protocol_type = reader.string()?;
        let generation = reader.int32()?;
        let protocol_name = reader.nullable_string()?;
        let leader = reader.nullable_string()?;
        let state_timestamp_ms = if version >= 2 { reader.int64()? } else { -1 };
        let mut members = Vec::new();
        for _ in 0..reader.count()? {
            members.push(MemberValue::decode(&mut reader, version)?);
        }
        reader.tagged_fields()?;
        Ok(Self {
            protocol_type: (!protocol_type.is_empty()).then_some(protocol_type),
            generation,
            protocol_name,
            leader,
            state_timestamp_ms: (state_timestamp_ms != -1).then_some(state_timestamp_ms),
            members,
        })
    }
}

/// The record of `group` with these assignments; a member without one is written with an empty one.
pub(super) fn group_record(group: &Group, assignments: &BTreeMap<String, Bytes>) -> Record {
    let members = group
        .members
        .values()
        .map(|member| {
            let assignment = assignments
                .get(&member.member_id)
                .cloned()
                .unwrap_or_default();
            MemberValue::of(
                member,
                group.protocol_name.as_deref().unwrap_or(""),
                assignment,
            )
        })
        .collect();
    let value = GroupValue {
        protocol_type: group.protocol_type.clone(),
        generation: group.generation,
        protocol_name: group.protocol_name.clone(),
        leader: group.leader.clone(),
        state_timestamp_ms: group.state_timestamp_ms,
        members,
    };
    Record {
        key: group_key(&group.group_id).encode(),
        value: Some(value.encode()),
    }
}

pub(super) fn group_key(group_id: &str) -> RecordKey {
    RecordKey::Group {
        group_id: group_id.to_owned(),
    }
}
