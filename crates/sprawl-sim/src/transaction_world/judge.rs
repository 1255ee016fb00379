//! Did every transaction keep its promises? Pure: what stands in the partitions, what clients were
//! told, asked for and shown; the first broken promise comes out.
//!
//! The log itself is the first witness: it says which transaction each batch was in and how that
//! ended. Everything else is held against it. An unknown outcome is never taken for a failure: such
//! an attempt may be there or not, but as a whole.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::batch::TxnOutcome;

use super::ledger::{Attempt, Scan};
use super::reader::Whole;
use super::record::{Batch, NO_ATTEMPT, Place, Value};
use crate::invariant::{
    Check, i12_sequences_without_gap, i14_fenced_stays_out, i15_only_committed_is_read,
    i16_all_or_none, i17_reads_have_an_order, i18_marker_ends_its_own, i19_nothing_hangs,
};

/// Everything that is known at the end.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) wholes: BTreeMap<Place, Whole>,
    pub(super) attempts: BTreeMap<u64, Attempt>,
    pub(super) scans: Vec<Scan>,
    /// What the group has committed.
    pub(super) positions: BTreeMap<Place, i64>,
    /// Producers whose every transaction is ended in an epoch above its own.
    pub(super) bumping: BTreeSet<i64>,
}

/// The accounts of committed transactions and of none, by offset.
type Visible = BTreeMap<(Place, i64), Value>;

/// One hop of an account: its number, its place and the place it came from.
type Hop = (u64, (Place, i64), (Place, i64));

/// Judges a whole run.
pub(super) fn judge(evidence: &Evidence) -> Check {
    let mut visible = Visible::new();
    for (place, whole) in &evidence.wholes {
        walk(evidence, *place, &whole.batches, &mut visible)?;
    }
    committed_reads(evidence, &visible)?;
    attempts(evidence, &visible)?;
    circles(evidence, &visible)?;
    chains(evidence, &visible)
}

/// What a producer has open in the partition that is walked.
#[derive(Debug)]
struct Open<'a> {
    first_offset: i64,
    epoch: i16,
    values: Vec<&'a (i64, Value)>,
}

/// What the walk knows of a producer.
#[derive(Debug, Default)]
struct Seen<'a> {
    epoch: i16,
    next_sequence: i32,
    open: Option<Open<'a>>,
}

/// Goes over a partition from marker to marker and collects what is visible.
fn walk(evidence: &Evidence, place: Place, batches: &[Batch], visible: &mut Visible) -> Check {
    let mut producers: BTreeMap<i64, Seen<'_>> = BTreeMap::new();
    for batch in batches {
        if !batch.is_transactional {
            let values = batch.values.iter();
            visible.extend(values.map(|(offset, value)| ((place, *offset), *value)));
            continue;
        }
        let seen = producers.entry(batch.producer_id).or_default();
        let name = format!("{place} at {}", batch.base_offset);
        epochs(&name, seen, batch)?;
        match batch.marker {
            Some(marker) => {
                let Some(open) = seen.open.take() else {
                    continue;
                };
                i18_marker_ends_its_own(names(evidence, &name, &open, batch))?;
                if marker.outcome == TxnOutcome::Commit {
                    let values = open.values.into_iter();
                    visible.extend(values.map(|(offset, value)| ((place, *offset), *value)));
                }
            }
            None => {
                let (id, expected) = (batch.producer_id, seen.next_sequence);
                i12_sequences_without_gap(&name, id, expected, batch.base_sequence)?;
                let count = i32::try_from(batch.values.len()).unwrap_or(0);
                seen.next_sequence += count;
                let open = seen.open.get_or_insert_with(|| Open {
                    first_offset: batch.base_offset,
                    epoch: batch.producer_epoch,
                    values: Vec::new(),
                });
                open.values.extend(&batch.values);
            }
        }
    }
    let end = batches.last().map_or(0, |batch| batch.end);
    let open = producers.values().filter_map(|seen| seen.open.as_ref());
    let first = open.map(|open| open.first_offset).min();
    i19_nothing_hangs(&place.to_string(), first.unwrap_or(end), end)
}

/// Epochs of a producer only grow; sequences begin anew with each.
fn epochs(name: &str, seen: &mut Seen<'_>, batch: &Batch) -> Check {
    let (id, epoch) = (batch.producer_id, batch.producer_epoch);
    if epoch < seen.epoch {
        let what = format!("epoch {epoch} stands behind epoch {}", seen.epoch);
        return i14_fenced_stays_out(&format!("{name}: producer id {id}"), Some(&what));
    }
    if epoch > seen.epoch {
        (seen.epoch, seen.next_sequence) = (epoch, 0);
    }
    Ok(())
}

/// Whether a marker may have been meant for the transaction that it ends.
fn names(evidence: &Evidence, name: &str, open: &Open<'_>, marker: &Batch) -> Result<(), String> {
    let is_above = marker.producer_epoch > open.epoch;
    if evidence.bumping.contains(&marker.producer_id) && !is_above {
        return Err(format!(
            "{name}: the marker of epoch {} ends a transaction of epoch {}",
            marker.producer_epoch, open.epoch
        ));
    }
    let attempts: BTreeSet<u64> = open.values.iter().map(|(_, value)| value.attempt).collect();
    if attempts.len() > 1 {
        return Err(format!("{name}: one marker ends the attempts {attempts:?}"));
    }
    Ok(())
}

/// What was shown to read_committed readers is what is visible, while the load ran and after (I15,
/// and so neither G1a nor G1b, I17).
fn committed_reads(evidence: &Evidence, visible: &Visible) -> Check {
    for (place, whole) in &evidence.wholes {
        let end = whole.batches.last().map_or(0, |batch| batch.end);
        same(*place, (0, end), &whole.committed, visible)?;
    }
    for scan in &evidence.scans {
        same(scan.place, (scan.from, scan.to), &scan.shown, visible)?;
    }
    Ok(())
}

fn same(place: Place, (from, to): (i64, i64), shown: &[(i64, Value)], visible: &Visible) -> Check {
    let expected = visible.range((place, from)..(place, to));
    let expected: BTreeMap<i64, Value> = expected.map(|(at, value)| (at.1, *value)).collect();
    let found: BTreeMap<i64, Value> = shown.iter().copied().collect();
    let compared = if found == expected {
        Ok(())
    } else {
        let differs = |offset: &&i64| found.get(*offset) != expected.get(*offset);
        let offset = found.keys().chain(expected.keys()).find(differs);
        let offset = offset.copied().unwrap_or(from);
        Err(format!(
            "{place} from {from} to {to}, at {offset}: shown {:?}, committed {:?}",
            found.get(&offset),
            expected.get(&offset)
        ))
    };
    i15_only_committed_is_read(compared)
}

/// Each attempt is visible as a whole or not at all, and as it was told (I16); it was asked to be
/// committed if it is visible (I18), and was not begun by a fenced producer (I14).
fn attempts(evidence: &Evidence, visible: &Visible) -> Check {
    let mut written: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for value in visible.values().filter(|value| value.attempt != NO_ATTEMPT) {
        written
            .entry(value.attempt)
            .or_default()
            .insert(value.index);
    }
    for (number, attempt) in &evidence.attempts {
        let found = written.get(number).map_or(0, |found| found.len() as u64);
        let who = format!("attempt {number} of {}", attempt.who);
        if found > 0 && attempt.is_fenced {
            return i14_fenced_stays_out(&who, Some("its records are visible"));
        }
        if found > 0 && attempt.asked != Some(TxnOutcome::Commit) {
            let what = format!("{who} is committed, asked for was {:?}", attempt.asked);
            return i18_marker_ends_its_own(Err(what));
        }
        let whole = match attempt.told {
            _ if found != 0 && found != attempt.count => {
                Err(format!("{who}: {found} of {} records", attempt.count))
            }
            Some(TxnOutcome::Commit) if found == 0 => {
                Err(format!("{who} was told that it is committed, is nowhere"))
            }
            Some(TxnOutcome::Abort) if found > 0 => {
                Err(format!("{who} was told that it is aborted, is visible"))
            }
            _ => Ok(()),
        };
        i16_all_or_none(whole)?;
    }
    Ok(())
}

/// No attempt reads, through others, what it wrote itself (G1c); none read what is not visible.
fn circles(evidence: &Evidence, visible: &Visible) -> Check {
    let there: BTreeSet<u64> = visible.values().map(|value| value.attempt).collect();
    let mut waiting: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for (number, attempt) in &evidence.attempts {
        let unseen = attempt.sources.iter();
        let unseen = unseen.filter(|source| **source != NO_ATTEMPT && !there.contains(source));
        if let Some(source) = unseen.min() {
            let what = format!("attempt {number} read {source}, which is not committed");
            return i17_reads_have_an_order(Err(what));
        }
        waiting.insert(*number, attempt.sources.iter().copied().collect());
    }
    loop {
        let settled = |sources: &BTreeSet<u64>, waiting: &BTreeMap<u64, BTreeSet<u64>>| {
            sources.iter().all(|source| !waiting.contains_key(source))
        };
        let ready: Vec<u64> = waiting
            .iter()
            .filter(|(_, sources)| settled(sources, &waiting))
            .map(|(number, _)| *number)
            .collect();
        if ready.is_empty() {
            break;
        }
        for number in ready {
            waiting.remove(&number);
        }
    }
    let circle = match waiting.keys().next() {
        Some(number) => Err(format!("attempt {number} reads in a circle")),
        None => Ok(()),
    };
    i17_reads_have_an_order(circle)
}

/// Follows each account from hop to hop: every one once, each from the place of the one before; and
/// the last waits at or behind the group's position, the others lie before it. So records and
/// offsets of every transaction came together (I16).
fn chains(evidence: &Evidence, visible: &Visible) -> Check {
    let mut accounts: BTreeMap<u64, Vec<Hop>> = BTreeMap::new();
    for (at, value) in visible {
        let chain = accounts.entry(value.account).or_default();
        chain.push((value.hop, *at, value.source));
    }
    for (account, mut chain) in accounts {
        chain.sort_unstable();
        i16_all_or_none(follow(evidence, account, &chain))?;
    }
    Ok(())
}

fn follow(evidence: &Evidence, account: u64, chain: &[Hop]) -> Result<(), String> {
    let mut before: Option<(Place, i64)> = None;
    for (expected, (hop, at, source)) in (0..).zip(chain) {
        if *hop != expected {
            return Err(format!(
                "account {account}: hop {hop} at {at:?} follows {before:?}"
            ));
        }
        if before.is_some_and(|before| before != *source) {
            return Err(format!(
                "account {account} came to hop {hop} from {source:?}, not {before:?}"
            ));
        }
        let position = evidence.positions.get(&at.0).copied().unwrap_or(0);
        let is_last = *hop + 1 == chain.len() as u64;
        if is_last != (position <= at.1) {
            return Err(format!(
                "account {account}, hop {hop} of {}, is at {at:?}; the group's position is {position}",
                chain.len() - 1
            ));
        }
        before = Some(*at);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
