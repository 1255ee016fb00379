//! How are the states of neighbouring offsets kept together?
//!
//! A map from the first offset of a run to its end and slot. Runs are dense from the first to the
//! last offset, never overlap, and equal neighbours are one run. Every operation is O(log runs +
//! runs touched).

use std::collections::BTreeMap;

use super::record::Slot;

/// A run of offsets with one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) slot: Slot,
}

impl Span {
    pub(super) fn offset_count(&self) -> u64 {
        (self.last - self.first + 1).unsigned_abs()
    }
}

/// The states of all offsets from the start of a share-partition to its end.
#[derive(Debug, Default)]
pub(super) struct Spans {
    /// By first offset: the last offset and the slot.
    runs: BTreeMap<i64, (i64, Slot)>,
}

impl Spans {
    /// All runs, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, i64, &Slot)> {
        self.runs
            .iter()
            .map(|(first, (last, slot))| (*first, *last, slot))
    }

    /// The runs that overlap `first..=last`, cut to it.
    pub(super) fn within(&self, first: i64, last: i64) -> Vec<Span> {
        let from = self
            .runs
            .range(..=first)
            .next_back()
            .map_or(first, |(start, _)| *start);
        self.runs
            .range(from..=last.max(from))
            .filter(|(start, (end, _))| *end >= first && **start <= last)
            .map(|(start, (end, slot))| Span {
                first: (*start).max(first),
                last: (*end).min(last),
                slot: slot.clone(),
            })
            .collect()
    }

    /// The first run, if there is one.
    pub(super) fn first(&self) -> Option<(i64, i64, &Slot)> {
        self.iter().next()
    }

    /// The last offset of the last run.
    pub(super) fn last_offset(&self) -> Option<i64> {
        self.runs.last_key_value().map(|(_, (last, _))| *last)
    }

    /// Takes the first run out.
    pub(super) fn pop_first(&mut self) {
        self.runs.pop_first();
    }

    /// Gives `first..=last` a slot, whatever stood there before.
    pub(super) fn set(&mut self, first: i64, last: i64, slot: Slot) {
        assert!(first <= last, "a run has at least one offset");
        self.cut_before(first);
        if let Some(after) = last.checked_add(1) {
            self.cut_before(after);
        }
        let covered: Vec<i64> = self.runs.range(first..=last).map(|(at, _)| *at).collect();
        for at in covered {
            self.runs.remove(&at);
        }
        self.runs.insert(first, (last, slot));
        self.join_at(first);
        if let Some(after) = last.checked_add(1) {
            self.join_at(after);
        }
    }

    /// Splits the run around `offset`, so that one begins there.
    fn cut_before(&mut self, offset: i64) {
        let Some((&first, &(last, _))) = self.runs.range(..offset).next_back() else {
            return;
        };
        if last < offset {
            return;
        }
        let slot = match self.runs.get_mut(&first) {
            Some((end, slot)) => {
                *end = offset - 1;
                slot.clone()
            }
            None => return,
        };
        self.runs.insert(offset, (last, slot));
    }

    /// Joins the run that begins at `offset` to the one before it where they are alike.
    fn join_at(&mut self, offset: i64) {
        let Some((last, slot)) = self.runs.get(&offset) else {
            return;
        };
        let Some((&before, (end, other))) = self.runs.range(..offset).next_back() else {
            return;
        };
        if *end + 1 != offset || other != slot {
            return;
        }
        let last = *last;
        self.runs.remove(&offset);
        if let Some((end, _)) = self.runs.get_mut(&before) {
            *end = last;
        }
    }
}
