//! What stands in the records of `__share_group_state`?
//!
//! Keys: version 0 is a snapshot, 1 a change; group, topic id, partition. Values are version 0, in
//! the flexible encoding. Nothing else is known; an unknown key is passed over. Source:
//! `ShareSnapshotKey`, `ShareSnapshotValue`, `ShareUpdateKey`, `ShareUpdateValue` of Kafka 4.3.

use bytes::Bytes;
use sprawl_model::TopicId;

use super::request::{ShareStateKey, ShareStateWrite};
use super::state::{ShareState, are_in_order};
use crate::coordinator::wire::{Encoding, Reader, Writer, fits};
use crate::coordinator::{Record, RecordError};
use crate::share::{DeliveryState, StateBatch};

const SNAPSHOT_KEY: i16 = 0;
const UPDATE_KEY: i16 = 1;
const VALUE_VERSION: i16 = 0;

/// The tagged field of a value that counts what is over.
const DELIVERY_COMPLETE_TAG: u32 = 0;

/// A key of `__share_group_state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RecordKey {
    Snapshot(ShareStateKey),
    Update(ShareStateKey),
    Unknown { version: i16 },
}

impl RecordKey {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes);
        let version = reader.int16()?;
        let make = match version {
            SNAPSHOT_KEY => Self::Snapshot,
            UPDATE_KEY => Self::Update,
            _ => return Ok(Self::Unknown { version }),
        };
        Ok(make(ShareStateKey {
            group_id: reader.string()?,
            topic_id: TopicId(reader.uuid()?),
            partition: reader.int32()?,
        }))
    }
}

/// Whether a record can have the key: strings of keys are counted with 16 bits.
pub(super) fn key_fits(key: &ShareStateKey) -> bool {
    fits(&key.group_id)
}

fn encode_key(version: i16, key: &ShareStateKey) -> Bytes {
    Writer::version(version)
        .string(&key.group_id)
        .uuid(key.topic_id.0)
        .int32(key.partition)
        .finish()
}

/// The record that holds all of a state.
pub(super) fn snapshot_record(key: &ShareStateKey, state: &ShareState) -> Record {
    let mut value = Writer::flexible(VALUE_VERSION);
    value
        .int32(state.snapshot_epoch)
        .int32(state.state_epoch)
        .int32(state.leader_epoch)
        .int64(state.start_offset)
        .int64(state.create_timestamp)
        .int64(state.write_timestamp);
    put_batches(&mut value, &state.batches);
    put_tags(&mut value, state.delivery_complete_count);
    Record {
        key: encode_key(SNAPSHOT_KEY, key),
        value: Some(value.finish()),
    }
}

/// The record that holds a change.
pub(super) fn update_record(
    key: &ShareStateKey,
    snapshot_epoch: i32,
    write: &ShareStateWrite,
) -> Record {
    let mut value = Writer::flexible(VALUE_VERSION);
    value
        .int32(snapshot_epoch)
        .int32(write.leader_epoch)
        .int64(write.start_offset);
    put_batches(&mut value, &write.batches);
    put_tags(&mut value, write.delivery_complete_count);
    Record {
        key: encode_key(UPDATE_KEY, key),
        value: Some(value.finish()),
    }
}

/// The record that ends a state.
pub(super) fn tombstone(key: &ShareStateKey) -> Record {
    Record {
        key: encode_key(SNAPSHOT_KEY, key),
        value: None,
    }
}

fn put_batches(value: &mut Writer, batches: &[StateBatch]) {
    value.count(batches.len());
    for batch in batches {
        value
            .int64(batch.first)
            .int64(batch.last)
            .int8(batch.state.number())
            .int16(batch.delivery_count)
            .no_tags();
    }
}

fn put_tags(value: &mut Writer, delivery_complete_count: i32) {
    if delivery_complete_count == -1 {
        value.no_tags();
    } else {
        value.one_tag(DELIVERY_COMPLETE_TAG, |field| {
            field.int32(delivery_complete_count);
        });
    }
}

fn value_reader(value: &[u8]) -> Result<Reader<'_>, RecordError> {
    let mut reader = Reader::new(value);
    let found = reader.int16()?;
    if found != VALUE_VERSION {
        let known_max = VALUE_VERSION;
        return Err(RecordError::ValueVersion { known_max, found });
    }
    reader.set_encoding(Encoding::Compact);
    Ok(reader)
}

/// Reads the value of a snapshot.
pub(super) fn decode_snapshot(value: &[u8]) -> Result<ShareState, RecordError> {
    let mut reader = value_reader(value)?;
    let mut state = ShareState {
        snapshot_epoch: reader.int32()?,
        state_epoch: reader.int32()?,
        leader_epoch: reader.int32()?,
        start_offset: reader.int64()?,
        delivery_complete_count: -1,
        create_timestamp: reader.int64()?,
        write_timestamp: reader.int64()?,
        batches: read_batches(&mut reader)?,
    };
    state.delivery_complete_count = read_tags(&mut reader)?;
    Ok(state)
}

/// Reads the value of a change: the epoch of the snapshot before it, and what changes.
pub(super) fn decode_update(value: &[u8]) -> Result<(i32, ShareStateWrite), RecordError> {
    let mut reader = value_reader(value)?;
    let snapshot_epoch = reader.int32()?;
    let mut write = ShareStateWrite {
        state_epoch: -1,
        leader_epoch: reader.int32()?,
        start_offset: reader.int64()?,
        delivery_complete_count: -1,
        batches: read_batches(&mut reader)?,
    };
    write.delivery_complete_count = read_tags(&mut reader)?;
    Ok((snapshot_epoch, write))
}

fn read_batches(reader: &mut Reader<'_>) -> Result<Vec<StateBatch>, RecordError> {
    let mut batches = Vec::new();
    for _ in 0..reader.count()? {
        let (first, last) = (reader.int64()?, reader.int64()?);
        let number = reader.int8()?;
        let delivery_count = reader.int16()?;
        reader.tagged_fields()?;
        let unknown = || RecordError::Length(i64::from(number));
        batches.push(StateBatch {
            first,
            last,
            state: DeliveryState::from_number(number).ok_or_else(unknown)?,
            delivery_count,
        });
    }
    match are_in_order(&batches) {
        true => Ok(batches),
        false => Err(RecordError::Length(-1)),
    }
}

fn read_tags(reader: &mut Reader<'_>) -> Result<i32, RecordError> {
    let mut delivery_complete_count = -1;
    reader.tags(|tag, field| {
        if tag == DELIVERY_COMPLETE_TAG {
            delivery_complete_count = field.int32()?;
        }
        Ok(())
    })?;
    Ok(delivery_complete_count)
}
