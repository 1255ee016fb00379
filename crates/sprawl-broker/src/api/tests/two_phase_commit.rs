//! Two-phase commit over the wire (KIP-939): prepared transactions through kills, time and fencing.

use std::time::Duration;

use sprawl_io::time;

use super::transaction_coordinator::{BUMPING, ID, PLAIN, start};
use super::transactions::{append_in_txn, read_committed, seen};
use super::*;

const ENABLED: (&str, &str) = ("transaction.two.phase.commit.enable", "true");

/// The version of InitProducerId with two-phase commit.
const V6: i16 = 6;

/// What a new instance of a producer asks for.
#[derive(Clone, Copy)]
struct Asks {
    enable: bool,
    keep: bool,
}

/// Takes part, and aborts what is open.
const BEGIN: Asks = Asks {
    enable: true,
    keep: false,
};

/// Takes part, and keeps what is open.
const KEEP: Asks = Asks {
    enable: true,
    keep: true,
};

impl Node {
    async fn init_asking(&mut self, asks: Asks) -> InitProducerIdResponse {
        let request = InitProducerIdRequest {
            transactional_id: Some(TransactionalId(text(ID))),
            transaction_timeout_ms: 1_000,
            enable_2_pc: asks.enable,
            keep_prepared_txn: asks.keep,
            ..Default::default()
        };
        match self.call(V6, request).await {
            Response::InitProducerId(response) => response,
            other => panic!("{other:?}"),
        }
    }

    async fn init_refused(&mut self, asks: Asks) -> i16 {
        let response = self.init_asking(asks).await;
        assert_eq!(response.ongoing_txn_producer_id.0, -1);
        assert_eq!(response.producer_id.0, -1);
        response.error_code
    }

    /// A new instance that keeps what is open; returns itself and what that was begun with.
    async fn keep(&mut self) -> ((i64, i16), (i64, i16)) {
        let found = self.init_asking(KEEP).await;
        assert_eq!(found.error_code, NONE);
        (
            (found.producer_id.0, found.producer_epoch),
            (
                found.ongoing_txn_producer_id.0,
                found.ongoing_txn_producer_epoch,
            ),
        )
    }

    async fn advertised_init(&mut self) -> (i16, i16) {
        match self.call(3, software()).await {
            Response::ApiVersions(response) => {
                let mut rows = response.api_keys.iter();
                let row = rows.find(|row| row.api_key == 22).unwrap();
                (row.min_version, row.max_version)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn software() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"))
}

/// A transaction with a record in partition 0, prepared as far as its producer is concerned.
async fn prepare(node: &mut Node) -> (i64, i16) {
    let found = node.init_asking(BEGIN).await;
    assert_eq!(found.error_code, NONE);
    let producer = (found.producer_id.0, found.producer_epoch);
    assert_eq!(node.add(3, producer, &[0]).await, [NONE]);
    append_in_txn(node, producer, 0, &["a"]).await;
    producer
}

#[test]
fn version_6_is_advertised_only_where_two_phase_commit_is_let() {
    simulate(async {
        let mut node = start(&[]).await;
        assert_eq!(node.advertised_init().await, (0, 5));
        let mut node = start(&[ENABLED]).await;
        assert_eq!(node.advertised_init().await, (0, 6));
    });
}

#[test]
fn two_phase_commit_is_refused_where_it_is_not_let() {
    simulate(async {
        let mut node = start(&[]).await;
        let refused = ErrorCode::TransactionalIdAuthorizationFailed.number();
        for asks in [BEGIN, KEEP] {
            assert_eq!(node.init_refused(asks).await, refused);
        }
        let ordinary = Asks {
            enable: false,
            keep: false,
        };
        assert_eq!(node.init_asking(ordinary).await.error_code, NONE);
    });
}

#[test]
fn two_phase_commit_is_refused_below_transaction_version_2() {
    simulate(async {
        let mut node = start(&[ENABLED]).await;
        let update = update_features_request::FeatureUpdateKey::default()
            .with_feature(text("transaction.version"))
            .with_max_version_level(1)
            .with_upgrade_type(2);
        let request = UpdateFeaturesRequest::default()
            .with_timeout_ms(1_000)
            .with_feature_updates(vec![update]);
        match node.call(2, request).await {
            Response::UpdateFeatures(response) => assert_eq!(response.error_code, NONE),
            other => panic!("{other:?}"),
        }
        let refused = ErrorCode::UnsupportedVersion.number();
        for _ in 0..100 {
            if node.init_asking(KEEP).await.error_code == refused {
                break;
            }
            time::sleep(Duration::from_millis(10)).await;
        }
        for asks in [BEGIN, KEEP] {
            assert_eq!(node.init_refused(asks).await, refused);
        }
    });
}

#[test]
fn prepared_transaction_is_committed_or_aborted_as_a_whole_after_kills() {
    simulate(async {
        for commit in [true, false] {
            let mut node = start(&[ENABLED]).await;
            let begun = prepare(&mut node).await;
            // Empty is behind us; a kill while it is open, kept, decided and complete.
            node = node.restart_loaded().await;
            assert_eq!(node.state().await, "Ongoing");
            assert_eq!(seen(&read_committed(&mut node, 0).await), (vec![], vec![]));
            let (first, ongoing) = node.keep().await;
            assert_eq!(ongoing, begun);
            node = node.restart_loaded().await;
            let (second, ongoing) = node.keep().await;
            assert_eq!(ongoing, begun);
            assert_eq!(second, (begun.0, first.1 + 1));
            let fenced = ErrorCode::ProducerFenced.number();
            for old in [begun, first] {
                assert_eq!(node.end(BUMPING, old, commit).await.0, fenced);
                assert_eq!(node.end(PLAIN, old, commit).await.0, fenced);
                assert_eq!(node.add(3, old, &[1]).await, [fenced]);
            }
            let third = (second.0, second.1 + 1);
            assert_eq!(node.end(BUMPING, second, commit).await, (NONE, third));
            node = node.restart_loaded().await;
            node.reach(if commit {
                "CompleteCommit"
            } else {
                "CompleteAbort"
            })
            .await;
            let aborted = if commit { vec![] } else { vec![(begun.0, 0)] };
            let found = seen(&read_committed(&mut node, 0).await);
            assert_eq!(found, (vec![0], aborted));
            node = node.restart_loaded().await;
            let again = node.end(BUMPING, second, commit).await;
            assert_eq!(again, (NONE, third), "a retry");
            let (after, ongoing) = node.keep().await;
            assert_eq!(ongoing, (-1, -1), "nothing is open");
            assert_eq!(node.add(3, after, &[0]).await, [NONE]);
            append_in_txn(&node, after, 0, &["b"]).await;
        }
    });
}

#[test]
fn prepared_transaction_outlives_its_timeout_and_an_ordinary_one_does_not() {
    simulate(async {
        let often = (
            "transaction.abort.timed.out.transaction.cleanup.interval.ms",
            "100",
        );
        let mut node = start(&[ENABLED, often]).await;
        let begun = prepare(&mut node).await;
        time::sleep(Duration::from_secs(60)).await;
        let described = node.describe_transaction(ID).await;
        assert_eq!(described.transaction_state, text("Ongoing"));
        assert_eq!(described.transaction_timeout_ms, i32::MAX);
        assert_eq!(described.producer_id.0, begun.0);
        node = node.restart_loaded().await;
        time::sleep(Duration::from_secs(60)).await;
        let (client, ongoing) = node.keep().await;
        assert_eq!(ongoing, begun);
        assert_eq!(node.describe_transaction(ID).await.producer_epoch, begun.1);
        assert_eq!(node.end(BUMPING, client, true).await.0, NONE);
        node.reach("CompleteCommit").await;
        let ordinary = node.init_new().await;
        assert_eq!(node.add(3, ordinary, &[0]).await, [NONE]);
        time::sleep(Duration::from_secs(2)).await;
        node.reach("CompleteAbort").await;
    });
}

#[test]
fn producer_that_keeps_a_transaction_cannot_write_in_it() {
    simulate(async {
        let mut node = start(&[ENABLED]).await;
        prepare(&mut node).await;
        let (client, _) = node.keep().await;
        let wrong = ErrorCode::InvalidTxnState.number();
        assert_eq!(node.add(3, client, &[0]).await, [wrong]);
        assert_eq!(node.end(BUMPING, client, true).await.0, NONE);
        node.reach("CompleteCommit").await;
    });
}

#[test]
fn ordinary_producer_aborts_a_prepared_transaction() {
    simulate(async {
        let mut node = start(&[ENABLED]).await;
        let begun = prepare(&mut node).await;
        let (client, _) = node.keep().await;
        // As `kafka-transactions.sh forceTerminateTransaction` does.
        let busy = ErrorCode::ConcurrentTransactions.number();
        assert_eq!(node.init(5, (-1, -1)).await.0, busy);
        node.reach("CompleteAbort").await;
        let found = seen(&read_committed(&mut node, 0).await);
        assert_eq!(found, (vec![0], vec![(begun.0, 0)]));
        let wrong = ErrorCode::InvalidTxnState.number();
        assert_eq!(node.end(BUMPING, client, true).await.0, wrong);
        node.init_new().await;
        let fenced = ErrorCode::ProducerFenced.number();
        assert_eq!(node.end(BUMPING, client, true).await.0, fenced);
    });
}
