//! Quotas enforced: rates measured in simulated time, answers before the mute, nothing for others.

use std::time::Duration;

use sprawl_io::time::{sleep, timeout};

use super::data::*;
use super::quotas::entry;
use super::*;

/// Calls this often are measured until so much simulated time has passed.
const MEASURED: Duration = Duration::from_secs(60);

async fn limit(node: &mut Node, entity: (&str, Option<&str>), quota: (&str, f64)) {
    let codes = node.alter_quotas(vec![entry(&[entity], &[quota])]).await;
    assert_eq!(codes, [NONE]);
}

/// Whether a client that pays no heed to throttle times is held to its quota.
fn within(rate: f64, quota: f64) -> bool {
    // Before the first throttle a window's worth of burst is let through.
    (0.9..=1.25).contains(&(rate / quota))
}

#[test]
fn producer_that_pays_no_heed_is_held_to_its_rate() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let quota = 100_000.0;
        limit(
            &mut node,
            ("client-id", Some("test")),
            ("producer_byte_rate", quota),
        )
        .await;
        let clock = node.io.clock.clone();
        let started = clock.monotonic();
        let (mut bytes, mut told) = (0.0, false);
        while clock.monotonic().saturating_sub(started) < MEASURED {
            let request = produce_to(-1, "t", vec![(0, batch(&[&"x".repeat(20_000)]))]);
            let Response::Produce(response) = node.call(9, request).await else {
                panic!("another answer");
            };
            bytes += 20_000.0;
            told |= response.throttle_time_ms > 0;
        }
        let rate = bytes / clock.monotonic().saturating_sub(started).as_secs_f64();
        assert!(within(rate, quota) && told, "{rate} of {quota}");
    });
}

#[test]
fn consumer_that_pays_no_heed_is_held_to_its_rate_and_loses_nothing() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        for _ in 0..4 {
            node.append("t", batch(&[&"x".repeat(20_000)])).await;
        }
        let quota = 100_000.0;
        limit(&mut node, ("user", None), ("consumer_byte_rate", quota)).await;
        let clock = node.io.clock.clone();
        let started = clock.monotonic();
        let (mut bytes, mut empty_count) = (0.0, 0);
        while clock.monotonic().saturating_sub(started) < MEASURED {
            let answer = node
                .fetch(12, fetch_from("t", vec![fetch_partition(0, 0)]))
                .await;
            assert_eq!(answer.responses.is_empty(), answer.throttle_time_ms > 0);
            match answer.responses.first() {
                None => empty_count += 1,
                Some(topic) => {
                    let records = topic.partitions[0].records.as_ref();
                    bytes += records.map_or(0, Bytes::len) as f64;
                }
            }
        }
        let rate = bytes / clock.monotonic().saturating_sub(started).as_secs_f64();
        assert!(within(rate, quota) && empty_count > 0, "{rate} of {quota}");
    });
}

#[test]
fn throttled_client_is_answered_first_and_muted_afterwards() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        limit(
            &mut node,
            ("client-id", Some("test")),
            ("producer_byte_rate", 1000.0),
        )
        .await;
        let mut producer = node.connect().await;
        // 30 kB at 1 kB a second over ten windows: 20 s too much.
        let request = produce_to(-1, "t", vec![(0, batch(&[&"x".repeat(30_000)]))]);
        send(&mut producer, 9, 1, request).await;
        send(&mut producer, 9, 2, MetadataRequest::default()).await;
        let first = timeout(Duration::from_millis(50), receive(&mut producer)).await;
        assert!(first.flatten().is_some(), "it is answered at once");
        let second = timeout(Duration::from_secs(19), receive(&mut producer)).await;
        assert!(second.is_none(), "and then not listened to");
        // Another connection of another client is not concerned.
        assert!(node.create_one(topic("u", 1, 1)).await.error_code == NONE);
        let late = timeout(Duration::from_secs(3), receive(&mut producer)).await;
        assert_eq!(late.flatten().unwrap()[..4], [0, 0, 0, 2]);
    });
}

#[test]
fn producer_without_acks_is_muted_too() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        limit(
            &mut node,
            ("client-id", Some("test")),
            ("producer_byte_rate", 1000.0),
        )
        .await;
        let mut producer = node.connect().await;
        let request = produce_to(0, "t", vec![(0, batch(&[&"x".repeat(30_000)]))]);
        send(&mut producer, 9, 1, request).await;
        sleep(Duration::from_millis(50)).await;
        send(&mut producer, 9, 2, MetadataRequest::default()).await;
        let muted = timeout(Duration::from_secs(15), receive(&mut producer)).await;
        assert!(muted.is_none());
        assert!(receive(&mut producer).await.is_some());
    });
}

#[test]
fn quota_that_is_taken_away_throttles_nobody() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let name = ("client-id", Some("test"));
        limit(&mut node, name, ("producer_byte_rate", 1000.0)).await;
        limit(&mut node, name, ("producer_byte_rate", 0.0)).await;
        let started = node.io.clock.monotonic();
        for _ in 0..10 {
            let batch = batch(&[&"x".repeat(30_000)]);
            assert_eq!(node.append("t", batch).await.0, NONE);
        }
        let elapsed = node.io.clock.monotonic().saturating_sub(started);
        assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
    });
}

#[test]
fn partitions_beyond_the_mutation_rate_are_refused_or_made_and_paid_for() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        limit(&mut node, ("user", None), ("controller_mutation_rate", 1.0)).await;
        // A bucket of 11: the request that empties it is let through, the next is not.
        assert_eq!(node.create_one(topic("a", 20, 1)).await.error_code, NONE);
        let request = CreateTopicsRequest::default().with_topics(vec![topic("b", 1, 1)]);
        let Response::CreateTopics(refused) = node.call(6, request.clone()).await else {
            panic!("another answer");
        };
        let exceeded = ErrorCode::ThrottlingQuotaExceeded.number();
        assert_eq!(refused.topics[0].error_code, exceeded);
        assert!(
            (8_000..=9_500).contains(&refused.throttle_time_ms),
            "{refused:?}"
        );
        let started = node.io.clock.monotonic();
        // After the mute the bucket is empty, no longer short.
        let Response::CreateTopics(made) = node.call(6, request).await else {
            panic!("another answer");
        };
        assert_eq!(made.topics[0].error_code, NONE);
        assert!(node.io.clock.monotonic().saturating_sub(started) > Duration::from_secs(7));
        // Old clients do not know the code: theirs is done, and they wait.
        let request = CreateTopicsRequest::default().with_topics(vec![topic("c", 9, 1)]);
        let Response::CreateTopics(old) = node.call(5, request).await else {
            panic!("another answer");
        };
        assert_eq!(
            (old.topics[0].error_code, old.throttle_time_ms > 0),
            (NONE, true)
        );
    });
}

#[test]
fn address_that_opens_too_many_connections_waits_and_is_closed() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        limit(&mut node, ("ip", None), ("connection_creation_rate", 1.0)).await;
        let mut open = Vec::new();
        for _ in 0..11 {
            open.push(node.connect().await);
        }
        let mut closed = 0;
        for stream in &mut open {
            send(stream, 9, 1, MetadataRequest::default()).await;
            if timeout(Duration::from_secs(2), receive(stream))
                .await
                .flatten()
                .is_none()
            {
                closed += 1;
            }
        }
        // Ten windows of one a second are let through at once.
        assert!((1..=2).contains(&closed), "{closed}");
        sleep(Duration::from_secs(30)).await;
        let mut welcome = node.connect().await;
        send(&mut welcome, 9, 1, MetadataRequest::default()).await;
        assert!(receive(&mut welcome).await.is_some());
    });
}

#[test]
fn client_that_takes_more_time_than_its_share_waits_a_window_at_most() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        limit(
            &mut node,
            ("client-id", Some("busy")),
            ("request_percentage", 10.0),
        )
        .await;
        let broker = &node.broker.broker;
        let context = |client_id: &str| crate::dispatch::RequestContext {
            key: ApiKey::Metadata,
            version: 9,
            correlation_id: 1,
            client_id: Some(text(client_id)),
            peer: crate::connection::Peer {
                address: "127.0.0.1:1".parse().unwrap(),
                mute: crate::quotas::Mute::default(),
                software: crate::connection::Software::default(),
            },
            size: 1,
            received: Duration::ZERO,
        };
        for (client_id, spent_ms, expected) in [
            ("busy", 900, 0),
            // 1,010 ms in ten seconds are 10.1 percent of one thread.
            ("busy", 110, 100),
            ("busy", 60_000, 1000),
            ("idle", 60_000, 0),
        ] {
            let context = context(client_id);
            crate::quotas::charge_time(broker, &context, Duration::from_millis(spent_ms));
            let throttle_ms = crate::quotas::throttle_time_ms(broker, &context);
            assert_eq!(throttle_ms, expected, "{client_id} {spent_ms}");
        }
    });
}
