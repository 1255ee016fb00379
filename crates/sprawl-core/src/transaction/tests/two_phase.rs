//! Two-phase commit (KIP-939): transactions that are kept for a new producer, and never time out.

use super::*;
use crate::transaction::InitProducerIdRequest;

/// A new instance of a producer that takes part in two-phase commit.
fn asking(open_transaction: OpenTransaction) -> InitProducerIdRequest {
    InitProducerIdRequest {
        two_phase_commit: true,
        open_transaction,
        ..script::init_request()
    }
}

fn keeping() -> InitProducerIdRequest {
    asking(OpenTransaction::Keep)
}

/// A producer that is to end what `ongoing` has begun.
fn kept(client: (i64, i16), ongoing: (i64, i16)) -> Response {
    Response::Kept {
        producer: producer(client.0, client.1),
        ongoing: producer(ongoing.0, ongoing.1),
    }
}

/// A transaction of producer 100, epoch 0, with one partition.
fn prepared() -> Script {
    let mut run = Script::new();
    assert_eq!(run.init_with(asking(OpenTransaction::Abort)), is(100, 0));
    assert_eq!(run.add(producer(100, 0), &[tp("t")]), Response::Added);
    run
}

#[test]
fn kept_transaction_is_ended_by_the_new_producer_and_marked_by_the_old_ones_epoch() {
    for (outcome, ended) in [
        (Outcome::Commit, TransactionState::CompleteCommit),
        (Outcome::Abort, TransactionState::CompleteAbort),
    ] {
        let mut run = prepared();
        assert_eq!(run.init_with(keeping()), kept((100, 1), (100, 0)));
        let described = run.describe();
        assert_eq!(described.state, TransactionState::Ongoing);
        assert_eq!(described.producer, producer(100, 0));
        assert_eq!(run.end(producer(100, 1), outcome), is(100, 2));
        let markers = run.write_markers();
        assert_eq!(markers.producer, producer(100, 1));
        assert_eq!(markers.outcome, outcome);
        assert_eq!(markers.partitions, [tp("t")].into());
        assert_eq!(run.describe().state, ended);
        assert_eq!(run.end(producer(100, 1), outcome), is(100, 2), "a retry");
        assert_eq!(run.add(producer(100, 2), &[tp("t")]), Response::Added);
        assert_eq!(run.end(producer(100, 2), Outcome::Commit), is(100, 3));
    }
}

#[test]
fn old_producer_can_neither_end_nor_go_on_with_a_kept_transaction() {
    let mut run = prepared();
    run.init_with(keeping());
    let fenced = refused(TransactionError::ProducerFenced);
    let old = producer(100, 0);
    for outcome in [Outcome::Commit, Outcome::Abort] {
        assert_eq!(run.end(old, outcome), fenced);
        assert_eq!(run.end_v1(old, outcome), fenced);
    }
    assert_eq!(run.add(old, &[tp("u")]), fenced);
    let verified = run.shard.verify(script::ID, old, &[tp("t")]);
    assert_eq!(verified, Err(TransactionError::ProducerFenced));
    // Nor can it abort by asking for its next epoch, or keep the transaction for itself.
    assert_eq!(run.init_as(old), fenced);
    let again = InitProducerIdRequest {
        expected: Some(old),
        ..keeping()
    };
    assert_eq!(run.init_with(again), fenced);
    assert_eq!(run.describe().state, TransactionState::Ongoing);
    assert_eq!(run.end(producer(100, 1), Outcome::Commit), is(100, 2));
    run.write_markers();
    for outcome in [Outcome::Commit, Outcome::Abort] {
        assert_eq!(run.end(old, outcome), fenced);
    }
}

#[test]
fn new_producer_only_ends_a_kept_transaction() {
    let mut run = prepared();
    run.init_with(keeping());
    let wrong = refused(TransactionError::InvalidTxnState);
    assert_eq!(run.add(producer(100, 1), &[tp("t")]), wrong);
    let verified = run.shard.verify(script::ID, producer(100, 1), &[tp("t")]);
    assert_eq!(verified, Err(TransactionError::InvalidTxnState));
}

#[test]
fn each_crash_of_the_one_that_is_to_end_it_fences_the_one_before() {
    let mut run = prepared();
    for epoch in 1..5 {
        assert_eq!(run.init_with(keeping()), kept((100, epoch), (100, 0)));
    }
    let fenced = refused(TransactionError::ProducerFenced);
    assert_eq!(run.end(producer(100, 3), Outcome::Abort), fenced);
    assert_eq!(run.end(producer(100, 4), Outcome::Commit), is(100, 5));
    assert_eq!(run.write_markers().producer, producer(100, 1));
    for epoch in 0..4 {
        assert_eq!(run.end(producer(100, epoch), Outcome::Commit), fenced);
    }
}

#[test]
fn keeping_with_nothing_open_is_an_ordinary_initialisation() {
    let mut run = Script::new();
    assert_eq!(run.init_with(keeping()), is(100, 0));
    assert_eq!(run.init_with(keeping()), is(100, 1));
    run.add(producer(100, 1), &[tp("t")]);
    run.end(producer(100, 1), Outcome::Commit);
    let busy = refused(TransactionError::ConcurrentTransactions);
    assert_eq!(run.init_with(keeping()), busy, "it may say how it ended");
    run.write_markers();
    assert_eq!(run.init_with(keeping()), is(100, 3));
}

#[test]
fn transaction_of_two_phase_commit_never_times_out() {
    const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1_000;
    let mut run = prepared();
    run.advance(YEAR_MS);
    run.restart();
    run.advance(YEAR_MS);
    run.init_with(keeping());
    run.advance(YEAR_MS);
    run.restart_without_two_phase_commit();
    run.advance(YEAR_MS);
    assert!(run.markers.is_empty());
    assert_eq!(run.describe().timeout_ms, i32::MAX);
    assert_eq!(run.end(producer(100, 1), Outcome::Commit), is(100, 2));
}

#[test]
fn ordinary_transaction_that_is_kept_keeps_its_timeout_unless_it_gets_none() {
    let mut run = Script::new();
    run.init();
    run.add(producer(100, 0), &[tp("t")]);
    run.advance(50_000);
    let keep = InitProducerIdRequest {
        open_transaction: OpenTransaction::Keep,
        ..script::init_request()
    };
    assert_eq!(run.init_with(keep), kept((100, 1), (100, 0)));
    run.advance(20_000);
    assert_eq!(run.write_markers().producer, producer(100, 1));
    assert_eq!(run.init(), is(100, 3));
    run.add(producer(100, 3), &[tp("t")]);
    run.advance(50_000);
    run.init_with(keeping());
    run.advance(3_600_000);
    assert!(
        run.markers.is_empty(),
        "it takes part in two-phase commit now"
    );
}

#[test]
fn one_who_takes_no_part_does_not_shorten_what_was_promised() {
    let mut run = prepared();
    let keep = InitProducerIdRequest {
        open_transaction: OpenTransaction::Keep,
        ..script::init_request()
    };
    assert_eq!(run.init_with(keep), kept((100, 1), (100, 0)));
    assert_eq!(run.describe().timeout_ms, i32::MAX);
    run.advance(3_600_000);
    assert!(run.markers.is_empty());
}

#[test]
fn producer_that_does_not_keep_it_aborts_a_prepared_transaction() {
    let mut run = prepared();
    run.init_with(keeping());
    let busy = refused(TransactionError::ConcurrentTransactions);
    assert_eq!(run.init(), busy);
    let markers = run.write_markers();
    assert_eq!(markers.outcome, Outcome::Abort);
    assert_eq!(markers.producer, producer(100, 1));
    let wrong = refused(TransactionError::InvalidTxnState);
    assert_eq!(run.end(producer(100, 1), Outcome::Commit), wrong);
    assert_eq!(run.init(), is(100, 3));
    let fenced = refused(TransactionError::ProducerFenced);
    for epoch in 0..3 {
        for outcome in [Outcome::Commit, Outcome::Abort] {
            assert_eq!(run.end(producer(100, epoch), outcome), fenced);
        }
    }
}

#[test]
fn used_up_epochs_of_the_transaction_give_the_new_producer_a_fresh_id() {
    let mut run = prepared();
    run.set_epoch(i16::MAX - 1);
    let begun = (100, i16::MAX - 1);
    assert_eq!(run.init_with(keeping()), kept((101, 0), begun));
    let fenced = refused(TransactionError::ProducerFenced);
    let old = producer(100, i16::MAX - 1);
    assert_eq!(run.end(old, Outcome::Commit), fenced);
    assert_eq!(run.add(old, &[tp("u")]), fenced);
    run.restart();
    assert_eq!(run.init_with(keeping()), kept((101, 1), begun));
    assert_eq!(run.end(producer(101, 1), Outcome::Commit), is(101, 2));
    run.restart();
    assert_eq!(run.write_markers().producer, producer(100, i16::MAX));
    assert_eq!(run.end(producer(101, 1), Outcome::Commit), is(101, 2));
    let unknown = refused(TransactionError::InvalidProducerIdMapping);
    assert_eq!(run.end(old, Outcome::Commit), unknown);
    assert_eq!(run.add(producer(101, 2), &[tp("t")]), Response::Added);
}

#[test]
fn used_up_epochs_of_the_new_producer_give_a_fresh_id_at_the_next_crash_or_end() {
    let mut run = prepared();
    run.init_with(keeping());
    let last = i16::MAX - 1;
    run.set_next_epoch(last);
    assert_eq!(run.end(producer(100, last), Outcome::Commit), is(101, 0));
    run.restart();
    assert_eq!(run.write_markers().producer, producer(100, 1));
    let again = run.end(producer(100, last), Outcome::Commit);
    assert_eq!(again, is(101, 0), "a retry");
    let mut run = prepared();
    run.init_with(keeping());
    run.set_next_epoch(last);
    assert_eq!(run.init_with(keeping()), kept((101, 0), (100, 0)));
    assert_eq!(run.end(producer(101, 0), Outcome::Abort), is(101, 1));
}

#[test]
fn three_producer_ids_at_once_are_told_apart() {
    let mut run = prepared();
    run.set_epoch(i16::MAX - 1);
    run.init_with(keeping());
    let last = producer(101, i16::MAX - 1);
    run.set_next_epoch(i16::MAX - 1);
    assert_eq!(run.end(last, Outcome::Commit), is(102, 0));
    run.restart();
    assert_eq!(run.write_markers().producer, producer(100, i16::MAX));
    run.restart();
    assert_eq!(run.end(last, Outcome::Commit), is(102, 0), "a retry");
    assert_eq!(run.add(producer(102, 0), &[tp("t")]), Response::Added);
}

#[test]
fn fencing_in_the_last_epoch_of_the_new_producer_still_fences() {
    let mut run = prepared();
    run.init_with(keeping());
    let last = producer(100, i16::MAX - 1);
    run.set_next_epoch(i16::MAX - 1);
    run.init();
    assert_eq!(run.write_markers().producer, producer(100, 1));
    let fenced = refused(TransactionError::ProducerFenced);
    for outcome in [Outcome::Commit, Outcome::Abort] {
        assert_eq!(run.end(last, outcome), fenced);
    }
    assert_eq!(run.init(), is(101, 0));
}

#[test]
fn kept_transaction_survives_a_kill_at_every_step() {
    let mut run = prepared();
    run.hold();
    run.start_init_with(keeping());
    run.restart();
    // The kill came before the record: the producer that began it may still end it.
    assert_eq!(run.describe().state, TransactionState::Ongoing);
    assert_eq!(run.init_with(keeping()), kept((100, 1), (100, 0)));
    run.restart();
    let fenced = refused(TransactionError::ProducerFenced);
    assert_eq!(run.end(producer(100, 0), Outcome::Commit), fenced);
    run.hold();
    run.start_end(producer(100, 1), Outcome::Commit, TransactionVersion::V2);
    run.restart();
    assert_eq!(run.init_with(keeping()), kept((100, 2), (100, 0)));
    assert_eq!(run.end(producer(100, 2), Outcome::Commit), is(100, 3));
    run.restart();
    run.hold();
    run.write_markers();
    run.restart();
    assert_eq!(run.write_markers().producer, producer(100, 1));
    run.restart();
    assert_eq!(run.describe().state, TransactionState::CompleteCommit);
    assert_eq!(run.end(producer(100, 2), Outcome::Commit), is(100, 3));
    assert_eq!(run.init_with(keeping()), is(100, 4));
}

#[test]
fn refused_write_keeps_nothing() {
    let mut run = prepared();
    run.hold();
    let keeping_it = run.start_init_with(keeping());
    run.refuse();
    let full = refused(TransactionError::CoordinatorNotAvailable);
    assert_eq!(run.answer(keeping_it), Some(full));
    assert_eq!(run.end(producer(100, 0), Outcome::Commit), is(100, 1));
}

#[test]
fn client_that_keeps_its_epoch_ends_a_kept_transaction_as_well() {
    let mut run = prepared();
    run.init_with(keeping());
    run.end_v1(producer(100, 1), Outcome::Commit);
    let markers = run.write_markers();
    assert_eq!(markers.producer, producer(100, 1));
    assert_eq!(markers.version, TransactionVersion::V0);
    assert_eq!(run.describe().producer, producer(100, 1));
    assert_eq!(run.end_v1(producer(100, 1), Outcome::Commit), is(100, 1));
    let fenced = refused(TransactionError::ProducerFenced);
    assert_eq!(run.end_v1(producer(100, 0), Outcome::Commit), fenced);
}

#[test]
fn two_phase_commit_is_refused_where_it_is_not_let() {
    let mut run = Script::new();
    run.restart_without_two_phase_commit();
    let refusal = refused(TransactionError::TransactionalIdAuthorizationFailed);
    assert_eq!(run.init_with(keeping()), refusal);
    assert_eq!(run.init_with(asking(OpenTransaction::Abort)), refusal);
    assert_eq!(run.init(), is(100, 0));
}

#[test]
fn two_phase_commit_needs_transaction_version_2() {
    for version in [TransactionVersion::V0, TransactionVersion::V1] {
        let mut run = Script::new();
        run.set_version(version);
        let refusal = refused(TransactionError::UnsupportedVersion);
        assert_eq!(run.init_with(asking(OpenTransaction::Abort)), refusal);
        let keep = InitProducerIdRequest {
            open_transaction: OpenTransaction::Keep,
            ..script::init_request()
        };
        assert_eq!(run.init_with(keep), refusal);
        assert_eq!(run.init(), is(100, 0));
    }
}

#[test]
fn timeout_of_two_phase_commit_is_not_looked_at() {
    let mut run = Script::new();
    let request = InitProducerIdRequest {
        timeout_ms: i32::MAX,
        ..asking(OpenTransaction::Abort)
    };
    assert_eq!(run.init_with(request), is(100, 0));
    assert_eq!(run.describe().timeout_ms, i32::MAX);
    let request = InitProducerIdRequest {
        timeout_ms: i32::MAX,
        ..script::init_request()
    };
    let error = refused(TransactionError::InvalidTransactionTimeout);
    assert_eq!(run.init_with(request), error);
}
