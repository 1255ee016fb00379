//! The records inside a batch, read in place.
//!
//! Every length is checked against the bytes that are there, the record count against the records,
//! and nothing may follow the last one. Headers keep their order and their duplicates.

use std::borrow::Cow;

use super::error::{BatchError, RecordFault};
use super::header::{BatchHeader, HEADER_BYTES, TimestampType};
use super::varint::Fields;
use crate::Offset;
use crate::compression::{Codec, decompress};

/// One record, borrowed from the payload of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Unused by Kafka so far; kept.
    pub attributes: i8,
    /// ms since the Unix epoch: the producer's, or the batch's under log append time.
    pub timestamp: i64,
    /// The record's offset, counted from the batch's base offset.
    pub offset: Offset,
    /// The key, if any.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    headers: &'a [u8],
    header_count: usize,
}

impl<'a> RecordRef<'a> {
    /// Returns the headers in order, duplicates kept.
    pub fn headers(&self) -> Headers<'a> {
        Headers {
            fields: Fields::new(self.headers),
            left: self.header_count,
        }
    }

    /// Returns how many bytes key, value and headers take, length fields of the headers included.
    pub fn size(&self) -> usize {
        let bytes = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        self.headers
            .len()
            .saturating_add(bytes(self.key))
            .saturating_add(bytes(self.value))
    }
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderRef<'a> {
    /// The key: UTF-8 by contract, unchecked here.
    pub key: &'a [u8],
    /// The value, if any.
    pub value: Option<&'a [u8]>,
}

/// Iterates over the headers of a record, whose bytes were checked when the record was read.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    fields: Fields<'a>,
    left: usize,
}

impl<'a> Iterator for Headers<'a> {
    type Item = HeaderRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(header(&mut self.fields).expect("the record's headers were checked when it was read"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// Returns the records section of one whole batch, expanded when it is compressed.
///
/// Errors: `Truncated` where the batch is cut, `Compression` where it does not expand or expands
/// to more than `bytes_max` bytes.
pub fn payload(batch: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let Some(records) = batch.get(HEADER_BYTES..header.size()) else {
        return Err(BatchError::Truncated {
            needed: header.size(),
            found: batch.len(),
        });
    };
    match header.attributes.codec()? {
        Codec::None => Ok(Cow::Borrowed(records)),
        codec => Ok(Cow::Owned(decompress(codec, records, bytes_max)?)),
    }
}

/// Iterates over the records of a batch; after an error it ends.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    fields: Fields<'a>,
    header: BatchHeader,
    index: i32,
    /// The least offset delta the next record may have.
    offset_delta_min: i64,
    is_over: bool,
}

impl<'a> Records<'a> {
    /// Starts at the first record of `payload`, the expanded records section of `header`'s batch.
    pub fn new(header: &BatchHeader, payload: &'a [u8]) -> Self {
        Self {
            fields: Fields::new(payload),
            header: *header,
            index: 0,
            offset_delta_min: 0,
            is_over: false,
        }
    }

    /// Returns how many bytes of the payload follow the last record returned.
    pub fn remaining(&self) -> usize {
        self.fields.rest().len()
    }

    fn take(&mut self) -> Result<RecordRef<'a>, RecordFault> {
        let size = self.fields.length()?;
        let mut fields = Fields::new(self.fields.bytes(size)?);
        let attributes = i8::from_be_bytes([fields.byte()?]);
        let timestamp_delta = fields.varlong()?;
        let offset_delta = i64::from(fields.varint()?);
        let key = fields.nullable_bytes()?;
        let value = fields.nullable_bytes()?;
        let header_count = fields.length()?;
        let headers = fields.rest();
        check_headers(&mut fields, header_count)?;
        let offset_delta_max = i64::from(self.header.last_offset_delta);
        if !(self.offset_delta_min..=offset_delta_max).contains(&offset_delta) {
            return Err(RecordFault::OffsetOutOfOrder);
        }
        self.offset_delta_min = offset_delta + 1;
        let timestamp = match self.header.attributes.timestamp_type() {
            TimestampType::CreateTime => self.header.base_timestamp.wrapping_add(timestamp_delta),
            TimestampType::LogAppendTime => self.header.max_timestamp,
        };
        let offset = Offset(self.header.base_offset.0.saturating_add(offset_delta));
        Ok(RecordRef {
            attributes,
            timestamp,
            offset,
            key,
            value,
            headers,
            header_count,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        if self.index == self.header.record_count {
            self.is_over = true;
            let found = self.fields.rest().len();
            return (found > 0).then_some(Err(BatchError::TrailingBytes { found }));
        }
        let index = self.index;
        self.index += 1;
        let record = self
            .take()
            .map_err(|fault| BatchError::Record { index, fault });
        self.is_over = record.is_err();
        Some(record)
    }
}

/// Walks over all headers, so that reading them later cannot fail, and to the end of the record.
/// Each takes 2 bytes at least, so a count that lies ends with the bytes.
fn check_headers(fields: &mut Fields<'_>, count: usize) -> Result<(), RecordFault> {
    for _ in 0..count {
        header(fields)?;
    }
    if fields.rest().is_empty() {
        Ok(())
    } else {
        Err(RecordFault::LengthMismatch)
    }
}

fn header<'a>(fields: &mut Fields<'a>) -> Result<HeaderRef<'a>, RecordFault> {
    let key_size = fields.length()?;
    let key = fields.bytes(key_size)?;
    Ok(HeaderRef {
        key,
        value: fields.nullable_bytes()?,
    })
}
