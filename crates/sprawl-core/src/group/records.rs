//! How does group state look in `__consumer_offsets`?
//!
//! Keys begin with a version that names the record's kind: 0 and 1 an offset commit, 2 a group. A
//! record without a value is a tombstone. Written: OffsetCommitKey 1, OffsetCommitValue 3 (1 with a
//! retention of its own), GroupMetadataKey 2, GroupMetadataValue 3. Read: values 0 to 4, the
//! flexible version 4 included, so that a log written by Apache Kafka loads as well.
//!
//! Source: Kafka's OffsetCommitKey/Value and GroupMetadataKey/Value message definitions, KIP-915.

use bytes::Bytes;

use super::offsets::CommittedOffset;
use crate::coordinator::wire::{Encoding, Reader, Writer};
use crate::coordinator::{Record, RecordError};

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

pub(super) fn value_reader(value: &[u8]) -> Result<(Reader<'_>, i16), RecordError> {
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

pub(super) fn group_key(group_id: &str) -> RecordKey {
    RecordKey::Group {
        group_id: group_id.to_owned(),
    }
}
