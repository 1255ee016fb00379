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
    let fenced = refused(TransactionError::ProducerFenced);
    assert_eq!(run.end(producer(100, 0), Outcome::Commit), fenced);
    assert_eq!(run.init_as(producer(100, 0)), fenced);
    assert_eq!(run.init(), is(100, 2));
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
