//! What is known of one transactional id?

use std::collections::BTreeSet;

use sprawl_model::{ProducerEpoch, ProducerId, ProducerIdAndEpoch, TopicPartition};

use super::error::TransactionError;
use super::state::TransactionState;

/// A level of `transaction.version` (KIP-890).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionVersion(pub i16);

impl TransactionVersion {
    /// The protocol of KIP-98.
    pub const V0: Self = Self(0);
    /// Records of the coordinator may have tagged fields.
    pub const V1: Self = Self(1);
    /// The epoch is bumped at every end, and partitions are added by producing.
    pub const V2: Self = Self(2);

    /// The feature's name.
    pub const FEATURE: &'static str = "transaction.version";

    /// Whether every end of a transaction bumps the producer's epoch.
    pub fn bumps_epoch(self) -> bool {
        self >= Self::V2
    }
}

/// The epochs a client may use end here, so that the coordinator can always fence one.
const CLIENT_EPOCH_MAX: i16 = i16::MAX - 1;

/// Whether no client may be given a greater epoch than this one.
pub(super) fn is_exhausted(epoch: ProducerEpoch) -> bool {
    epoch.0 >= CLIENT_EPOCH_MAX
}

/// The timeout of transactions that take part in two-phase commit: none. Kafka's number for it.
pub(super) const TWO_PHASE_COMMIT_TIMEOUT_MS: i32 = i32::MAX;

/// The start of a transaction that was not begun.
pub(super) const NO_START_MS: i64 = -1;

/// Everything that is known of a transactional id: what its record holds, and the epoch before the
/// last bump, which only a coordinator that has made the bump knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TransactionValue {
    pub(super) producer: ProducerIdAndEpoch,
    /// The producer id before the last initialisation or end.
    pub(super) previous_producer_id: ProducerId,
    /// The producer id that follows once the markers are written: when the epochs of this one are
    /// used up, or when the open transaction was kept.
    pub(super) next_producer_id: ProducerId,
    /// The epoch that goes with it. `NONE` means epoch 0 of a producer id that is not yet in use.
    /// Where an open transaction has one, its producer was told of the next pair already, and
    /// `producer` is only what the transaction was begun with (KIP-939).
    pub(super) next_producer_epoch: ProducerEpoch,
    /// The epoch before the last bump, where its owner asked for the bump.
    pub(super) last_producer_epoch: ProducerEpoch,
    pub(super) timeout_ms: i32,
    pub(super) state: TransactionState,
    pub(super) partitions: BTreeSet<TopicPartition>,
    pub(super) start_ms: i64,
    pub(super) last_update_ms: i64,
    /// The version the client ran the transaction with.
    pub(super) client_version: TransactionVersion,
}

impl TransactionValue {
    /// A transactional id that nobody has used.
    pub(super) fn new(producer_id: ProducerId, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer: ProducerIdAndEpoch {
                producer_id,
                producer_epoch: ProducerEpoch::NONE,
            },
            previous_producer_id: ProducerId::NONE,
            next_producer_id: ProducerId::NONE,
            next_producer_epoch: ProducerEpoch::NONE,
            last_producer_epoch: ProducerEpoch::NONE,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            start_ms: NO_START_MS,
            last_update_ms: now_ms,
            client_version: TransactionVersion::V0,
        }
    }

    /// Whether no producer was ever initialised.
    pub(super) fn is_new(&self) -> bool {
        self.producer.producer_epoch == ProducerEpoch::NONE
    }

    /// Whether the open transaction is older than the producer that may end it (KIP-939).
    pub(super) fn is_kept(&self) -> bool {
        self.state == TransactionState::Ongoing && self.next_producer_epoch != ProducerEpoch::NONE
    }

    /// What the last producer was told that it is: whoever names anything else is fenced.
    pub(super) fn client(&self) -> ProducerIdAndEpoch {
        if self.is_kept() {
            ProducerIdAndEpoch {
                producer_id: self.next_producer_id,
                producer_epoch: self.next_producer_epoch,
            }
        } else {
            self.producer
        }
    }

    /// Whether the transaction stays open until somebody ends it.
    pub(super) fn is_two_phase_commit(&self) -> bool {
        self.timeout_ms == TWO_PHASE_COMMIT_TIMEOUT_MS
    }

    /// Whether `found` is the last producer.
    pub(super) fn check_client(&self, found: ProducerIdAndEpoch) -> Result<(), TransactionError> {
        let client = self.client();
        // The producer that a kept transaction was begun with is fenced, also where the one that
        // may end it has another id.
        let is_ours = found.producer_id == client.producer_id
            || (self.is_kept() && found.producer_id == self.producer.producer_id);
        if !is_ours {
            return Err(TransactionError::InvalidProducerIdMapping);
        }
        if found != client {
            return Err(TransactionError::ProducerFenced);
        }
        Ok(())
    }

    /// The epoch after this one; `None` where there is none.
    pub(super) fn next_epoch(&self) -> Option<ProducerEpoch> {
        self.producer
            .producer_epoch
            .0
            .checked_add(1)
            .map(ProducerEpoch)
    }

    /// The same with another state, updated now.
    pub(super) fn become_state(&self, state: TransactionState, now_ms: i64) -> Self {
        assert!(
            self.state.may_become(state),
            "a transaction does not go from {} to {state}",
            self.state
        );
        Self {
            state,
            last_update_ms: now_ms,
            ..self.clone()
        }
    }
}
