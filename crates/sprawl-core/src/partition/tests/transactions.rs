//! Transactions in a partition: every way in, every way out, every refusal.

use sprawl_model::ProducerIdAndEpoch;
use sprawl_model::batch::{EndTxnMarker, TxnOutcome};

use super::*;

fn transactional(header: BatchHeader) -> BatchHeader {
    BatchHeader {
        attributes: header.attributes.transactional(),
        ..header
    }
}

/// A control batch at the end of the log.
fn control(states: &ProducerStates, end: &EndTxn) -> BatchHeader {
    BatchHeader {
        base_offset: states.end_offset(),
        attributes: Attributes(0).transactional().control(),
        ..batch(end.producer_id.0, end.producer_epoch.0, -1, 1)
    }
}

fn with_outcome(producer: i64, epoch: i16, outcome: TxnOutcome) -> EndTxn {
    EndTxn {
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(epoch),
        marker: EndTxnMarker {
            outcome,
            coordinator_epoch: 0,
        },
        transaction_version: 2,
    }
}

pub(super) fn commit(producer: i64, epoch: i16) -> EndTxn {
    with_outcome(producer, epoch, TxnOutcome::Commit)
}

fn abort(producer: i64, epoch: i16) -> EndTxn {
    with_outcome(producer, epoch, TxnOutcome::Abort)
}

fn of_version_1(end: EndTxn) -> EndTxn {
    EndTxn {
        transaction_version: 1,
        ..end
    }
}

/// Writes a marker at the end of the log.
pub(super) fn end(
    states: &mut ProducerStates,
    end: EndTxn,
) -> Result<Option<CompletedTxn>, MarkerError> {
    states.check_marker(&end)?;
    let header = control(states, &end);
    Ok(states.record_marker(&header, end.marker, NOW))
}

fn asking(header: &BatchHeader, bump: EpochBump) -> Asking {
    Asking {
        producer: ProducerIdAndEpoch {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
        },
        base_sequence: header.base_sequence,
        bump,
    }
}

fn verify(states: &mut ProducerStates, header: &BatchHeader) -> Claim {
    let asking = asking(header, EpochBump::AtInit);
    let verified = states.begin_verification(asking, NOW).unwrap();
    Claim {
        origin: Origin::Client,
        verified,
    }
}

fn write(
    states: &mut ProducerStates,
    header: BatchHeader,
    claim: Claim,
) -> Result<i64, SequenceError> {
    match states.check(&header, claim)? {
        SequenceVerdict::Append => {
            let header = BatchHeader {
                base_offset: states.end_offset(),
                ..header
            };
            states.record(&header, NOW);
            Ok(header.base_offset.0)
        }
        SequenceVerdict::Duplicate { base_offset, .. } => Ok(base_offset.0),
    }
}

/// Writes the first batch of a transaction after the coordinator's word; returns its offset.
pub(super) fn begin(states: &mut ProducerStates, header: BatchHeader) -> i64 {
    let header = transactional(header);
    let claim = verify(states, &header);
    write(states, header, claim).unwrap()
}

fn unverified(result: Result<i64, SequenceError>) -> bool {
    matches!(result, Err(SequenceError::TransactionState { .. }))
}

#[test]
fn transactional_batch_needs_the_coordinators_word_until_its_transaction_is_open() {
    let mut states = states();
    let first = transactional(batch(7, 0, 0, 10));
    assert!(unverified(write(&mut states, first, Claim::CLIENT)));
    let claim = verify(&mut states, &first);
    assert_eq!(write(&mut states, first, claim), Ok(0));
    let second = transactional(batch(7, 0, 10, 10));
    let claim = verify(&mut states, &second);
    assert_eq!(claim.verified, None, "the transaction is open already");
    assert_eq!(write(&mut states, second, Claim::CLIENT), Ok(10));
    // Sent again, both are answered as before.
    assert_eq!(write(&mut states, first, Claim::CLIENT), Ok(0));
    end(&mut states, commit(7, 1)).unwrap();
    let next = transactional(batch(7, 1, 0, 1));
    assert!(unverified(write(&mut states, next, Claim::CLIENT)));
}

#[test]
fn coordinators_word_from_before_the_marker_is_worth_nothing() {
    let mut states = states();
    let late = transactional(batch(7, 0, 0, 10));
    let claim = verify(&mut states, &late);
    end(&mut states, of_version_1(abort(7, 0))).unwrap();
    assert!(unverified(write(&mut states, late, claim)));
    // Nor is it worth anything in the next round.
    let again = verify(&mut states, &late);
    assert_ne!(again, claim);
    assert!(unverified(write(&mut states, late, claim)));
    assert_eq!(write(&mut states, late, again), Ok(1));
}

#[test]
fn word_on_the_next_transaction_outlives_the_marker_of_the_last() {
    // A client whose epoch grows with every transaction begins the next one as soon as the end is
    // decided, before the marker is here.
    let mut states = states();
    begin(&mut states, batch(7, 0, 0, 10));
    let late = transactional(batch(7, 0, 10, 1));
    let next = transactional(batch(7, 1, 0, 1));
    let asking = asking(&next, EpochBump::PerTransaction);
    let claim = Claim {
        origin: Origin::Client,
        verified: states.begin_verification(asking, NOW).unwrap(),
    };
    end(&mut states, commit(7, 1)).unwrap();
    let fenced = write(&mut states, late, claim);
    assert!(matches!(fenced, Err(SequenceError::FencedEpoch { .. })));
    assert_eq!(write(&mut states, next, claim), Ok(11));
    // The marker of its own transaction ends it.
    let claim = Claim {
        origin: Origin::Client,
        verified: states.begin_verification(asking, NOW).unwrap(),
    };
    assert_eq!(claim.verified, None, "the transaction is open already");
    end(&mut states, abort(7, 2)).unwrap();
    let fenced = write(&mut states, transactional(batch(7, 1, 1, 1)), claim);
    assert!(matches!(fenced, Err(SequenceError::FencedEpoch { .. })));
}

#[test]
fn batch_behind_one_that_is_still_being_verified_waits_its_turn() {
    let mut states = states();
    let first = transactional(batch(7, 0, 0, 10));
    let second = transactional(batch(7, 0, 10, 10));
    let one = verify(&mut states, &first);
    let two = verify(&mut states, &second);
    assert_eq!(
        write(&mut states, second, two),
        Err(out_of_order(0, 10)),
        "the first was to come before it"
    );
    assert_eq!(write(&mut states, first, one), Ok(0));
    assert_eq!(write(&mut states, second, two), Ok(10));
}

#[test]
fn lowest_sequence_of_a_newer_epoch_replaces_that_of_an_older_one() {
    let mut states = states();
    verify(&mut states, &transactional(batch(7, 0, 4, 1)));
    let newer = transactional(batch(7, 1, 9, 1));
    let claim = verify(&mut states, &newer);
    assert_eq!(write(&mut states, newer, claim), Ok(0));
}

#[test]
fn producer_whose_epoch_grows_with_its_transactions_begins_at_sequence_0() {
    let mut states = states();
    let header = transactional(batch(7, 3, 5, 1));
    let asking = asking(&header, EpochBump::PerTransaction);
    let verified = states.begin_verification(asking, NOW).unwrap();
    let claim = Claim {
        origin: Origin::Client,
        verified,
    };
    assert_eq!(write(&mut states, header, claim), Err(out_of_order(0, 5)));
}

#[test]
fn fenced_producer_learns_it_without_the_coordinator() {
    let mut states = states();
    end(&mut states, abort(7, 4)).unwrap();
    let old = transactional(batch(7, 3, 0, 1));
    let refused = states.begin_verification(asking(&old, EpochBump::AtInit), NOW);
    assert!(matches!(refused, Err(SequenceError::FencedEpoch { .. })));
    let refused = states.check(&old, Claim::CLIENT);
    assert!(matches!(refused, Err(SequenceError::FencedEpoch { .. })));
}

#[test]
fn batch_outside_the_open_transaction_is_refused() {
    let mut states = states();
    begin(&mut states, batch(7, 0, 0, 1));
    let outside = states.check(&batch(7, 0, 1, 1), Claim::CLIENT);
    assert!(matches!(
        outside,
        Err(SequenceError::TransactionState { .. })
    ));
    end(&mut states, of_version_1(commit(7, 0))).unwrap();
    assert_eq!(append(&mut states, batch(7, 0, 1, 1)), Ok(2));
}

#[test]
fn nothing_from_the_first_open_transaction_on_is_stable() {
    let mut states = states();
    append(&mut states, batch(1, 0, 0, 5)).unwrap();
    assert_eq!(states.first_unstable(), None);
    begin(&mut states, batch(7, 0, 0, 5));
    begin(&mut states, batch(8, 0, 0, 5));
    append(&mut states, batch(1, 0, 5, 5)).unwrap();
    assert_eq!(states.first_unstable(), Some(Offset(5)));
    let completed = end(&mut states, abort(7, 1)).unwrap().unwrap();
    assert_eq!(
        completed,
        CompletedTxn {
            producer_id: ProducerId(7),
            first_offset: Offset(5),
            last_offset: Offset(20),
            outcome: TxnOutcome::Abort,
            last_stable_offset: Offset(10),
        }
    );
    // The marker is written, but a crash could still take it.
    states.settle(Offset(20));
    assert_eq!(states.first_unstable(), Some(Offset(5)));
    states.settle(Offset(21));
    assert_eq!(states.first_unstable(), Some(Offset(10)));
    let completed = end(&mut states, commit(8, 1)).unwrap().unwrap();
    assert_eq!(completed.last_stable_offset, Offset(22));
    states.settle(Offset(22));
    assert_eq!(states.first_unstable(), None);
}

#[test]
fn marker_without_records_ends_nothing_and_fences_all_the_same() {
    let mut states = states();
    assert_eq!(end(&mut states, commit(7, 5)), Ok(None));
    assert_eq!(states.first_unstable(), None);
    let old = states.check(&batch(7, 4, 0, 1), Claim::CLIENT);
    assert!(matches!(old, Err(SequenceError::FencedEpoch { .. })));
}

#[test]
fn marker_of_version_2_ends_only_a_transaction_of_an_older_epoch() {
    let mut states = states();
    begin(&mut states, batch(7, 3, 0, 1));
    let fenced = |found| MarkerError::FencedEpoch {
        producer_id: ProducerId(7),
        current: ProducerEpoch(3),
        found: ProducerEpoch(found),
    };
    // Meant for the transaction before this one, and late.
    assert_eq!(end(&mut states, commit(7, 3)), Err(fenced(3)));
    assert_eq!(end(&mut states, abort(7, 2)), Err(fenced(2)));
    assert!(end(&mut states, commit(7, 4)).unwrap().is_some());
    // Sent again: nothing is open, and it does no harm.
    assert_eq!(end(&mut states, commit(7, 4)), Ok(None));
}

#[test]
fn marker_of_version_1_ends_a_transaction_of_its_own_epoch() {
    let mut states = states();
    begin(&mut states, batch(7, 3, 0, 1));
    let marker = of_version_1(commit(7, 3));
    assert!(end(&mut states, marker).unwrap().is_some());
    let older = of_version_1(commit(7, 2));
    assert!(matches!(
        end(&mut states, older),
        Err(MarkerError::FencedEpoch { .. })
    ));
    // Sequences go on within the epoch.
    assert_eq!(begin(&mut states, batch(7, 3, 1, 1)), 2);
}

#[test]
fn last_epoch_of_all_can_still_be_ended() {
    let mut states = states();
    begin(&mut states, batch(7, i16::MAX, 0, 1));
    assert!(end(&mut states, abort(7, i16::MAX)).unwrap().is_some());
}

#[test]
fn marker_of_an_older_coordinator_is_refused() {
    let mut states = states();
    begin(&mut states, batch(7, 0, 0, 1));
    let mut newer = commit(7, 1);
    newer.marker.coordinator_epoch = 5;
    end(&mut states, newer).unwrap();
    let refused = MarkerError::FencedCoordinator {
        producer_id: ProducerId(7),
        current: 5,
        found: 0,
    };
    assert_eq!(end(&mut states, commit(7, 2)), Err(refused));
}

#[test]
fn sequences_begin_anew_in_the_epoch_of_the_marker() {
    let mut states = states();
    begin(&mut states, batch(7, 0, 0, 10));
    end(&mut states, commit(7, 1)).unwrap();
    let next = transactional(batch(7, 1, 10, 1));
    let claim = verify(&mut states, &next);
    assert_eq!(write(&mut states, next, claim), Err(out_of_order(0, 10)));
    assert_eq!(begin(&mut states, batch(7, 1, 0, 1)), 11);
}

#[test]
fn coordinators_batch_is_checked_for_epoch_and_transaction_but_has_no_sequence() {
    let mut states = states();
    let offsets = transactional(batch(7, 0, -1, 2));
    let alone = states.check(&offsets, Claim::COORDINATOR);
    assert!(matches!(alone, Err(SequenceError::TransactionState { .. })));
    let claim = Claim {
        origin: Origin::Coordinator,
        ..verify(&mut states, &offsets)
    };
    assert_eq!(write(&mut states, offsets, claim), Ok(0));
    assert_eq!(write(&mut states, offsets, Claim::COORDINATOR), Ok(2));
    assert_eq!(states.first_unstable(), Some(Offset(0)));
    let bytes = states.encode();
    assert_eq!(ProducerStates::decode(&bytes).unwrap().encode(), bytes);
    end(&mut states, commit(7, 1)).unwrap();
    let fenced = states.check(&offsets, Claim::COORDINATOR);
    assert!(matches!(fenced, Err(SequenceError::FencedEpoch { .. })));
}

#[test]
fn consent_lasts_for_the_brokers_own_batches_until_the_marker() {
    let mut states = states();
    let offsets = transactional(batch(7, 0, -1, 1));
    let verified = verify(&mut states, &offsets).verified.unwrap();
    states.confirm_verification(ProducerId(7), verified);
    let client = transactional(batch(7, 0, 0, 1));
    assert!(unverified(write(&mut states, client, Claim::CLIENT)));
    end(&mut states, of_version_1(abort(7, 0))).unwrap();
    assert!(unverified(write(&mut states, offsets, Claim::COORDINATOR)));
    // Late consent to the round that the marker ended.
    states.confirm_verification(ProducerId(7), verified);
    let again = verify(&mut states, &offsets).verified.unwrap();
    states.confirm_verification(ProducerId(7), verified);
    assert!(unverified(write(&mut states, offsets, Claim::COORDINATOR)));
    states.confirm_verification(ProducerId(7), again);
    assert_eq!(write(&mut states, offsets, Claim::COORDINATOR), Ok(1));
}

#[test]
fn producer_with_an_open_transaction_is_never_forgotten() {
    let mut states = states();
    begin(&mut states, batch(7, 0, 0, 1));
    append(&mut states, batch(8, 0, 0, 1)).unwrap();
    states.expire(NOW + 1_000, 1_000);
    assert_eq!(
        (states.len(), states.first_unstable()),
        (1, Some(Offset(0)))
    );
    for producer in 100..100 + i64::try_from(PRODUCERS_PER_PARTITION_MAX).unwrap() {
        append(&mut states, batch(producer, 0, 0, 1)).unwrap();
    }
    assert!(states.len() <= PRODUCERS_PER_PARTITION_MAX);
    assert!(end(&mut states, abort(7, 1)).unwrap().is_some());
}

#[test]
fn producers_beyond_the_cap_are_refused_while_all_have_open_transactions() {
    let mut states = states();
    for producer in 0..i64::try_from(PRODUCERS_PER_PARTITION_MAX).unwrap() {
        begin(&mut states, batch(producer, 0, 0, 1));
    }
    let another = states.check(&batch(-5, 0, 0, 1), Claim::CLIENT);
    assert_eq!(another, Err(SequenceError::TooManyProducers));
    end(&mut states, abort(3, 1)).unwrap();
    assert!(states.check(&batch(-5, 0, 0, 1), Claim::CLIENT).is_ok());
}

#[test]
fn rounds_of_verification_beyond_the_cap_push_out_the_oldest() {
    let mut states = states();
    let first = transactional(batch(0, 0, 0, 1));
    let claim = verify(&mut states, &first);
    for producer in 1..=i64::try_from(VERIFICATIONS_PER_PARTITION_MAX).unwrap() {
        verify(&mut states, &transactional(batch(producer, 0, 0, 1)));
    }
    assert!(unverified(write(&mut states, first, claim)));
}

#[test]
fn replaying_the_log_gives_the_same_transactions() {
    let mut live = states();
    let mut log: Vec<(BatchHeader, Option<EndTxnMarker>)> = Vec::new();
    let mut completed = Vec::new();
    for (producer, count) in [(7, 3), (8, 2), (9, 1)] {
        let header = transactional(batch(producer, 0, 0, count));
        let at = begin(&mut live, header);
        let base_offset = Offset(at);
        log.push((
            BatchHeader {
                base_offset,
                ..header
            },
            None,
        ));
    }
    for marker in [abort(8, 1), commit(7, 1)] {
        log.push((control(&live, &marker), Some(marker.marker)));
        completed.extend(end(&mut live, marker).unwrap());
    }
    live.settle(live.end_offset());
    let mut rebuilt = states();
    let mut found = Vec::new();
    for (header, marker) in &log {
        for _ in 0..2 {
            // Read twice, counted once.
            if header.attributes.is_control() {
                found.extend(rebuilt.replay_control(header, *marker, NOW));
            } else {
                rebuilt.replay(header, NOW);
            }
        }
    }
    assert_eq!(found, completed);
    assert_eq!(rebuilt.encode(), live.encode());
    assert_eq!(rebuilt.first_unstable(), Some(Offset(5)));
    assert_eq!(live.first_unstable(), Some(Offset(5)));
}

#[test]
fn batch_that_compaction_emptied_begins_no_transaction() {
    let mut states = states();
    let emptied = BatchHeader {
        record_count: 0,
        ..transactional(batch(7, 0, 0, 3))
    };
    states.replay(&emptied, NOW);
    assert_eq!((states.len(), states.first_unstable()), (1, None));
    assert_eq!(states.end_offset(), Offset(3));
}

#[test]
fn active_producers_show_their_open_transaction() {
    let mut states = states();
    begin(&mut states, batch(7, 2, 0, 10));
    end(&mut states, commit(8, 1)).unwrap();
    let active: Vec<_> = states.active().collect();
    let seven = ActiveProducer {
        producer_id: ProducerId(7),
        producer_epoch: ProducerEpoch(2),
        last_sequence: Sequence(9),
        last_append_ms: NOW,
        coordinator_epoch: -1,
        txn_first_offset: Some(Offset(0)),
    };
    let eight = ActiveProducer {
        producer_id: ProducerId(8),
        producer_epoch: ProducerEpoch(1),
        last_sequence: Sequence(-1),
        coordinator_epoch: 0,
        txn_first_offset: None,
        ..seven
    };
    assert_eq!(active, [seven, eight]);
}
