//! `ShareFetch` responses, versions 1 and 2, without touching a record: as [`fetch`](crate::fetch)
//! does it.
//!
//! Source: Kafka protocol guide, ShareFetch; KIP-932.

use bytes::BufMut;
use uuid::Uuid;

use crate::api::ApiKey;
use crate::fetch::{EncodedFetch, Frame, LeaderIdAndEpoch, RecordsPart};
use crate::request::EncodeError;
use crate::wire::{TooLong, put_long_length, put_string, put_varint};

/// A `ShareFetch` response whose records are parts of type `P`.
#[derive(Clone, Debug)]
pub struct ShareFetchReply<P> {
    /// How long the request was throttled, in milliseconds.
    pub throttle_time_ms: i32,
    /// The error of the whole request, 0 for none.
    pub error_code: i16,
    /// The error in words.
    pub error_message: Option<String>,
    /// How long acquired records are locked, in milliseconds.
    pub acquisition_lock_timeout_ms: i32,
    /// By topic.
    pub topics: Vec<ShareFetchTopic<P>>,
}

impl<P> Default for ShareFetchReply<P> {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            error_message: None,
            acquisition_lock_timeout_ms: 0,
            topics: Vec::new(),
        }
    }
}

/// What was acquired of one topic.
#[derive(Clone, Debug)]
pub struct ShareFetchTopic<P> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<ShareFetchPartition<P>>,
}

/// What was acquired of one partition.
#[derive(Clone, Debug)]
pub struct ShareFetchPartition<P> {
    /// The partition.
    pub partition_index: i32,
    /// The error of the fetch, 0 for none.
    pub error_code: i16,
    /// The error of the fetch in words.
    pub error_message: Option<String>,
    /// The error of the acknowledgements that came with the fetch, 0 for none.
    pub acknowledge_error_code: i16,
    /// That error in words.
    pub acknowledge_error_message: Option<String>,
    /// Who leads the partition.
    pub current_leader: LeaderIdAndEpoch,
    /// The record batches, in order.
    pub records: Vec<P>,
    /// Which records of them the member holds now.
    pub acquired_records: Vec<AcquiredRun>,
}

impl<P> Default for ShareFetchPartition<P> {
    fn default() -> Self {
        Self {
            partition_index: 0,
            error_code: 0,
            error_message: None,
            acknowledge_error_code: 0,
            acknowledge_error_message: None,
            current_leader: LeaderIdAndEpoch {
                leader_id: 0,
                leader_epoch: 0,
            },
            records: Vec::new(),
            acquired_records: Vec::new(),
        }
    }
}

/// A run of records that the member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquiredRun {
    /// The first offset.
    pub first_offset: i64,
    /// The last offset.
    pub last_offset: i64,
    /// How often they were delivered, this time included.
    pub delivery_count: i16,
}

/// Encodes `reply` as a whole frame; parts are moved into the segments.
///
/// Errors: a frame above 2 GiB or an over-long string. No part is read, whatever it is.
pub fn encode_share_fetch_reply<P: RecordsPart>(
    version: i16,
    correlation_id: i32,
    reply: ShareFetchReply<P>,
) -> Result<EncodedFetch<P>, EncodeError> {
    let key = ApiKey::ShareFetch;
    let failed = |reason: String| EncodeError {
        key,
        version,
        reason,
    };
    if !key.served().contains(version) {
        return Err(failed("no such version here".to_owned()));
    }
    let mut frame = Frame::new(key, version, correlation_id);
    put_reply(&mut frame, reply).map_err(|error| failed(error.to_string()))?;
    frame.finish().map_err(failed)
}

fn put_reply<P: RecordsPart>(
    frame: &mut Frame<P>,
    reply: ShareFetchReply<P>,
) -> Result<(), TooLong> {
    let out = &mut frame.header;
    out.put_i32(reply.throttle_time_ms);
    out.put_i16(reply.error_code);
    put_string(out, true, reply.error_message.as_deref())?;
    out.put_i32(reply.acquisition_lock_timeout_ms);
    put_long_length(out, true, Some(reply.topics.len()))?;
    for topic in reply.topics {
        frame.header.put_slice(topic.topic_id.as_bytes());
        put_long_length(&mut frame.header, true, Some(topic.partitions.len()))?;
        for partition in topic.partitions {
            put_partition(frame, partition)?;
        }
        put_varint(&mut frame.header, 0);
    }
    // No endpoints of other leaders, no tagged fields.
    put_long_length(&mut frame.header, true, Some(0))?;
    put_varint(&mut frame.header, 0);
    Ok(())
}

fn put_partition<P: RecordsPart>(
    frame: &mut Frame<P>,
    partition: ShareFetchPartition<P>,
) -> Result<(), TooLong> {
    let out = &mut frame.header;
    out.put_i32(partition.partition_index);
    out.put_i16(partition.error_code);
    put_string(out, true, partition.error_message.as_deref())?;
    out.put_i16(partition.acknowledge_error_code);
    put_string(out, true, partition.acknowledge_error_message.as_deref())?;
    out.put_i32(partition.current_leader.leader_id);
    out.put_i32(partition.current_leader.leader_epoch);
    put_varint(out, 0);
    frame.records(partition.records, true)?;
    let out = &mut frame.header;
    put_long_length(out, true, Some(partition.acquired_records.len()))?;
    for run in partition.acquired_records {
        out.put_i64(run.first_offset);
        out.put_i64(run.last_offset);
        out.put_i16(run.delivery_count);
        put_varint(out, 0);
    }
    put_varint(out, 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::share_fetch_response as wire;

    use super::*;
    use crate::fetch::Segment;
    use crate::messages::ShareFetchResponse;
    use crate::{Response, encode_response};

    #[test]
    fn a_reply_by_reference_has_the_bytes_of_one_by_value() {
        let topic_id = Uuid::from_u128(7);
        let records = Bytes::from_static(b"records");
        let reply = ShareFetchReply {
            acquisition_lock_timeout_ms: 30_000,
            topics: vec![ShareFetchTopic {
                topic_id,
                partitions: vec![ShareFetchPartition {
                    partition_index: 3,
                    acknowledge_error_code: 121,
                    acknowledge_error_message: Some("no".to_owned()),
                    records: vec![records.slice(..3), records.slice(3..)],
                    acquired_records: vec![AcquiredRun {
                        first_offset: 5,
                        last_offset: 9,
                        delivery_count: 2,
                    }],
                    ..ShareFetchPartition::default()
                }],
            }],
            ..ShareFetchReply::default()
        };
        let partition = wire::PartitionData::default()
            .with_partition_index(3)
            .with_acknowledge_error_code(121)
            .with_acknowledge_error_message(Some("no".into()))
            .with_records(Some(records))
            .with_acquired_records(vec![
                wire::AcquiredRecords::default()
                    .with_first_offset(5)
                    .with_last_offset(9)
                    .with_delivery_count(2),
            ]);
        let body = ShareFetchResponse::default()
            .with_acquisition_lock_timeout_ms(30_000)
            .with_responses(vec![
                wire::ShareFetchableTopicResponse::default()
                    .with_topic_id(topic_id)
                    .with_partitions(vec![partition]),
            ]);
        let mut expected = BytesMut::new();
        encode_response(2, 9, &Response::ShareFetch(body), &mut expected).unwrap();
        let encoded = encode_share_fetch_reply(2, 9, reply).unwrap();
        let mut found = BytesMut::new();
        for segment in encoded.segments {
            match segment {
                Segment::Header(bytes) | Segment::Records(bytes) => {
                    found.extend_from_slice(&bytes);
                }
            }
        }
        assert_eq!(found, expected);
        assert_eq!(encoded.size, expected.len());
    }
}
