//! The metric names and handles of share groups. Everything is over all groups: labels come from
//! fixed sets only.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use sprawl_core::share::{AckBatch, AckType, AcquiredRecords};

/// Records given to members.
const ACQUIRED_TOTAL: &str = "sprawl_share_records_acquired_total";
/// Records given to members that had been given to one before.
const REDELIVERED_TOTAL: &str = "sprawl_share_records_redelivered_total";
/// Answers of members that were taken, one a record, by kind.
const ACKNOWLEDGED_TOTAL: &str = "sprawl_share_records_acknowledged_total";
/// Records that died, durably; those of a dead-letter topic when they are there.
const DEAD_TOTAL: &str = "sprawl_share_records_dead_total";
/// Locks that ran out, one a record.
const LOCK_TIMEOUTS_TOTAL: &str = "sprawl_share_lock_timeouts_total";
/// Records that members hold.
const IN_FLIGHT: &str = "sprawl_share_records_in_flight";

/// The kinds of answers, by name.
const KINDS: [(AckType, &str); 5] = [
    (AckType::Gap, "gap"),
    (AckType::Accept, "accept"),
    (AckType::Release, "release"),
    (AckType::Reject, "reject"),
    (AckType::Renew, "renew"),
];

/// Handles, looked up once.
pub(super) struct ShareMetrics {
    acquired: Counter,
    redelivered: Counter,
    acknowledged: Vec<(AckType, Counter)>,
    dead: Counter,
    lock_timeouts: Counter,
    in_flight: Gauge,
}

impl std::fmt::Debug for ShareMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShareMetrics").finish_non_exhaustive()
    }
}

impl ShareMetrics {
    /// Registers every metric with the process's recorder.
    pub(super) fn register() -> Self {
        describe_counter!(ACQUIRED_TOTAL, "Records given to members of share groups");
        describe_counter!(REDELIVERED_TOTAL, "Records given out again");
        describe_counter!(ACKNOWLEDGED_TOTAL, "Answers taken, one a record, by kind");
        describe_counter!(DEAD_TOTAL, "Records that died");
        describe_counter!(LOCK_TIMEOUTS_TOTAL, "Locks that ran out, one a record");
        describe_gauge!(IN_FLIGHT, "Records that members of share groups hold");
        let acknowledged =
            KINDS.map(|(kind, name)| (kind, counter!(ACKNOWLEDGED_TOTAL, "kind" => name)));
        Self {
            acquired: counter!(ACQUIRED_TOTAL),
            redelivered: counter!(REDELIVERED_TOTAL),
            acknowledged: acknowledged.into(),
            dead: counter!(DEAD_TOTAL),
            lock_timeouts: counter!(LOCK_TIMEOUTS_TOTAL),
            in_flight: gauge!(IN_FLIGHT),
        }
    }

    /// Counts what a member was given.
    pub(super) fn count_acquired(&self, runs: &[AcquiredRecords]) {
        let again = runs.iter().filter(|run| run.delivery_count > 1);
        let again: u64 = again.map(AcquiredRecords::offset_count).sum();
        let all = runs.iter().map(AcquiredRecords::offset_count).sum();
        self.acquired.increment(all);
        self.redelivered.increment(again);
    }

    /// Counts answers that were taken.
    pub(super) fn count_answers(&self, answers: &[AckBatch]) {
        for answer in answers {
            match answer.types.as_slice() {
                [kind] => self.count(*kind, (answer.last - answer.first + 1).unsigned_abs()),
                kinds => kinds.iter().for_each(|kind| self.count(*kind, 1)),
            }
        }
    }

    fn count(&self, kind: AckType, count: u64) {
        if let Some((_, counter)) = self.acknowledged.iter().find(|(known, _)| *known == kind) {
            counter.increment(count);
        }
    }

    /// Counts records that died.
    pub(super) fn count_dead(&self, count: u64) {
        self.dead.increment(count);
    }

    /// Counts locks that ran out.
    pub(super) fn count_timeouts(&self, count: u64) {
        self.lock_timeouts.increment(count);
    }

    /// Brings the gauge up to date.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a gauge is a double; counts stay far below 2^53"
    )]
    pub(super) fn set_in_flight(&self, count: u64) {
        self.in_flight.set(count as f64);
    }
}
