//! What members may say of records, and what is written then.

use super::*;

fn held(first: i64, last: i64) -> SharePartition {
    let mut partition = fresh(settings());
    fetch(&mut partition, NOW, "a", &[records(first, last)]);
    partition
}

#[test]
fn an_accepted_head_is_written_as_a_start_offset_alone() {
    let mut partition = held(0, 9);
    let write = acknowledge(&mut partition, "a", &[answer(0, 4, AckType::Accept)]);
    assert_eq!((write.start_offset, write.batches), (5, vec![]));
    assert_eq!(write.delivery_complete_count, 0);
    assert_eq!(partition.counts().acknowledged, 5);
}

#[test]
fn records_accepted_out_of_order_are_written_as_runs_behind_the_start() {
    let mut partition = held(0, 9);
    let write = acknowledge(&mut partition, "a", &[answer(4, 6, AckType::Accept)]);
    assert_eq!(write.start_offset, 0);
    assert_eq!(write.delivery_complete_count, 3);
    assert_eq!(
        write.batches,
        [stored(4, 6, DeliveryState::Acknowledged, 1)]
    );
    let write = acknowledge(&mut partition, "a", &[answer(0, 3, AckType::Accept)]);
    assert_eq!((write.start_offset, write.batches), (7, vec![]));
}

#[test]
fn each_offset_may_have_a_type_of_its_own() {
    let mut partition = held(0, 4);
    let types = vec![
        AckType::Accept,
        AckType::Gap,
        AckType::Release,
        AckType::Reject,
        AckType::Accept,
    ];
    let answers = [AckBatch {
        first: 0,
        last: 4,
        types,
    }];
    let write = acknowledge(&mut partition, "a", &answers);
    assert_eq!(write.start_offset, 2);
    let runs = [
        stored(2, 2, DeliveryState::Available, 1),
        stored(3, 3, DeliveryState::Archived, 1),
        stored(4, 4, DeliveryState::Acknowledged, 1),
    ];
    assert_eq!(write.batches, runs);
    let counts = partition.counts();
    assert_eq!(
        (
            counts.entered,
            counts.acknowledged,
            counts.dead,
            counts.live
        ),
        (4, 2, 1, 1)
    );
}

#[test]
fn nobody_but_the_holder_answers_for_a_record() {
    let mut partition = held(0, 4);
    let answers = [answer(2, 3, AckType::Accept)];
    let refused = partition.acknowledge((NOW, 0), "b", &answers);
    assert_eq!(refused, Err(AckError::NotHeld { offset: 2 }));
    acknowledge(&mut partition, "a", &answers);
    let twice = partition.acknowledge((NOW, 0), "a", &answers);
    assert_eq!(twice, Err(AckError::NotHeld { offset: 2 }));
}

#[test]
fn an_answer_that_fits_in_part_changes_nothing() {
    let mut partition = held(0, 4);
    let answers = [answer(0, 1, AckType::Accept), answer(4, 5, AckType::Accept)];
    let refused = partition.acknowledge((NOW, 0), "a", &answers);
    assert_eq!(refused, Err(AckError::NotHeld { offset: 5 }));
    assert_eq!(partition.counts().live, 5);
    assert!(partition.is_held_by("a"));
}

#[test]
fn answers_before_the_start_offset_come_too_late() {
    let mut partition = held(0, 4);
    acknowledge(&mut partition, "a", &[answer(0, 2, AckType::Accept)]);
    for last in [2, 4] {
        let late = partition.acknowledge((NOW, 0), "b", &[answer(0, last, AckType::Accept)]);
        assert_eq!(late, Err(AckError::NotHeld { offset: 0 }));
    }
    assert_eq!(partition.counts().live, 2);
}

#[test]
fn malformed_answers_are_refused() {
    let mut partition = held(0, 4);
    let wrong_count = AckBatch {
        first: 0,
        last: 2,
        types: vec![AckType::Accept; 2],
    };
    let none = AckBatch {
        first: 0,
        last: 2,
        types: Vec::new(),
    };
    let backwards = answer(3, 2, AckType::Accept);
    let negative = answer(-1, 2, AckType::Accept);
    for bad in [wrong_count, none, backwards, negative] {
        let refused = partition.acknowledge((NOW, 0), "a", std::slice::from_ref(&bad));
        let (first, last) = (bad.first, bad.last);
        assert_eq!(refused, Err(AckError::Malformed { first, last }));
    }
    let overlapping = [answer(0, 2, AckType::Accept), answer(2, 3, AckType::Accept)];
    let refused = partition.acknowledge((NOW, 0), "a", &overlapping);
    assert_eq!(refused, Err(AckError::Malformed { first: 2, last: 3 }));
}

#[test]
fn a_failed_write_gives_the_record_back_to_its_holder() {
    let mut partition = held(0, 4);
    let answers = [answer(0, 4, AckType::Accept)];
    let write = partition
        .acknowledge((NOW, 0), "a", &answers)
        .unwrap()
        .unwrap();
    let meanwhile = partition.acknowledge((NOW, 0), "a", &answers);
    assert_eq!(meanwhile, Err(AckError::NotHeld { offset: 0 }));
    partition.written(write.id, Err(()));
    assert_eq!(partition.counts().live, 5);
    acknowledge(&mut partition, "a", &answers);
    assert_eq!(partition.counts().acknowledged, 5);
}

#[test]
fn a_release_is_not_delivered_before_it_is_written() {
    let mut partition = held(0, 4);
    let answers = [answer(0, 4, AckType::Release)];
    let write = partition
        .acknowledge((NOW, 0), "a", &answers)
        .unwrap()
        .unwrap();
    assert_eq!(partition.fetch_offset(NOW), Some(5));
    partition.written(write.id, Ok(()));
    assert_eq!(partition.fetch_offset(NOW), Some(0));
}

#[test]
fn renewal_starts_the_lock_again_and_writes_nothing() {
    let mut partition = held(0, 4);
    let renewed = partition.acknowledge((NOW + 20_000, 0), "a", &[answer(0, 1, AckType::Renew)]);
    assert_eq!(renewed, Ok(None));
    let write = partition.expire_locks((NOW + 30_000, 0)).unwrap();
    assert_eq!(write.batches, [stored(2, 4, DeliveryState::Available, 1)]);
    assert_eq!(partition.next_deadline_ms(NOW), Some(NOW + 50_000));
}
