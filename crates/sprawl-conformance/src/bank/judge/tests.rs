//! Every promise, kept and broken.

use super::*;

/// Two accounts, opened in one transaction, moved together once; `extra` comes on top.
const MOVED: &str = "\
B 1 m/0/0
R 1 m/0/0 left 0 0 open
R 1 m/0/0 left 1 0 open
C 2 m/0/0
V left 0 0 0 0 1000 open 0 2 - - -
V left 1 0 1 0 1000 open 1 2 - - -
V right 0 0 0 1 995 m/0/0 0 2 left 0 0
V right 1 0 1 1 1005 m/0/0 1 2 left 1 0
L left 0 2 2
L left 1 2 2
L right 0 2 2
L right 1 2 2
G left 0 1
G left 1 1
G right 0 0
G right 1 0
";

fn verdict(text: &str) -> Verdict {
    let mut history = History::default();
    history.add(text).unwrap();
    judge(&history)
}

fn broken(text: &str) -> Vec<Promise> {
    verdict(text).breaches.promises().collect()
}

#[test]
fn whole_move_keeps_every_promise() {
    assert_eq!(broken(MOVED), []);
    let shown = verdict(MOVED).to_string();
    let expected =
        "1 committed, 0 aborted, 0 of unknown end, 0 records watched: every promise kept";
    assert_eq!(shown, expected);
}

#[test]
fn cut_last_line_is_passed_over() {
    assert_eq!(broken(&format!("{MOVED}B 3 m/0")), []);
}

#[test]
fn visible_record_of_an_aborted_attempt_is_an_aborted_read() {
    let aborted = MOVED.replace("C 2 m/0/0", "A 2 m/0/0");
    assert!(broken(&aborted).contains(&Promise::NoAbortedRead));
}

#[test]
fn record_seen_and_then_gone_is_an_aborted_read() {
    let seen = format!("{MOVED}O 3 w right 0 7 m/0/9 0\n");
    assert!(broken(&seen).contains(&Promise::NoAbortedRead));
    let read = format!("{MOVED}B 3 m/0/1\nR 3 m/0/1 right 0 7 m/0/9\n");
    assert!(broken(&read).contains(&Promise::NoAbortedRead));
}

#[test]
fn offset_that_changes_its_record_is_inconsistent() {
    let seen = format!("{MOVED}O 3 w right 0 0 m/0/9 0\n");
    assert_eq!(broken(&seen), [Promise::NoInconsistentOffset]);
}

#[test]
fn committed_attempt_that_is_nowhere_is_a_lost_write() {
    let lost = format!("{MOVED}B 3 m/0/1\nC 4 m/0/1\n");
    assert_eq!(broken(&lost), [Promise::NoLostWrite]);
}

#[test]
fn attempt_of_unknown_end_may_be_there_or_not() {
    assert_eq!(broken(&MOVED.replace("C 2 m/0/0\n", "")), []);
    assert_eq!(
        broken(&format!("{MOVED}B 3 m/0/1\nU 4 m/0/1 TimeoutException\n")),
        []
    );
}

#[test]
fn half_an_attempt_is_torn_and_money_is_gone() {
    let torn = MOVED.replace("V right 1 0 1 1 1005 m/0/0 1 2 left 1 0\n", "");
    let found = broken(&torn);
    assert!(found.contains(&Promise::NoTornTransaction), "{found:?}");
    assert!(found.contains(&Promise::NoLostAccount), "{found:?}");
    assert!(found.contains(&Promise::MoneyStays), "{found:?}");
}

#[test]
fn offsets_without_records_lose_accounts() {
    let records_gone: String = MOVED
        .lines()
        .filter(|line| !line.starts_with("V right") && !line.starts_with("C "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(broken(&records_gone), [Promise::NoLostAccount]);
}

#[test]
fn records_without_offsets_move_an_account_twice() {
    let twice = format!("{MOVED}B 3 n/1/0\nC 4 n/1/0\nV right 0 5 0 1 1000 n/1/0 0 1 left 0 0\n");
    assert_eq!(broken(&twice), [Promise::NoDuplicate]);
}

#[test]
fn record_written_twice_is_a_duplicate() {
    let twice = format!("{MOVED}V right 0 1 0 1 995 m/0/0 0 2 left 0 0\n");
    assert_eq!(broken(&twice), [Promise::NoDuplicate]);
}

#[test]
fn polls_that_go_back_are_not_monotonic() {
    let back = format!("{MOVED}O 3 w right 0 0 m/0/0 0\nO 4 w right 0 0 m/0/0 0\n");
    assert_eq!(broken(&back), [Promise::MonotonicPolls]);
}

#[test]
fn record_passed_over_is_an_intermediate_read() {
    let more = "B 3 m/0/1\nR 3 m/0/1 right 0 0 m/0/0\nC 4 m/0/1\n\
                V left 0 5 0 2 995 m/0/1 0 1 right 0 0\nO 5 w left 0 5 m/0/1 0\n";
    let mut text = format!("{MOVED}{more}");
    assert_eq!(broken(&text), [Promise::NoIntermediateRead]);
    text = text.replace("O 5 w left", "O 4 w left 0 0 open 0\nO 5 w left");
    assert_eq!(broken(&text), []);
}

#[test]
fn attempts_that_read_each_other_go_in_a_circle() {
    let circle = format!(
        "{MOVED}B 3 a/0/0\nB 3 b/0/0\nR 3 a/0/0 right 0 0 b/0/0\nR 3 b/0/0 right 1 0 a/0/0\n"
    );
    assert!(broken(&circle).contains(&Promise::NoCircularRead));
}

#[test]
fn stable_offset_that_stays_behind_is_a_hanging_transaction() {
    let hanging = MOVED.replace("L right 0 2 2", "L right 0 1 2");
    assert_eq!(broken(&hanging), [Promise::NoHangingTransaction]);
}

#[test]
fn line_that_is_no_event_is_refused() {
    for line in [
        "X 1\n",
        "C 1 never-begun\n",
        "O 1 w left x 0 a 0\n",
        "V left 0 0 1\n",
    ] {
        assert!(History::default().add(line).is_err(), "{line:?}");
    }
}
