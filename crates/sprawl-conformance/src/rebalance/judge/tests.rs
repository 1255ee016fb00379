//! A synthetic breach of each promise, and what is none.

use super::super::history::{Described, History};
use super::{Promise, judge};

/// Two members hand partition 0 over.
const HANDED_OVER: &str = "\
B 1000000 a.0 consumer
A 1100000 a.0 id-a 1 0,1
C 1200000 1250000 a.0 1 0,1
C 2200000 2250000 a.0 1 0,1
R 2300000 a.0 1 0
B 1300000 b.0 consumer
A 2400000 b.0 id-b 2 0
C 2500000 2550000 b.0 2 0
C 3200000 3250000 a.0 2 1
O 0 2500000
O 1 3200000
";

fn history(text: &str) -> History {
    let mut history = History::default();
    assert_eq!(history.add(text).unwrap(), text.len());
    history
}

/// Checks which promises are broken once `from` is replaced by `to`.
fn check(from: &str, to: &str, expected: &[Promise]) {
    assert!(HANDED_OVER.contains(from), "{from:?} is in the history");
    let verdict = judge(&history(&HANDED_OVER.replace(from, to)));
    let broken: Vec<Promise> = Promise::ALL
        .into_iter()
        .filter(|promise| !verdict.breaches(*promise).is_empty())
        .collect();
    assert_eq!(broken, expected, "{verdict}");
}

#[test]
fn partition_that_is_handed_over_breaks_nothing() {
    check("B", "B", &[]);
    let verdict = judge(&history(HANDED_OVER));
    assert_eq!((verdict.given_count, verdict.proved_count), (3, 3));
    assert_eq!((verdict.committed_count, verdict.refused_count), (4, 0));
}

#[test]
fn partition_given_before_it_was_given_up_has_two_owners() {
    check("A 2400000", "A 2290000", &[Promise::OneOwner]);
}

#[test]
fn member_that_was_killed_owns_until_its_last_commit() {
    // Without the revocation, `a` is proved to have partition 0 until 2200000 and no longer.
    check("R 2300000 a.0 1 0\n", "", &[]);
    let again = "C 2450000 2460000 a.0 1 0\n";
    let broken = [Promise::OneOwner, Promise::StaleCommitsRefused];
    check("R 2300000 a.0 1 0\n", again, &broken);
}

#[test]
fn revocation_long_after_the_last_commit_proves_nothing() {
    // A member that was stopped gives up at last what it lost meanwhile.
    check("R 2300000 a.0 1 0\n", "R 9300000 a.0 1 0\n", &[]);
}

#[test]
fn partition_given_twice_in_one_epoch_is_found_whatever_the_clock_says() {
    check("id-b 2 0", "id-b 1 0", &[Promise::OneOwnerAnEpoch]);
}

#[test]
fn fenced_member_that_commits_is_found() {
    let stale = "R 2300000 a.0 1 0\nC 2510000 2540000 a.0 1 0\n";
    let later = "C 2500000 2550000 b.0 2 0\nC 2600000 2650000 b.0 2 0\n";
    let text = HANDED_OVER
        .replace("R 2300000 a.0 1 0\n", stale)
        .replace("C 2500000 2550000 b.0 2 0\n", later)
        .replace("O 0 2500000", "O 0 2600000");
    let verdict = judge(&history(&text));
    assert_eq!(verdict.breaches(Promise::StaleCommitsRefused).len(), 1);
    let refused = text.replace("C 2510000 2540000 a.0 1 0", "F 2510000 2540000 a.0 1 0 X");
    assert!(judge(&history(&refused)).is_clean());
}

#[test]
fn commit_that_is_gone_is_found() {
    check("O 0 2500000", "O 0 2200000", &[Promise::CommitsKept]);
    check("O 0 2500000", "O 0 -1", &[Promise::CommitsKept]);
    check("O 0 2500000", "O 0 7", &[Promise::CommitsKept]);
}

#[test]
fn commit_of_unknown_outcome_may_count_or_not() {
    let unknown = "C 2500000 2550000 b.0 2 0\nF 2700000 2800000 b.0 2 0 Timeout\n";
    check("C 2500000 2550000 b.0 2 0\n", unknown, &[]);
    let text = HANDED_OVER
        .replace("C 2500000 2550000 b.0 2 0\n", unknown)
        .replace("O 0 2500000", "O 0 2700000");
    assert!(judge(&history(&text)).is_clean());
}

#[test]
fn phase_without_an_end_breaks_the_last_promise() {
    let mut history = history(HANDED_OVER);
    history.unsettled.push("join: 1 of 2 members".to_owned());
    let verdict = judge(&history);
    assert_eq!(verdict.breaches(Promise::ComesToRest).len(), 1);
    assert!(!verdict.is_clean());
}

#[test]
fn rest_is_every_partition_once_and_loads_that_are_even() {
    let settled = history(HANDED_OVER);
    assert_eq!(settled.unrest(2, 2), None);
    assert!(settled.unrest(3, 2).is_some(), "a member is missing");
    assert!(settled.unrest(2, 3).is_some(), "a partition has no owner");
    let twice = history(&HANDED_OVER.replace("R 2300000 a.0 1 0\n", ""));
    assert!(twice.unrest(2, 2).is_some(), "a partition has two owners");
    let uneven = history("B 1 a.0 consumer\nB 1 b.0 consumer\nA 2 a.0 id 1 0,1\n");
    assert!(uneven.unrest(2, 2).is_some(), "one member has everything");
}

#[test]
fn members_of_a_killed_process_are_not_there_any_more() {
    let mut history = history(HANDED_OVER);
    history.forget_host("b");
    assert!(history.unrest(1, 2).is_some(), "partition 0 has no owner");
    history.forget_host("a.");
    assert_eq!(history.by_member_id().len(), 1);
}

#[test]
fn coordinator_that_says_something_else_is_found() {
    let history = history(HANDED_OVER);
    let told = "S Consumer Stable\nD id-a 1\nD id-b 0\n";
    let agrees = Described::parse(told).unwrap();
    assert_eq!(agrees.differs_from(&history), None);
    let other = Described::parse(&told.replace("id-b 0", "id-b -")).unwrap();
    assert!(other.differs_from(&history).is_some());
    let more = Described::parse(&format!("{told}D id-c -\n")).unwrap();
    assert!(more.differs_from(&history).is_some());
}

#[test]
fn partition_that_was_given_up_may_be_told_lost_once_more() {
    let again = "R 2300000 a.0 1 0\nL 2310000 a.0 1 0\n";
    check("R 2300000 a.0 1 0\n", again, &[]);
}

#[test]
fn line_that_is_not_understood_is_named() {
    for line in ["X 1\n", "A 1 a.0\n", "R 5 a.0 1 3\n", "O 1 2 \nO 1 3\n"] {
        assert!(History::default().add(line).is_err(), "{line:?}");
    }
    assert_eq!(History::default().add("O 1 2\nO 2").unwrap(), 6);
}
