//! The simulator on a few seeds: enough to notice at once what the many seeds of CI would find
//! later.
//!
//! - every seed runs twice with one trace, and no invariant breaks;
//! - with the feature `mutants`, every known bug is caught by the seeds that CI runs.

use sprawl_sim::run::{Outcome, World, check_seed, run_once};

/// The first seeds of those that CI runs.
const SEED_COUNT: u64 = 20;
/// A broker's run is some ten times longer than one of the log alone.
const BROKER_SEED_COUNT: u64 = 5;

fn check(world: World, count: u64) -> Vec<Outcome> {
    let run = |seed| match check_seed(world, seed) {
        Ok(outcome) => outcome,
        Err(failure) => panic!("{failure}"),
    };
    (1..=count).map(run).collect()
}

#[test]
fn log_keeps_its_promises_on_the_first_seeds() {
    check(World::Log, SEED_COUNT);
}

#[test]
fn compaction_keeps_its_promises_on_the_first_seeds() {
    check(World::Compaction, SEED_COUNT);
}

#[test]
fn broker_keeps_its_promises_on_the_first_seeds() {
    let outcomes = check(World::Broker, BROKER_SEED_COUNT);
    let has = |what: fn(&Outcome) -> u64| outcomes.iter().any(|outcome| what(outcome) > 0);
    assert!(has(|outcome| outcome.crash_count));
    assert!(has(|outcome| outcome.deleted_count));
    assert!(has(|outcome| outcome.unreadable_count));
}

#[test]
fn transactions_keep_their_promises_on_the_first_seeds() {
    let outcomes = check(World::Transactions, BROKER_SEED_COUNT);
    assert!(outcomes.iter().any(|outcome| outcome.crash_count > 0));
    assert!(outcomes.iter().all(|outcome| outcome.acked_count > 0));
}

#[test]
fn delayed_records_keep_their_promises_on_the_first_seeds() {
    let outcomes = check(World::Delayed, BROKER_SEED_COUNT);
    assert!(outcomes.iter().any(|outcome| outcome.crash_count > 0));
    assert!(outcomes.iter().all(|outcome| outcome.acked_count > 0));
}

#[test]
fn another_seed_has_another_trace() {
    let hashes = [1, 2].map(|seed| run_once(World::Log, seed, None).trace_hash);
    assert_ne!(hashes[0], hashes[1]);
}

#[cfg(feature = "mutants")]
#[test]
fn mutants_are_caught() {
    for caught in sprawl_sim::mutants::catch_all(1, 100, &|_| {}) {
        assert!(
            caught.caught_by.is_some(),
            "{} goes unnoticed",
            caught.mutant.name()
        );
    }
}
