//! The producers of one partition: their epochs, their last batches, and the rule for the next one.

use std::collections::BTreeMap;

use sprawl_model::batch::BatchHeader;
use sprawl_model::{Offset, ProducerEpoch, ProducerId, Sequence};

/// How many batches of a producer are remembered: as many as a client may have in flight.
pub const BATCHES_RETAINED: usize = 5;

/// How long an idle producer is remembered by default (`producer.id.expiration.ms`), in ms.
pub const PRODUCER_EXPIRATION_MS_DEFAULT: i64 = 86_400_000;

/// The most producers one partition remembers. At the cap the ones idle longest are forgotten, as
/// if they had expired early: a client that draws ids without end costs at most about 16 MiB here.
pub const PRODUCERS_PER_PARTITION_MAX: usize = 65_536;

/// How many of the longest idle producers go at once when the cap is met.
const EVICTED_AT_ONCE: usize = PRODUCERS_PER_PARTITION_MAX / 16;

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
        /// The only sequence that would have been accepted.
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
}

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

    fn base_offset(&self) -> Offset {
        Offset(
            self.last_offset
                .0
                .saturating_sub(i64::from(self.offset_delta)),
        )
    }

    /// The sequence of the first record; sequences wrap from `i32::MAX` to 0, so going back does
    /// too.
    fn first_sequence(&self) -> Sequence {
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
    /// When its last batch came, by the broker's clock, in ms since the Unix epoch.
    pub(super) last_append_ms: i64,
    /// The last batches of this epoch, oldest first; at most [`BATCHES_RETAINED`].
    pub(super) batches: Vec<BatchMetadata>,
}

impl ProducerState {
    fn push(&mut self, epoch: ProducerEpoch, batch: BatchMetadata, now_ms: i64) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
        if self.batches.len() == BATCHES_RETAINED {
            self.batches.remove(0);
        }
        self.batches.push(batch);
        self.last_append_ms = now_ms;
    }
}

/// The producers of one partition, complete up to [`Self::end_offset`].
///
/// Use: [`Self::check`] each batch under the partition's lock, append it, then [`Self::record`] it
/// with the offset it got. After a start: [`Self::decode`] the newest snapshot, then
/// [`Self::replay`] the headers of the log from the snapshot's offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerStates {
    pub(super) producers: BTreeMap<ProducerId, ProducerState>,
    pub(super) end_offset: Offset,
}

impl ProducerStates {
    /// Makes the state of a log in which nothing was written before `end_offset`.
    pub fn new(end_offset: Offset) -> Self {
        Self {
            producers: BTreeMap::new(),
            end_offset,
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

    /// Decides what happens to a batch of a client. A batch without a producer id is always
    /// appended.
    ///
    /// The base offset in `header` is not looked at. O(log producers).
    pub fn check(&self, header: &BatchHeader) -> Result<SequenceVerdict, SequenceError> {
        let producer_id = header.producer_id;
        if producer_id == ProducerId::NONE {
            return Ok(SequenceVerdict::Append);
        }
        if header.base_sequence.0 < 0 {
            let found = header.base_sequence;
            return Err(SequenceError::NegativeSequence { producer_id, found });
        }
        // A producer the partition does not know may start anywhere: its earlier batches may have
        // been deleted by retention, or it may have been idle for longer than it is remembered.
        let Some(state) = self.producers.get(&producer_id) else {
            return Ok(SequenceVerdict::Append);
        };
        if let Some(batch) = find_duplicate(state, header) {
            return Ok(SequenceVerdict::Duplicate {
                base_offset: batch.base_offset(),
                last_offset: batch.last_offset,
                timestamp: batch.timestamp,
            });
        }
        check_epoch(state, header)?;
        check_sequence(state, header)?;
        Ok(SequenceVerdict::Append)
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

    /// Forgets producers idle for `expiration_ms` or longer.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.producers
            .retain(|_, state| now_ms.saturating_sub(state.last_append_ms) < expiration_ms);
    }

    fn note(&mut self, header: &BatchHeader, now_ms: i64) {
        self.end_offset = header.next_offset();
        if header.producer_id == ProducerId::NONE || header.attributes.is_control() {
            return;
        }
        if !self.producers.contains_key(&header.producer_id) {
            self.make_room();
        }
        let state = self
            .producers
            .entry(header.producer_id)
            .or_insert_with(|| ProducerState {
                epoch: header.producer_epoch,
                last_append_ms: now_ms,
                batches: Vec::with_capacity(1),
            });
        state.push(header.producer_epoch, BatchMetadata::of(header), now_ms);
    }

    /// O(producers) once per [`EVICTED_AT_ONCE`] new producers at the cap, otherwise O(1).
    fn make_room(&mut self) {
        if self.producers.len() < PRODUCERS_PER_PARTITION_MAX {
            return;
        }
        let mut idle: Vec<(i64, ProducerId)> = self
            .producers
            .iter()
            .map(|(id, state)| (state.last_append_ms, *id))
            .collect();
        idle.select_nth_unstable(EVICTED_AT_ONCE);
        for (_, id) in idle.iter().take(EVICTED_AT_ONCE) {
            self.producers.remove(id);
        }
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

fn check_epoch(state: &ProducerState, header: &BatchHeader) -> Result<(), SequenceError> {
    if header.producer_epoch < state.epoch {
        return Err(SequenceError::FencedEpoch {
            producer_id: header.producer_id,
            current: state.epoch,
            found: header.producer_epoch,
        });
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
