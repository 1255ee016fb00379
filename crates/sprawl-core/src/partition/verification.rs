//! Which producers are being verified with the transaction coordinator.
//!
//! The answer of the coordinator may come late: by then the transaction it spoke of may be aborted
//! and its marker written, and a batch appended on that word would hang for ever. So each round of
//! verification has a number of its own; the marker, or the first batch, ends the round, and a
//! batch that brings the number of an ended round is refused.
//!
//! Source: KIP-890 part 1; Kafka's `VerificationGuard` and `VerificationStateEntry`.

use std::collections::BTreeMap;

use sprawl_model::batch::BatchHeader;
use sprawl_model::{ProducerEpoch, ProducerId, Sequence};

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

/// A round that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    number: Verification,
    started_ms: i64,
    epoch: ProducerEpoch,
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

    /// Ends the producer's round: its transaction has begun here, or is over.
    pub(super) fn end(&mut self, producer_id: ProducerId) {
        self.pending.remove(&producer_id);
    }

    /// Forgets rounds that began `expiration_ms` or longer ago.
    pub(super) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.pending
            .retain(|_, pending| now_ms.saturating_sub(pending.started_ms) < expiration_ms);
    }

    fn begin(&mut self, header: &BatchHeader, bump: EpochBump, now_ms: i64) -> Verification {
        if let Some(pending) = self.pending.get_mut(&header.producer_id) {
            pending.lower(header);
            return pending.number;
        }
        self.make_room();
        self.last = self.last.wrapping_add(1);
        let pending = Pending {
            number: Verification(self.last),
            started_ms: now_ms,
            epoch: header.producer_epoch,
            lowest_sequence: header.base_sequence,
            bump,
        };
        self.pending.insert(header.producer_id, pending);
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
    fn lower(&mut self, header: &BatchHeader) {
        let is_newer = header.producer_epoch > self.epoch;
        let is_lower =
            header.producer_epoch == self.epoch && header.base_sequence < self.lowest_sequence;
        if is_newer || is_lower {
            self.epoch = header.producer_epoch;
            self.lowest_sequence = header.base_sequence;
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
        header: &BatchHeader,
        bump: EpochBump,
        now_ms: i64,
    ) -> Result<Option<Verification>, SequenceError> {
        if let Some(state) = self.producers.get(&header.producer_id) {
            check_epoch(state, header)?;
            if state.epoch == header.producer_epoch && state.txn_first_offset.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(self.verifications.begin(header, bump, now_ms)))
    }
}
