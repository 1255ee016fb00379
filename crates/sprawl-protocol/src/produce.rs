//! `Produce` requests, versions 3 to 13, without copying a record.
//!
//! The frame is taken apart: each partition's record batches become a `BytesMut` of their own,
//! which nobody else holds, so that the broker can write offsets and epochs into the batch headers
//! in place and pass the very same memory on to the log. Topic names are copied (they are short).
//!
//! Bounds: at most [`request_elements_max`] topics and partitions; no length is believed beyond
//! the frame. Source: Kafka protocol guide, Produce; KIP-98 (transactional id), KIP-516 (ids).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::api::ApiKey;
use crate::body::Body;
use crate::guard::request_elements_max;
use crate::wire::{ReadError, Reader, Style, TooLong, put_long_length, put_string, put_varint};

/// The first version with topic ids in place of names.
const TOPIC_ID_FROM: i16 = 13;

/// Record batches to append.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProduceRequest {
    /// The transaction they belong to.
    pub transactional_id: Option<TransactionalId>,
    /// Who must have them before the answer: 0 nobody (and no answer), 1 the leader, -1 every
    /// in-sync replica.
    pub acks: i16,
    /// How long to wait for the replicas, in milliseconds.
    pub timeout_ms: i32,
    /// The batches, by topic.
    pub topics: Vec<ProduceTopic>,
}

/// Record batches for one topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProduceTopic {
    /// The topic's name; empty from v13.
    pub name: TopicName,
    /// The topic's id; nil below v13.
    pub topic_id: Uuid,
    /// The batches, by partition.
    pub partitions: Vec<ProducePartition>,
}

/// Record batches for one partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProducePartition {
    /// The partition.
    pub index: i32,
    /// The batches as sent, concatenated, not looked at. `None` where the client sent null.
    pub records: Option<BytesMut>,
}

/// Where the records of a partition stand in the frame.
struct Place {
    position: usize,
    size: usize,
}

/// Takes `body` apart.
pub(crate) fn decode(mut body: BytesMut, version: i16) -> Result<ProduceRequest, ReadError> {
    let mut places = Vec::new();
    let mut request = read(&body, version, &mut places)?;
    let partitions = request
        .topics
        .iter_mut()
        .flat_map(|topic| &mut topic.partitions);
    let mut position = 0_usize;
    for (partition, place) in partitions.zip(places) {
        let Some(place) = place else {
            continue;
        };
        // Places are in frame order and inside the frame: `read` has walked over them.
        body.advance(place.position.saturating_sub(position));
        partition.records = Some(body.split_to(place.size));
        position = place.position.saturating_add(place.size);
    }
    Ok(request)
}

/// Reads everything but the records, and notes where those are.
fn read(
    body: &[u8],
    version: i16,
    places: &mut Vec<Option<Place>>,
) -> Result<ProduceRequest, ReadError> {
    let flexible = ApiKey::Produce.is_flexible(version);
    let mut reader = Reader::new(body);
    let transactional_id = reader.string(flexible)?.map(owned).map(TransactionalId);
    let acks = reader.i16()?;
    let timeout_ms = reader.i32()?;
    let mut elements = request_elements_max(ApiKey::Produce);
    let topic_count = count(&mut reader, flexible, &mut elements)?;
    let mut topics = Vec::with_capacity(topic_count);
    for _ in 0..topic_count {
        let mut topic = ProduceTopic::default();
        if version >= TOPIC_ID_FROM {
            topic.topic_id = reader.uuid()?;
        } else {
            let name = reader.string(flexible)?.ok_or(ReadError::Length(-1))?;
            topic.name = TopicName(owned(name));
        }
        let partition_count = count(&mut reader, flexible, &mut elements)?;
        topic.partitions.reserve_exact(partition_count);
        for _ in 0..partition_count {
            let index = reader.i32()?;
            let size = reader.long_length(flexible)?;
            let position = reader.position();
            reader.take(size.unwrap_or(0))?;
            places.push(size.map(|size| Place { position, size }));
            topic.partitions.push(ProducePartition {
                index,
                records: None,
            });
            skip_tags(&mut reader, flexible)?;
        }
        skip_tags(&mut reader, flexible)?;
        topics.push(topic);
    }
    skip_tags(&mut reader, flexible)?;
    Ok(ProduceRequest {
        transactional_id,
        acks,
        timeout_ms,
        topics,
    })
}

/// Reads an array's count; every element takes at least a byte and one of `elements`.
fn count(
    reader: &mut Reader<'_>,
    flexible: bool,
    elements: &mut usize,
) -> Result<usize, ReadError> {
    let count = reader.long_length(flexible)?.ok_or(ReadError::Length(-1))?;
    let left = reader.remaining();
    if count > left {
        return Err(ReadError::Short {
            needed: count,
            left,
        });
    }
    *elements = elements
        .checked_sub(count)
        .ok_or(ReadError::TooManyElements {
            limit: request_elements_max(ApiKey::Produce),
        })?;
    Ok(count)
}

fn skip_tags(reader: &mut Reader<'_>, flexible: bool) -> Result<(), ReadError> {
    if flexible {
        reader.skip_tagged_fields()
    } else {
        Ok(())
    }
}

fn owned(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Body for ProduceRequest {
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, String> {
        let body = BytesMut::from(std::mem::take(bytes));
        decode(body, style.version).map_err(|error| error.to_string())
    }

    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), String> {
        write(self, out, style).map_err(|error| error.to_string())
    }
}

/// Writes a request; the records are copied.
fn write(request: &ProduceRequest, out: &mut BytesMut, style: Style) -> Result<(), TooLong> {
    let Style { version, flexible } = style;
    put_string(
        out,
        flexible,
        request.transactional_id.as_ref().map(|id| id.0.as_str()),
    )?;
    out.put_i16(request.acks);
    out.put_i32(request.timeout_ms);
    put_long_length(out, flexible, Some(request.topics.len()))?;
    for topic in &request.topics {
        if version >= TOPIC_ID_FROM {
            out.put_slice(topic.topic_id.as_bytes());
        } else {
            put_string(out, flexible, Some(topic.name.0.as_str()))?;
        }
        put_long_length(out, flexible, Some(topic.partitions.len()))?;
        for partition in &topic.partitions {
            out.put_i32(partition.index);
            put_long_length(
                out,
                flexible,
                partition.records.as_ref().map(|bytes| bytes.len()),
            )?;
            out.put_slice(partition.records.as_deref().unwrap_or_default());
            put_no_tags(out, flexible);
        }
        put_no_tags(out, flexible);
    }
    put_no_tags(out, flexible);
    Ok(())
}

fn put_no_tags(out: &mut BytesMut, flexible: bool) {
    if flexible {
        put_varint(out, 0);
    }
}
