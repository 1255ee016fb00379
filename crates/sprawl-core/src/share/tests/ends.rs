//! How records end without being consumed: locks, members that go, the log's start, death.

use super::*;

#[test]
fn a_lock_that_runs_out_gives_the_record_to_the_next() {
    let mut partition = fresh(settings());
    let log = [records(0, 4)];
    fetch(&mut partition, NOW, "a", &log);
    assert_eq!(partition.expire_locks((NOW + 29_999, 0)), None);
    let write = partition.expire_locks((NOW + 30_000, 0)).unwrap();
    assert_eq!(write.batches, [stored(0, 4, DeliveryState::Available, 1)]);
    partition.written(write.id, Ok(()));
    assert_eq!(fetch(&mut partition, NOW, "b", &log), [(0, 4, 2)]);
    let late = partition.acknowledge((NOW, 0), "a", &[answer(0, 4, AckType::Accept)]);
    assert_eq!(late, Err(AckError::NotHeld { offset: 0 }));
}

#[test]
fn a_member_that_goes_gives_back_without_a_delivery_counted() {
    let mut partition = fresh(settings());
    let log = [records(0, 4)];
    fetch(&mut partition, NOW, "a", &log);
    let write = partition.release_member("a").unwrap();
    assert_eq!(write.batches, [stored(0, 4, DeliveryState::Available, 0)]);
    partition.written(write.id, Ok(()));
    assert_eq!(fetch(&mut partition, NOW, "b", &log), [(0, 4, 1)]);
    assert_eq!(partition.release_member("a"), None);
}

#[test]
fn what_the_log_dropped_is_expired() {
    let mut partition = fresh(settings());
    fetch(&mut partition, NOW, "a", &[records(0, 4)]);
    acknowledge(
        &mut partition,
        "a",
        &[
            answer(0, 1, AckType::Release),
            answer(4, 4, AckType::Accept),
        ],
    );
    partition.expire_before(8);
    // Offsets 2 and 3 are still held, so that they hold up the start.
    assert_eq!(partition.start_offset(), 2);
    acknowledge(&mut partition, "a", &[answer(2, 3, AckType::Accept)]);
    assert_eq!(partition.start_offset(), 8);
    let counts = partition.counts();
    assert_eq!(
        (counts.entered, counts.acknowledged, counts.expired),
        (8, 3, 5)
    );
}

fn with_dead_letters() -> SharePartition {
    let mut partition = fresh(SharePartitionSettings {
        dead_letters: DeadLetters::Moved,
        ..settings()
    });
    fetch(&mut partition, NOW, "a", &[records(0, 4)]);
    partition
}

fn letter(first: i64, last: i64, cause: DeathCause, may_be_moved: bool) -> DeadLetter {
    DeadLetter {
        first,
        last,
        delivery_count: 1,
        cause,
        may_be_moved,
    }
}

#[test]
fn a_rejected_record_is_written_moved_and_then_over() {
    let mut partition = with_dead_letters();
    let rejection = [answer(1, 2, AckType::Reject)];
    let write = partition
        .acknowledge((NOW, 0), "a", &rejection)
        .unwrap()
        .unwrap();
    assert_eq!(write.batches, [stored(1, 2, DeliveryState::Archiving, 1)]);
    assert_eq!(partition.take_dead_letters(NOW), []);
    partition.written(write.id, Ok(()));
    let letters = partition.take_dead_letters(NOW);
    assert_eq!(letters, [letter(1, 2, DeathCause::Rejected, false)]);
    assert_eq!(partition.take_dead_letters(NOW), []);
    assert_eq!(partition.counts().dead, 0);
    let write = partition.dead_letters_moved(&letters).unwrap();
    assert_eq!(write.batches, [stored(1, 2, DeliveryState::Archived, 1)]);
    partition.written(write.id, Ok(()));
    assert_eq!(partition.counts().dead, 2);
}

#[test]
fn a_move_that_fails_is_tried_again_with_a_look_first() {
    let mut partition = with_dead_letters();
    acknowledge(&mut partition, "a", &[answer(0, 0, AckType::Reject)]);
    let letters = partition.take_dead_letters(NOW);
    partition.dead_letters_failed(&letters, NOW + 500);
    assert_eq!(partition.take_dead_letters(NOW + 499), []);
    assert_eq!(partition.next_deadline_ms(NOW), Some(NOW + 500));
    let again = partition.take_dead_letters(NOW + 500);
    assert_eq!(again, [letter(0, 0, DeathCause::Rejected, true)]);
}

#[test]
fn a_dead_record_found_at_a_start_is_looked_for_before_it_is_moved() {
    let runs = [stored(0, 1, DeliveryState::Archiving, 1)];
    let mut partition = SharePartition::load(settings(), (0, 0), 0, &runs, (NOW, 0)).unwrap();
    assert_eq!(fetch(&mut partition, NOW, "a", &[records(0, 1)]), []);
    let letters = partition.take_dead_letters(NOW);
    assert_eq!(letters, [letter(0, 1, DeathCause::Unknown, true)]);
}

#[test]
fn a_lock_that_runs_out_for_the_last_time_kills() {
    let mut partition = fresh(SharePartitionSettings {
        delivery_count_limit: 1,
        ..settings()
    });
    fetch(&mut partition, NOW, "a", &[records(0, 4)]);
    let write = partition.expire_locks((NOW + 30_000, 0)).unwrap();
    assert_eq!((write.start_offset, write.batches), (5, vec![]));
    partition.written(write.id, Ok(()));
    assert_eq!(partition.counts().dead, 5);
}
