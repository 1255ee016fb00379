//! How does a change become durable, and what happens where it does not?
//!
//! A change that must last is made at once, marked with its write, and counts when the write has
//! succeeded. Until then nobody else may touch the offsets. Where the write fails, what was before
//! holds again; a lock that ran out meanwhile is noticed by the next look at the clock.

use std::collections::BTreeSet;

use super::partition::SharePartition;
use super::record::{Pending, Slot, Standing, StateBatch};
use super::spans::Span;

/// Names one write of a share-partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteId(pub u64);

/// What is to be written for a share-partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWrite {
    /// To be given back to [`SharePartition::written`].
    pub id: WriteId,
    /// The epoch of the state that was read.
    pub state_epoch: i32,
    /// The epoch in which this broker leads the partition.
    pub leader_epoch: i32,
    /// The first offset that is not over, once this is written.
    pub start_offset: i64,
    /// How many offsets from there on are over.
    pub delivery_complete_count: i32,
    /// What changes, from the start offset on.
    pub batches: Vec<StateBatch>,
}

/// Changes that are collected for one write.
#[derive(Debug)]
pub(super) struct Change {
    id: WriteId,
    batches: Vec<StateBatch>,
}

impl SharePartition {
    /// Begins a write.
    pub(super) fn begin_change(&mut self) -> Change {
        let id = WriteId(self.next_write);
        self.next_write += 1;
        Change {
            id,
            batches: Vec::new(),
        }
    }

    /// Changes a run as part of `change`; what stands there now comes back if the write fails.
    pub(super) fn change(
        &mut self,
        change: &mut Change,
        span: &Span,
        standing: Standing,
        delivery_count: i16,
    ) {
        assert!(
            span.slot.pending.is_none(),
            "offsets have one write at a time"
        );
        change.batches.push(StateBatch {
            first: span.first,
            last: span.last,
            state: standing.stored(),
            delivery_count,
        });
        let slot = Slot {
            standing,
            delivery_count,
            pending: Some(Pending {
                write: change.id,
                before: Box::new((span.slot.standing.clone(), span.slot.delivery_count)),
            }),
        };
        self.put(span.first, span.last, slot);
    }

    /// Ends the collection of a write; `None` where nothing has changed.
    pub(super) fn end_change(&mut self, change: Change) -> Option<StateWrite> {
        let Change { id, batches } = change;
        if batches.is_empty() {
            return None;
        }
        self.writes.insert(id);
        let is_over = |slot: &Slot| match &slot.pending {
            None => slot.standing.is_final(),
            Some(pending) => pending.write == id && slot.standing.is_final(),
        };
        let mut start_offset = self.start_offset;
        let mut complete: i64 = 0;
        for (first, last, slot) in self.spans.iter() {
            if !is_over(slot) {
                continue;
            }
            if first == start_offset {
                start_offset = last + 1;
            } else {
                complete += last - first + 1;
            }
        }
        let batches = batches
            .into_iter()
            .filter(|batch| batch.last >= start_offset)
            .collect();
        Some(StateWrite {
            id,
            state_epoch: self.state_epoch,
            leader_epoch: self.leader_epoch,
            start_offset,
            delivery_complete_count: i32::try_from(complete).unwrap_or(i32::MAX),
            batches: combine(batches),
        })
    }

    /// Takes note of what became of a write.
    pub fn written(&mut self, id: WriteId, outcome: Result<(), ()>) {
        assert!(self.writes.remove(&id), "a write ends once");
        let touched: Vec<Span> = self
            .spans
            .iter()
            .filter(|(_, _, slot)| is_of(slot, id))
            .map(|(first, last, slot)| Span {
                first,
                last,
                slot: slot.clone(),
            })
            .collect();
        for span in touched {
            let Slot {
                standing,
                delivery_count,
                pending,
            } = span.slot;
            let (standing, delivery_count) = match (outcome, pending) {
                (Err(()), Some(pending)) => *pending.before,
                _ => (standing, delivery_count),
            };
            self.put(span.first, span.last, Slot::new(standing, delivery_count));
        }
        self.advance_start();
        self.check();
    }

    /// Writes that have not ended.
    pub fn writes_under_way(&self) -> &BTreeSet<WriteId> {
        &self.writes
    }
}

fn is_of(slot: &Slot, id: WriteId) -> bool {
    slot.pending
        .as_ref()
        .is_some_and(|pending| pending.write == id)
}

/// Joins neighbours that are alike; `batches` are in order.
fn combine(batches: Vec<StateBatch>) -> Vec<StateBatch> {
    let mut combined: Vec<StateBatch> = Vec::with_capacity(batches.len());
    for batch in batches {
        push(&mut combined, batch);
    }
    combined
}

/// Adds a run behind the others, as part of the last one where they are neighbours and alike.
fn push(batches: &mut Vec<StateBatch>, batch: StateBatch) {
    match batches.last_mut() {
        Some(last)
            if last.last.checked_add(1) == Some(batch.first)
                && last.state == batch.state
                && last.delivery_count == batch.delivery_count =>
        {
            last.last = batch.last;
        }
        _ => batches.push(batch),
    }
}

/// Lays `newer` over `older`, drops what lies before `start_offset`, and joins what is alike. Both
/// are in order, without overlaps. O(runs of both): every write of a share-partition comes by here.
pub(crate) fn overlay(
    older: &[StateBatch],
    newer: &[StateBatch],
    start_offset: i64,
) -> Vec<StateBatch> {
    let cut = |batch: &StateBatch| StateBatch {
        first: batch.first.max(start_offset),
        ..*batch
    };
    let is_left = |batch: &StateBatch| batch.first <= batch.last;
    let mut newer = newer.iter().map(cut).filter(is_left).peekable();
    let mut laid: Vec<StateBatch> =
        Vec::with_capacity(older.len() + newer.size_hint().1.unwrap_or(0));
    for old in older.iter().map(cut).filter(is_left) {
        // From where on nothing newer is known of `old`: a newer run may reach over several.
        let reached = laid.last().map_or(0, |last| last.last.saturating_add(1));
        let mut first = old.first.max(reached);
        while let Some(new) = newer.next_if(|new| new.first <= old.last) {
            if first < new.first {
                let last = new.first - 1;
                push(&mut laid, StateBatch { first, last, ..old });
            }
            first = first.max(new.last.saturating_add(1));
            push(&mut laid, new);
        }
        if first <= old.last {
            push(&mut laid, StateBatch { first, ..old });
        }
    }
    newer.for_each(|new| push(&mut laid, new));
    laid
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::record::DeliveryState;
    use super::*;

    /// Runs in order, with holes, of few kinds, so that neighbours are alike often.
    fn runs() -> impl Strategy<Value = Vec<StateBatch>> {
        let lengths = prop::collection::vec((0_i64..4, 1_i64..6, 0_u8..3), 0..12);
        lengths.prop_map(|lengths| {
            let mut next = 0;
            let run = |(hole, length, kind): (i64, i64, u8)| {
                let first = next + hole;
                next = first + length;
                StateBatch {
                    first,
                    last: next - 1,
                    state: match kind {
                        0 => DeliveryState::Available,
                        1 => DeliveryState::Acknowledged,
                        _ => DeliveryState::Archived,
                    },
                    delivery_count: i16::from(kind / 2),
                }
            };
            lengths.into_iter().map(run).collect()
        })
    }

    fn by_offset(batches: &[StateBatch]) -> BTreeMap<i64, (DeliveryState, i16)> {
        let offsets = batches.iter().flat_map(|batch| {
            let slot = (batch.state, batch.delivery_count);
            (batch.first..=batch.last).map(move |offset| (offset, slot))
        });
        offsets.collect()
    }

    proptest! {
        #[test]
        fn what_is_newer_holds_and_nothing_else_changes(
            older in runs(), newer in runs(), start_offset in 0_i64..40,
        ) {
            let laid = overlay(&older, &newer, start_offset);
            let mut expected = by_offset(&older);
            expected.extend(by_offset(&newer));
            expected.retain(|offset, _| *offset >= start_offset);
            prop_assert_eq!(by_offset(&laid), expected);
            for pair in laid.windows(2) {
                prop_assert!(pair[0].last < pair[1].first, "in order, without overlaps");
            }
            let again = combine(laid.clone());
            prop_assert_eq!(laid, again, "what is alike is joined");
        }
    }
}
