//! The rule for a producer's next batch: epoch, sequence, and whether its transaction is known.

use sprawl_model::batch::BatchHeader;
use sprawl_model::mutant::{Mutant, active};
use sprawl_model::{Offset, ProducerEpoch, ProducerId, ProducerIdAndEpoch, Sequence};

use super::producers::{BatchMetadata, PRODUCERS_PER_PARTITION_MAX, ProducerState, ProducerStates};
use super::verification::{EpochBump, Pending, Verification};

/// The rule's answer to a batch that may be answered with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceVerdict {
    /// The batch is new and in sequence.
    Append,
    /// The batch is in the log already. Its answer waits until `last_offset` is durable.
    Duplicate {
        /// The offset its first record got.
        base_offset: Offset,
        /// The offset its last record got.
        last_offset: Offset,
        /// The largest timestamp it was stored with, in ms since the Unix epoch.
        timestamp: i64,
    },
}

/// Who made a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client: epoch and sequence are checked.
    Client,
    /// A coordinator of this broker, in a client's name: there is no sequence to check.
    Coordinator,
}

/// What a batch brings besides its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who made it.
    pub origin: Origin,
    /// Its transaction was found open by the transaction coordinator, at this request.
    pub verified: Option<Verification>,
}

impl Claim {
    /// A client's batch that asked no coordinator.
    pub const CLIENT: Self = Self {
        origin: Origin::Client,
        verified: None,
    };
    /// A coordinator's own batch.
    pub const COORDINATOR: Self = Self {
        origin: Origin::Coordinator,
        verified: None,
    };
}

/// Why a batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// A newer instance of the producer has written (INVALID_PRODUCER_EPOCH).
    #[error("expected producer {producer_id} in epoch {current} or later, found epoch {found}")]
    FencedEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// The epoch last seen.
        current: ProducerEpoch,
        /// The epoch of the batch.
        found: ProducerEpoch,
    },
    /// A batch before this one is missing, or it is older than the window
    /// (OUT_OF_ORDER_SEQUENCE_NUMBER).
    #[error("expected sequence {expected} from producer {producer_id}, found {found}")]
    OutOfOrder {
        /// The producer.
        producer_id: ProducerId,
        /// The sequence that would have been accepted.
        expected: Sequence,
        /// The first sequence of the batch.
        found: Sequence,
    },
    /// The batch names a producer but no sequence (INVALID_RECORD).
    #[error("expected a sequence of 0 or more from producer {producer_id}, found {found}")]
    NegativeSequence {
        /// The producer.
        producer_id: ProducerId,
        /// The first sequence of the batch.
        found: Sequence,
    },
    /// A transactional batch outside a transaction that the coordinator knows of, or one outside
    /// the transaction that is open (INVALID_TXN_STATE).
    #[error("producer {producer_id} {problem}")]
    TransactionState {
        /// The producer.
        producer_id: ProducerId,
        /// What does not fit.
        problem: &'static str,
    },
    /// All the producers that the partition may remember have open transactions: retry later.
    #[error("{PRODUCERS_PER_PARTITION_MAX} producers have open transactions, no room for another")]
    TooManyProducers,
}

impl ProducerStates {
    /// Decides what happens to a batch. A batch without a producer id is always appended.
    ///
    /// The base offset in `header` is not looked at. O(log producers).
    pub fn check(
        &self,
        header: &BatchHeader,
        claim: Claim,
    ) -> Result<SequenceVerdict, SequenceError> {
        let producer_id = header.producer_id;
        if producer_id == ProducerId::NONE {
            return Ok(SequenceVerdict::Append);
        }
        let state = self.producers.get(&producer_id);
        if claim.origin == Origin::Client {
            if header.base_sequence.0 < 0 {
                let found = header.base_sequence;
                return Err(SequenceError::NegativeSequence { producer_id, found });
            }
            if let Some(batch) = state.and_then(|state| find_duplicate(state, header)) {
                return Ok(SequenceVerdict::Duplicate {
                    base_offset: batch.base_offset(),
                    last_offset: batch.last_offset,
                    timestamp: batch.timestamp,
                });
            }
        }
        if let Some(state) = state {
            check_epoch(state, producer_of(header))?;
        }
        self.check_transaction(state, header, claim)?;
        if claim.origin == Origin::Client {
            check_verification(self.verifications.get(producer_id), state, header)?;
            // A producer the partition does not know may start anywhere: its earlier batches may
            // have been deleted by retention, or it may have been idle for longer than it is
            // remembered.
            if let Some(state) = state {
                check_sequence(state, header)?;
            }
        }
        if state.is_none() && self.is_crowded() {
            return Err(SequenceError::TooManyProducers);
        }
        Ok(SequenceVerdict::Append)
    }

    /// A transactional batch needs an open transaction of its epoch, or the coordinator's word.
    fn check_transaction(
        &self,
        state: Option<&ProducerState>,
        header: &BatchHeader,
        claim: Claim,
    ) -> Result<(), SequenceError> {
        let producer_id = header.producer_id;
        let refused = |problem| {
            Err(SequenceError::TransactionState {
                producer_id,
                problem,
            })
        };
        let open = state.filter(|state| state.txn_first_offset.is_some());
        if !header.attributes.is_transactional() {
            return match open {
                Some(_) => refused("wrote outside the transaction that it has open"),
                None => Ok(()),
            };
        }
        let continues = open.is_some_and(|state| state.epoch == header.producer_epoch);
        let is_confirmed = claim.origin == Origin::Coordinator
            && self.verifications.is_confirmed(producer_of(header));
        let is_skipped = active(Mutant::VerificationSkipped);
        if continues
            || is_confirmed
            || is_skipped
            || self.verifications.holds(producer_id, claim.verified)
        {
            Ok(())
        } else {
            refused("has no transaction here that its coordinator knows to be open")
        }
    }
}

fn producer_of(header: &BatchHeader) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
    }
}

fn find_duplicate<'a>(state: &'a ProducerState, header: &BatchHeader) -> Option<&'a BatchMetadata> {
    if state.epoch != header.producer_epoch {
        return None;
    }
    let (first, last) = (header.base_sequence, header.last_sequence());
    state
        .batches
        .iter()
        .find(|batch| batch.first_sequence() == first && batch.last_sequence == last)
}

/// Refuses a batch of an older instance of its producer.
pub(super) fn check_epoch(
    state: &ProducerState,
    producer: ProducerIdAndEpoch,
) -> Result<(), SequenceError> {
    if producer.producer_epoch < state.epoch && !active(Mutant::FencedEpochAccepted) {
        return Err(SequenceError::FencedEpoch {
            producer_id: producer.producer_id,
            current: state.epoch,
            found: producer.producer_epoch,
        });
    }
    Ok(())
}

/// Holds back sequences above the lowest one that asked to be verified: were a later batch written
/// first, the earlier one could never be (KIP-890).
fn check_verification(
    pending: Option<&Pending>,
    state: Option<&ProducerState>,
    header: &BatchHeader,
) -> Result<(), SequenceError> {
    let Some(pending) = pending else {
        return Ok(());
    };
    let found = header.base_sequence;
    let out_of_order = |expected| {
        Err(SequenceError::OutOfOrder {
            producer_id: header.producer_id,
            expected,
            found,
        })
    };
    // A producer whose epoch grows with every transaction begins each of them at 0.
    let has_batches = state.is_some_and(|state| !state.batches.is_empty());
    if pending.bump == EpochBump::PerTransaction && found != Sequence(0) && !has_batches {
        return out_of_order(Sequence(0));
    }
    if found > pending.lowest_sequence {
        return out_of_order(pending.lowest_sequence);
    }
    Ok(())
}

fn check_sequence(state: &ProducerState, header: &BatchHeader) -> Result<(), SequenceError> {
    let expected = match state.batches.last() {
        Some(batch) if state.epoch == header.producer_epoch => next_sequence(batch.last_sequence),
        _ => Sequence(0),
    };
    if header.base_sequence != expected {
        let (producer_id, found) = (header.producer_id, header.base_sequence);
        return Err(SequenceError::OutOfOrder {
            producer_id,
            expected,
            found,
        });
    }
    Ok(())
}

fn next_sequence(last: Sequence) -> Sequence {
    Sequence(last.0.checked_add(1).unwrap_or(0))
}
