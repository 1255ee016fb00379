//! What does a member say of the records it was given?
//!
//! All or nothing: an answer that does not fit the state of one offset changes none. Renewal takes
//! effect at once; everything else when it is written.
//!
//! Source: `SharePartition.acknowledge` (KIP-932); KIP-1222 for renewal.

use super::partition::SharePartition;
use super::record::{DeathCause, Slot, Standing};
use super::settings::DeadLetters;
use super::spans::Span;
use super::write::{Change, StateWrite};

/// What becomes of a record, in the numbers of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckType {
    /// There was no record at this offset.
    Gap,
    /// It was consumed.
    Accept,
    /// It is to be delivered again.
    Release,
    /// It is never to be delivered again.
    Reject,
    /// The member needs more time.
    Renew,
}

impl AckType {
    /// The type of a number on the wire.
    pub fn from_number(number: i8) -> Option<Self> {
        match number {
            0 => Some(Self::Gap),
            1 => Some(Self::Accept),
            2 => Some(Self::Release),
            3 => Some(Self::Reject),
            4 => Some(Self::Renew),
            _ => None,
        }
    }
}

/// An answer for a run of offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckBatch {
    /// The first offset.
    pub first: i64,
    /// The last offset.
    pub last: i64,
    /// One type for all, or one for each offset.
    pub types: Vec<AckType>,
}

/// Why an answer changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// The answer is not one: wrong order, wrong number of types.
    #[error("the acknowledgement batch {first} to {last} is malformed")]
    Malformed {
        /// The first offset.
        first: i64,
        /// The last offset.
        last: i64,
    },
    /// The member does not hold the record.
    #[error("the record at offset {offset} is not held by the member")]
    NotHeld {
        /// Which record.
        offset: i64,
    },
}

impl SharePartition {
    /// Carries out a member's answers; returns what is to be written before they are confirmed.
    pub fn acknowledge(
        &mut self,
        (now_ms, jitter): (u64, u32),
        member_id: &str,
        answers: &[AckBatch],
    ) -> Result<Option<StateWrite>, AckError> {
        let mut spans = Vec::new();
        let mut last_answered = None;
        for answer in answers {
            check(answer, last_answered)?;
            last_answered = Some(answer.last);
            self.collect(member_id, answer, &mut spans)?;
        }
        let mut change = self.begin_change();
        for (span, ack) in spans {
            self.answer((now_ms, jitter), &mut change, &span, ack);
        }
        let write = self.end_change(change);
        self.check();
        Ok(write)
    }

    /// Finds the runs that an answer is about. What lies before the start is over, by whoever's
    /// answer: nobody holds it. To confirm a late answer would tell a member that it ended a record
    /// which another one ended, perhaps in another way.
    fn collect(
        &self,
        member_id: &str,
        answer: &AckBatch,
        spans: &mut Vec<(Span, AckType)>,
    ) -> Result<(), AckError> {
        if answer.first < self.start_offset {
            let offset = answer.first;
            return Err(AckError::NotHeld { offset });
        }
        if answer.last >= self.next_offset {
            let offset = answer.first.max(self.next_offset);
            return Err(AckError::NotHeld { offset });
        }
        for (first, last, ack) in runs_of(answer) {
            for span in self.tracked(first, last) {
                if !span.slot.is_held_by(member_id) {
                    let offset = span.first;
                    return Err(AckError::NotHeld { offset });
                }
                spans.push((span, ack));
            }
        }
        Ok(())
    }

    fn answer(
        &mut self,
        (now_ms, jitter): (u64, u32),
        change: &mut Change,
        span: &Span,
        ack: AckType,
    ) {
        let delivery_count = span.slot.delivery_count;
        match ack {
            AckType::Gap => self.change(change, span, Standing::Gap, delivery_count),
            AckType::Accept => self.change(change, span, Standing::Acknowledged, delivery_count),
            AckType::Release => self.give_back((now_ms, jitter), change, span, delivery_count),
            AckType::Reject => {
                let dead = self.death(now_ms, DeathCause::Rejected);
                self.change(change, span, dead, delivery_count);
            }
            AckType::Renew => self.renew(now_ms, span),
        }
    }

    fn renew(&mut self, now_ms: u64, span: &Span) {
        if let Standing::Acquired { member, .. } = &span.slot.standing {
            let standing = Standing::Acquired {
                member: member.clone(),
                deadline_ms: now_ms.saturating_add(self.settings.record_lock_duration_ms),
            };
            let slot = Slot::new(standing, span.slot.delivery_count);
            self.put(span.first, span.last, slot);
        }
    }

    /// Makes records available again, or dead where they were delivered often enough.
    pub(super) fn give_back(
        &mut self,
        (now_ms, jitter): (u64, u32),
        change: &mut Change,
        span: &Span,
        delivery_count: i16,
    ) {
        let standing = if delivery_count >= self.settings.delivery_count_limit {
            self.death(now_ms, DeathCause::DeliveryCountReached)
        } else {
            Standing::Available {
                due_ms: self.rest_until(now_ms, delivery_count, jitter),
            }
        };
        self.change(change, span, standing, delivery_count);
    }

    /// What a record becomes when it dies.
    pub(super) fn death(&self, now_ms: u64, cause: DeathCause) -> Standing {
        match self.settings.dead_letters {
            DeadLetters::Dropped => Standing::Archived,
            DeadLetters::Moved => Standing::Archiving {
                cause,
                due_ms: now_ms,
                may_be_moved: false,
            },
        }
    }
}

/// Checks the form of an answer; answers come in the order of their offsets.
fn check(answer: &AckBatch, last_answered: Option<i64>) -> Result<(), AckError> {
    let AckBatch { first, last, types } = answer;
    let (first, last) = (*first, *last);
    let count = last.checked_sub(first).and_then(|span| span.checked_add(1));
    let is_counted = types.len() == 1 || i64::try_from(types.len()).ok() == count;
    let is_in_order = first >= 0 && first <= last && last_answered.is_none_or(|end| first > end);
    if is_counted && is_in_order {
        Ok(())
    } else {
        Err(AckError::Malformed { first, last })
    }
}

/// The runs of one type in an answer.
fn runs_of(answer: &AckBatch) -> Vec<(i64, i64, AckType)> {
    if let [ack] = answer.types.as_slice() {
        return vec![(answer.first, answer.last, *ack)];
    }
    let mut runs: Vec<(i64, i64, AckType)> = Vec::new();
    for (offset, ack) in (answer.first..=answer.last).zip(&answer.types) {
        match runs.last_mut() {
            Some((_, last, before)) if before == ack => *last = offset,
            _ => runs.push((offset, offset, *ack)),
        }
    }
    runs
}
