//! Histories that keep every promise, and one for each that is broken.

use sprawl_model::batch::EndTxnMarker;

use super::*;

/// The producer of a client whose epoch is bumped, and of one whose epoch lasts.
const BUMPED: i64 = 7;
const LASTING: i64 = 8;

fn value(attempt: u64, account: u64, hop: u64, source: (usize, i64)) -> Value {
    Value {
        account,
        hop,
        attempt,
        index: 0,
        count: 1,
        source: (Place(source.0), source.1),
    }
}

fn batch(base_offset: i64, producer: (i64, i16, i32), value: Value) -> Batch {
    Batch {
        base_offset,
        end: base_offset + 1,
        fingerprint: 0,
        producer_id: producer.0,
        producer_epoch: producer.1,
        base_sequence: producer.2,
        is_transactional: producer.0 >= 0,
        marker: None,
        values: vec![(base_offset, value)],
    }
}

fn marker(base_offset: i64, producer_id: i64, producer_epoch: i16, outcome: TxnOutcome) -> Batch {
    Batch {
        marker: Some(EndTxnMarker {
            outcome,
            coordinator_epoch: 0,
        }),
        values: Vec::new(),
        base_sequence: -1,
        ..batch(
            base_offset,
            (producer_id, producer_epoch, -1),
            value(0, 0, 0, (0, 0)),
        )
    }
}

fn attempt(outcome: TxnOutcome) -> Attempt {
    Attempt {
        who: "mover".to_owned(),
        asked: Some(outcome),
        told: Some(outcome),
        count: 1,
        ..Attempt::default()
    }
}

/// Account 1 is opened in partition 0, and moved to partition 3 by attempt 1.
fn good() -> Evidence {
    let opened = value(NO_ATTEMPT, 1, 0, (0, 0));
    let moved = value(1, 1, 1, (0, 0));
    let left = Whole {
        batches: vec![batch(0, (-1, -1, -1), opened)],
        committed: vec![(0, opened)],
    };
    let right = Whole {
        batches: vec![
            batch(0, (BUMPED, 0, 0), moved),
            marker(1, BUMPED, 1, TxnOutcome::Commit),
        ],
        committed: vec![(0, moved)],
    };
    Evidence {
        wholes: BTreeMap::from([(Place(0), left), (Place(3), right)]),
        attempts: BTreeMap::from([(1, attempt(TxnOutcome::Commit))]),
        scans: Vec::new(),
        positions: BTreeMap::from([(Place(0), 1)]),
        bumping: BTreeSet::from([BUMPED]),
    }
}

fn right(evidence: &mut Evidence) -> &mut Whole {
    evidence.wholes.entry(Place(3)).or_default()
}

#[track_caller]
fn check(change: impl FnOnce(&mut Evidence), invariant: &str) {
    let mut evidence = good();
    change(&mut evidence);
    let found = judge(&evidence).expect_err("the change breaks a promise");
    assert_eq!(found.invariant, invariant, "{found}");
}

#[test]
fn sound_history_is_good() {
    judge(&good()).unwrap();
    // An end that nobody was told of may have come to pass, or not.
    let mut evidence = good();
    evidence.attempts.entry(1).or_default().told = None;
    judge(&evidence).unwrap();
    // An epoch that lasts is ended by a marker of its own.
    let mut evidence = good();
    right(&mut evidence).batches = vec![
        batch(0, (LASTING, 0, 0), value(1, 1, 1, (0, 0))),
        marker(1, LASTING, 0, TxnOutcome::Commit),
    ];
    judge(&evidence).unwrap();
}

#[test]
fn batch_behind_its_fencing_is_found() {
    check(
        |evidence| {
            let late = batch(2, (BUMPED, 0, 1), value(9, 9, 0, (0, 0)));
            right(evidence).batches.push(late);
        },
        "I14",
    );
}

#[test]
fn visible_record_of_a_zombie_is_found() {
    check(
        |evidence| evidence.attempts.entry(1).or_default().is_fenced = true,
        "I14",
    );
}

#[test]
fn aborted_record_shown_is_found() {
    check(
        |evidence| {
            let last = right(evidence).batches.last_mut();
            *last.unwrap() = marker(1, BUMPED, 1, TxnOutcome::Abort);
        },
        "I15",
    );
}

#[test]
fn record_passed_over_by_a_reader_is_found() {
    check(
        |evidence| {
            evidence.scans.push(Scan {
                place: Place(3),
                from: 0,
                to: 2,
                shown: Vec::new(),
            });
        },
        "I15",
    );
}

#[test]
fn committed_attempt_that_is_nowhere_is_found() {
    check(
        |evidence| {
            let committed = attempt(TxnOutcome::Commit);
            evidence.attempts.insert(2, committed);
        },
        "I16",
    );
}

#[test]
fn torn_attempt_is_found() {
    check(
        |evidence| evidence.attempts.entry(1).or_default().count = 2,
        "I16",
    );
}

#[test]
fn offsets_without_their_records_are_found() {
    check(
        |evidence| {
            evidence.positions.insert(Place(3), 2);
        },
        "I16",
    );
}

#[test]
fn records_without_their_offsets_are_found() {
    check(|evidence| evidence.positions.clear(), "I16");
}

#[test]
fn account_that_moved_twice_is_found() {
    check(
        |evidence| {
            let again = value(2, 1, 1, (0, 0));
            let whole = right(evidence);
            whole.batches.push(batch(2, (BUMPED, 1, 0), again));
            whole.batches.push(marker(3, BUMPED, 2, TxnOutcome::Commit));
            whole.committed.push((2, again));
            let committed = attempt(TxnOutcome::Commit);
            evidence.attempts.insert(2, committed);
        },
        "I16",
    );
}

#[test]
fn circle_is_found() {
    check(
        |evidence| evidence.attempts.entry(1).or_default().sources = vec![1],
        "I17",
    );
}

#[test]
fn marker_of_another_transaction_is_found() {
    check(
        |evidence| {
            let last = right(evidence).batches.last_mut();
            *last.unwrap() = marker(1, BUMPED, 0, TxnOutcome::Commit);
        },
        "I18",
    );
}

#[test]
fn commit_that_nobody_asked_for_is_found() {
    check(
        |evidence| {
            *evidence.attempts.entry(1).or_default() = Attempt {
                told: None,
                ..attempt(TxnOutcome::Abort)
            };
        },
        "I18",
    );
}

#[test]
fn transaction_without_an_end_is_found() {
    check(
        |evidence| {
            right(evidence).batches.pop();
        },
        "I19",
    );
}
