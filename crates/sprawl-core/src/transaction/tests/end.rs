//! AddPartitions and EndTxn: whole transactions, retries, delayed requests.

use super::*;

fn begun() -> Script {
    let mut run = Script::new();
    run.init();
    assert_eq!(run.add(producer(100, 0), &[tp("t")]), Response::Added);
    run
}

#[test]
fn commit_of_version_2_bumps_the_epoch_and_writes_markers_in_it() {
    let mut run = begun();
    run.add(producer(100, 0), &[tp("u")]);
    assert_eq!(run.shard.partitions(script::ID), [tp("t"), tp("u")]);
    assert_eq!(run.end(producer(100, 0), Outcome::Commit), is(100, 1));
    assert_eq!(run.describe().state, TransactionState::PrepareCommit);
    let markers = run.write_markers();
    assert_eq!(markers.producer, producer(100, 1));
    assert_eq!(markers.outcome, Outcome::Commit);
    assert_eq!(markers.version, TransactionVersion::V2);
    assert_eq!(markers.partitions, [tp("t"), tp("u")].into());
    assert_eq!(run.describe().state, TransactionState::CompleteCommit);
    assert_eq!(run.describe().partitions, []);
    assert_eq!(run.add(producer(100, 1), &[tp("t")]), Response::Added);
}

#[test]
fn commit_of_version_1_keeps_the_epoch() {
    let mut run = begun();
    assert_eq!(run.end_v1(producer(100, 0), Outcome::Commit), is(100, 0));
    let markers = run.write_markers();
    assert_eq!(markers.producer, producer(100, 0));
    assert_eq!(markers.version, TransactionVersion::V0);
    assert_eq!(run.add(producer(100, 0), &[tp("t")]), Response::Added);
}

#[test]
fn markers_are_asked_for_only_when_the_decision_is_durable() {
    let mut run = begun();
    run.hold();
    let ending = run.start_end(producer(100, 0), Outcome::Commit, TransactionVersion::V2);
    assert!(run.markers.is_empty());
    assert_eq!(run.answer(ending), None);
    let again = run.start_end(producer(100, 0), Outcome::Commit, TransactionVersion::V2);
    let error = refused(TransactionError::ConcurrentTransactions);
    assert_eq!(run.answer(again), Some(error));
    run.release();
    assert_eq!(run.answer(ending), Some(is(100, 1)));
    assert_eq!(run.markers.len(), 1);
}

#[test]
fn retry_of_version_2_is_told_what_the_first_was_told() {
    let mut run = begun();
    run.end(producer(100, 0), Outcome::Abort);
    let busy = refused(TransactionError::ConcurrentTransactions);
    assert_eq!(run.end(producer(100, 0), Outcome::Abort), busy);
    assert_eq!(run.end(producer(100, 0), Outcome::Commit), busy);
    run.write_markers();
    let wrong = refused(TransactionError::InvalidTxnState);
    assert_eq!(run.end(producer(100, 0), Outcome::Abort), is(100, 1));
    assert_eq!(run.end(producer(100, 0), Outcome::Commit), wrong);
    assert!(run.markers.is_empty(), "nothing is written for a retry");
}

#[test]
fn delayed_end_never_touches_the_next_transaction() {
    let mut run = begun();
    run.end(producer(100, 0), Outcome::Commit);
    run.write_markers();
    run.add(producer(100, 1), &[tp("u")]);
    let fenced = refused(TransactionError::ProducerFenced);
    for outcome in [Outcome::Commit, Outcome::Abort] {
        assert_eq!(run.end(producer(100, 0), outcome), fenced);
        assert_eq!(run.end_v1(producer(100, 0), outcome), fenced);
    }
    assert_eq!(run.describe().state, TransactionState::Ongoing);
    // An epoch that nobody was given is no better.
    assert_eq!(run.end(producer(100, 2), Outcome::Commit), fenced);
}

#[test]
fn retry_of_version_1_goes_by_the_state() {
    let mut run = begun();
    run.end_v1(producer(100, 0), Outcome::Commit);
    let busy = refused(TransactionError::ConcurrentTransactions);
    let wrong = refused(TransactionError::InvalidTxnState);
    assert_eq!(run.end_v1(producer(100, 0), Outcome::Commit), busy);
    assert_eq!(run.end_v1(producer(100, 0), Outcome::Abort), busy);
    run.write_markers();
    assert_eq!(run.end_v1(producer(100, 0), Outcome::Commit), is(100, 0));
    assert_eq!(run.end_v1(producer(100, 0), Outcome::Abort), wrong);
}

#[test]
fn transaction_without_partitions_can_be_aborted_under_version_2_only() {
    let mut run = Script::new();
    run.init();
    let wrong = refused(TransactionError::InvalidTxnState);
    assert_eq!(run.end_v1(producer(100, 0), Outcome::Abort), wrong);
    assert_eq!(run.end(producer(100, 0), Outcome::Commit), wrong);
    assert_eq!(run.end(producer(100, 0), Outcome::Abort), is(100, 1));
    assert!(run.write_markers().partitions.is_empty());
    assert_eq!(run.end(producer(100, 1), Outcome::Commit), wrong);
    assert_eq!(run.end(producer(100, 1), Outcome::Abort), is(100, 2));
    run.write_markers();
    assert_eq!(run.describe().state, TransactionState::CompleteAbort);
}

#[test]
fn strangers_are_refused() {
    let mut run = Script::new();
    let unknown = refused(TransactionError::InvalidProducerIdMapping);
    assert_eq!(run.add(producer(100, 0), &[tp("t")]), unknown);
    assert_eq!(run.end(producer(100, 0), Outcome::Abort), unknown);
    run.init();
    assert_eq!(run.add(producer(7, 0), &[tp("t")]), unknown);
    assert_eq!(run.end(producer(7, 0), Outcome::Abort), unknown);
    assert_eq!(run.end_v1(producer(7, 0), Outcome::Abort), unknown);
    let fenced = refused(TransactionError::ProducerFenced);
    assert_eq!(run.add(producer(100, 1), &[tp("t")]), fenced);
}

#[test]
fn next_transaction_waits_for_the_markers_of_the_last() {
    let mut run = begun();
    run.end(producer(100, 0), Outcome::Commit);
    let busy = refused(TransactionError::ConcurrentTransactions);
    assert_eq!(run.add(producer(100, 1), &[tp("t")]), busy);
    run.hold();
    run.write_markers();
    assert_eq!(
        run.add_held(producer(100, 1)),
        busy,
        "the end is not durable"
    );
    run.release();
    assert_eq!(run.add(producer(100, 1), &[tp("t")]), Response::Added);
}

#[test]
fn partitions_that_are_in_are_answered_without_a_record() {
    let mut run = begun();
    let records = run.log.len();
    assert_eq!(run.add(producer(100, 0), &[tp("t")]), Response::Added);
    assert_eq!(run.log.len(), records);
}

#[test]
fn used_up_epochs_give_the_next_transaction_a_fresh_id() {
    let mut run = Script::new();
    run.init();
    run.set_epoch(i16::MAX - 1);
    let last = producer(100, i16::MAX - 1);
    run.add(last, &[tp("t")]);
    assert_eq!(run.end(last, Outcome::Commit), is(101, 0));
    let busy = refused(TransactionError::ConcurrentTransactions);
    assert_eq!(run.end(last, Outcome::Commit), busy, "a retry");
    // The producer goes by its new id before the markers of its last transaction are written.
    assert_eq!(run.add(producer(101, 0), &[tp("t")]), busy);
    assert_eq!(run.end(producer(101, 0), Outcome::Abort), busy);
    assert_eq!(run.write_markers().producer, producer(100, i16::MAX));
    assert_eq!(run.end(last, Outcome::Commit), is(101, 0), "a retry");
    assert_eq!(run.add(producer(101, 0), &[tp("t")]), Response::Added);
    let fenced = refused(TransactionError::ProducerFenced);
    assert_eq!(run.end(last, Outcome::Commit), fenced, "a delayed one");
}

#[test]
fn producer_that_lost_the_answer_of_its_end_can_initialise_again() {
    let mut run = begun();
    run.end(producer(100, 0), Outcome::Commit);
    run.write_markers();
    assert_eq!(run.init_as(producer(100, 0)), is(100, 1));
}

#[test]
fn end_that_the_log_does_not_take_leaves_the_transaction_open() {
    let mut run = begun();
    run.hold();
    let ending = run.start_end(producer(100, 0), Outcome::Commit, TransactionVersion::V2);
    run.refuse();
    let error = refused(TransactionError::CoordinatorNotAvailable);
    assert_eq!(run.answer(ending), Some(error));
    assert!(run.markers.is_empty());
    assert_eq!(run.end(producer(100, 0), Outcome::Commit), is(100, 1));
}

#[test]
fn completion_that_the_log_does_not_take_is_tried_again() {
    let mut run = begun();
    run.end(producer(100, 0), Outcome::Commit);
    run.hold();
    run.write_markers();
    run.refuse();
    assert_eq!(run.describe().state, TransactionState::PrepareCommit);
    run.advance(1_000);
    assert_eq!(run.describe().state, TransactionState::CompleteCommit);
}

#[test]
fn verification_knows_the_partitions_of_the_open_transaction() {
    let mut run = begun();
    let verify =
        |run: &Script, producer| run.shard.verify(script::ID, producer, &[tp("t"), tp("u")]);
    let expected = vec![Ok(()), Err(TransactionError::TransactionAbortable)];
    assert_eq!(verify(&run, producer(100, 0)), Ok(expected));
    assert_eq!(
        verify(&run, producer(100, 1)),
        Err(TransactionError::ProducerFenced)
    );
    assert_eq!(
        verify(&run, producer(7, 0)),
        Err(TransactionError::InvalidProducerIdMapping)
    );
    run.end_v1(producer(100, 0), Outcome::Commit);
    assert_eq!(
        verify(&run, producer(100, 0)),
        Err(TransactionError::ConcurrentTransactions)
    );
    run.write_markers();
    let gone = vec![Err(TransactionError::TransactionAbortable); 2];
    assert_eq!(verify(&run, producer(100, 0)), Ok(gone));
}
