//! How does a transactional id look in `__transaction_state`?
//!
//! Written: TransactionLogKey 0; TransactionLogValue 0 at `transaction.version` 0, else 1, which is
//! flexible and tags the previous and next producer id, the client's transaction version and the
//! next producer epoch. Read: both, so that a log written by Apache Kafka loads as well.
//!
//! Source: Kafka's TransactionLogKey/Value message definitions, KIP-890, KIP-939.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::{PartitionId, ProducerEpoch, ProducerId, ProducerIdAndEpoch, TopicPartition};

use super::state::TransactionState;
use super::value::{TransactionValue, TransactionVersion};
use crate::coordinator::wire::{Encoding, Reader, Writer};
use crate::coordinator::{Record, RecordError};

const KEY_VERSION: i16 = 0;
const VALUE_VERSION_MAX: i16 = 1;

const TAG_PREVIOUS_PRODUCER_ID: u32 = 0;
const TAG_NEXT_PRODUCER_ID: u32 = 1;
const TAG_CLIENT_TRANSACTION_VERSION: u32 = 2;
const TAG_NEXT_PRODUCER_EPOCH: u32 = 3;

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RecordKey {
    /// A transactional id.
    Transaction(String),
    /// A kind of record that belongs to a later protocol.
    Unknown {
        /// The key's version.
        version: i16,
    },
}

impl RecordKey {
    pub(super) fn decode(key: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(key);
        match reader.int16()? {
            KEY_VERSION => Ok(Self::Transaction(reader.string()?)),
            version => Ok(Self::Unknown { version }),
        }
    }
}

/// The record of a transactional id, as a cluster of this version writes it.
pub(super) fn record(
    transactional_id: &str,
    value: &TransactionValue,
    version: TransactionVersion,
) -> Record {
    Record {
        key: Writer::version(KEY_VERSION)
            .string(transactional_id)
            .finish(),
        value: Some(encode(value, version)),
    }
}

/// The record that forgets a transactional id.
pub(super) fn tombstone(transactional_id: &str) -> Record {
    Record {
        key: Writer::version(KEY_VERSION)
            .string(transactional_id)
            .finish(),
        value: None,
    }
}

fn encode(value: &TransactionValue, version: TransactionVersion) -> bytes::Bytes {
    let is_flexible = version >= TransactionVersion::V1;
    let mut writer = if is_flexible {
        Writer::flexible(1)
    } else {
        Writer::version(0)
    };
    writer
        .int64(value.producer.producer_id.0)
        .int16(value.producer.producer_epoch.0)
        .int32(value.timeout_ms)
        .int8(value.state as i8);
    if value.state == TransactionState::Empty {
        writer.null_array();
    } else {
        encode_partitions(&mut writer, &value.partitions, is_flexible);
    }
    writer.int64(value.last_update_ms).int64(value.start_ms);
    if is_flexible {
        encode_tags(&mut writer, value);
    }
    writer.finish()
}

fn encode_partitions(
    writer: &mut Writer,
    partitions: &BTreeSet<TopicPartition>,
    is_flexible: bool,
) {
    let mut by_topic: BTreeMap<&str, Vec<PartitionId>> = BTreeMap::new();
    for partition in partitions {
        by_topic
            .entry(&partition.topic)
            .or_default()
            .push(partition.partition);
    }
    writer.count(by_topic.len());
    for (topic, partitions) in by_topic {
        writer.string(topic).count(partitions.len());
        for partition in partitions {
            writer.int32(partition.0);
        }
        if is_flexible {
            writer.no_tags();
        }
    }
}

fn encode_tags(writer: &mut Writer, value: &TransactionValue) {
    let ids = [
        (TAG_PREVIOUS_PRODUCER_ID, value.previous_producer_id),
        (TAG_NEXT_PRODUCER_ID, value.next_producer_id),
    ];
    let mut tags = Vec::new();
    for (tag, id) in ids {
        if id != ProducerId::NONE {
            tags.push((tag, id.0.to_be_bytes().to_vec()));
        }
    }
    if value.client_version != TransactionVersion::V0 {
        let version = value.client_version.0.to_be_bytes().to_vec();
        tags.push((TAG_CLIENT_TRANSACTION_VERSION, version));
    }
    if value.next_producer_epoch != ProducerEpoch::NONE {
        let epoch = value.next_producer_epoch.0.to_be_bytes().to_vec();
        tags.push((TAG_NEXT_PRODUCER_EPOCH, epoch));
    }
    writer.tag_list(&tags);
}

/// Reads the value of a transactional id.
pub(super) fn decode(value: &[u8]) -> Result<TransactionValue, RecordError> {
    let mut reader = Reader::new(value);
    let version = reader.int16()?;
    if !(0..=VALUE_VERSION_MAX).contains(&version) {
        return Err(RecordError::ValueVersion {
            known_max: VALUE_VERSION_MAX,
            found: version,
        });
    }
    if version >= 1 {
        reader.set_encoding(Encoding::Compact);
    }
    let producer_id = ProducerId(reader.int64()?);
    let producer_epoch = ProducerEpoch(reader.int16()?);
    let timeout_ms = reader.int32()?;
    let state = reader.int8()?;
    let state =
        TransactionState::from_number(state).ok_or(RecordError::Number(i64::from(state)))?;
    let partitions = decode_partitions(&mut reader)?;
    let last_update_ms = reader.int64()?;
    let start_ms = reader.int64()?;
    let mut decoded = TransactionValue {
        producer: ProducerIdAndEpoch {
            producer_id,
            producer_epoch,
        },
        state,
        partitions,
        start_ms,
        ..TransactionValue::new(producer_id, timeout_ms, last_update_ms)
    };
    reader.tags(|tag, field| {
        match tag {
            TAG_PREVIOUS_PRODUCER_ID => decoded.previous_producer_id = ProducerId(field.int64()?),
            TAG_NEXT_PRODUCER_ID => decoded.next_producer_id = ProducerId(field.int64()?),
            TAG_CLIENT_TRANSACTION_VERSION => {
                decoded.client_version = TransactionVersion(field.int16()?);
            }
            TAG_NEXT_PRODUCER_EPOCH => decoded.next_producer_epoch = ProducerEpoch(field.int16()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(decoded)
}

fn decode_partitions(reader: &mut Reader<'_>) -> Result<BTreeSet<TopicPartition>, RecordError> {
    let mut partitions = BTreeSet::new();
    for _ in 0..reader.nullable_count()?.unwrap_or(0) {
        let topic = reader.string()?;
        for _ in 0..reader.count()? {
            partitions.insert(TopicPartition {
                topic: topic.clone(),
                partition: PartitionId(reader.int32()?),
            });
        }
        reader.tagged_fields()?;
    }
    Ok(partitions)
}
