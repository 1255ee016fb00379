//! Transactions that are open for too long, transactional ids that nobody uses, and many at once.

use super::*;

#[test]
fn transaction_open_for_too_long_is_aborted_and_its_producer_fenced() {
    let mut run = Script::new();
    run.init();
    run.add(producer(100, 0), &[tp("t")]);
    run.advance(60_000);
    assert!(run.markers.is_empty());
    run.advance(10_000);
    let markers = run.write_markers();
    assert_eq!(markers.producer, producer(100, 1));
    assert_eq!(markers.outcome, Outcome::Abort);
    let wrong = refused(TransactionError::InvalidTxnState);
    assert_eq!(run.end(producer(100, 0), Outcome::Commit), wrong);
    let fenced = refused(TransactionError::ProducerFenced);
    assert_eq!(run.end_v1(producer(100, 0), Outcome::Abort), fenced);
    assert_eq!(run.init(), is(100, 2));
    assert_eq!(run.end(producer(100, 0), Outcome::Abort), fenced);
}

#[test]
fn producer_that_aborts_what_has_timed_out_goes_on() {
    let mut run = Script::new();
    run.init();
    run.add(producer(100, 0), &[tp("t")]);
    run.advance(70_000);
    let busy = refused(TransactionError::ConcurrentTransactions);
    assert_eq!(run.end(producer(100, 0), Outcome::Abort), busy);
    run.write_markers();
    // As in Kafka, the abort that the coordinator made and the one that is asked for are one.
    assert_eq!(run.end(producer(100, 0), Outcome::Abort), is(100, 1));
    assert!(run.markers.is_empty());
    assert_eq!(run.init_as(producer(100, 0)), is(100, 1), "or it asks so");
    assert_eq!(run.add(producer(100, 1), &[tp("t")]), Response::Added);
}

#[test]
fn producer_that_timed_out_in_its_last_epoch_is_fenced_for_good() {
    let mut run = Script::new();
    run.init();
    run.set_epoch(i16::MAX - 1);
    let last = producer(100, i16::MAX - 1);
    run.add(last, &[tp("t")]);
    run.advance(70_000);
    assert_eq!(run.write_markers().producer, producer(100, i16::MAX));
    let fenced = refused(TransactionError::ProducerFenced);
    assert_eq!(run.end(last, Outcome::Abort), fenced);
    assert_eq!(run.end(last, Outcome::Commit), fenced);
    assert_eq!(run.init(), is(101, 0));
}

#[test]
fn jump_of_the_wall_clock_aborts_nothing() {
    let mut run = Script::new();
    run.init();
    run.add(producer(100, 0), &[tp("t")]);
    run.now.wall_ms += 3_600_000;
    run.advance(30_000);
    assert!(run.markers.is_empty());
}

#[test]
fn further_partitions_do_not_prolong_a_transaction() {
    let mut run = Script::new();
    run.init();
    run.add(producer(100, 0), &[tp("t")]);
    run.advance(55_000);
    run.add(producer(100, 0), &[tp("u")]);
    run.advance(15_000);
    assert_eq!(run.markers.len(), 1);
}

#[test]
fn transactional_id_that_nobody_uses_is_forgotten() {
    const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
    let mut run = Script::new();
    run.init();
    run.advance(WEEK_MS - 1);
    assert_eq!(run.describe().state, TransactionState::Empty);
    run.hold();
    run.advance(60 * 60 * 1_000);
    assert_eq!(
        run.shard.describe(script::ID),
        Err(TransactionError::TransactionalIdNotFound)
    );
    let busy = refused(TransactionError::ConcurrentTransactions);
    assert_eq!(run.init(), busy);
    run.release();
    assert_eq!(run.init(), is(101, 0), "a fresh id");
    run.restart();
    assert_eq!(run.init(), is(101, 1));
}

#[test]
fn open_transaction_is_never_forgotten() {
    const MONTH_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
    let mut run = Script::new();
    run.init();
    run.add(producer(100, 0), &[tp("t")]);
    run.end(producer(100, 0), Outcome::Commit);
    run.advance(MONTH_MS);
    assert_eq!(run.describe().state, TransactionState::PrepareCommit);
}

#[test]
fn limited_number_of_transactions_writes_markers_at_a_time() {
    let mut run = Script::new();
    for _ in 0..100 {
        run.begin_another();
    }
    run.advance(80_000);
    assert_eq!(run.markers.len(), 64);
    let mut ended = 0;
    while !run.markers.is_empty() {
        run.write_markers();
        ended += 1;
    }
    assert_eq!(ended, 100);
    assert_eq!(
        run.shard.count_by_state()[&TransactionState::CompleteAbort],
        100
    );
}
