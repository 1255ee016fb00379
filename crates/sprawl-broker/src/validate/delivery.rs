//! What deliveries do the records of a batch ask for, and are they to be had?
//!
//! Only on topics with `sprawl.delayed.delivery`; elsewhere the headers are the producer's own.

use bytes::BytesMut;
use sprawl_model::batch::{self, BatchHeader, Delivery, Held, RecordRef, delivery_of};
use sprawl_model::compression::Codec;
use sprawl_model::limits::DELAYED_RECORD_BYTES_MAX;

use super::{InvalidBatch, RecordError, malformed};

/// What was asked for so far.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    record_count: usize,
    held_count: usize,
    refused: Vec<RecordError>,
}

impl Deliveries {
    /// Takes in the next record.
    pub(super) fn take(
        &mut self,
        header: &BatchHeader,
        record: &RecordRef<'_>,
        (now_ms, delay_ms_max): (i64, i64),
    ) {
        let index = i32::try_from(self.record_count).unwrap_or(i32::MAX);
        self.record_count += 1;
        let message = match delivery_of(record) {
            Ok(Delivery::Now) => return,
            Err(fault) => fault.message(),
            Ok(_) if header.attributes.is_transactional() => {
                "a record in a transaction cannot be delayed or cancel a delayed one"
            }
            Ok(Delivery::At(due_ms)) if due_ms.saturating_sub(now_ms) > delay_ms_max => TOO_FAR,
            Ok(Delivery::After(delay_ms)) if delay_ms > delay_ms_max => TOO_FAR,
            Ok(_) if record.size() > DELAYED_RECORD_BYTES_MAX => {
                "a delayed record has at most 64 MiB"
            }
            Ok(Delivery::At(_) | Delivery::After(_) | Delivery::Cancel) => {
                self.held_count += 1;
                return;
            }
        };
        self.refused.push(RecordError { index, message });
    }

    /// Refuses the batch for the records that cannot be delivered as asked.
    pub(super) fn check(&mut self) -> Result<(), InvalidBatch> {
        if self.refused.is_empty() {
            return Ok(());
        }
        Err(InvalidBatch::Records(std::mem::take(&mut self.refused)))
    }

    /// Says whether no record asks for anything.
    pub(super) fn are_plain(&self) -> bool {
        self.held_count == 0
    }

    /// Builds the batch that waits in the log: relative times are absolute in it, and its
    /// attributes say that it holds delayed records.
    pub(super) fn hold(
        &self,
        header: &BatchHeader,
        payload: &[u8],
        (codec, now_ms): (Codec, i64),
    ) -> Result<BytesMut, InvalidBatch> {
        let built = batch::with_absolute_times(header, payload, (codec, now_ms));
        let mut bytes = built.map_err(malformed)?;
        let held = if self.held_count == self.record_count {
            Held::All
        } else {
            Held::Some
        };
        batch::set_holds_delayed(&mut bytes, held);
        Ok(bytes)
    }
}

const TOO_FAR: &str = "the delivery lies further ahead than sprawl.delayed.delivery.max.ms";
