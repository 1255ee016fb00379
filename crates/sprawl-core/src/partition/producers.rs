//! The producers of one partition: their epochs, their last batches, their open transactions.

use std::collections::BTreeMap;

use sprawl_model::batch::BatchHeader;
use sprawl_model::{Offset, ProducerEpoch, ProducerId, Sequence};

use super::transactions::Transactions;
use super::verification::Verifications;

/// How many batches of a producer are remembered: as many as a client may have in flight.
pub const BATCHES_RETAINED: usize = 5;

/// How long an idle producer is remembered by default (`producer.id.expiration.ms`), in ms.
pub const PRODUCER_EXPIRATION_MS_DEFAULT: i64 = 86_400_000;

/// The most producers one partition remembers. At the cap the ones idle longest are forgotten, as
/// if they had expired early: a client that draws ids without end costs at most about 16 MiB here.
pub const PRODUCERS_PER_PARTITION_MAX: usize = 65_536;

/// How many of the longest idle producers go at once when the cap is met.
const EVICTED_AT_ONCE: usize = PRODUCERS_PER_PARTITION_MAX / 16;

/// No marker was seen of a producer.
pub(super) const NO_COORDINATOR_EPOCH: i32 = -1;

/// One batch that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchMetadata {
    pub(super) last_sequence: Sequence,
    pub(super) last_offset: Offset,
    pub(super) offset_delta: i32,
    pub(super) timestamp: i64,
}

impl BatchMetadata {
    fn of(header: &BatchHeader) -> Self {
        Self {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        }
    }

    pub(super) fn base_offset(&self) -> Offset {
        Offset(
            self.last_offset
                .0
                .saturating_sub(i64::from(self.offset_delta)),
        )
    }

    /// The sequence of the first record; sequences wrap from `i32::MAX` to 0, so going back does
    /// too.
    pub(super) fn first_sequence(&self) -> Sequence {
        let first = i64::from(self.last_sequence.0) - i64::from(self.offset_delta);
        let wrapped = if first < 0 {
            first + i64::from(i32::MAX) + 1
        } else {
            first
        };
        Sequence(i32::try_from(wrapped).expect("a sequence minus a delta of 31 bits wraps once"))
    }
}

/// What is known of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProducerState {
    pub(super) epoch: ProducerEpoch,
    /// The epoch of the coordinator that wrote the last marker.
    pub(super) coordinator_epoch: i32,
    /// When its last batch came, by the broker's clock, in ms since the Unix epoch.
    pub(super) last_append_ms: i64,
    /// The first record of its open transaction.
    pub(super) txn_first_offset: Option<Offset>,
    /// The last batches of this epoch, oldest first; at most [`BATCHES_RETAINED`].
    pub(super) batches: Vec<BatchMetadata>,
}

impl ProducerState {
    /// Moves to `epoch`; sequences begin anew in another one.
    pub(super) fn enter_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }

    fn push(&mut self, batch: BatchMetadata) {
        if self.batches.len() == BATCHES_RETAINED {
            self.batches.remove(0);
        }
        self.batches.push(batch);
    }
}

/// One producer, for those who look for hanging transactions (KIP-664).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// The sequence of its last record, -1 where none of this epoch is known.
    pub last_sequence: Sequence,
    /// When it last wrote, by the broker's clock, in ms since the Unix epoch.
    pub last_append_ms: i64,
    /// The epoch of the coordinator that wrote its last marker, -1 where there was none.
    pub coordinator_epoch: i32,
    /// The first record of its open transaction.
    pub txn_first_offset: Option<Offset>,
}

/// The producers of one partition, complete up to [`Self::end_offset`].
///
/// Use: [`Self::check`] each batch under the partition's lock, append it, then [`Self::record`] it
/// with the offset it got; the same for markers. After a start: [`Self::decode`] the newest
/// snapshot, then [`Self::replay`] the headers of the log, and [`Self::replay_control`] its control
/// batches, from the snapshot's offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerStates {
    pub(super) producers: BTreeMap<ProducerId, ProducerState>,
    pub(super) end_offset: Offset,
    pub(super) transactions: Transactions,
    pub(super) verifications: Verifications,
}

impl ProducerStates {
    /// Makes the state of a log in which nothing was written before `end_offset`.
    pub fn new(end_offset: Offset) -> Self {
        Self {
            producers: BTreeMap::new(),
            end_offset,
            transactions: Transactions::default(),
            verifications: Verifications::default(),
        }
    }

    /// Returns the offset up to which (exclusive) the log's batches are accounted for.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// Returns every producer with its epoch and the offset of its last record, `None` where only a
    /// marker of it is known.
    pub fn last_records(
        &self,
    ) -> impl Iterator<Item = (ProducerId, ProducerEpoch, Option<Offset>)> + '_ {
        self.producers.iter().map(|(id, state)| {
            let last = state.batches.last().map(|batch| batch.last_offset);
            (*id, state.epoch, last)
        })
    }

    /// Returns how many producers are known.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Returns whether no producer is known.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// Says whether appending a batch would begin a transaction.
    pub fn begins_transaction(&self, header: &BatchHeader) -> bool {
        let is_open = |state: &ProducerState| state.txn_first_offset.is_some();
        header.attributes.is_transactional()
            && !self.producers.get(&header.producer_id).is_some_and(is_open)
    }

    /// Takes note of a batch that was appended after [`Self::check`] said so. `header` carries the
    /// offset it got; `now_ms` is the broker's clock.
    pub fn record(&mut self, header: &BatchHeader, now_ms: i64) {
        assert!(
            header.base_offset >= self.end_offset,
            "batches are recorded in offset order"
        );
        self.note(header, now_ms);
    }

    /// Takes note of a batch read back from the log after a start. Batches already accounted for
    /// are skipped; the log is believed, so neither epoch nor sequence is checked.
    pub fn replay(&mut self, header: &BatchHeader, now_ms: i64) {
        if header.base_offset >= self.end_offset {
            self.note(header, now_ms);
        }
    }

    /// Forgets producers idle for `expiration_ms` or longer, none with an open transaction.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.producers.retain(|_, state| {
            let idle_ms = now_ms.saturating_sub(state.last_append_ms);
            idle_ms < expiration_ms || state.txn_first_offset.is_some()
        });
        self.verifications.expire(now_ms, expiration_ms);
    }

    /// Returns every producer, by id.
    pub fn active(&self) -> impl Iterator<Item = ActiveProducer> {
        self.producers.iter().map(|(id, state)| ActiveProducer {
            producer_id: *id,
            producer_epoch: state.epoch,
            last_sequence: state
                .batches
                .last()
                .map_or(Sequence(-1), |batch| batch.last_sequence),
            last_append_ms: state.last_append_ms,
            coordinator_epoch: state.coordinator_epoch,
            txn_first_offset: state.txn_first_offset,
        })
    }

    /// Says whether another producer would find no room.
    pub(super) fn is_crowded(&self) -> bool {
        self.producers.len() >= PRODUCERS_PER_PARTITION_MAX
            && self
                .producers
                .values()
                .all(|state| state.txn_first_offset.is_some())
    }

    fn note(&mut self, header: &BatchHeader, now_ms: i64) {
        self.end_offset = header.next_offset();
        if header.producer_id == ProducerId::NONE || header.attributes.is_control() {
            return;
        }
        // Compaction empties a batch only when its transaction is decided, and may have taken the
        // marker away by then.
        let is_in_txn = header.attributes.is_transactional() && header.record_count > 0;
        let Some(state) = self.state_of(header, now_ms) else {
            return;
        };
        state.enter_epoch(header.producer_epoch);
        state.last_append_ms = now_ms;
        // A coordinator's batch has no sequence, so it can neither be a duplicate nor be counted.
        if header.base_sequence.0 >= 0 {
            state.push(BatchMetadata::of(header));
        }
        if is_in_txn {
            let begins = state.txn_first_offset.is_none();
            state.txn_first_offset.get_or_insert(header.base_offset);
            if begins {
                self.transactions
                    .begin(header.base_offset, header.producer_id);
            }
            self.verifications.end(header.producer_id);
        }
    }

    /// Returns a producer, made known if it is new; `None` where there is no room for it.
    pub(super) fn state_of(
        &mut self,
        header: &BatchHeader,
        now_ms: i64,
    ) -> Option<&mut ProducerState> {
        if !self.producers.contains_key(&header.producer_id) {
            self.make_room();
            if self.producers.len() >= PRODUCERS_PER_PARTITION_MAX {
                return None;
            }
        }
        let state = self.producers.entry(header.producer_id);
        Some(state.or_insert_with(|| ProducerState {
            epoch: header.producer_epoch,
            coordinator_epoch: NO_COORDINATOR_EPOCH,
            last_append_ms: now_ms,
            txn_first_offset: None,
            batches: Vec::with_capacity(1),
        }))
    }

    /// O(producers) once per [`EVICTED_AT_ONCE`] new producers at the cap, otherwise O(1).
    fn make_room(&mut self) {
        if self.producers.len() < PRODUCERS_PER_PARTITION_MAX {
            return;
        }
        let without_txn = |(_, state): &(&ProducerId, &ProducerState)| {
            // An open transaction is remembered until it ends.
            state.txn_first_offset.is_none()
        };
        let mut idle: Vec<(i64, ProducerId)> = self
            .producers
            .iter()
            .filter(without_txn)
            .map(|(id, state)| (state.last_append_ms, *id))
            .collect();
        if idle.len() > EVICTED_AT_ONCE {
            idle.select_nth_unstable(EVICTED_AT_ONCE);
            idle.truncate(EVICTED_AT_ONCE);
        }
        for (_, id) in idle {
            self.producers.remove(&id);
        }
    }
}
