//! Scenarios for every verdict and refusal, then random histories against a plain model.

use proptest::prelude::*;
use sprawl_model::batch::{Attributes, BatchHeader};
use sprawl_model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

use super::*;

mod transactions;

const NOW: i64 = 1_700_000_000_000;

fn batch(producer: i64, epoch: i16, sequence: i32, count: i32) -> BatchHeader {
    BatchHeader {
        base_offset: Offset(0),
        batch_length: 49,
        leader_epoch: LeaderEpoch(0),
        magic: 2,
        crc: 0,
        attributes: Attributes(0),
        last_offset_delta: count - 1,
        base_timestamp: 0,
        max_timestamp: 1_000 + i64::from(sequence),
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: Sequence(sequence),
        record_count: count,
    }
}

/// Checks and, when the verdict says so, records at the end of the log; returns the base offset.
fn append(states: &mut ProducerStates, mut header: BatchHeader) -> Result<i64, SequenceError> {
    match states.check(&header, Claim::CLIENT)? {
        SequenceVerdict::Append => {
            header.base_offset = states.end_offset();
            states.record(&header, NOW);
            Ok(header.base_offset.0)
        }
        SequenceVerdict::Duplicate { base_offset, .. } => Ok(base_offset.0),
    }
}

fn states() -> ProducerStates {
    ProducerStates::new(Offset(0))
}

fn out_of_order(expected: i32, found: i32) -> SequenceError {
    SequenceError::OutOfOrder {
        producer_id: ProducerId(7),
        expected: Sequence(expected),
        found: Sequence(found),
    }
}

#[test]
fn duplicate_of_any_of_the_last_five_batches_gets_its_first_offset_and_timestamp() {
    let mut states = states();
    for index in 0..6 {
        append(&mut states, batch(7, 0, index * 10, 10)).unwrap();
    }
    for index in 1..6 {
        let verdict = states
            .check(&batch(7, 0, index * 10, 10), Claim::CLIENT)
            .unwrap();
        let (base, last) = (i64::from(index) * 10, i64::from(index) * 10 + 9);
        let timestamp = 1_000 + base;
        let (base_offset, last_offset) = (Offset(base), Offset(last));
        assert_eq!(
            verdict,
            SequenceVerdict::Duplicate {
                base_offset,
                last_offset,
                timestamp
            }
        );
    }
}

#[test]
fn duplicate_older_than_the_window_is_out_of_order() {
    let mut states = states();
    for index in 0..6 {
        append(&mut states, batch(7, 0, index * 10, 10)).unwrap();
    }
    assert_eq!(
        append(&mut states, batch(7, 0, 0, 10)),
        Err(out_of_order(60, 0))
    );
}

#[test]
fn batch_that_overlaps_a_known_one_without_being_it_is_out_of_order() {
    let mut states = states();
    append(&mut states, batch(7, 0, 0, 10)).unwrap();
    assert_eq!(
        append(&mut states, batch(7, 0, 0, 9)),
        Err(out_of_order(10, 0))
    );
    assert_eq!(
        append(&mut states, batch(7, 0, 5, 10)),
        Err(out_of_order(10, 5))
    );
}

#[test]
fn gap_in_the_sequence_is_out_of_order_and_changes_nothing() {
    let mut states = states();
    append(&mut states, batch(7, 0, 0, 10)).unwrap();
    assert_eq!(
        append(&mut states, batch(7, 0, 11, 1)),
        Err(out_of_order(10, 11))
    );
    assert_eq!(append(&mut states, batch(7, 0, 10, 1)), Ok(10));
}

#[test]
fn unknown_producer_may_start_at_any_sequence() {
    let mut states = states();
    assert_eq!(append(&mut states, batch(7, 3, 55, 5)), Ok(0));
    assert_eq!(append(&mut states, batch(7, 3, 60, 5)), Ok(5));
    assert_eq!(
        append(&mut states, batch(7, 3, 66, 5)),
        Err(out_of_order(65, 66))
    );
}

#[test]
fn new_epoch_starts_at_sequence_zero_and_fences_the_old_one() {
    let mut states = states();
    append(&mut states, batch(7, 0, 0, 10)).unwrap();
    assert_eq!(
        append(&mut states, batch(7, 1, 10, 1)),
        Err(out_of_order(0, 10))
    );
    assert_eq!(append(&mut states, batch(7, 1, 0, 1)), Ok(10));
    let fenced = SequenceError::FencedEpoch {
        producer_id: ProducerId(7),
        current: ProducerEpoch(1),
        found: ProducerEpoch(0),
    };
    assert_eq!(append(&mut states, batch(7, 0, 10, 1)), Err(fenced));
    // Even an exact repeat of what the old epoch wrote: it belongs to a fenced instance.
    assert_eq!(append(&mut states, batch(7, 0, 0, 10)), Err(fenced));
}

#[test]
fn new_epoch_forgets_the_batches_of_the_old_one() {
    let mut states = states();
    append(&mut states, batch(7, 0, 0, 1)).unwrap();
    assert_eq!(append(&mut states, batch(7, 1, 0, 1)), Ok(1));
    assert_eq!(append(&mut states, batch(7, 1, 0, 1)), Ok(1));
}

#[test]
fn sequence_after_the_largest_is_zero() {
    let mut states = states();
    assert_eq!(append(&mut states, batch(7, 0, i32::MAX, 1)), Ok(0));
    assert_eq!(
        append(&mut states, batch(7, 0, 1, 1)),
        Err(out_of_order(0, 1))
    );
    assert_eq!(append(&mut states, batch(7, 0, 0, 1)), Ok(1));
}

#[test]
fn batch_whose_sequences_wrap_inside_is_appended_once() {
    let mut states = states();
    let wrapping = batch(7, 0, i32::MAX - 1, 4);
    assert_eq!(append(&mut states, wrapping), Ok(0));
    assert_eq!(append(&mut states, wrapping), Ok(0));
    assert_eq!(append(&mut states, batch(7, 0, 2, 1)), Ok(4));
}

#[test]
fn producers_do_not_see_each_others_sequences() {
    let mut states = states();
    append(&mut states, batch(7, 0, 0, 10)).unwrap();
    assert_eq!(append(&mut states, batch(8, 0, 0, 10)), Ok(10));
    assert_eq!(append(&mut states, batch(7, 0, 10, 1)), Ok(20));
}

#[test]
fn batch_without_a_producer_is_always_appended() {
    let mut states = states();
    for expected in 0..3 {
        assert_eq!(append(&mut states, batch(-1, -1, -1, 1)), Ok(expected));
    }
    assert!(states.is_empty());
}

#[test]
fn producer_without_a_sequence_is_refused() {
    let found = Sequence(-1);
    let refused = SequenceError::NegativeSequence {
        producer_id: ProducerId(7),
        found,
    };
    assert_eq!(
        states().check(&batch(7, 0, -1, 1), Claim::CLIENT),
        Err(refused)
    );
}

#[test]
fn idle_producer_is_forgotten_when_its_time_is_up_and_not_before() {
    let mut states = states();
    append(&mut states, batch(7, 0, 0, 10)).unwrap();
    states.expire(
        NOW + PRODUCER_EXPIRATION_MS_DEFAULT - 1,
        PRODUCER_EXPIRATION_MS_DEFAULT,
    );
    assert_eq!(states.len(), 1);
    states.expire(
        NOW + PRODUCER_EXPIRATION_MS_DEFAULT,
        PRODUCER_EXPIRATION_MS_DEFAULT,
    );
    assert!(states.is_empty());
    assert_eq!(append(&mut states, batch(7, 0, 99, 1)), Ok(10));
}

#[test]
fn producers_beyond_the_cap_push_out_those_idle_longest() {
    let mut states = states();
    for index in 0..PRODUCERS_PER_PARTITION_MAX + 1 {
        let id = i64::try_from(index).unwrap();
        let mut header = batch(id, 0, 0, 1);
        header.base_offset = states.end_offset();
        states.record(&header, id);
    }
    assert!(states.len() <= PRODUCERS_PER_PARTITION_MAX);
    let newest = i64::try_from(PRODUCERS_PER_PARTITION_MAX).unwrap();
    assert!(
        states
            .check(&batch(newest, 0, 5, 1), Claim::CLIENT)
            .is_err(),
        "the newest is remembered"
    );
    assert!(
        states.check(&batch(0, 0, 5, 1), Claim::CLIENT).is_ok(),
        "the oldest is forgotten"
    );
}

#[test]
fn replay_of_the_log_gives_the_state_that_wrote_it() {
    let mut live = states();
    let mut log = Vec::new();
    for header in [
        batch(7, 0, 0, 3),
        batch(8, 0, 40, 2),
        batch(-1, -1, -1, 4),
        batch(7, 0, 3, 3),
        batch(8, 1, 0, 1),
    ] {
        let header = BatchHeader {
            base_offset: live.end_offset(),
            ..header
        };
        assert_eq!(
            live.check(&header, Claim::CLIENT),
            Ok(SequenceVerdict::Append)
        );
        live.record(&header, NOW);
        log.push(header);
    }
    let mut rebuilt = states();
    for header in &log {
        rebuilt.replay(header, NOW);
        rebuilt.replay(header, NOW); // read twice, counted once
    }
    assert_eq!(rebuilt, live);
}

#[test]
fn snapshot_plus_the_rest_of_the_log_is_the_whole_log() {
    let mut live = states();
    let mut snapshot = Vec::new();
    let mut log = Vec::new();
    for index in 0..8 {
        if index == 4 {
            snapshot = live.encode();
        }
        let header = BatchHeader {
            base_offset: live.end_offset(),
            ..batch(7, 0, index * 3, 3)
        };
        live.record(&header, NOW);
        log.push(header);
    }
    let mut rebuilt = ProducerStates::decode(&snapshot).unwrap();
    assert_eq!(rebuilt.end_offset(), Offset(12));
    // A read from offset 12 may begin with batches before it.
    log.iter()
        .skip(2)
        .for_each(|header| rebuilt.replay(header, NOW));
    assert_eq!(rebuilt, live);
}

#[test]
fn snapshot_of_another_version_or_with_changed_bytes_is_refused() {
    let mut states = states();
    append(&mut states, batch(7, 0, 0, 10)).unwrap();
    let bytes = states.encode();
    assert_eq!(ProducerStates::decode(&bytes), Ok(states));
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 0x10;
        assert!(
            ProducerStates::decode(&changed).is_err(),
            "byte {position} changed"
        );
        assert!(
            ProducerStates::decode(&bytes[..position]).is_err(),
            "cut at {position}"
        );
    }
    assert_eq!(
        ProducerStates::decode(&[3]),
        Err(SnapshotError::UnknownVersion { found: 3 })
    );
}

/// What version 1 looks like on disk; a later release must still read it.
#[test]
fn snapshot_fixture_of_version_1_is_read() {
    let bytes = include_bytes!("../../fixtures/producer-snapshot-v1.bin");
    let mut expected = states();
    for header in [
        batch(7, 0, 0, 3),
        batch(7, 0, 3, 3),
        batch(9, 2, i32::MAX - 1, 4),
    ] {
        append(&mut expected, header).unwrap();
    }
    assert_eq!(ProducerStates::decode(bytes), Ok(expected));
}

/// What version 2 looks like on disk: a producer without and two with transactions, one open.
#[test]
fn snapshot_fixture_of_version_2_is_read() {
    let bytes = include_bytes!("../../fixtures/producer-snapshot-v2.bin");
    let mut expected = states();
    append(&mut expected, batch(7, 0, 0, 3)).unwrap();
    transactions::begin(&mut expected, batch(8, 4, 0, 2));
    transactions::begin(&mut expected, batch(9, 1, 0, 5));
    transactions::end(&mut expected, transactions::commit(9, 2)).unwrap();
    expected.settle(expected.end_offset());
    let mut decoded = ProducerStates::decode(bytes).unwrap();
    assert_eq!(decoded.encode(), bytes);
    assert_eq!(expected.encode(), bytes);
    assert_eq!(decoded.first_unstable(), Some(Offset(3)));
    transactions::end(&mut decoded, transactions::commit(8, 5)).unwrap();
    decoded.settle(decoded.end_offset());
    assert_eq!(decoded.first_unstable(), None);
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(
        version in 1..=SNAPSHOT_VERSION,
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut framed = vec![version];
        framed.extend_from_slice(&sprawl_model::checksum::crc32c(&bytes).to_be_bytes());
        framed.extend_from_slice(&bytes);
        if let Ok(states) = ProducerStates::decode(&framed) {
            prop_assert_eq!(ProducerStates::decode(&states.encode()), Ok(states));
        }
    }

    /// A client that sends batches in order, and any of its last five again at any time, finds each
    /// record in the log once and in order, over restarts from a snapshot as well.
    #[test]
    fn retries_within_the_window_never_duplicate_or_reorder(
        start in prop_oneof![Just(0), Just(i32::MAX - 20)],
        steps in proptest::collection::vec((1..5_i32, 0..5_usize, any::<bool>()), 1..60),
    ) {
        let mut states = states();
        let mut sent: Vec<(BatchHeader, i64)> = Vec::new();
        let mut next = start;
        for (count, back, restart) in steps {
            let header = batch(7, 0, next, count);
            let at = append(&mut states, header).unwrap();
            prop_assert_eq!(at + i64::from(count), states.end_offset().0);
            sent.push((header, at));
            next = i32::try_from((i64::from(next) + i64::from(count)) % (1 << 31)).unwrap();
            if restart {
                states = ProducerStates::decode(&states.encode()).unwrap();
            }
            let again = sent.len().saturating_sub(1 + back);
            let (header, at) = sent[again];
            prop_assert_eq!(append(&mut states, header), Ok(at));
        }
    }
}
