//! What compaction leaves of a batch: fewer records, or none, under the same offsets and sequences.
//!
//! Base offset, last offset delta, producer, sequence and leader epoch never change, so that a
//! producer's last sequence and the offsets of what is left survive. Bytes of kept records are
//! copied as they are, except where a delete horizon becomes the base of the timestamps.
//!
//! Source: KIP-534 (delete horizon in the base timestamp, attribute bit 6); Kafka's
//! `MemoryRecords.filterTo`.

use bytes::{BufMut, BytesMut};

use super::error::{BatchError, RecordFault};
use super::header::{
    Attributes, BatchHeader, HEADER_BYTES, LENGTH_OVERHEAD_BYTES, TimestampType, write_crc,
};
use super::varint::{Fields, put_varint, put_varlong};
use crate::compression::{Codec, compress};
use crate::limits::BATCH_BYTES_MAX;

/// The base timestamp of a batch without records.
const NO_TIMESTAMP: i64 = -1;

/// The records that stay in a batch, in order.
#[derive(Clone, Debug, Default)]
pub struct Retained {
    /// Whole records, length fields included, as they stood in the expanded batch.
    bytes: Vec<u8>,
    record_count: i32,
    max_timestamp: i64,
}

impl Retained {
    /// Forgets all records and keeps the allocation.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.record_count = 0;
        self.max_timestamp = i64::MIN;
    }

    /// Keeps a record; `raw` is the record as it stands in the expanded batch, length field
    /// included, and `timestamp` its time in ms since the Unix epoch.
    pub fn push(&mut self, raw: &[u8], timestamp: i64) {
        self.max_timestamp = if self.record_count == 0 {
            timestamp
        } else {
            self.max_timestamp.max(timestamp)
        };
        self.record_count = self.record_count.saturating_add(1);
        self.bytes.extend_from_slice(raw);
    }

    /// Returns how many records stay.
    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// Builds the batch that replaces the one with `header`, which these records came from.
    ///
    /// With a `new_horizon` (ms since the Unix epoch) the batch bears it and its timestamps count
    /// from it; without one an old horizon stays. `Ok(None)` where the result would outgrow
    /// [`BATCH_BYTES_MAX`]: the caller keeps the batch as it is.
    pub fn rebuild(
        &self,
        header: &BatchHeader,
        new_horizon: Option<i64>,
    ) -> Result<Option<BytesMut>, BatchError> {
        let mut rebased = Vec::new();
        let mut header = *header;
        let mut records = &self.bytes;
        if let Some(horizon) = new_horizon {
            self.rebase(&header, horizon, &mut rebased)?;
            records = &rebased;
            header.base_timestamp = horizon;
            header.attributes = header.attributes.with_delete_horizon();
        }
        header.record_count = self.record_count;
        if header.attributes.timestamp_type() == TimestampType::CreateTime {
            header.max_timestamp = self.max_timestamp;
        }
        Ok(match header.attributes.codec()? {
            Codec::None => assemble(header, records),
            codec => assemble(header, &compress(codec, None, records)),
        })
    }

    /// Writes all records with timestamps that count from `base`.
    fn rebase(&self, header: &BatchHeader, base: i64, out: &mut Vec<u8>) -> Result<(), BatchError> {
        out.reserve(self.bytes.len());
        let mut fields = Fields::new(&self.bytes);
        let mut body = Vec::new();
        for index in 0..self.record_count {
            let fault = |fault: RecordFault| BatchError::Record { index, fault };
            let size = fields.length().map_err(fault)?;
            let mut record = Fields::new(fields.bytes(size).map_err(fault)?);
            let attributes = record.byte().map_err(fault)?;
            let delta = record.varlong().map_err(fault)?;
            let timestamp = match header.attributes.timestamp_type() {
                TimestampType::CreateTime => header.base_timestamp.wrapping_add(delta),
                TimestampType::LogAppendTime => header.max_timestamp,
            };
            body.clear();
            body.push(attributes);
            put_varlong(&mut body, timestamp.wrapping_sub(base));
            body.extend_from_slice(record.rest());
            let size = i32::try_from(body.len()).map_err(|_| fault(RecordFault::LengthMismatch))?;
            put_varint(out, size);
            out.extend_from_slice(&body);
        }
        Ok(())
    }
}

/// Builds a batch without records that keeps the offsets, the producer and the sequences of the one
/// with `header`.
pub fn emptied(header: &BatchHeader) -> BytesMut {
    let mut header = *header;
    header.attributes = header
        .attributes
        .with_codec(Codec::None)
        .without_delete_horizon();
    header.record_count = 0;
    header.base_timestamp = NO_TIMESTAMP;
    assemble(header, &[]).expect("a header alone is small")
}

fn assemble(mut header: BatchHeader, records: &[u8]) -> Option<BytesMut> {
    let size = HEADER_BYTES.saturating_add(records.len());
    if size > BATCH_BYTES_MAX {
        return None;
    }
    header.batch_length =
        i32::try_from(size - LENGTH_OVERHEAD_BYTES).expect("BATCH_BYTES_MAX fits i32");
    let mut batch = BytesMut::with_capacity(size);
    batch.put_slice(&header.encode());
    batch.put_slice(records);
    write_crc(&mut batch);
    Some(batch)
}

/// What a control batch says of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlKind {
    /// The transaction was aborted.
    Abort,
    /// The transaction was committed.
    Commit,
    /// Something else, a leader change for instance.
    Other,
}

impl ControlKind {
    /// Reads the key of a control record: version and type, two bytes each.
    pub fn of_key(key: &[u8]) -> Self {
        match key.get(2..4) {
            Some([0, 0]) => Self::Abort,
            Some([0, 1]) => Self::Commit,
            _ => Self::Other,
        }
    }
}

impl Attributes {
    /// Returns these attributes with the delete horizon bit set (KIP-534).
    #[must_use]
    pub fn with_delete_horizon(self) -> Self {
        Self(self.0 | Self::DELETE_HORIZON)
    }

    fn without_delete_horizon(self) -> Self {
        Self(self.0 & !Self::DELETE_HORIZON)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, BatchOptions, HeaderRef, Records, payload, verify_crc};
    use super::*;
    use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

    fn batch(codec: Codec) -> BytesMut {
        let mut builder = BatchBuilder::new(BatchOptions {
            codec,
            base_offset: Offset(100),
            leader_epoch: LeaderEpoch(3),
            producer_id: ProducerId(9),
            producer_epoch: ProducerEpoch(1),
            base_sequence: Sequence(40),
            ..BatchOptions::default()
        });
        for n in 0..6_i64 {
            let key = [u8::try_from(n).unwrap()];
            let header = HeaderRef {
                key: b"h",
                value: Some(&key),
            };
            let value = (n != 4).then_some(&b"value"[..]);
            builder
                .push(1_000 + n * 10, Some(&key), value, &[header])
                .unwrap();
        }
        builder.build()
    }

    /// Keeps the records whose place in the batch is listed.
    fn keep(batch: &[u8], kept: &[i64]) -> (BatchHeader, Retained) {
        let header = BatchHeader::parse(batch).unwrap();
        let records = payload(batch, 1 << 20).unwrap();
        let mut retained = Retained::default();
        let mut walk = Records::new(&header, &records);
        loop {
            let before = walk.remaining();
            let Some(record) = walk.next() else { break };
            let record = record.unwrap();
            let raw = &records[records.len() - before..records.len() - walk.remaining()];
            if kept.contains(&(record.offset.0 - 100)) {
                retained.push(raw, record.timestamp);
            }
        }
        (header, retained)
    }

    #[test]
    fn kept_records_are_unchanged_under_the_same_offsets_and_sequences() {
        for codec in Codec::ALL {
            let original = batch(codec);
            for horizon in [None, Some(77_777)] {
                let (old, retained) = keep(&original, &[1, 4]);
                let new = retained.rebuild(&old, horizon).unwrap().unwrap();
                verify_crc(&new).unwrap();
                let header = BatchHeader::parse(&new).unwrap();
                assert_eq!(header.size(), new.len());
                assert_eq!(header.base_offset, Offset(100));
                assert_eq!(header.last_offset(), Offset(105));
                assert_eq!(header.last_sequence(), old.last_sequence());
                assert_eq!(header.producer_id, ProducerId(9));
                assert_eq!(header.leader_epoch, LeaderEpoch(3));
                assert_eq!(header.attributes.codec(), Ok(codec));
                assert_eq!(header.attributes.has_delete_horizon(), horizon.is_some());
                assert_eq!(header.record_count, 2);
                assert_eq!(header.max_timestamp, 1_040);
                if let Some(horizon) = horizon {
                    assert_eq!(header.base_timestamp, horizon);
                }
                let records = payload(&new, 1 << 20).unwrap();
                let found: Vec<_> = Records::new(&header, &records)
                    .map(|record| record.unwrap())
                    .map(|record| {
                        let header = record.headers().next().unwrap().value.unwrap().to_vec();
                        let key = record.key.unwrap().to_vec();
                        (record.offset.0, record.timestamp, key, record.value, header)
                    })
                    .collect();
                let expected = [
                    (101, 1_010, vec![1], Some(&b"value"[..]), vec![1]),
                    (104, 1_040, vec![4], None, vec![4]),
                ];
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn an_emptied_batch_keeps_what_a_producer_is_known_by() {
        let original = batch(Codec::Zstd);
        let old = BatchHeader::parse(&original).unwrap();
        let empty = emptied(&old);
        verify_crc(&empty).unwrap();
        let header = BatchHeader::parse(&empty).unwrap();
        assert_eq!((header.size(), header.record_count), (HEADER_BYTES, 0));
        assert_eq!(header.last_offset(), old.last_offset());
        assert_eq!(header.last_sequence(), old.last_sequence());
        assert_eq!(header.producer_epoch, old.producer_epoch);
        assert_eq!(header.max_timestamp, old.max_timestamp);
        assert_eq!(payload(&empty, 10).unwrap().len(), 0);
        assert!(Records::new(&header, &[]).next().is_none());
    }

    #[test]
    fn control_keys_are_told_apart() {
        assert_eq!(ControlKind::of_key(&[0, 0, 0, 0]), ControlKind::Abort);
        assert_eq!(ControlKind::of_key(&[0, 0, 0, 1]), ControlKind::Commit);
        assert_eq!(ControlKind::of_key(&[0, 0, 0, 2]), ControlKind::Other);
        assert_eq!(ControlKind::of_key(&[0]), ControlKind::Other);
    }
}
