//! Building a batch from records.

use bytes::{BufMut, BytesMut};

use super::error::BatchError;
use super::header::{
    Attributes, BatchHeader, HEADER_BYTES, LENGTH_OVERHEAD_BYTES, MAGIC, TimestampType, write_crc,
};
use super::records::HeaderRef;
use super::varint::{put_varint, put_varlong, varint_size};
use crate::compression::{Codec, compress};
use crate::limits::BATCH_BYTES_MAX;
use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

/// Bytes kept free below [`BATCH_BYTES_MAX`] for the header and for what a codec adds to data that
/// does not compress: gzip, the worst of them, adds 5 bytes to every 16 KiB and 18 in all.
const RESERVE_BYTES: usize = HEADER_BYTES + BATCH_BYTES_MAX / 1024;

/// What a new batch says about itself.
#[derive(Clone, Copy, Debug)]
pub struct BatchOptions {
    /// How the records are compressed.
    pub codec: Codec,
    /// The codec's level; `None` is its default.
    pub compression_level: Option<i32>,
    /// The offset of the first record; producers send 0.
    pub base_offset: Offset,
    /// The leader epoch; producers send [`LeaderEpoch::NONE`].
    pub leader_epoch: LeaderEpoch,
    /// The idempotent producer, or [`ProducerId::NONE`].
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// The sequence of the first record, or -1.
    pub base_sequence: Sequence,
    /// What the timestamps mean.
    pub timestamp_type: TimestampType,
    /// Sets the transactional bit.
    pub transactional: bool,
    /// Sets the control bit.
    pub control: bool,
}

impl Default for BatchOptions {
    /// Uncompressed, from offset 0, without a producer.
    fn default() -> Self {
        Self {
            codec: Codec::None,
            compression_level: None,
            base_offset: Offset(0),
            leader_epoch: LeaderEpoch::NONE,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: Sequence(-1),
            timestamp_type: TimestampType::CreateTime,
            transactional: false,
            control: false,
        }
    }
}

/// Collects records into one batch.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    records: Vec<u8>,
    record_count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// Starts an empty batch.
    pub fn new(options: BatchOptions) -> Self {
        Self {
            options,
            records: Vec::new(),
            record_count: 0,
            base_timestamp: 0,
            max_timestamp: i64::MIN,
        }
    }

    /// Returns how many records were pushed.
    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// Says whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Returns the size the batch has so far, in bytes, before compression.
    pub fn size(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// Adds a record at the next offset.
    ///
    /// Errors: `TooLarge` where the batch would outgrow [`BATCH_BYTES_MAX`]; nothing is added then.
    pub fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[HeaderRef<'_>],
    ) -> Result<(), BatchError> {
        let base_timestamp = if self.is_empty() {
            timestamp
        } else {
            self.base_timestamp
        };
        let prefix = prefix(timestamp.wrapping_sub(base_timestamp), self.record_count);
        let body_size = prefix.len() + body_size(key, value, headers);
        let max = BATCH_BYTES_MAX - RESERVE_BYTES;
        let found = self
            .records
            .len()
            .saturating_add(body_size)
            .saturating_add(5);
        if found > max {
            return Err(BatchError::TooLarge { found, max });
        }
        self.base_timestamp = base_timestamp;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.record_count += 1;

        let out = &mut self.records;
        put_varint(out, length(body_size));
        let start = out.len();
        out.extend_from_slice(&prefix);
        put_nullable(out, key);
        put_nullable(out, value);
        put_varint(out, length(headers.len()));
        for header in headers {
            put_varint(out, length(header.key.len()));
            out.extend_from_slice(header.key);
            put_nullable(out, header.value);
        }
        assert_eq!(
            out.len() - start,
            body_size,
            "a record is as long as its length field says"
        );
        Ok(())
    }

    /// Compresses the records and returns the batch.
    ///
    /// Panics where no record was pushed: an empty batch has no offset.
    pub fn build(self) -> BytesMut {
        assert!(self.record_count > 0, "a batch has at least one record");
        let records = match self.options.codec {
            Codec::None => self.records,
            codec => compress(codec, self.options.compression_level, &self.records),
        };
        let size = HEADER_BYTES + records.len();
        assert!(
            size <= BATCH_BYTES_MAX,
            "the reserve covers what a codec adds"
        );
        let mut attributes = Attributes::default()
            .with_codec(self.options.codec)
            .with_timestamp_type(self.options.timestamp_type);
        if self.options.transactional {
            attributes = attributes.transactional();
        }
        if self.options.control {
            attributes = attributes.control();
        }
        let header = BatchHeader {
            base_offset: self.options.base_offset,
            batch_length: length(size - LENGTH_OVERHEAD_BYTES),
            leader_epoch: self.options.leader_epoch,
            magic: MAGIC,
            crc: 0,
            attributes,
            last_offset_delta: self.record_count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: self.options.producer_id,
            producer_epoch: self.options.producer_epoch,
            base_sequence: self.options.base_sequence,
            record_count: self.record_count,
        };
        let mut batch = BytesMut::with_capacity(size);
        batch.put_slice(&header.encode());
        batch.put_slice(&records);
        write_crc(&mut batch);
        batch
    }
}

/// Attributes (unused: 0), timestamp delta, offset delta.
fn prefix(timestamp_delta: i64, offset_delta: i32) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(16);
    prefix.push(0);
    put_varlong(&mut prefix, timestamp_delta);
    put_varint(&mut prefix, offset_delta);
    prefix
}

fn body_size(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[HeaderRef<'_>]) -> usize {
    let headers_size: usize = headers
        .iter()
        .map(|header| nullable_size(Some(header.key)) + nullable_size(header.value))
        .sum();
    nullable_size(key) + nullable_size(value) + count_size(headers.len()) + headers_size
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| count_size(bytes.len()) + bytes.len())
}

/// A size beyond `i32` is refused by the caller's cap, whatever this returns for its prefix.
fn count_size(count: usize) -> usize {
    i32::try_from(count).map_or(5, varint_size)
}

pub(super) fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, length(bytes.len()));
            out.extend_from_slice(bytes);
        }
    }
}

fn length(size: usize) -> i32 {
    i32::try_from(size).expect("sizes are below BATCH_BYTES_MAX, which fits i32")
}
