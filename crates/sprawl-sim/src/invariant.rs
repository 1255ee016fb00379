//! What must never happen, one named check per sentence of the correctness page.
//!
//! A check takes what was promised and what was found, and returns the violation. It knows nothing
//! of how the run came about, so all worlds use the same ones.

use std::fmt;

use sprawl_log::FlushMode;

use crate::history::{Found, History};

/// A broken promise: which sentence, and what was found instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's number in the correctness page.
    pub invariant: &'static str,
    /// Its sentence.
    pub sentence: &'static str,
    /// What was promised and what was found.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} violated ({}): {}",
            self.invariant, self.sentence, self.detail
        )
    }
}

/// What a check says.
pub type Check = Result<(), Violation>;

fn fail(invariant: &'static str, sentence: &'static str, detail: String) -> Check {
    Err(Violation {
        invariant,
        sentence,
        detail,
    })
}

/// I3: one offset has one value. A batch that is read is the one that was appended there, byte for
/// byte.
pub fn i3_one_offset_one_value(history: &History, found: &Found) -> Check {
    let expected = history.at(found.base_offset).map(|batch| batch.fingerprint);
    if expected == Some(found.fingerprint) {
        return Ok(());
    }
    fail(
        "I3",
        "one offset, one value",
        format!(
            "{} at {}: appended {expected:x?}, read {found:x?}",
            history.name, found.base_offset
        ),
    )
}

/// I3, as readers see it: whoever reads an offset reads the same batch.
pub fn i3_same_at_every_read(name: &str, offset: i64, first: u64, now: u64) -> Check {
    if first == now {
        return Ok(());
    }
    fail(
        "I3",
        "one offset, one value",
        format!("{name} at {offset}: read {first:x} before, {now:x} now"),
    )
}

/// I4: a successful produce carries the true base offset.
pub fn i4_true_base_offset(name: &str, expected: i64, found: i64) -> Check {
    if expected == found {
        return Ok(());
    }
    fail(
        "I4",
        "a successful produce response carries the true base offset",
        format!("{name}: the batch stands at {expected}, the answer said {found}"),
    )
}

/// I5: what was acknowledged in `fsync` mode was on stable storage, so that no crash takes it away;
/// in `async` mode the end of the process alone does not.
pub fn i5_acked_survives(history: &History, mode: FlushMode, crash: Crash, end: i64) -> Check {
    let is_promised = match (mode, crash) {
        (_, Crash::None) | (FlushMode::Fsync, _) | (FlushMode::Async, Crash::Kill) => true,
        (FlushMode::Async, Crash::PowerCut) | (FlushMode::Memory, _) => false,
    };
    if !is_promised || history.acked_end() <= end {
        return Ok(());
    }
    fail(
        "I5",
        "at ack time the bytes are on stable storage",
        format!(
            "{} ({mode:?}, {crash:?}): acknowledged up to {}, recovered up to {end}",
            history.name,
            history.acked_end()
        ),
    )
}

/// How the last process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It closed its store.
    None,
    /// The process alone.
    Kill,
    /// The machine.
    PowerCut,
}

/// I6: high watermark and log start never decrease as one client sees them.
pub fn i6_never_decreases(name: &str, what: &str, before: i64, now: i64) -> Check {
    if before <= now {
        return Ok(());
    }
    fail(
        "I6",
        "high watermark, log start and epochs never decrease",
        format!("{name}: {what} was {before}, is {now}"),
    )
}

/// I11: offsets are dense inside a partition: each batch begins where the one before ended.
pub fn i11_dense(name: &str, expected: i64, found: i64) -> Check {
    if expected == found {
        return Ok(());
    }
    fail(
        "I11",
        "offsets given to records are dense inside the partition",
        format!("{name}: a batch begins at {found}, the one before ended at {expected}"),
    )
}

/// I12: per (producer, partition) sequence numbers in the log are gap-free and unique.
pub fn i12_sequences_without_gap(name: &str, producer: i64, expected: i32, found: i32) -> Check {
    if expected == found {
        return Ok(());
    }
    fail(
        "I12",
        "sequence numbers in the log are gap-free and unique",
        format!("{name}: producer {producer} has sequence {found} where {expected} comes next"),
    )
}

/// I13: an idempotent producer that follows the rules meets only errors after which its retry is
/// safe.
pub fn i13_error_is_safe(name: &str, error_code: i16, is_safe: fn(i16) -> bool) -> Check {
    if is_safe(error_code) {
        return Ok(());
    }
    fail(
        "I13",
        "errors returned to producers are safe for the actual state",
        format!("{name}: a producer that broke no rule got error {error_code}"),
    )
}

/// I14: nothing of a fenced epoch succeeds once the fencing is acknowledged. `what` succeeded, if
/// anything did.
pub fn i14_fenced_stays_out(who: &str, what: Option<&str>) -> Check {
    let Some(what) = what else { return Ok(()) };
    fail(
        "I14",
        "a fenced producer epoch never appends after the fencing is acknowledged",
        format!("{who}: {what}"),
    )
}

/// I15: the last stable offset is at most the high watermark, and never decreases as one client
/// sees it.
pub fn i15_stable_offset(name: &str, before: i64, now: i64, high_watermark: i64) -> Check {
    if (before..=high_watermark).contains(&now) {
        return Ok(());
    }
    fail(
        "I15",
        "LSO <= HW; LSO never decreases",
        format!("{name}: stable to {now}, before {before}, high watermark {high_watermark}"),
    )
}

/// I15: read_committed returns what is in committed transactions or in none, all of it and nothing
/// else. `shown` says what is wrong.
pub fn i15_only_committed_is_read(shown: Result<(), String>) -> Check {
    shown.or_else(|what| {
        fail(
            "I15",
            "read_committed never returns a record of an aborted or open transaction",
            what,
        )
    })
}

/// I16: all or none of a transaction's records and offset commits are visible after heal. `whole`
/// says what is wrong.
pub fn i16_all_or_none(whole: Result<(), String>) -> Check {
    whole.or_else(|what| {
        fail(
            "I16",
            "all or none of a transaction's records and offset commits are visible",
            what,
        )
    })
}

/// I17: no transaction reads what is not committed, nor, through others, what it wrote itself.
/// `order` says what is wrong.
pub fn i17_reads_have_an_order(order: Result<(), String>) -> Check {
    order.or_else(|what| fail("I17", "no precommitted read, no G1a, no G1b, no G1c", what))
}

/// I18: a marker applies only to the transaction it names. `named` says what is wrong.
pub fn i18_marker_ends_its_own(named: Result<(), String>) -> Check {
    named.or_else(|what| {
        fail(
            "I18",
            "a marker applies only to the transaction whose producer id and epoch it names",
            what,
        )
    })
}

/// I19: every open transaction ends by commit, abort or timeout: after heal the stable part of a
/// partition is all of it.
pub fn i19_nothing_hangs(name: &str, last_stable_offset: i64, high_watermark: i64) -> Check {
    if last_stable_offset == high_watermark {
        return Ok(());
    }
    fail(
        "I19",
        "every open transaction ends by commit, abort or timeout",
        format!("{name} is stable to {last_stable_offset} of {high_watermark}"),
    )
}

/// I20: commits from older generations are refused.
pub fn i20_stale_commit_refused(group: &str, stale: i32, current: i32, error_code: i16) -> Check {
    if error_code != 0 {
        return Ok(());
    }
    fail(
        "I20",
        "at any group generation one partition has at most one owner that can commit",
        format!("{group}: generation {stale} committed while {current} was known"),
    )
}

/// I20, in groups whose broker hands out partitions: nobody is confirmed as the owner of what was
/// given to another before. `both` is a partition that is.
pub fn i20_one_owner(group: &str, epoch: i32, both: Option<i32>) -> Check {
    let Some(partition) = both else { return Ok(()) };
    fail(
        "I20",
        "at any group epoch one partition has at most one owner that can commit",
        format!("{group}: in epoch {epoch} partition {partition} belongs to two"),
    )
}

/// I21: a committed offset is not lost, is not above the high watermark, and never goes back.
pub fn i21_commit_survives(group: &str, acked: i64, found: i64, log_end: i64) -> Check {
    if (acked..=log_end).contains(&found) {
        return Ok(());
    }
    fail(
        "I21",
        "an acked commit survives, is monotone, and is at most the high watermark",
        format!("{group}: acknowledged {acked}, found {found}, the log ends at {log_end}"),
    )
}

/// I25: compaction keeps the last record of every key, in order, and tombstones for their time.
/// `kept` says what is wrong.
pub fn i25_compaction_keeps(kept: Result<(), String>) -> Check {
    kept.or_else(|what| {
        fail(
            "I25",
            "compaction keeps the last value of a key, order, unstable data and young tombstones",
            what,
        )
    })
}

/// I26: recovery is idempotent: the same bytes on disk recover to the same log every time.
pub fn i26_recovery_repeats(
    name: &str,
    first: &impl PartialEqDebug,
    second: &impl PartialEqDebug,
) -> Check {
    let (first, second) = (first.shown(), second.shown());
    if first == second {
        return Ok(());
    }
    fail(
        "I26",
        "crash, recover, crash again, recover: same state",
        format!("{name}: {}", difference(&first, &second)),
    )
}

/// I27: index and state equal a rebuild from journal and segments.
pub fn i27_state_equals_rebuild(
    name: &str,
    kept: &impl PartialEqDebug,
    rebuilt: &impl PartialEqDebug,
) -> Check {
    let (kept, rebuilt) = (kept.shown(), rebuilt.shown());
    if kept == rebuilt {
        return Ok(());
    }
    fail(
        "I27",
        "index and state equal a rebuild from journal and segments",
        format!("{name}: {}", difference(&kept, &rebuilt)),
    )
}

/// I28: after a failed write or sync nothing is acknowledged any more.
pub fn i28_no_ack_after_failure(name: &str, failed: &Option<String>) -> Check {
    match failed {
        None => Ok(()),
        Some(reason) => fail(
            "I28",
            "disk-full, I/O error or failed fsync never yields an ack",
            format!("{name}: an append was acknowledged after: {reason}"),
        ),
    }
}

/// Shows where two texts part.
fn difference(first: &str, second: &str) -> String {
    const AROUND: usize = 60;
    let same = first
        .chars()
        .zip(second.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let around = |text: &str| -> String {
        text.chars()
            .skip(same.saturating_sub(AROUND))
            .take(2 * AROUND)
            .collect()
    };
    format!("first ..{}.., then ..{}..", around(first), around(second))
}

/// Something that is compared by how it prints.
pub trait PartialEqDebug {
    /// Returns the text that is compared.
    fn shown(&self) -> String;
}

impl<T: fmt::Debug> PartialEqDebug for T {
    fn shown(&self) -> String {
        format!("{self:?}")
    }
}
