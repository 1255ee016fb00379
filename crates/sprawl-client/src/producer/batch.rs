//! A partition's records, waiting and sealed.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sprawl_model::batch::{BatchBuilder, BatchOptions, HeaderRef};
use sprawl_model::{ProducerEpoch, ProducerId, Sequence};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{Delivered, ProducerOptions};
use crate::consumer::Header;
use crate::error::ClientError;

/// A topic and a partition.
pub(super) type Place = (String, i32);

/// A record on its way, with whom to tell.
#[derive(Debug)]
pub(super) struct QueuedRecord {
    pub(super) timestamp: i64,
    pub(super) queued_at: Duration,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<Header>,
    pub(super) size: usize,
    pub(super) reply: oneshot::Sender<Result<Delivered, ClientError>>,
    /// The record's share of the buffer, given back when it is dropped.
    pub(super) _permit: OwnedSemaphorePermit,
}

/// The id under which batches are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer_id: ProducerId,
    pub(super) producer_epoch: ProducerEpoch,
}

impl Identity {
    pub(super) const NONE: Self = Self {
        producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch::NONE,
    };
}

/// A batch whose bytes never change again, so that sending it twice is recognised.
#[derive(Debug)]
pub(super) struct SealedBatch {
    pub(super) place: Place,
    pub(super) bytes: BytesMut,
    pub(super) records: Vec<QueuedRecord>,
    /// When its oldest record was handed over.
    pub(super) queued_at: Duration,
    /// Not to be sent before this time.
    pub(super) not_before: Duration,
}

impl SealedBatch {
    /// Tells every record's caller where it is.
    pub(super) fn succeed(self, base_offset: Option<i64>) {
        for (index, record) in (0_i64..).zip(self.records) {
            let offset = base_offset.map_or(-1, |base| base.saturating_add(index));
            let delivered = Delivered {
                partition: self.place.1,
                offset,
            };
            // The caller may not care.
            drop(record.reply.send(Ok(delivered)));
        }
    }

    /// Tells every record's caller what went wrong.
    pub(super) fn fail(self, error: &ClientError) {
        for record in self.records {
            drop(record.reply.send(Err(error.clone())));
        }
    }
}

/// One partition's queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<QueuedRecord>,
    pub(super) waiting_bytes: usize,
    /// A batch to send (again) before anything that waits.
    pub(super) retry: Option<SealedBatch>,
    pub(super) in_flight: bool,
    pub(super) next_sequence: i32,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.retry.is_none() && !self.in_flight
    }

    pub(super) fn push(&mut self, record: QueuedRecord) {
        self.waiting_bytes = self.waiting_bytes.saturating_add(record.size);
        self.waiting.push_back(record);
    }

    /// Makes a batch of the oldest records, up to the batch size and at least one.
    ///
    /// Records that no batch can hold fail; `None` where nothing is left.
    pub(super) fn seal(
        &mut self,
        place: &Place,
        options: &ProducerOptions,
        identity: Identity,
    ) -> Option<SealedBatch> {
        let idempotent = identity != Identity::NONE;
        let mut builder = BatchBuilder::new(BatchOptions {
            codec: options.codec,
            compression_level: options.compression_level,
            producer_id: identity.producer_id,
            producer_epoch: identity.producer_epoch,
            base_sequence: Sequence(if idempotent { self.next_sequence } else { -1 }),
            ..BatchOptions::default()
        });
        let mut records: Vec<QueuedRecord> = Vec::new();
        while let Some(record) = self.waiting.pop_front() {
            let outgrows = builder.size().saturating_add(record.size) > options.batch_bytes;
            if outgrows && !builder.is_empty() {
                self.waiting.push_front(record);
                break;
            }
            self.waiting_bytes = self.waiting_bytes.saturating_sub(record.size);
            let headers = record.headers.iter().map(|header| HeaderRef {
                key: &header.key,
                value: header.value.as_deref(),
            });
            let headers: Vec<_> = headers.collect();
            let pushed = builder.push(
                record.timestamp,
                record.key.as_deref(),
                record.value.as_deref(),
                &headers,
            );
            match pushed {
                Ok(()) => records.push(record),
                Err(error) => {
                    drop(
                        record
                            .reply
                            .send(Err(ClientError::Invalid(error.to_string()))),
                    );
                }
            }
        }
        let queued_at = records.first()?.queued_at;
        if idempotent {
            self.next_sequence = sequence_after(self.next_sequence, builder.record_count());
        }
        let bytes = builder.build();
        Some(SealedBatch {
            place: place.clone(),
            bytes,
            records,
            queued_at,
            not_before: Duration::ZERO,
        })
    }
}

/// Sequences run from 0 to `i32::MAX` and then from 0 again (KIP-98).
fn sequence_after(sequence: i32, count: i32) -> i32 {
    sequence.wrapping_add(count) & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(sequence_after(0, 3), 3);
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 1, 5), 3);
    }
}
