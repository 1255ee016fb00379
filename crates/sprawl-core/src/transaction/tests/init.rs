//! InitProducerId: ids, epochs, fencing.

use super::*;
use crate::coordinator::Machine;
use crate::transaction::request::Input;

#[test]
fn first_producer_gets_a_fresh_id_and_every_later_one_a_greater_epoch() {
    let mut run = Script::new();
    assert_eq!(run.init(), is(100, 0));
    assert_eq!(run.init(), is(100, 1));
    assert_eq!(run.init(), is(100, 2));
    assert_eq!(run.describe().state, TransactionState::Empty);
}

#[test]
fn timeout_outside_the_bounds_is_refused() {
    let mut run = Script::new();
    let error = refused(TransactionError::InvalidTransactionTimeout);
    assert_eq!(run.init_with_timeout(0), error);
    assert_eq!(run.init_with_timeout(-1), error);
    assert_eq!(run.init_with_timeout(15 * 60 * 1_000 + 1), error);
    assert_eq!(run.init_with_timeout(15 * 60 * 1_000), is(1, 0));
}

#[test]
fn nothing_is_known_before_it_is_durable_and_a_second_request_waits_its_turn() {
    let mut run = Script::new();
    run.hold();
    let first = run.start_init(None);
    assert_eq!(run.answer(first), None);
    let second = run.start_init(None);
    let error = refused(TransactionError::ConcurrentTransactions);
    assert_eq!(run.answer(second), Some(error));
    assert_eq!(
        run.shard.describe(script::ID),
        Err(TransactionError::TransactionalIdNotFound)
    );
    run.release();
    assert_eq!(run.answer(first), Some(is(100, 0)));
}

#[test]
fn refused_write_leaves_everything_as_it_was() {
    let mut run = Script::new();
    run.hold();
    let first = run.start_init(None);
    run.refuse();
    let error = refused(TransactionError::CoordinatorNotAvailable);
    assert_eq!(run.answer(first), Some(error.clone()));
    assert_eq!(run.init(), is(101, 0));
    run.hold();
    let second = run.start_init(None);
    run.refuse();
    assert_eq!(run.answer(second), Some(error));
    assert_eq!(run.init(), is(101, 1));
}

#[test]
fn open_transaction_is_aborted_first_and_its_producer_fenced() {
    let mut run = Script::new();
    run.init();
    assert_eq!(run.add(producer(100, 0), &[tp("t")]), Response::Added);
    let error = refused(TransactionError::ConcurrentTransactions);
    assert_eq!(run.init(), error);
    // Nobody can do anything until the markers are written.
    let fenced = refused(TransactionError::ProducerFenced);
    for outcome in [Outcome::Commit, Outcome::Abort] {
        assert_eq!(run.end(producer(100, 0), outcome), error);
        assert_eq!(run.end_v1(producer(100, 0), outcome), fenced);
    }
    assert_eq!(run.add(producer(100, 0), &[tp("u")]), error);
    assert_eq!(run.init(), error, "the markers are not written");
    let markers = run.write_markers();
    assert_eq!(markers.producer, producer(100, 1));
    assert_eq!(markers.outcome, Outcome::Abort);
    assert_eq!(markers.version, TransactionVersion::V2);
    // The old instance can do nothing any more.
    let wrong = refused(TransactionError::InvalidTxnState);
    assert_eq!(run.end(producer(100, 0), Outcome::Commit), wrong);
    assert_eq!(run.add(producer(100, 0), &[tp("u")]), fenced);
    assert_eq!(run.init(), is(100, 2));
    for outcome in [Outcome::Commit, Outcome::Abort] {
        assert_eq!(run.end(producer(100, 0), outcome), fenced);
        assert_eq!(run.end(producer(100, 1), outcome), fenced);
    }
}

#[test]
fn producer_that_comes_back_with_its_epoch_gets_the_next_and_a_retry_the_same() {
    let mut run = Script::new();
    run.init();
    assert_eq!(run.init_as(producer(100, 0)), is(100, 1));
    assert_eq!(run.init_as(producer(100, 0)), is(100, 1), "a retry");
    assert_eq!(run.init_as(producer(100, 1)), is(100, 2));
    let fenced = refused(TransactionError::ProducerFenced);
    assert_eq!(run.init_as(producer(100, 0)), fenced);
    assert_eq!(run.init_as(producer(7, 2)), fenced);
    // A new instance: nobody may retry into its epoch.
    assert_eq!(run.init(), is(100, 3));
    assert_eq!(run.init_as(producer(100, 2)), fenced);
}

#[test]
fn producer_of_a_forgotten_transactional_id_gets_a_fresh_id() {
    let mut run = Script::new();
    assert_eq!(run.init_as(producer(7, 3)), is(100, 0));
}

#[test]
fn used_up_epochs_give_a_fresh_id() {
    let mut run = Script::new();
    run.init();
    run.set_epoch(i16::MAX - 2);
    assert_eq!(run.init(), is(100, i16::MAX - 1));
    assert_eq!(run.init(), is(101, 0));
    run.set_epoch(i16::MAX - 1);
    assert_eq!(run.init_as(producer(101, i16::MAX - 1)), is(102, 0));
    assert_eq!(
        run.init_as(producer(101, i16::MAX - 1)),
        is(102, 0),
        "a retry"
    );
    assert_eq!(
        run.init_as(producer(101, i16::MAX - 1)),
        is(102, 0),
        "another"
    );
    assert_eq!(
        run.init_as(producer(100, i16::MAX - 1)),
        refused(TransactionError::ProducerFenced)
    );
}

#[test]
fn fencing_takes_the_last_epoch_where_it_must_and_the_next_producer_a_fresh_id() {
    let mut run = Script::new();
    run.init();
    run.set_epoch(i16::MAX - 1);
    run.add(producer(100, i16::MAX - 1), &[tp("t")]);
    run.init();
    assert_eq!(run.write_markers().producer, producer(100, i16::MAX));
    let fenced = refused(TransactionError::ProducerFenced);
    assert_eq!(run.add(producer(100, i16::MAX), &[tp("t")]), fenced);
    assert_eq!(run.init(), is(101, 0));
}

#[test]
fn giving_up_the_partition_answers_everything_parked() {
    let mut run = Script::new();
    run.hold();
    let waiting = run.start_init(None);
    run.unload();
    let error = refused(TransactionError::NotCoordinator);
    assert_eq!(run.answer(waiting), Some(error));
}

#[test]
fn empty_transactional_id_is_refused() {
    let mut run = Script::new();
    let request = crate::transaction::InitProducerIdRequest {
        transactional_id: String::new(),
        ..script::init_request()
    };
    let token = crate::coordinator::Token(1_000);
    let effects = run
        .shard
        .step(run.now, Input::InitProducerId(token, request));
    let reply = crate::coordinator::Effect::Reply(token, refused(TransactionError::InvalidRequest));
    assert_eq!(effects, [reply]);
}
