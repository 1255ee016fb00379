//! Did transactions keep their promises? Pure: a history in, breaches out.
//!
//! The names of the breaches are Adya's and Jepsen's for logs. An unknown outcome is never taken
//! for a failure: such an attempt may be there or not, but as a whole. Write-write edges are not
//! used: a Kafka-like log isolates no writes (G0 is no breach).

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Account, History, Place, Told};
use crate::breaches::Breaches;

/// A promise, and what breaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// G1a: nobody read_committed sees a record of an aborted transaction, or one that is in no
    /// committed one at the end.
    NoAbortedRead,
    /// G1b: nobody sees some of a transaction's records of a partition and passes over others.
    NoIntermediateRead,
    /// G1c: no transaction reads, through others, what it wrote itself.
    NoCircularRead,
    /// What was acknowledged as committed is there.
    NoLostWrite,
    /// All of a transaction's records are there, or none.
    NoTornTransaction,
    /// Records and offsets of a transaction come together: no account is lost between them.
    NoLostAccount,
    /// No account moves twice from one place, no record is there twice.
    NoDuplicate,
    /// An offset holds one record for ever.
    NoInconsistentOffset,
    /// Polls of one watcher go forward.
    MonotonicPolls,
    /// Every transaction ends.
    NoHangingTransaction,
    /// The sum of all balances stays.
    MoneyStays,
}

impl Promise {
    /// Every promise, in the order of the report.
    pub const ALL: [Self; 11] = [
        Self::NoAbortedRead,
        Self::NoIntermediateRead,
        Self::NoCircularRead,
        Self::NoLostWrite,
        Self::NoTornTransaction,
        Self::NoLostAccount,
        Self::NoDuplicate,
        Self::NoInconsistentOffset,
        Self::MonotonicPolls,
        Self::NoHangingTransaction,
        Self::MoneyStays,
    ];

    /// The case's name in the results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoAbortedRead => "no-aborted-read",
            Self::NoIntermediateRead => "no-intermediate-read",
            Self::NoCircularRead => "no-circular-read",
            Self::NoLostWrite => "no-lost-write",
            Self::NoTornTransaction => "no-torn-transaction",
            Self::NoLostAccount => "no-lost-account",
            Self::NoDuplicate => "no-duplicate",
            Self::NoInconsistentOffset => "no-inconsistent-offset",
            Self::MonotonicPolls => "monotonic-polls",
            Self::NoHangingTransaction => "no-hanging-transaction",
            Self::MoneyStays => "money-stays",
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Transactions acknowledged as committed.
    pub committed_count: usize,
    /// Transactions acknowledged as aborted.
    pub aborted_count: usize,
    /// Transactions whose end was not acknowledged.
    pub unknown_count: usize,
    /// Records seen by watchers while the load ran.
    pub seen_count: usize,
    breaches: Breaches<Promise>,
}

impl Verdict {
    /// True when every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.breaches.is_empty()
    }

    /// Examples of what breaks a promise; none when it was kept.
    #[must_use]
    pub fn breaches(&self, promise: Promise) -> Vec<String> {
        self.breaches.examples(promise)
    }

    fn add(&mut self, promise: Promise, breach: String) {
        self.breaches.add(promise, breach);
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} committed, {} aborted, {} of unknown end, {} records watched",
            self.committed_count, self.aborted_count, self.unknown_count, self.seen_count
        )?;
        write!(out, ": {}", self.breaches.summary(Promise::name))
    }
}

/// Judges a whole history.
#[must_use]
pub fn judge(history: &History) -> Verdict {
    let count = |told| history.told.values().filter(|one| **one == told).count();
    let mut verdict = Verdict {
        committed_count: count(Told::Committed),
        aborted_count: count(Told::Aborted),
        unknown_count: count(Told::Unknown),
        seen_count: history.seen.len(),
        ..Verdict::default()
    };
    let written = written(history);
    aborted_reads(history, &mut verdict);
    whole_attempts(history, &written, &mut verdict);
    circular_reads(history, &mut verdict);
    chains(history, &mut verdict);
    polls(history, &mut verdict);
    hanging(history, &mut verdict);
    verdict
}

/// Visible records under a key of an outer and a number of an inner level; more than one record
/// under both is a duplicate.
type Records<'a, Key, Number> = BTreeMap<Key, BTreeMap<Number, Vec<(&'a Place, &'a Account)>>>;

/// The visible records by attempt and index.
fn written(history: &History) -> Records<'_, &str, u32> {
    let mut written: Records<'_, &str, u32> = BTreeMap::new();
    for (place, account) in &history.visible {
        let attempt = written.entry(account.attempt.as_str()).or_default();
        attempt
            .entry(account.index)
            .or_default()
            .push((place, account));
    }
    written
}

fn aborted_reads(history: &History, verdict: &mut Verdict) {
    let aborted = |attempt: &str| history.told.get(attempt) == Some(&Told::Aborted);
    for (place, account) in &history.visible {
        if aborted(&account.attempt) {
            verdict.add(
                Promise::NoAbortedRead,
                format!("{place:?} of {}", account.attempt),
            );
        }
    }
    let seen = history
        .seen
        .iter()
        .map(|seen| (&seen.watcher, &seen.place, &seen.attempt));
    let read = history
        .reads
        .iter()
        .map(|read| (&read.attempt, &read.place, &read.source));
    for (reader, place, attempt) in seen.chain(read) {
        match history.visible.get(place) {
            _ if aborted(attempt) => {
                let breach = format!("{reader} saw {place:?} of {attempt}, which was aborted");
                verdict.add(Promise::NoAbortedRead, breach);
            }
            None => {
                let breach = format!("{reader} saw {place:?} of {attempt}, which is not there");
                verdict.add(Promise::NoAbortedRead, breach);
            }
            Some(account) if account.attempt != *attempt => {
                let breach = format!(
                    "{reader} saw {attempt} at {place:?}, now {}",
                    account.attempt
                );
                verdict.add(Promise::NoInconsistentOffset, breach);
            }
            Some(_) => {}
        }
    }
}

fn whole_attempts(history: &History, written: &Records<'_, &str, u32>, verdict: &mut Verdict) {
    for (attempt, records) in written {
        let count = records
            .values()
            .flatten()
            .map(|(_, account)| account.count)
            .max();
        if records.len() != count.unwrap_or(0) as usize {
            let breach = format!("{attempt}: {} of {count:?} records", records.len());
            verdict.add(Promise::NoTornTransaction, breach);
        }
        for (index, places) in records {
            if places.len() > 1 {
                let breach = format!("record {index} of {attempt} at {places:?}");
                verdict.add(Promise::NoDuplicate, breach);
            }
        }
    }
    for (attempt, told) in &history.told {
        if *told == Told::Committed && !written.contains_key(attempt.as_str()) {
            verdict.add(
                Promise::NoLostWrite,
                format!("{attempt} was committed, is nowhere"),
            );
        }
    }
}

/// Looks for a cycle of attempts each of which read what the one before it wrote.
fn circular_reads(history: &History, verdict: &mut Verdict) {
    let mut read_from: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for read in &history.reads {
        let sources = read_from.entry(read.attempt.as_str()).or_default();
        sources.insert(read.source.as_str());
    }
    // Attempts whose every source is settled are settled; what remains reads in circles, or from
    // an attempt that does.
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
    let mut readers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (attempt, sources) in &read_from {
        waiting.insert(attempt, sources.len());
        for source in sources {
            readers.entry(source).or_default().push(attempt);
        }
    }
    let mut ready: Vec<&str> = readers
        .keys()
        .copied()
        .filter(|one| !read_from.contains_key(one))
        .collect();
    while let Some(attempt) = ready.pop() {
        settled.insert(attempt);
        for reader in readers.get(attempt).into_iter().flatten() {
            if let Some(left) = waiting.get_mut(reader) {
                *left -= 1;
                if *left == 0 {
                    ready.push(reader);
                }
            }
        }
    }
    for attempt in read_from
        .keys()
        .filter(|attempt| !settled.contains(**attempt))
    {
        verdict.add(
            Promise::NoCircularRead,
            format!("{attempt} reads in a circle"),
        );
    }
}

/// Follows each account from hop to hop: every one once, each from the place of the one before.
fn chains(history: &History, verdict: &mut Verdict) {
    let mut hops: Records<'_, u32, u64> = BTreeMap::new();
    for (place, account) in &history.visible {
        let chain = hops.entry(account.account).or_default();
        chain.entry(account.hop).or_default().push((place, account));
    }
    let (mut first_sum, mut last_sum) = (0_i64, 0_i64);
    for (account, chain) in &hops {
        let mut before: Option<(&Place, u64)> = None;
        for (hop, records) in chain {
            if let [(first, _), (second, _), ..] = records.as_slice() {
                let breach =
                    format!("account {account} moved twice to hop {hop}: {first:?}, {second:?}");
                verdict.add(Promise::NoDuplicate, breach);
            }
            let Some((place, record)) = records.first() else {
                continue;
            };
            let expected = before.map(|(place, _)| place);
            let follows = before.map_or(*hop == 0, |(_, last)| last + 1 == *hop);
            if !follows || record.source.as_ref() != expected {
                let breach = format!(
                    "account {account} came to hop {hop} from {:?}, not {expected:?}",
                    record.source
                );
                verdict.add(Promise::NoLostAccount, breach);
            }
            before = Some((place, *hop));
        }
        let ends = [chain.values().next(), chain.values().next_back()];
        let [first, last] = ends.map(|records| {
            records
                .and_then(|records| records.first())
                .map_or(0, |(_, record)| record.balance)
        });
        (first_sum, last_sum) = (first_sum + first, last_sum + last);
        // The last record of an account waits to be moved: its group must not have passed it.
        if let Some((place, hop)) = before {
            let ends = history.ends.get(&(place.topic.clone(), place.partition));
            if ends.is_some_and(|ends| ends.committed > place.offset) {
                let breach = format!(
                    "account {account} ends at {place:?}, hop {hop}, behind the group's offset"
                );
                verdict.add(Promise::NoLostAccount, breach);
            }
        }
    }
    if first_sum != last_sum {
        verdict.add(
            Promise::MoneyStays,
            format!("{first_sum} became {last_sum}"),
        );
    }
}

/// Each watcher passes every partition once, forward, over every visible record.
fn polls(history: &History, verdict: &mut Verdict) {
    let mut last: BTreeMap<(&str, &str, u32), &Place> = BTreeMap::new();
    for seen in &history.seen {
        let key = (
            seen.watcher.as_str(),
            seen.place.topic.as_str(),
            seen.place.partition,
        );
        let before = last.insert(key, &seen.place);
        if before.is_some_and(|before| before.offset >= seen.place.offset) {
            let breach = format!("{} saw {:?} after {before:?}", seen.watcher, seen.place);
            verdict.add(Promise::MonotonicPolls, breach);
            continue;
        }
        let start = Place {
            offset: before.map_or(0, |before| before.offset + 1),
            ..seen.place.clone()
        };
        for (place, passed) in history.visible.range(start..seen.place.clone()) {
            let breach = format!(
                "{} passed over {place:?} of {}",
                seen.watcher, passed.attempt
            );
            verdict.add(Promise::NoIntermediateRead, breach);
        }
    }
}

fn hanging(history: &History, verdict: &mut Verdict) {
    for ((topic, partition), ends) in &history.ends {
        if ends.last_stable != ends.high_watermark {
            let breach = format!(
                "{topic}-{partition} is stable to {} of {}",
                ends.last_stable, ends.high_watermark
            );
            verdict.add(Promise::NoHangingTransaction, breach);
        }
    }
}

#[cfg(test)]
mod tests;
