//! Every promise, kept and broken.

use super::*;

const RULES: Rules = Rules {
    deliveries_max: 3,
    letters: Letters::Kept,
};

const PRODUCED: &str = "W 0 0 a\nW 0 1 b\nW 0 2 c\nW 0 3 d\n";

/// One worker accepts, releases and accepts again, and rejects; one record is delivered three
/// times to somebody who never answers.
const WORKED: &str = "\
S 10
D 20 15 1 0 0 1 a
D 20 15 1 0 1 1 b
D 20 15 1 0 2 1 c
D 20 15 1 0 3 1 d
A 30 0 0 accept
A 30 0 1 release
A 30 0 2 reject
C 40 0 0
C 40 0 1
C 40 0 2
D 60 50 2 0 1 2 b
D 60 50 2 0 3 2 d
A 70 0 1 renew
C 80 0 1
A 90 0 1 accept
C 95 0 1
D 99 90 3 0 3 3 d
";

const ENDED: &str = "E 0 0 4 4\nQ 0 2 1 0 0\nQ 0 3 3 0 1\n";

fn judged(worked: &str, produced: &str, ended: &str, rules: Rules) -> Verdict {
    let mut history = History::default();
    history.add("producer", produced).unwrap();
    history.add("w.0", worked).unwrap();
    history.add("end", ended).unwrap();
    judge(&history, rules)
}

fn broken(worked: &str, ended: &str) -> Vec<Promise> {
    let verdict = judged(worked, PRODUCED, ended, RULES);
    verdict.breaches.promises().collect()
}

#[test]
fn records_that_end_once_keep_every_promise() {
    let verdict = judged(WORKED, PRODUCED, ENDED, RULES);
    assert_eq!(
        verdict.to_string(),
        "4 records in 7 deliveries: 2 acknowledged, 0 more without confirmation, 2 dead, 0 live, \
         0 expired: every promise kept"
    );
}

#[test]
fn cut_last_line_is_passed_over() {
    assert_eq!(broken(&format!("{WORKED}A 100 0"), ENDED), []);
}

#[test]
fn record_that_is_over_without_a_trace_is_lost() {
    let without = ENDED.replace("Q 0 3 3 0 1\n", "");
    let promises = [Promise::EveryRecordEnds, Promise::CountsAddUp];
    assert_eq!(broken(WORKED, &without), promises);
}

#[test]
fn record_that_nobody_ever_saw_is_lost() {
    let unseen = WORKED.lines().filter(|line| !line.contains(" 0 0"));
    let unseen: Vec<&str> = unseen.collect();
    let promises = [Promise::EveryRecordEnds, Promise::CountsAddUp];
    assert_eq!(broken(&format!("{}\n", unseen.join("\n")), ENDED), promises);
}

#[test]
fn record_behind_the_groups_start_is_live() {
    let behind = ENDED.replace("E 0 0 4 4", "E 0 0 4 3");
    let without = behind.replace("Q 0 3 3 0 1\n", "");
    let promises = [Promise::EveryRecordEnds, Promise::CountsAddUp];
    assert_eq!(broken(WORKED, &without), promises);
}

#[test]
fn answer_without_confirmation_explains_an_end() {
    let unheard = WORKED.replace("C 95 0 1\n", "F 95 0 1 TimeoutException\n");
    let verdict = judged(&unheard, PRODUCED, ENDED, RULES);
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.ended.acknowledged_unheard, 1);
}

#[test]
fn answer_that_only_released_explains_no_end() {
    let released = WORKED.replace("A 90 0 1 accept", "A 90 0 1 release");
    let promises = [Promise::EveryRecordEnds, Promise::CountsAddUp];
    assert_eq!(broken(&released, ENDED), promises);
}

#[test]
fn acknowledged_record_in_the_dead_letter_topic_is_both() {
    let both = format!("{ENDED}Q 0 0 3 0 2\n");
    assert_eq!(broken(WORKED, &both), [Promise::NeverBoth]);
}

#[test]
fn record_accepted_by_one_and_rejected_by_another_is_both() {
    let both = format!("{WORKED}A 100 0 2 accept\nC 110 0 2\n");
    assert_eq!(broken(&both, ENDED), [Promise::NeverBoth]);
}

#[test]
fn record_acknowledged_twice_does_not_end_once() {
    let twice = format!("{WORKED}A 100 0 0 accept\nC 110 0 0\n");
    assert_eq!(broken(&twice, ENDED), [Promise::EndsOnce]);
}

#[test]
fn record_twice_in_the_dead_letter_topic_does_not_end_once() {
    let twice = format!("{ENDED}Q 0 3 3 1 0\n");
    assert_eq!(broken(WORKED, &twice), [Promise::EndsOnce]);
}

#[test]
fn delivery_handed_out_after_the_acknowledgement_was_durable_is_a_breach() {
    let again = format!("{WORKED}D 130 120 4 0 0 2 a\n");
    assert_eq!(broken(&again, ENDED), [Promise::NoDeliveryAfterEnd]);
}

#[test]
fn delivery_handed_out_after_the_rejection_was_durable_is_a_breach() {
    let again = format!("{WORKED}D 130 41 4 0 2 2 c\n");
    assert_eq!(broken(&again, ENDED), [Promise::NoDeliveryAfterEnd]);
}

#[test]
fn delivery_seen_late_that_may_be_an_old_one_is_no_breach() {
    let late = format!("{WORKED}D 130 39 4 0 0 1 a\n");
    assert_eq!(broken(&late, ENDED), []);
}

#[test]
fn delivery_beyond_the_maximum_is_a_breach() {
    let often = WORKED.replace("D 99 90 3 0 3 3 d", "D 99 90 3 0 3 4 d");
    assert_eq!(broken(&often, ENDED), [Promise::DeliveryLimit]);
    let letter = ENDED.replace("Q 0 3 3 0 1", "Q 0 3 4 0 1");
    assert_eq!(broken(WORKED, &letter), [Promise::DeliveryLimit]);
}

#[test]
fn delivery_without_a_count_is_a_breach() {
    let uncounted = WORKED.replace("D 99 90 3 0 3 3 d", "D 99 90 3 0 3 0 d");
    assert_eq!(broken(&uncounted, ENDED), [Promise::DeliveryLimit]);
}

#[test]
fn record_dead_before_its_time_has_no_reason() {
    let early = ENDED.replace("Q 0 3 3 0 1", "Q 0 3 2 0 1");
    assert_eq!(broken(WORKED, &early), [Promise::DeadForAReason]);
}

#[test]
fn rejected_record_that_is_not_dead_is_a_breach() {
    let without = ENDED.replace("Q 0 2 1 0 0\n", "");
    assert!(broken(WORKED, &without).contains(&Promise::DeadForAReason));
}

#[test]
fn records_out_of_order_in_a_poll_are_a_breach() {
    let swapped = WORKED.replace(
        "D 60 50 2 0 1 2 b\nD 60 50 2 0 3 2 d\n",
        "D 60 50 2 0 3 2 d\nD 60 50 2 0 1 2 b\n",
    );
    assert_eq!(broken(&swapped, ENDED), [Promise::OrderInPoll]);
}

#[test]
fn record_that_came_twice_in_one_poll_is_a_breach() {
    let twice = WORKED.replace("D 99 90 3 0 3 3 d", "D 60 50 2 0 3 3 d");
    assert_eq!(broken(&twice, ENDED), [Promise::OrderInPoll]);
}

#[test]
fn record_that_changes_is_a_breach() {
    let changed = WORKED.replace("D 60 50 2 0 1 2 b", "D 60 50 2 0 1 2 x");
    assert_eq!(broken(&changed, ENDED), [Promise::RecordsUnchanged]);
}

#[test]
fn record_that_nobody_produced_is_a_breach() {
    let verdict = judged(
        WORKED,
        &PRODUCED.replace("W 0 3 d\n", ""),
        &ENDED.replace("E 0 0 4 4", "E 0 0 3 4"),
        RULES,
    );
    let broken: Vec<Promise> = verdict.breaches.promises().collect();
    assert_eq!(broken, [Promise::RecordsUnchanged]);
}

#[test]
fn log_with_more_offsets_than_records_does_not_add_up() {
    let longer = ENDED.replace("E 0 0 4 4", "E 0 0 5 5");
    assert_eq!(broken(WORKED, &longer), [Promise::CountsAddUp]);
}

#[test]
fn partition_without_an_end_does_not_add_up() {
    assert_eq!(
        broken(WORKED, "Q 0 2 1 0 0\nQ 0 3 3 0 1\n"),
        [Promise::CountsAddUp]
    );
}

#[test]
fn record_that_the_log_dropped_is_expired() {
    let without = ENDED.replace("Q 0 3 3 0 1\n", "");
    let dropped = without.replace("E 0 0 4 4", "E 0 4 4 4");
    let verdict = judged(WORKED, PRODUCED, &dropped, RULES);
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.ended.expired, 1);
}

#[test]
fn without_a_dead_letter_topic_what_is_over_is_dead() {
    let rules = Rules {
        letters: Letters::Dropped,
        ..RULES
    };
    let verdict = judged(WORKED, PRODUCED, "E 0 0 4 4\n", rules);
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.ended.dead, 2);
    let live = judged(WORKED, PRODUCED, "E 0 0 4 3\n", rules);
    assert!(!live.is_clean(), "{live}");
}
