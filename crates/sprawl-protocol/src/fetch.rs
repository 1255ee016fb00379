//! `Fetch` responses, versions 4 to 18, without touching a record.
//!
//! The answer becomes a list of segments: header bytes of ours, then the parts of a partition's
//! batches exactly as the log returned them (memory or file ranges), then header bytes again. The
//! frame's size is known up front, so a connection can write vectors and send files.
//!
//! Source: Kafka protocol guide, Fetch; KIP-227 (sessions), KIP-392 (preferred replica), KIP-595
//! (diverging epoch, current leader, snapshot id), KIP-516 (topic ids), KIP-951 (node endpoints).

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::api::ApiKey;
use crate::frame::SIZE_BYTES;
use crate::request::EncodeError;
use crate::response::put_header;
use crate::wire::{TooLong, put_long_length, put_string, put_varint};

/// A piece of a partition's record batches, in memory or on disk.
pub trait RecordsPart {
    /// How many bytes will be sent for it.
    fn size(&self) -> usize;
}

impl RecordsPart for Bytes {
    fn size(&self) -> usize {
        self.len()
    }
}

/// A `Fetch` response whose records are parts of type `P`.
#[derive(Clone, Debug)]
pub struct FetchReply<P> {
    /// How long the request was throttled, in milliseconds.
    pub throttle_time_ms: i32,
    /// The error of the whole request, 0 for none; sent from v7.
    pub error_code: i16,
    /// The fetch session, 0 for none; sent from v7.
    pub session_id: i32,
    /// What was read, by topic.
    pub topics: Vec<FetchTopic<P>>,
    /// Addresses of the leaders named in the partitions; sent from v16 where there are any.
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl<P> Default for FetchReply<P> {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            session_id: 0,
            topics: Vec::new(),
            node_endpoints: Vec::new(),
        }
    }
}

/// What was read from one topic.
#[derive(Clone, Debug)]
pub struct FetchTopic<P> {
    /// The topic's name; sent up to v12.
    pub name: TopicName,
    /// The topic's id; sent from v13.
    pub topic_id: Uuid,
    /// What was read, by partition.
    pub partitions: Vec<FetchPartition<P>>,
}

/// What was read from one partition.
#[derive(Clone, Debug)]
pub struct FetchPartition<P> {
    /// The partition.
    pub partition_index: i32,
    /// The error, 0 for none.
    pub error_code: i16,
    /// The high watermark; -1 where unknown.
    pub high_watermark: i64,
    /// The last stable offset; -1 where unknown.
    pub last_stable_offset: i64,
    /// The log's first offset; -1 where unknown; sent from v5.
    pub log_start_offset: i64,
    /// Where the follower's log parts from the leader's; sent from v12.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// Who leads now, for a client that asked the wrong broker; sent from v12.
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// The snapshot to load where the log no longer reaches back; sent from v12.
    pub snapshot_id: Option<SnapshotId>,
    /// The aborted transactions in the range; `None` for readers of uncommitted records.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The replica to read from instead, -1 for none; sent from v11.
    pub preferred_read_replica: i32,
    /// The record batches, in order. Empty is sent as no bytes, never as null.
    pub records: Vec<P>,
}

impl<P> Default for FetchPartition<P> {
    fn default() -> Self {
        Self {
            partition_index: 0,
            error_code: 0,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: None,
            current_leader: None,
            snapshot_id: None,
            aborted_transactions: None,
            preferred_read_replica: -1,
            records: Vec::new(),
        }
    }
}

/// A leader epoch and the offset at which it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The epoch.
    pub epoch: i32,
    /// The offset after its last record.
    pub end_offset: i64,
}

/// A partition's leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderIdAndEpoch {
    /// The broker; -1 where unknown.
    pub leader_id: i32,
    /// The epoch; -1 where unknown.
    pub leader_epoch: i32,
}

/// A snapshot of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotId {
    /// The offset after the last record in it.
    pub end_offset: i64,
    /// The epoch of that record.
    pub epoch: i32,
}

/// A transaction whose records a reader of committed records leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The producer.
    pub producer_id: i64,
    /// The offset of its first record.
    pub first_offset: i64,
}

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// The broker.
    pub node_id: i32,
    /// Its host name.
    pub host: StrBytes,
    /// Its port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<StrBytes>,
}

/// A stretch of an encoded response.
#[derive(Clone, Debug)]
pub enum Segment<P> {
    /// Bytes made by the encoder.
    Header(Bytes),
    /// A part of a partition's records, to be sent as it is.
    Records(P),
}

/// An encoded response: its segments make up one frame with its length prefix.
#[derive(Clone, Debug)]
pub struct EncodedFetch<P> {
    /// How many bytes the segments make, length prefix included.
    pub size: usize,
    /// What to write, in order.
    pub segments: Vec<Segment<P>>,
}

/// Encodes `reply` as a whole frame; parts are moved into the segments.
///
/// Errors: a frame above 2 GiB or an over-long string. No part is read, whatever it is.
pub fn encode_fetch_reply<P: RecordsPart>(
    version: i16,
    correlation_id: i32,
    reply: FetchReply<P>,
) -> Result<EncodedFetch<P>, EncodeError> {
    let key = ApiKey::Fetch;
    let failed = |reason: String| EncodeError {
        key,
        version,
        reason,
    };
    if !key.served().contains(version) {
        return Err(failed("no such version here".to_owned()));
    }
    let flexible = key.is_flexible(version);
    let mut frame = Frame::new(key, version, correlation_id);
    frame
        .reply(reply, version, flexible)
        .map_err(|error| failed(error.to_string()))?;
    frame.finish().map_err(failed)
}

/// Header bytes written so far, and after which of them the parts go.
pub(crate) struct Frame<P> {
    pub(crate) header: BytesMut,
    /// A part and how many header bytes stand before it.
    cuts: Vec<(usize, P)>,
    payload: usize,
}

impl<P: RecordsPart> Frame<P> {
    /// A frame that has its header.
    pub(crate) fn new(key: ApiKey, version: i16, correlation_id: i32) -> Self {
        let mut header = BytesMut::with_capacity(256);
        header.put_i32(0);
        put_header(&mut header, key, version, correlation_id);
        Self {
            header,
            cuts: Vec::new(),
            payload: 0,
        }
    }

    /// Puts the size of a partition's records, and the records themselves.
    pub(crate) fn records(&mut self, records: Vec<P>, flexible: bool) -> Result<(), TooLong> {
        let size = records.iter().map(P::size).fold(0, usize::saturating_add);
        put_long_length(&mut self.header, flexible, Some(size))?;
        self.payload = self.payload.saturating_add(size);
        for part in records {
            self.cuts.push((self.header.len(), part));
        }
        Ok(())
    }

    fn reply(&mut self, reply: FetchReply<P>, version: i16, flexible: bool) -> Result<(), TooLong> {
        self.header.put_i32(reply.throttle_time_ms);
        if version >= 7 {
            self.header.put_i16(reply.error_code);
            self.header.put_i32(reply.session_id);
        }
        put_long_length(&mut self.header, flexible, Some(reply.topics.len()))?;
        for topic in reply.topics {
            if version >= 13 {
                self.header.put_slice(topic.topic_id.as_bytes());
            } else {
                put_string(&mut self.header, flexible, Some(topic.name.0.as_str()))?;
            }
            put_long_length(&mut self.header, flexible, Some(topic.partitions.len()))?;
            for partition in topic.partitions {
                self.partition(partition, version, flexible)?;
            }
            if flexible {
                put_varint(&mut self.header, 0);
            }
        }
        if flexible {
            self.endpoints(&reply.node_endpoints, version)
        } else {
            Ok(())
        }
    }

    fn partition(
        &mut self,
        partition: FetchPartition<P>,
        version: i16,
        flexible: bool,
    ) -> Result<(), TooLong> {
        let out = &mut self.header;
        out.put_i32(partition.partition_index);
        out.put_i16(partition.error_code);
        out.put_i64(partition.high_watermark);
        out.put_i64(partition.last_stable_offset);
        if version >= 5 {
            out.put_i64(partition.log_start_offset);
        }
        let aborted = partition.aborted_transactions.as_ref();
        put_long_length(out, flexible, aborted.map(Vec::len))?;
        for transaction in aborted.into_iter().flatten() {
            out.put_i64(transaction.producer_id);
            out.put_i64(transaction.first_offset);
            if flexible {
                put_varint(out, 0);
            }
        }
        if version >= 11 {
            out.put_i32(partition.preferred_read_replica);
        }
        let (diverging, leader) = (partition.diverging_epoch, partition.current_leader);
        self.records(partition.records, flexible)?;
        if flexible {
            put_partition_tags(&mut self.header, diverging, leader, partition.snapshot_id);
        }
        Ok(())
    }

    fn endpoints(&mut self, endpoints: &[NodeEndpoint], version: i16) -> Result<(), TooLong> {
        if version < 16 || endpoints.is_empty() {
            put_varint(&mut self.header, 0);
            return Ok(());
        }
        let mut field = BytesMut::new();
        put_long_length(&mut field, true, Some(endpoints.len()))?;
        for endpoint in endpoints {
            field.put_i32(endpoint.node_id);
            put_string(&mut field, true, Some(&endpoint.host))?;
            field.put_i32(endpoint.port);
            put_string(&mut field, true, endpoint.rack.as_deref())?;
            put_varint(&mut field, 0);
        }
        let limit = i32::MAX.unsigned_abs() as usize;
        let size = u32::try_from(field.len());
        let too_long = |_| TooLong {
            what: "list of node endpoints",
            limit,
            found: field.len(),
        };
        put_varint(&mut self.header, 1);
        put_varint(&mut self.header, 0);
        put_varint(&mut self.header, size.map_err(too_long)?);
        self.header.put_slice(&field);
        Ok(())
    }

    /// Fills in the frame's size and cuts the header bytes where the parts go.
    pub(crate) fn finish(mut self) -> Result<EncodedFetch<P>, String> {
        let size = self.header.len().saturating_add(self.payload);
        let content = size.saturating_sub(SIZE_BYTES);
        let prefix = i32::try_from(content).map_err(|_| format!("a frame of {content} bytes"))?;
        if let Some(mut start) = self.header.get_mut(..SIZE_BYTES) {
            start.put_i32(prefix);
        }
        let mut header = self.header.freeze();
        let mut segments = Vec::with_capacity(self.cuts.len().saturating_mul(2).saturating_add(1));
        let mut cut_before = 0_usize;
        for (cut, part) in self.cuts {
            let gap = cut.saturating_sub(cut_before);
            if gap > 0 {
                segments.push(Segment::Header(header.split_to(gap)));
            }
            segments.push(Segment::Records(part));
            cut_before = cut;
        }
        if !header.is_empty() {
            segments.push(Segment::Header(header));
        }
        Ok(EncodedFetch { size, segments })
    }
}

/// Writes the tagged fields of a partition: 0 diverging epoch, 1 current leader, 2 snapshot.
fn put_partition_tags(
    out: &mut BytesMut,
    diverging: Option<EpochEndOffset>,
    leader: Option<LeaderIdAndEpoch>,
    snapshot: Option<SnapshotId>,
) {
    let present = [diverging.is_some(), leader.is_some(), snapshot.is_some()];
    put_varint(out, present.into_iter().map(u32::from).sum());
    // Each structure is two fixed fields and an empty section of tagged fields.
    if let Some(diverging) = diverging {
        put_varint(out, 0);
        put_varint(out, 13);
        out.put_i32(diverging.epoch);
        out.put_i64(diverging.end_offset);
        put_varint(out, 0);
    }
    if let Some(leader) = leader {
        put_varint(out, 1);
        put_varint(out, 9);
        out.put_i32(leader.leader_id);
        out.put_i32(leader.leader_epoch);
        put_varint(out, 0);
    }
    if let Some(snapshot) = snapshot {
        put_varint(out, 2);
        put_varint(out, 13);
        out.put_i64(snapshot.end_offset);
        out.put_i32(snapshot.epoch);
        put_varint(out, 0);
    }
}
