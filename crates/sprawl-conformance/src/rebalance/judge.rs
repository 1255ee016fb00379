//! Did a group keep its promises while members came, went and died? Pure: a history in, breaches
//! out.
//!
//! A member's account alone does not prove that it had a partition: it may have been fenced and not
//! know it. What is proved is the time up to its last commit that was acknowledged, and up to its
//! giving the partition up if such a commit lies shortly before; see [`proved_end`]. Two proved
//! times of one partition must not overlap.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Commit, End, History, Ownership};
use crate::breaches::Breaches;

/// A member whose commit began so long ago is still in its session: it beats every second, and its
/// session lasts six.
const PROOF_LASTS_US: u64 = 3_000_000;

/// A promise, and what breaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// No partition has two owners at one time.
    OneOwner,
    /// No partition is given to two members in one epoch.
    OneOwnerAnEpoch,
    /// A member that was fenced commits nothing.
    StaleCommitsRefused,
    /// A commit that was acknowledged is there, or a later one.
    CommitsKept,
    /// After each phase every partition is assigned once, loads are even, and the coordinator says
    /// what the members say.
    ComesToRest,
}

impl Promise {
    /// Every promise, in the order of the report.
    pub const ALL: [Self; 5] = [
        Self::OneOwner,
        Self::OneOwnerAnEpoch,
        Self::StaleCommitsRefused,
        Self::CommitsKept,
        Self::ComesToRest,
    ];

    /// The case's name in the results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OneOwner => "one-owner-at-a-time",
            Self::OneOwnerAnEpoch => "one-owner-an-epoch",
            Self::StaleCommitsRefused => "stale-commits-refused",
            Self::CommitsKept => "commits-kept",
            Self::ComesToRest => "comes-to-rest",
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How often a partition was given to a member.
    pub given_count: usize,
    /// How many of these times are proved.
    pub proved_count: usize,
    /// Commits acknowledged.
    pub committed_count: usize,
    /// Commits refused, or of unknown outcome.
    pub refused_count: usize,
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
            "{} times a partition was given ({} proved), {} commits acknowledged, {} not",
            self.given_count, self.proved_count, self.committed_count, self.refused_count
        )?;
        write!(out, ": {}", self.breaches.summary(Promise::name))
    }
}

/// A time in which a member surely had a partition.
#[derive(Clone, Copy, Debug)]
struct Proved<'a> {
    ownership: &'a Ownership,
    end_us: u64,
}

/// Begins of acknowledged commits, by member and partition.
type Begins<'a> = BTreeMap<(&'a str, u32), BTreeSet<u64>>;

/// Judges a whole history.
#[must_use]
pub fn judge(history: &History) -> Verdict {
    let acknowledged = history.commits.iter().filter(|one| one.is_acknowledged);
    let committed_count = acknowledged.count();
    let mut proved = proved(history);
    let mut verdict = Verdict {
        given_count: history.ownerships.len(),
        proved_count: proved.values().map(Vec::len).sum(),
        committed_count,
        refused_count: history.commits.len() - committed_count,
        ..Verdict::default()
    };
    for times in proved.values_mut() {
        times.sort_by_key(|time| time.ownership.from_us);
        one_owner(times, &mut verdict);
    }
    one_owner_an_epoch(history, &mut verdict);
    stale_commits(history, &proved, &mut verdict);
    commits_kept(history, &mut verdict);
    for reason in &history.unsettled {
        verdict.add(Promise::ComesToRest, reason.clone());
    }
    verdict
}

/// The proved times of each partition.
fn proved(history: &History) -> BTreeMap<u32, Vec<Proved<'_>>> {
    let mut begins = Begins::new();
    for commit in history.commits.iter().filter(|one| one.is_acknowledged) {
        for partition in &commit.partitions {
            let key = (commit.member.as_str(), *partition);
            begins.entry(key).or_default().insert(commit.begin_us);
        }
    }
    let mut proved: BTreeMap<u32, Vec<Proved<'_>>> = BTreeMap::new();
    for ownership in &history.ownerships {
        if let Some(end_us) = proved_end(ownership, &begins) {
            let of_partition = proved.entry(ownership.partition).or_default();
            of_partition.push(Proved { ownership, end_us });
        }
    }
    proved
}

/// Until when the member surely had the partition; none where nothing proves that it ever did.
fn proved_end(ownership: &Ownership, begins: &Begins<'_>) -> Option<u64> {
    let until_us = match ownership.end {
        End::Revoked(at_us) | End::Lost(at_us) => at_us,
        End::Open => u64::MAX,
    };
    let begins = begins.get(&(ownership.member.as_str(), ownership.partition))?;
    let last_us = *begins.range(ownership.from_us..until_us).next_back()?;
    match ownership.end {
        End::Revoked(at_us) if at_us - last_us <= PROOF_LASTS_US => Some(at_us),
        End::Revoked(_) | End::Lost(_) | End::Open => Some(last_us),
    }
}

/// Of times in order of their begin, none may begin before one of another member has ended.
fn one_owner(times: &[Proved<'_>], verdict: &mut Verdict) {
    let mut latest: Option<Proved<'_>> = None;
    for time in times {
        if let Some(before) = latest
            && before.ownership.member != time.ownership.member
            && time.ownership.from_us < before.end_us
        {
            let breach = format!(
                "partition {} was given to {} at {} while {} had it until {}",
                time.ownership.partition,
                time.ownership.member,
                time.ownership.from_us,
                before.ownership.member,
                before.end_us
            );
            verdict.add(Promise::OneOwner, breach);
        }
        if latest.is_none_or(|before| before.end_us < time.end_us) {
            latest = Some(*time);
        }
    }
}

fn one_owner_an_epoch(history: &History, verdict: &mut Verdict) {
    let mut owners: BTreeMap<(u32, i32), &str> = BTreeMap::new();
    // A member that has left or was fenced since has no epoch any more.
    let in_epoch = history.ownerships.iter().filter(|one| one.epoch > 0);
    for ownership in in_epoch {
        let key = (ownership.partition, ownership.epoch);
        let owner = owners.entry(key).or_insert(&ownership.member);
        if *owner != ownership.member {
            let breach = format!(
                "partition {} was given to {owner} and to {} in epoch {}",
                ownership.partition, ownership.member, ownership.epoch
            );
            verdict.add(Promise::OneOwnerAnEpoch, breach);
        }
    }
}

/// Nobody commits what another member had from before the commit began until after it ended.
fn stale_commits(
    history: &History,
    proved: &BTreeMap<u32, Vec<Proved<'_>>>,
    verdict: &mut Verdict,
) {
    for commit in history.commits.iter().filter(|one| one.is_acknowledged) {
        for partition in &commit.partitions {
            let times = proved.get(partition).map_or(&[][..], Vec::as_slice);
            let begun = times.partition_point(|time| time.ownership.from_us < commit.begin_us);
            let others = times[..begun].iter().rev();
            let mut others = others.filter(|time| time.ownership.member != commit.member);
            let Some(other) = others.find(|time| time.end_us > commit.end_us) else {
                continue;
            };
            let breach = format!(
                "{} committed partition {partition} from {} to {}, which {} had",
                commit.member, commit.begin_us, commit.end_us, other.ownership.member
            );
            verdict.add(Promise::StaleCommitsRefused, breach);
        }
    }
}

fn commits_kept(history: &History, verdict: &mut Verdict) {
    let mut tried: BTreeMap<(u32, u64), &Commit> = BTreeMap::new();
    let mut newest: BTreeMap<u32, &Commit> = BTreeMap::new();
    for commit in &history.commits {
        for partition in &commit.partitions {
            tried.insert((*partition, commit.begin_us), commit);
            if commit.is_acknowledged {
                let newest = newest.entry(*partition).or_insert(commit);
                if newest.begin_us < commit.begin_us {
                    *newest = commit;
                }
            }
        }
    }
    for (partition, offset) in &history.committed {
        let newest = newest.get(partition);
        let held = u64::try_from(*offset).ok();
        let held = held.and_then(|begin_us| tried.get(&(*partition, begin_us)));
        let breach = match (held, newest) {
            (None, None) if *offset < 0 => continue,
            (None, _) if *offset >= 0 => format!("partition {partition}: nobody wrote {offset}"),
            (Some(held), Some(newest)) if held.is_acknowledged && newest.begin_us > held.end_us => {
                format!(
                    "partition {partition}: {offset} is there, {} was acknowledged after it",
                    newest.begin_us
                )
            }
            (None, _) => format!("partition {partition}: an acknowledged commit is nowhere"),
            (Some(_), _) => continue,
        };
        verdict.add(Promise::CommitsKept, breach);
    }
}

#[cfg(test)]
mod tests;
