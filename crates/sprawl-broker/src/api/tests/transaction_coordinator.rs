//! Transactions from InitProducerId to the last marker, over the wire, with kills in between.

use std::time::Duration;

use sprawl_io::time;
use sprawl_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use sprawl_protocol::messages::describe_transactions_response::TransactionState;

use super::transactions::{append_in_txn, read_committed, seen};
use super::*;

pub(super) const ID: &str = "txn";

/// The last version of EndTxn that keeps the epoch.
pub(super) const PLAIN: i16 = 4;

pub(super) async fn start(settings: &[(&str, &str)]) -> Node {
    let mut node = Node::start(settings).await;
    node.create_one(topic("t", 2, 1)).await;
    assert_eq!(node.find_coordinator().await, NONE);
    node.loaded().await;
    node
}

impl Node {
    /// FindCoordinator, which makes the topic of transactional ids.
    async fn find_coordinator(&mut self) -> i16 {
        let request = FindCoordinatorRequest::default()
            .with_key_type(1)
            .with_coordinator_keys(vec![text(ID)]);
        match self.call(4, request).await {
            Response::FindCoordinator(response) => response.coordinators[0].error_code,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the coordinator has read its log.
    async fn loaded(&mut self) {
        let loading = ErrorCode::CoordinatorLoadInProgress.number();
        while self.describe_transaction(ID).await.error_code == loading {
            time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn restart_loaded(self) -> Self {
        let mut node = self.kill_and_restart().await;
        node.loaded().await;
        node
    }

    pub(super) async fn init(&mut self, version: i16, expected: (i64, i16)) -> (i16, (i64, i16)) {
        let request = InitProducerIdRequest {
            transactional_id: Some(TransactionalId(text(ID))),
            transaction_timeout_ms: 1_000,
            producer_id: ProducerId(expected.0),
            producer_epoch: expected.1,
            ..Default::default()
        };
        match self.call(version, request).await {
            Response::InitProducerId(response) => (
                response.error_code,
                (response.producer_id.0, response.producer_epoch),
            ),
            other => panic!("{other:?}"),
        }
    }

    /// A new instance of the producer.
    pub(super) async fn init_new(&mut self) -> (i64, i16) {
        let (code, producer) = self.init(5, (-1, -1)).await;
        assert_eq!(code, NONE);
        producer
    }

    pub(super) async fn add(
        &mut self,
        version: i16,
        producer: (i64, i16),
        partitions: &[i32],
    ) -> Vec<i16> {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(partitions.to_vec());
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(TransactionalId(text(ID)))
            .with_v3_and_below_producer_id(ProducerId(producer.0))
            .with_v3_and_below_producer_epoch(producer.1)
            .with_v3_and_below_topics(vec![topic]);
        match self.call(version, request).await {
            Response::AddPartitionsToTxn(response) => response
                .results_by_topic_v3_and_below
                .iter()
                .flat_map(|topic| &topic.results_by_partition)
                .map(|partition| partition.partition_error_code)
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn end(
        &mut self,
        version: i16,
        producer: (i64, i16),
        commit: bool,
    ) -> (i16, (i64, i16)) {
        let request = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text(ID)))
            .with_producer_id(ProducerId(producer.0))
            .with_producer_epoch(producer.1)
            .with_committed(commit);
        match self.call(version, request).await {
            Response::EndTxn(response) => (
                response.error_code,
                (response.producer_id.0, response.producer_epoch),
            ),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn describe_transaction(&mut self, id: &str) -> TransactionState {
        let request = DescribeTransactionsRequest::default()
            .with_transactional_ids(vec![TransactionalId(text(id))]);
        match self.call(0, request).await {
            Response::DescribeTransactions(mut response) => response.transaction_states.remove(0),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn state(&mut self) -> String {
        let described = self.describe_transaction(ID).await;
        assert_eq!(described.error_code, NONE);
        described.transaction_state.to_string()
    }

    /// Waits until the transaction is in a state.
    pub(super) async fn reach(&mut self, state: &str) {
        for _ in 0..1_000 {
            if self.state().await == state {
                return;
            }
            time::sleep(Duration::from_millis(10)).await;
        }
        panic!("expected {state}, found {}", self.state().await);
    }

    async fn list(&mut self, request: ListTransactionsRequest) -> (i16, Vec<String>, Vec<String>) {
        match self.call(2, request).await {
            Response::ListTransactions(response) => {
                let listed = response.transaction_states.into_iter();
                let unknown = response.unknown_state_filters.into_iter();
                (
                    response.error_code,
                    listed
                        .map(|each| each.transactional_id.to_string())
                        .collect(),
                    unknown.map(|name| name.to_string()).collect(),
                )
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The version of EndTxn that bumps the epoch.
pub(super) const BUMPING: i16 = 5;

/// A transaction with a record in partition 0.
async fn begin(node: &mut Node) -> (i64, i16) {
    let producer = node.init_new().await;
    assert_eq!(node.add(3, producer, &[0]).await, [NONE]);
    append_in_txn(node, producer, 0, &["a"]).await;
    producer
}

#[test]
fn committed_transaction_is_seen_when_its_markers_are_written() {
    simulate(async {
        let mut node = start(&[]).await;
        let producer = begin(&mut node).await;
        assert_eq!(node.state().await, "Ongoing");
        assert_eq!(seen(&read_committed(&mut node, 0).await), (vec![], vec![]));
        assert_eq!(node.end(PLAIN, producer, true).await.0, NONE);
        node.reach("CompleteCommit").await;
        assert_eq!(seen(&read_committed(&mut node, 0).await), (vec![0], vec![]));
    });
}

#[test]
fn aborted_transaction_is_told_and_the_next_one_begins_in_the_same_epoch() {
    simulate(async {
        let mut node = start(&[]).await;
        let producer = begin(&mut node).await;
        assert_eq!(node.end(PLAIN, producer, false).await.0, NONE);
        node.reach("CompleteAbort").await;
        let aborted = vec![(producer.0, 0)];
        assert_eq!(
            seen(&read_committed(&mut node, 0).await),
            (vec![0], aborted)
        );
        assert_eq!(node.add(3, producer, &[0, 1]).await, [NONE, NONE]);
        let described = node.describe_transaction(ID).await;
        assert_eq!(described.topics[0].topic, topic_name("t"));
        assert_eq!(described.topics[0].partitions, [0, 1]);
        assert_eq!(described.producer_id.0, producer.0);
        assert_eq!(described.transaction_timeout_ms, 1_000);
    });
}

#[test]
fn transaction_goes_on_after_a_kill_in_each_state() {
    simulate(async {
        let mut node = start(&[]).await;
        let producer = node.init_new().await;
        node = node.restart_loaded().await;
        assert_eq!(node.state().await, "Empty");
        assert_eq!(node.add(3, producer, &[0]).await, [NONE]);
        append_in_txn(&node, producer, 0, &["a"]).await;
        node = node.restart_loaded().await;
        assert_eq!(node.state().await, "Ongoing");
        assert_eq!(seen(&read_committed(&mut node, 0).await), (vec![], vec![]));
        // The decision is durable when it is told; markers may be written, or not, at the kill.
        assert_eq!(node.end(PLAIN, producer, true).await.0, NONE);
        node = node.restart_loaded().await;
        node.reach("CompleteCommit").await;
        assert_eq!(seen(&read_committed(&mut node, 0).await), (vec![0], vec![]));
        node = node.restart_loaded().await;
        assert_eq!(node.state().await, "CompleteCommit");
        assert_eq!(node.end(PLAIN, producer, true).await.0, NONE, "a retry");
        let wrong = ErrorCode::InvalidTxnState.number();
        assert_eq!(node.end(PLAIN, producer, false).await.0, wrong);
    });
}

#[test]
fn new_instance_aborts_what_the_old_one_left_open_and_fences_it() {
    simulate(async {
        let mut node = start(&[]).await;
        let old = begin(&mut node).await;
        let busy = ErrorCode::ConcurrentTransactions.number();
        assert_eq!(node.init(5, (-1, -1)).await.0, busy);
        node.reach("CompleteAbort").await;
        let new = node.init_new().await;
        assert_eq!(new, (old.0, old.1 + 2));
        // Old clients know only the older name of being fenced.
        let (fenced, stale) = (
            ErrorCode::ProducerFenced.number(),
            ErrorCode::InvalidProducerEpoch.number(),
        );
        for version in 0..=3 {
            let expected = if version < 2 { stale } else { fenced };
            assert_eq!(node.add(version, old, &[0]).await, [expected]);
        }
        for version in 0..=PLAIN {
            let expected = if version < 2 { stale } else { fenced };
            assert_eq!(node.end(version, old, true).await.0, expected);
        }
        for version in 3..=5 {
            let expected = if version < 4 { stale } else { fenced };
            assert_eq!(node.init(version, old).await.0, expected);
        }
        let invalid = ErrorCode::InvalidRequest.number();
        assert_eq!(node.init(5, (old.0, -1)).await.0, invalid);
        assert_eq!(node.init(5, new).await, (NONE, (new.0, new.1 + 1)));
    });
}

#[test]
fn transaction_open_for_too_long_is_aborted() {
    simulate(async {
        let interval = (
            "transaction.abort.timed.out.transaction.cleanup.interval.ms",
            "100",
        );
        let mut node = start(&[interval]).await;
        let producer = begin(&mut node).await;
        time::sleep(Duration::from_millis(900)).await;
        assert_eq!(node.state().await, "Ongoing");
        node.reach("CompleteAbort").await;
        let aborted = vec![(producer.0, 0)];
        assert_eq!(
            seen(&read_committed(&mut node, 0).await),
            (vec![0], aborted)
        );
        let fenced = ErrorCode::ProducerFenced.number();
        assert_eq!(node.end(PLAIN, producer, true).await.0, fenced);
    });
}

#[test]
fn partition_deleted_meanwhile_does_not_keep_a_transaction_open() {
    simulate(async {
        let mut node = start(&[]).await;
        let producer = begin(&mut node).await;
        let state = DeleteTopicState::default().with_name(Some(topic_name("t")));
        let request = DeleteTopicsRequest::default().with_topics(vec![state]);
        assert_eq!(node.delete(6, request).await, [NONE]);
        assert_eq!(node.end(PLAIN, producer, true).await.0, NONE);
        node.reach("CompleteCommit").await;
    });
}

#[test]
fn one_missing_partition_keeps_all_out() {
    simulate(async {
        let mut node = start(&[]).await;
        let producer = node.init_new().await;
        let (missing, skipped) = (
            ErrorCode::UnknownTopicOrPartition.number(),
            ErrorCode::OperationNotAttempted.number(),
        );
        assert_eq!(node.add(3, producer, &[0, 7]).await, [skipped, missing]);
        assert_eq!(node.state().await, "Empty");
    });
}

#[test]
fn brokers_add_and_verify_several_transactions_at_once() {
    simulate(async {
        let mut node = start(&[]).await;
        let producer = begin(&mut node).await;
        let transaction = |id: &str, partitions: &[i32], verify_only| {
            let topic = AddPartitionsToTxnTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(partitions.to_vec());
            AddPartitionsToTxnTransaction::default()
                .with_transactional_id(TransactionalId(text(id)))
                .with_producer_id(ProducerId(producer.0))
                .with_producer_epoch(producer.1)
                .with_verify_only(verify_only)
                .with_topics(vec![topic])
        };
        let codes = |response: AddPartitionsToTxnResponse| {
            let results = response.results_by_transaction.into_iter();
            results
                .map(|result| {
                    let topic = &result.topic_results[0];
                    let partitions = topic.results_by_partition.iter();
                    partitions
                        .map(|partition| partition.partition_error_code)
                        .collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        };
        for (version, transactions, expected) in [
            (
                4,
                vec![
                    transaction(ID, &[0, 1], true),
                    transaction("nobody", &[0], true),
                ],
                vec![
                    vec![NONE, ErrorCode::TransactionAbortable.number()],
                    vec![ErrorCode::InvalidProducerIdMapping.number()],
                ],
            ),
            (5, vec![transaction(ID, &[1], false)], vec![vec![NONE]]),
            (
                5,
                vec![transaction(ID, &[0, 1], true)],
                vec![vec![NONE, NONE]],
            ),
        ] {
            let request = AddPartitionsToTxnRequest::default().with_transactions(transactions);
            match node.call(version, request).await {
                Response::AddPartitionsToTxn(response) => assert_eq!(codes(response), expected),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn offsets_of_a_group_join_a_transaction_by_their_partition() {
    simulate(async {
        let mut node = start(&[("offsets.topic.num.partitions", "1")]).await;
        let producer = node.init_new().await;
        for version in 0..=4 {
            let request = AddOffsetsToTxnRequest::default()
                .with_transactional_id(TransactionalId(text(ID)))
                .with_producer_id(ProducerId(producer.0))
                .with_producer_epoch(producer.1)
                .with_group_id(GroupId(text("g")));
            match node.call(version, request).await {
                Response::AddOffsetsToTxn(response) => assert_eq!(response.error_code, NONE),
                other => panic!("{other:?}"),
            }
        }
        let described = node.describe_transaction(ID).await;
        assert_eq!(described.topics[0].topic, topic_name("__consumer_offsets"));
        assert_eq!(described.topics[0].partitions, [0]);
    });
}

#[test]
fn transactions_are_listed_by_state_producer_and_pattern() {
    simulate(async {
        let mut node = start(&[]).await;
        let producer = begin(&mut node).await;
        let all = ListTransactionsRequest::default();
        let found = (NONE, vec![ID.to_owned()], vec![]);
        assert_eq!(node.list(all.clone()).await, found);
        let states = vec![text("Ongoing"), text("Sleeping")];
        let by_state = all.clone().with_state_filters(states);
        let told = (NONE, vec![ID.to_owned()], vec!["Sleeping".to_owned()]);
        assert_eq!(node.list(by_state).await, told);
        let nothing = (NONE, vec![], vec![]);
        let empty = all.clone().with_state_filters(vec![text("Empty")]);
        assert_eq!(node.list(empty).await, nothing);
        let stranger = vec![ProducerId(producer.0 + 1)];
        let by_producer = all.clone().with_producer_id_filters(stranger);
        assert_eq!(node.list(by_producer).await, nothing);
        let younger = all.clone().with_duration_filter(3_600_000);
        assert_eq!(node.list(younger).await, nothing);
        let by_pattern = |pattern: &str| {
            all.clone()
                .with_transactional_id_pattern(Some(text(pattern)))
        };
        assert_eq!(node.list(by_pattern("t.n")).await, found);
        assert_eq!(node.list(by_pattern("t")).await, nothing);
        let invalid = ErrorCode::InvalidRegularExpression.number();
        assert_eq!(node.list(by_pattern("(")).await.0, invalid);
    });
}

#[test]
fn requests_that_name_no_transactional_id_are_refused() {
    simulate(async {
        let mut node = start(&[]).await;
        let missing = ErrorCode::TransactionalIdNotFound.number();
        assert_eq!(node.describe_transaction(ID).await.error_code, missing);
        let invalid = ErrorCode::InvalidRequest.number();
        assert_eq!(node.describe_transaction("").await.error_code, invalid);
        let unmapped = ErrorCode::InvalidProducerIdMapping.number();
        assert_eq!(node.end(PLAIN, (7, 0), true).await.0, unmapped);
        assert_eq!(node.add(3, (7, 0), &[0]).await, [unmapped]);
        let request = InitProducerIdRequest {
            transactional_id: Some(TransactionalId(text(ID))),
            transaction_timeout_ms: 900_001,
            ..Default::default()
        };
        match node.call(5, request).await {
            Response::InitProducerId(response) => assert_eq!(
                response.error_code,
                ErrorCode::InvalidTransactionTimeout.number()
            ),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn without_their_topic_transactional_ids_have_no_coordinator() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let elsewhere = ErrorCode::NotCoordinator.number();
        assert_eq!(node.init(5, (-1, -1)).await.0, elsewhere);
        assert_eq!(node.describe_transaction(ID).await.error_code, elsewhere);
    });
}

#[test]
fn every_end_of_version_2_bumps_the_epoch_and_a_delayed_one_ends_nothing() {
    simulate(async {
        let mut node = start(&[]).await;
        let first = begin(&mut node).await;
        let second = (first.0, first.1 + 1);
        assert_eq!(node.end(BUMPING, first, true).await, (NONE, second));
        node.reach("CompleteCommit").await;
        assert_eq!(
            node.end(BUMPING, first, true).await,
            (NONE, second),
            "a retry"
        );
        assert_eq!(node.add(3, second, &[0]).await, [NONE]);
        append_in_txn(&node, second, 0, &["b"]).await;
        // Held up on its way, the first commit comes again.
        let fenced = ErrorCode::ProducerFenced.number();
        assert_eq!(node.end(BUMPING, first, true).await.0, fenced);
        assert_eq!(node.end(BUMPING, first, false).await.0, fenced);
        node = node.restart_loaded().await;
        assert_eq!(node.end(BUMPING, first, true).await.0, fenced);
        assert_eq!(node.state().await, "Ongoing");
        let third = (first.0, first.1 + 2);
        assert_eq!(node.end(BUMPING, second, false).await, (NONE, third));
        node.reach("CompleteAbort").await;
        node = node.restart_loaded().await;
        assert_eq!(
            node.end(BUMPING, second, false).await,
            (NONE, third),
            "a retry"
        );
        let wrong = ErrorCode::InvalidTxnState.number();
        assert_eq!(node.end(BUMPING, second, true).await.0, wrong);
    });
}
