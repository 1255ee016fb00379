//! What people see: lists and descriptions.

use super::*;
use crate::transaction::{ListFilter, TransactionIdPattern};

/// The second transactional id of these tests, named by the request before it.
const OTHER: &str = "other-2";

fn ids(run: &Script, filter: &ListFilter) -> Vec<String> {
    run.shard
        .list(filter, run.now.wall_ms)
        .map(|listed| listed.transactional_id)
        .collect()
}

#[test]
fn list_is_filtered_by_state_producer_age_and_pattern() {
    let mut run = Script::new();
    run.init();
    run.begin_another();
    let all = [OTHER, script::ID];
    assert_eq!(ids(&run, &ListFilter::default()), all);
    let open = ListFilter {
        states: Some(vec![TransactionState::Ongoing]),
        ..ListFilter::default()
    };
    assert_eq!(ids(&run, &open), [OTHER]);
    let unknown_states_only = ListFilter {
        states: Some(Vec::new()),
        ..ListFilter::default()
    };
    assert!(ids(&run, &unknown_states_only).is_empty());
    let of_producer = ListFilter {
        producer_ids: vec![ProducerId(100)],
        ..ListFilter::default()
    };
    assert_eq!(ids(&run, &of_producer), [script::ID]);
    run.advance(1_000);
    let old = |ms| ListFilter {
        states: open.states.clone(),
        older_than_ms: Some(ms),
        ..ListFilter::default()
    };
    assert_eq!(ids(&run, &old(999)), [OTHER]);
    assert!(ids(&run, &old(1_000)).is_empty());
    let matching = |pattern: &str| ListFilter {
        pattern: TransactionIdPattern::new(pattern),
        ..ListFilter::default()
    };
    assert_eq!(ids(&run, &matching("other-.*")), [OTHER]);
    assert!(ids(&run, &matching("other")).is_empty(), "the whole id");
}

#[test]
fn pattern_that_is_none_or_too_large_is_refused() {
    assert!(TransactionIdPattern::new("(").is_none());
    assert!(TransactionIdPattern::new(")(").is_none());
    assert!(TransactionIdPattern::new("(a{1000}){1000}").is_none());
}

#[test]
fn description_tells_the_open_transaction() {
    let mut run = Script::new();
    assert_eq!(
        run.shard.describe("nobody"),
        Err(TransactionError::TransactionalIdNotFound)
    );
    run.init();
    assert_eq!(run.describe().start_ms, -1);
    run.add(producer(100, 0), &[tp("t")]);
    let described = run.describe();
    assert_eq!(described.start_ms, run.now.wall_ms);
    assert_eq!(described.timeout_ms, 60_000);
    assert_eq!(described.partitions, [tp("t")]);
    assert_eq!(described.producer, producer(100, 0));
}
