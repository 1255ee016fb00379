//! Who gets which records, and when.

use super::*;

#[test]
fn two_members_never_hold_the_same_record() {
    let mut partition = fresh(settings());
    let log = [records(0, 4), records(5, 9)];
    assert_eq!(fetch(&mut partition, NOW, "a", &log[..1]), [(0, 4, 1)]);
    assert_eq!(fetch(&mut partition, NOW, "b", &log), [(5, 9, 1)]);
    assert_eq!(fetch(&mut partition, NOW, "c", &log), []);
}

#[test]
fn a_released_record_is_delivered_again_and_counted() {
    let mut partition = fresh(settings());
    let log = [records(0, 9)];
    fetch(&mut partition, NOW, "a", &log);
    let write = acknowledge(&mut partition, "a", &[answer(3, 4, AckType::Release)]);
    assert_eq!(write.batches, [stored(3, 4, DeliveryState::Available, 1)]);
    assert_eq!(partition.fetch_offset(NOW), Some(3));
    assert_eq!(fetch(&mut partition, NOW, "b", &log), [(3, 4, 2)]);
}

#[test]
fn a_record_is_dead_after_as_many_deliveries_as_the_limit() {
    let mut partition = fresh(settings());
    let log = [records(0, 0)];
    for delivery in 1..=3 {
        assert_eq!(fetch(&mut partition, NOW, "a", &log), [(0, 0, delivery)]);
        acknowledge(&mut partition, "a", &[answer(0, 0, AckType::Release)]);
    }
    assert_eq!(fetch(&mut partition, NOW, "a", &log), []);
    assert_eq!(partition.counts().dead, 1);
    assert_eq!(partition.start_offset(), 1);
}

#[test]
fn a_batch_is_taken_whole_unless_the_limit_on_records_may_cut_it() {
    let log = [records(0, 9), records(10, 19)];
    let whole = (5, AcquireMode::BatchOptimized);
    let cut = (5, AcquireMode::RecordLimit);
    let mut partition = fresh(settings());
    assert_eq!(
        fetch_at_most(&mut partition, NOW, "a", &log, whole),
        [(0, 9, 1)]
    );
    let mut partition = fresh(settings());
    assert_eq!(
        fetch_at_most(&mut partition, NOW, "a", &log, cut),
        [(0, 4, 1)]
    );
    assert_eq!(
        fetch_at_most(&mut partition, NOW, "b", &log, cut),
        [(5, 9, 1)]
    );
    assert_eq!(
        fetch_at_most(&mut partition, NOW, "c", &log, cut),
        [(10, 14, 1)]
    );
}

#[test]
fn a_cut_batch_is_not_lost_behind_one_without_records() {
    let mut partition = fresh(settings());
    let log = [records(0, 9), no_records(10, 10), records(11, 11)];
    let cut = (5, AcquireMode::RecordLimit);
    assert_eq!(
        fetch_at_most(&mut partition, NOW, "a", &log, cut),
        [(0, 4, 1)]
    );
    assert_eq!(partition.next_offset(), 5);
    assert_eq!(
        fetch(&mut partition, NOW, "a", &log),
        [(5, 9, 1), (11, 11, 1)]
    );
}

#[test]
fn batches_without_records_and_holes_in_the_log_are_over_at_once() {
    let mut partition = fresh(settings());
    let log = [no_records(0, 2), records(5, 6), no_records(7, 7)];
    assert_eq!(fetch(&mut partition, NOW, "a", &log), [(5, 6, 1)]);
    assert_eq!(partition.start_offset(), 5);
    assert_eq!(partition.counts().entered, 2);
    let write = acknowledge(&mut partition, "a", &[answer(5, 6, AckType::Accept)]);
    assert_eq!((write.start_offset, write.batches), (8, vec![]));
}

#[test]
fn no_more_is_given_out_than_may_be_locked() {
    let mut partition = fresh(SharePartitionSettings {
        record_locks_max: 10,
        ..settings()
    });
    let log = [records(0, 5), records(6, 11), records(12, 13)];
    assert_eq!(fetch(&mut partition, NOW, "a", &log), [(0, 11, 1)]);
    assert_eq!(partition.fetch_offset(NOW), None);
    acknowledge(&mut partition, "a", &[answer(0, 5, AckType::Accept)]);
    assert_eq!(fetch(&mut partition, NOW, "a", &log), [(12, 13, 1)]);
}

#[test]
fn runs_of_the_answer_have_about_the_size_asked_for() {
    let mut partition = fresh(settings());
    let request = AcquireRequest {
        member_id: "a",
        from: 0,
        batches: &[records(0, 4), records(5, 9), records(10, 14)],
        records_max: 500,
        batch_size: 10,
        mode: AcquireMode::BatchOptimized,
    };
    let runs = partition.acquire(NOW, &request);
    let runs: Vec<_> = runs.iter().map(|run| (run.first, run.last)).collect();
    assert_eq!(runs, [(0, 9), (10, 14)]);
}

#[test]
fn a_record_rests_longer_after_each_delivery() {
    let mut partition = fresh(SharePartitionSettings {
        retry_delay: RetryDelay {
            first_ms: 100,
            multiplier_percent: 300,
            max_ms: 10_000,
            jitter_percent: 0,
        },
        ..settings()
    });
    let log = [records(0, 0)];
    fetch(&mut partition, NOW, "a", &log);
    acknowledge(&mut partition, "a", &[answer(0, 0, AckType::Release)]);
    assert_eq!(fetch(&mut partition, NOW + 99, "a", &log), []);
    assert_eq!(partition.next_deadline_ms(NOW), Some(NOW + 100));
    assert_eq!(fetch(&mut partition, NOW + 100, "a", &log), [(0, 0, 2)]);
    acknowledge(&mut partition, "a", &[answer(0, 0, AckType::Release)]);
    assert_eq!(partition.next_deadline_ms(NOW), Some(NOW + 300));
}

#[test]
fn a_reload_delivers_again_what_was_not_over() {
    let runs = [
        stored(2, 3, DeliveryState::Acknowledged, 1),
        stored(4, 4, DeliveryState::Available, 2),
        stored(7, 8, DeliveryState::Archived, 3),
    ];
    let mut partition = SharePartition::load(settings(), (4, 1), 0, &runs, (NOW, 0)).unwrap();
    assert_eq!(partition.next_offset(), 9);
    let log = [records(0, 9)];
    let again = [(0, 1, 1), (4, 4, 3), (5, 6, 1), (9, 9, 1)];
    assert_eq!(fetch(&mut partition, NOW, "a", &log), again);
}

#[test]
fn stored_runs_out_of_order_are_refused() {
    let runs = [
        stored(4, 5, DeliveryState::Available, 1),
        stored(5, 6, DeliveryState::Available, 1),
    ];
    let loaded = SharePartition::load(settings(), (0, 0), 0, &runs, (NOW, 0));
    let error = loaded.unwrap_err();
    assert_eq!(
        error,
        LoadError::Order {
            expected: 6,
            first: 5,
            last: 6
        }
    );
}
