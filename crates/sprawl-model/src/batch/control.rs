//! Control records: how a transaction ended, as the log itself says it.
//!
//! Key: version i16, type i16 (0 abort, 1 commit). Value: version i16, coordinator epoch i32. Later
//! versions may add fields behind these, so longer keys and values are read all the same.
//!
//! Source: KIP-98; Kafka's `ControlRecordTypeSchema` and `EndTxnMarker`.

use bytes::BytesMut;

use super::build::{BatchBuilder, BatchOptions};
use super::error::{BatchError, RecordFault};
use super::header::BatchHeader;
use super::records::{Records, payload};
use super::retain::ControlKind;
use crate::limits::DECOMPRESSED_BYTES_MAX;
use crate::{ProducerEpoch, ProducerId};

const ABORT: i16 = 0;
const COMMIT: i16 = 1;
/// The version of key and value that this build writes.
const VERSION: i16 = 0;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxnOutcome {
    /// Its records count.
    Commit,
    /// Its records are to be skipped.
    Abort,
}

/// The record that ends a transaction in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// How it ended.
    pub outcome: TxnOutcome,
    /// The epoch of the coordinator that said so.
    pub coordinator_epoch: i32,
}

impl EndTxnMarker {
    /// Builds the control batch that carries this marker for a producer.
    pub fn build(
        self,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        timestamp_ms: i64,
    ) -> BytesMut {
        let kind = match self.outcome {
            TxnOutcome::Commit => COMMIT,
            TxnOutcome::Abort => ABORT,
        };
        let mut key = [0; 4];
        key[..2].copy_from_slice(&VERSION.to_be_bytes());
        key[2..].copy_from_slice(&kind.to_be_bytes());
        let mut value = [0; 6];
        value[..2].copy_from_slice(&VERSION.to_be_bytes());
        value[2..].copy_from_slice(&self.coordinator_epoch.to_be_bytes());
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id,
            producer_epoch,
            transactional: true,
            control: true,
            ..BatchOptions::default()
        });
        builder
            .push(timestamp_ms, Some(&key), Some(&value), &[])
            .expect("a record of ten bytes fits a batch");
        builder.build()
    }

    /// Reads the marker of one whole control batch.
    ///
    /// `None`: the batch ends no transaction, because it is no control batch, is of another type,
    /// or has lost its record to compaction.
    pub fn parse(batch: &[u8]) -> Result<Option<Self>, BatchError> {
        let header = BatchHeader::parse(batch)?;
        if !header.attributes.is_control() {
            return Ok(None);
        }
        let records = payload(batch, DECOMPRESSED_BYTES_MAX)?;
        let Some(record) = Records::new(&header, &records).next() else {
            return Ok(None);
        };
        let record = record?;
        let outcome = match ControlKind::of_key(record.key.unwrap_or_default()) {
            ControlKind::Abort => TxnOutcome::Abort,
            ControlKind::Commit => TxnOutcome::Commit,
            ControlKind::Other => return Ok(None),
        };
        let Some([_, _, e0, e1, e2, e3]) = record.value.and_then(|value| value.first_chunk())
        else {
            return Err(BatchError::Record {
                index: 0,
                fault: RecordFault::EndsEarly,
            });
        };
        Ok(Some(Self {
            outcome,
            coordinator_epoch: i32::from_be_bytes([*e0, *e1, *e2, *e3]),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::verify_crc;

    #[test]
    fn a_marker_survives_its_batch() {
        for outcome in [TxnOutcome::Commit, TxnOutcome::Abort] {
            let marker = EndTxnMarker {
                outcome,
                coordinator_epoch: 0x0102_0304,
            };
            let batch = marker.build(ProducerId(7), ProducerEpoch(3), 1_700_000_000_000);
            verify_crc(&batch).unwrap();
            let header = BatchHeader::parse(&batch).unwrap();
            assert!(header.attributes.is_control() && header.attributes.is_transactional());
            assert_eq!(header.producer_id, ProducerId(7));
            assert_eq!(header.producer_epoch, ProducerEpoch(3));
            assert_eq!(header.base_sequence.0, -1);
            assert_eq!(EndTxnMarker::parse(&batch), Ok(Some(marker)));
        }
    }

    /// The record bytes of a commit marker as Kafka 4.3 writes them.
    #[test]
    fn a_marker_has_kafkas_bytes() {
        let marker = EndTxnMarker {
            outcome: TxnOutcome::Commit,
            coordinator_epoch: 5,
        };
        let batch = marker.build(ProducerId(1), ProducerEpoch(0), 10);
        let record = [32, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 5, 0];
        assert_eq!(&batch[61..], record);
    }

    #[test]
    fn other_batches_hold_no_marker_and_short_ones_are_damage() {
        let build = |control, key: &[u8], value: &[u8]| {
            let mut builder = BatchBuilder::new(BatchOptions {
                control,
                ..BatchOptions::default()
            });
            builder.push(0, Some(key), Some(value), &[]).unwrap();
            EndTxnMarker::parse(&builder.build())
        };
        assert_eq!(build(false, &[0, 0, 0, 1], &[0; 6]), Ok(None));
        assert_eq!(build(true, &[0, 0, 0, 2], &[0; 6]), Ok(None)); // A leader change.
        assert_eq!(build(true, &[0, 0, 0], &[0; 6]), Ok(None));
        assert!(build(true, &[0, 0, 0, 1], &[0; 5]).is_err());
        // A later version of the value with a field more.
        let longer = build(true, &[0, 0, 0, 0], &[0, 1, 0, 0, 0, 9, 77]).unwrap();
        assert_eq!(longer.map(|marker| marker.coordinator_epoch), Some(9));
    }
}
