//! The process dies in each state, and the transaction goes on from its record.

use super::*;

#[test]
fn open_transaction_stays_open() {
    let mut run = Script::new();
    run.init();
    run.add(producer(100, 0), &[tp("t")]);
    let before = run.describe();
    run.restart();
    assert_eq!(run.describe(), before);
    assert!(run.markers.is_empty());
    assert_eq!(run.end(producer(100, 0), Outcome::Commit), is(100, 1));
}

#[test]
fn decided_transaction_writes_its_markers_again() {
    for outcome in [Outcome::Commit, Outcome::Abort] {
        let mut run = Script::new();
        run.init();
        run.add(producer(100, 0), &[tp("t")]);
        run.end(producer(100, 0), outcome);
        let asked = run.markers.clone();
        run.restart();
        assert_eq!(run.markers, asked);
        run.write_markers();
        assert_eq!(run.end(producer(100, 0), outcome), is(100, 1), "a retry");
        run.restart();
        assert!(run.markers.is_empty());
        assert_eq!(run.end(producer(100, 0), outcome), is(100, 1), "a retry");
    }
}

#[test]
fn rotation_of_the_producer_id_goes_on() {
    let mut run = Script::new();
    run.init();
    run.set_epoch(i16::MAX - 1);
    let last = producer(100, i16::MAX - 1);
    run.add(last, &[tp("t")]);
    run.end(last, Outcome::Commit);
    run.restart();
    assert_eq!(run.write_markers().producer, producer(100, i16::MAX));
    run.restart();
    assert_eq!(run.end(last, Outcome::Commit), is(101, 0), "a retry");
}

#[test]
fn write_that_was_not_durable_did_not_happen() {
    let mut run = Script::new();
    run.init();
    run.add(producer(100, 0), &[tp("t")]);
    run.hold();
    run.start_end(producer(100, 0), Outcome::Commit, TransactionVersion::V2);
    run.restart();
    assert_eq!(run.describe().state, TransactionState::Ongoing);
    assert_eq!(run.end(producer(100, 0), Outcome::Abort), is(100, 1));
}

#[test]
fn fenced_producer_stays_fenced() {
    let mut run = Script::new();
    run.init();
    run.add(producer(100, 0), &[tp("t")]);
    run.init();
    run.restart();
    let fenced = refused(TransactionError::ProducerFenced);
    let busy = refused(TransactionError::ConcurrentTransactions);
    assert_eq!(run.add(producer(100, 0), &[tp("t")]), busy);
    run.write_markers();
    assert_eq!(run.add(producer(100, 0), &[tp("t")]), fenced);
    assert_eq!(run.init(), is(100, 2));
    assert_eq!(run.end(producer(100, 0), Outcome::Abort), fenced);
}

#[test]
fn timeout_goes_on_by_the_time_that_has_passed() {
    let mut run = Script::new();
    run.init();
    run.add(producer(100, 0), &[tp("t")]);
    run.advance(50_000);
    run.restart();
    run.advance(9_000);
    assert!(run.markers.is_empty());
    run.advance(12_000);
    assert_eq!(run.markers.len(), 1);
}
