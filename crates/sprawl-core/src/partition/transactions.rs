//! Transactions in one partition: where they begin, what ends them, and what is stable.

use std::collections::BTreeMap;

use sprawl_model::batch::{BatchHeader, EndTxnMarker, TxnOutcome};
use sprawl_model::mutant::{Mutant, active};
use sprawl_model::{Offset, ProducerEpoch, ProducerId, ProducerIdAndEpoch};

use super::producers::{ProducerState, ProducerStates};

/// The version of `transaction.version` from which a producer's epoch grows with every transaction.
const EPOCH_BUMP_VERSION: i16 = 2;

/// Says how a transaction of a producer ended: the wish to write a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTxn {
    /// Whose transaction.
    pub producer_id: ProducerId,
    /// The producer's epoch; from `transaction.version` 2 on, the one after the transaction.
    pub producer_epoch: ProducerEpoch,
    /// The outcome and the coordinator's epoch.
    pub marker: EndTxnMarker,
    /// The `transaction.version` under which the transaction ran.
    pub transaction_version: i16,
}

/// A transaction with records in this partition that a marker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTxn {
    /// Whose it was.
    pub producer_id: ProducerId,
    /// The offset of its first record here.
    pub first_offset: Offset,
    /// The offset of its marker.
    pub last_offset: Offset,
    /// How it ended.
    pub outcome: TxnOutcome,
    /// The last stable offset once the marker is stable.
    pub last_stable_offset: Offset,
}

/// Why a marker is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// The marker belongs to an earlier transaction (INVALID_PRODUCER_EPOCH).
    #[error("producer {producer_id} is in epoch {current}, the marker comes with {found}")]
    FencedEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// The epoch last seen.
        current: ProducerEpoch,
        /// The epoch of the marker.
        found: ProducerEpoch,
    },
    /// A newer coordinator has ended a transaction of this producer
    /// (TRANSACTION_COORDINATOR_FENCED).
    #[error("producer {producer_id} has a marker of coordinator epoch {current}, found {found}")]
    FencedCoordinator {
        /// The producer.
        producer_id: ProducerId,
        /// The coordinator epoch last seen.
        current: i32,
        /// The coordinator epoch of the marker.
        found: i32,
    },
}

/// Where transactions make offsets unstable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transactions {
    /// The first offset of every open one.
    open: BTreeMap<Offset, ProducerId>,
    /// First offset and marker of those ended by a marker that a crash may still take.
    ended: BTreeMap<Offset, Offset>,
}

impl Transactions {
    pub(super) fn begin(&mut self, first_offset: Offset, producer_id: ProducerId) {
        self.open.insert(first_offset, producer_id);
    }

    fn first_open(&self) -> Option<Offset> {
        self.open.keys().next().copied()
    }

    fn first_unstable(&self) -> Option<Offset> {
        let ended = self.ended.keys().next().copied();
        let both = [self.first_open(), ended];
        both.into_iter().flatten().min()
    }
}

impl ProducerStates {
    /// Decides whether a marker may be written. It names one transaction: with
    /// `transaction.version` 2 the one whose epoch is smaller than the marker's (KIP-1228).
    ///
    /// A marker that was written already may be written again: nothing is open then.
    pub fn check_marker(&self, end: &EndTxn) -> Result<(), MarkerError> {
        let producer_id = end.producer_id;
        let Some(state) = self.producers.get(&producer_id) else {
            return Ok(());
        };
        let (current, found) = (state.epoch, end.producer_epoch);
        if found < current || is_late(state, end) {
            return Err(MarkerError::FencedEpoch {
                producer_id,
                current,
                found,
            });
        }
        let (current, found) = (state.coordinator_epoch, end.marker.coordinator_epoch);
        if current > found {
            return Err(MarkerError::FencedCoordinator {
                producer_id,
                current,
                found,
            });
        }
        Ok(())
    }

    /// Takes note of a marker that was appended after [`Self::check_marker`] allowed it. Returns
    /// the transaction that it ended, if that had records here.
    ///
    /// The transaction stays unstable until [`Self::settle`] hears that its marker is durable.
    pub fn record_marker(
        &mut self,
        header: &BatchHeader,
        marker: EndTxnMarker,
        now_ms: i64,
    ) -> Option<CompletedTxn> {
        assert!(
            header.base_offset >= self.end_offset,
            "batches are recorded in offset order"
        );
        let completed = self.note_marker(header, marker, now_ms)?;
        self.transactions
            .ended
            .insert(completed.first_offset, completed.last_offset);
        Some(completed)
    }

    /// Takes note of a control batch read back from the log after a start; `None` is one that ends
    /// no transaction. Everything read back counts as durable.
    pub fn replay_control(
        &mut self,
        header: &BatchHeader,
        marker: Option<EndTxnMarker>,
        now_ms: i64,
    ) -> Option<CompletedTxn> {
        if header.base_offset < self.end_offset {
            return None;
        }
        match marker {
            Some(marker) => self.note_marker(header, marker, now_ms),
            None => {
                self.end_offset = header.next_offset();
                None
            }
        }
    }

    /// Lets transactions be stable whose marker lies below the high watermark.
    pub fn settle(&mut self, high_watermark: Offset) {
        let ended = &mut self.transactions.ended;
        ended.retain(|_, marker| *marker >= high_watermark);
    }

    /// Returns the first offset that is not stable although it may be durable: the first record of
    /// the earliest transaction that is open, or whose marker may still be lost.
    pub fn first_unstable(&self) -> Option<Offset> {
        self.transactions.first_unstable()
    }

    fn note_marker(
        &mut self,
        header: &BatchHeader,
        marker: EndTxnMarker,
        now_ms: i64,
    ) -> Option<CompletedTxn> {
        let producer_id = header.producer_id;
        self.end_offset = header.next_offset();
        self.verifications.end_at_marker(ProducerIdAndEpoch {
            producer_id,
            producer_epoch: header.producer_epoch,
        });
        let state = self.state_of(header, now_ms)?;
        state.enter_epoch(header.producer_epoch);
        state.coordinator_epoch = marker.coordinator_epoch;
        state.last_append_ms = now_ms;
        let first_offset = state.txn_first_offset.take()?;
        self.transactions.open.remove(&first_offset);
        let last_offset = header.last_offset();
        let first_open = self.transactions.first_open();
        Some(CompletedTxn {
            producer_id,
            first_offset,
            last_offset,
            outcome: marker.outcome,
            last_stable_offset: first_open.unwrap_or(header.next_offset()),
        })
    }
}

/// Says whether a marker comes with the epoch of a transaction that it cannot belong to: under
/// `transaction.version` 2 the marker's epoch is larger than its transaction's, except at the end
/// of all epochs.
fn is_late(state: &ProducerState, end: &EndTxn) -> bool {
    let is_bumped = end.transaction_version >= EPOCH_BUMP_VERSION;
    let is_last = end.producer_epoch == ProducerEpoch(i16::MAX);
    let is_same = end.producer_epoch == state.epoch && state.txn_first_offset.is_some();
    is_bumped && is_same && !is_last && !active(Mutant::SameEpochMarkerAccepted)
}
