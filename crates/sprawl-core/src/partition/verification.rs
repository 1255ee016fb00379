//! Which producers are being verified with the transaction coordinator.
//!
//! The answer of the coordinator may come late: by then the transaction it spoke of may be aborted
//! and its marker written, and a batch appended on that word would hang for ever. So each round of
//! verification has a number of its own; the marker, or the first batch, ends the round, and a
//! batch that brings the number of an ended round is refused.
//!
//! Source: KIP-890 part 1; Kafka's `VerificationGuard` and `VerificationStateEntry`.

use std::collections::BTreeMap;

use sprawl_model::mutant::{Mutant, active};
use sprawl_model::{ProducerEpoch, ProducerId, ProducerIdAndEpoch, Sequence};

use super::producers::ProducerStates;
use super::sequence::{SequenceError, check_epoch};

/// The most producers one partition verifies at a time; beyond it the oldest round is forgotten,
/// and its batch refused.
pub const VERIFICATIONS_PER_PARTITION_MAX: usize = 8_192;

/// The number of a round of verification: what a batch brings back from the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification(u64);

/// Whether the producer's epoch grows with every transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochBump {
    /// It does: `transaction.version` 2, Produce v12 and later.
    PerTransaction,
    /// Only when a producer starts anew.
    AtInit,
}

/// Who asks to write in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The producer.
    pub producer: ProducerIdAndEpoch,
    /// The sequence of its first record, -1 for what this broker writes in its name.
    pub base_sequence: Sequence,
    /// How its epoch grows.
    pub bump: EpochBump,
}

/// A round that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    number: Verification,
    started_ms: i64,
    epoch: ProducerEpoch,
    /// The coordinator has agreed: batches that this broker writes for the producer need no number.
    is_confirmed: bool,
    pub(super) lowest_sequence: Sequence,
    pub(super) bump: EpochBump,
}

/// The rounds of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verifications {
    pending: BTreeMap<ProducerId, Pending>,
    last: u64,
}

impl Verifications {
    pub(super) fn get(&self, producer_id: ProducerId) -> Option<&Pending> {
        self.pending.get(&producer_id)
    }

    /// Says whether `verified` is the number of the producer's round under way.
    pub(super) fn holds(&self, producer_id: ProducerId, verified: Option<Verification>) -> bool {
        let number = self.pending.get(&producer_id).map(|pending| pending.number);
        number.is_some() && number == verified
    }

    /// Says whether the producer's round under way has the coordinator's consent.
    pub(super) fn is_confirmed(&self, producer: ProducerIdAndEpoch) -> bool {
        let pending = self.pending.get(&producer.producer_id);
        pending
            .is_some_and(|pending| pending.is_confirmed && pending.epoch == producer.producer_epoch)
    }

    /// Ends the producer's round: its transaction has begun here, or is over.
    pub(super) fn end(&mut self, producer_id: ProducerId) {
        self.pending.remove(&producer_id);
    }

    /// Ends the producer's round that a marker closes.
    ///
    /// One of a producer whose epoch grows with every transaction stays if it is in the marker's
    /// epoch: the marker ended the transaction before, and the next has begun meanwhile.
    pub(super) fn end_at_marker(&mut self, marker: ProducerIdAndEpoch) {
        let is_next = |pending: &Pending| {
            pending.bump == EpochBump::PerTransaction && pending.epoch >= marker.producer_epoch
        };
        if !self.get(marker.producer_id).is_some_and(is_next) {
            self.end(marker.producer_id);
        }
    }

    /// Forgets rounds that began `expiration_ms` or longer ago.
    pub(super) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.pending
            .retain(|_, pending| now_ms.saturating_sub(pending.started_ms) < expiration_ms);
    }

    fn begin(&mut self, asking: Asking, now_ms: i64) -> Verification {
        let Asking {
            producer,
            base_sequence,
            bump,
        } = asking;
        if let Some(pending) = self.pending.get_mut(&producer.producer_id) {
            pending.lower(producer.producer_epoch, base_sequence);
            return pending.number;
        }
        self.make_room();
        self.last = self.last.wrapping_add(1);
        let pending = Pending {
            number: Verification(self.last),
            started_ms: now_ms,
            epoch: producer.producer_epoch,
            is_confirmed: false,
            lowest_sequence: base_sequence,
            bump,
        };
        self.pending.insert(producer.producer_id, pending);
        pending.number
    }

    /// O(rounds) at the cap, otherwise O(1).
    fn make_room(&mut self) {
        if self.pending.len() < VERIFICATIONS_PER_PARTITION_MAX {
            return;
        }
        let oldest = self.pending.iter();
        let oldest = oldest.min_by_key(|(_, pending)| (pending.started_ms, pending.number.0));
        if let Some(id) = oldest.map(|(id, _)| *id) {
            self.pending.remove(&id);
        }
    }
}

impl Pending {
    fn lower(&mut self, epoch: ProducerEpoch, base_sequence: Sequence) {
        let is_newer = epoch > self.epoch;
        let is_lower = epoch == self.epoch && base_sequence < self.lowest_sequence;
        if is_newer || is_lower {
            self.is_confirmed &= !is_newer;
            self.epoch = epoch;
            self.lowest_sequence = base_sequence;
        }
    }
}

impl ProducerStates {
    /// Begins or continues the verification of a transactional batch, unless its producer has a
    /// transaction open here already.
    ///
    /// `None`: nothing is to be verified. Otherwise the coordinator is to be asked, and the batch
    /// appended with this number if it agrees.
    /// Errors: the producer is fenced; the coordinator need not be asked.
    pub fn begin_verification(
        &mut self,
        asking: Asking,
        now_ms: i64,
    ) -> Result<Option<Verification>, SequenceError> {
        let producer = asking.producer;
        if let Some(state) = self.producers.get(&producer.producer_id) {
            check_epoch(state, producer)?;
            if state.epoch == producer.producer_epoch && state.txn_first_offset.is_some() {
                return Ok(None);
            }
        }
        if active(Mutant::VerificationSkipped) && asking.bump == EpochBump::AtInit {
            return Ok(None);
        }
        Ok(Some(self.verifications.begin(asking, now_ms)))
    }

    /// Takes note of the coordinator's consent, for batches that this broker writes in a client's
    /// name; without effect where the round has ended meanwhile.
    pub fn confirm_verification(&mut self, producer_id: ProducerId, verified: Verification) {
        if let Some(pending) = self.verifications.pending.get_mut(&producer_id) {
            pending.is_confirmed |= pending.number == verified;
        }
    }
}
