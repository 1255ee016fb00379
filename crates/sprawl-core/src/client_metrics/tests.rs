//! Who may ask and push when, and what is shown of what was pushed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::otlp::sample::{Kind, metric, payload};
use super::*;
use crate::config::ConfigMap;

const BYTES_MAX: usize = 1000;

type Named<'a> = (&'a str, &'a [(&'a str, &'a str)]);

fn subscriptions(all: &[Named<'_>]) -> Arc<BTreeMap<String, ConfigMap>> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let all = all.iter().map(|(name, settings)| {
        let settings = settings.iter().map(owned).collect();
        ((*name).to_owned(), settings)
    });
    Arc::new(all.collect())
}

fn client(instance: u128) -> Client<'static> {
    Client {
        instance_id: Uuid::from_u128(instance),
        id: Some("shop"),
        software: Some(("apache-kafka-java", "4.3.1")),
        address: SocketAddr::from(([10, 0, 0, 1], u16::try_from(1000 + instance).unwrap())),
    }
}

fn push(subscription_id: i32) -> Push {
    Push {
        subscription_id,
        is_terminating: false,
        has_known_compression: true,
        size: 10,
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// One subscription to everything, every ten seconds.
fn every_ten_seconds() -> ClientMetrics {
    let mut metrics = ClientMetrics::new(BYTES_MAX);
    let settings = [("metrics", "*"), ("interval.ms", "10000")];
    metrics.follow(&subscriptions(&[("all", &settings)]));
    metrics
}

#[test]
fn a_client_that_nothing_matches_asks_again_at_the_default_interval() {
    let mut metrics = ClientMetrics::new(BYTES_MAX);
    let told = metrics.subscribe(client(7), seconds(1)).unwrap();
    assert_eq!(told.metrics, Vec::<String>::new());
    assert_eq!(told.push_interval, seconds(300));
}

#[test]
fn subscriptions_that_match_add_up_and_the_shortest_interval_counts() {
    let mut metrics = ClientMetrics::new(BYTES_MAX);
    let java = "client_software_name=apache-kafka-java";
    let first = [("metrics", "b,a"), ("interval.ms", "60000")];
    let second = [("metrics", "b,c"), ("interval.ms", "1000"), ("match", java)];
    let third = [("metrics", "z"), ("match", "client_id=other")];
    let long = [("metrics", "d"), ("interval.ms", "3600000")];
    metrics.follow(&subscriptions(&[
        ("1", &first),
        ("2", &second),
        ("3", &third),
        ("4", &long),
    ]));
    let told = metrics.subscribe(client(7), seconds(1)).unwrap();
    assert_eq!(told.metrics, ["a", "b", "c", "d"]);
    assert_eq!(told.push_interval, seconds(1));
    let all = [("metrics", "a,*")];
    metrics.follow(&subscriptions(&[("1", &first), ("5", &all)]));
    let changed = metrics.subscribe(client(7), seconds(1)).unwrap();
    assert_eq!(changed.metrics, ["*"]);
    assert_ne!(changed.id, told.id);
}

#[test]
fn subscription_ids_are_those_of_kafka() {
    let mut metrics = every_ten_seconds();
    let told = metrics.subscribe(client(0), seconds(1)).unwrap();
    // The CRC-32C of "[*]10000"; the hash of id 0 is 0.
    let expected = sprawl_model::checksum::crc32c(b"[*]10000").cast_signed();
    assert_eq!(told.id, expected);
    let mixed = (0x0000_0001_0000_0002_u128 << 64) | 0x0000_0004_0000_0008;
    let other = Client {
        instance_id: Uuid::from_u128(mixed),
        ..client(0)
    };
    let told = metrics.subscribe(other, seconds(1)).unwrap();
    assert_eq!(told.id, expected ^ (1 ^ 4 ^ 2 ^ 8));
}

#[test]
fn asking_and_pushing_wait_for_the_push_interval() {
    let mut metrics = every_ten_seconds();
    let me = client(7);
    let told = metrics.subscribe(me, seconds(1)).unwrap();
    assert_eq!(
        metrics.subscribe(me, seconds(10)),
        Err(TelemetryError::TooEarly)
    );
    let first = metrics.admit_push(me, push(told.id), seconds(2));
    assert_eq!(
        first,
        Ok(seconds(62)),
        "right after the subscription, kept for a minute"
    );
    metrics.finish_push(me.instance_id, Ok(()));
    let early = metrics.admit_push(me, push(told.id), seconds(11));
    assert_eq!(early, Err(TelemetryError::TooEarly));
    metrics.admit_push(me, push(told.id), seconds(12)).unwrap();
    assert_eq!(
        metrics.subscribe(me, seconds(21)),
        Err(TelemetryError::TooEarly)
    );
    metrics.subscribe(me, seconds(22)).unwrap();
}

#[test]
fn a_changed_subscription_is_told_at_once_and_fences_pushes() {
    let mut metrics = every_ten_seconds();
    let me = client(7);
    let told = metrics.subscribe(me, seconds(1)).unwrap();
    metrics.follow(&subscriptions(&[("all", &[("metrics", "a")])]));
    let stale = metrics.admit_push(me, push(told.id), seconds(2));
    assert_eq!(stale, Err(TelemetryError::UnknownSubscription));
    let new = metrics.subscribe(me, seconds(2)).unwrap();
    assert_eq!(new.metrics, ["a"]);
    // The refused push counts: as with Kafka, the next one comes after the interval.
    let early = metrics.admit_push(me, push(new.id), seconds(2));
    assert_eq!(early, Err(TelemetryError::TooEarly));
    metrics.admit_push(me, push(new.id), seconds(302)).unwrap();
}

#[test]
fn pushes_that_do_not_fit_are_refused() {
    let mut metrics = every_ten_seconds();
    let me = client(7);
    let told = metrics.subscribe(me, seconds(1)).unwrap();
    let unknown = Push {
        has_known_compression: false,
        ..push(told.id)
    };
    let refused = metrics.admit_push(me, unknown, seconds(2));
    assert_eq!(refused, Err(TelemetryError::UnknownCompression));
    metrics.subscribe(me, seconds(2)).unwrap();
    let large = Push {
        size: BYTES_MAX + 1,
        ..push(told.id)
    };
    let refused = metrics.admit_push(me, large, seconds(20));
    let (max, found) = (BYTES_MAX, BYTES_MAX + 1);
    assert_eq!(refused, Err(TelemetryError::TooLarge { max, found }));
    for reserved in [0, 1] {
        let refused = metrics.admit_push(client(reserved), push(told.id), seconds(20));
        assert_eq!(refused, Err(TelemetryError::ReservedInstanceId));
    }
}

#[test]
fn a_terminating_push_comes_when_it_likes_and_is_the_last() {
    let mut metrics = every_ten_seconds();
    let me = client(7);
    let told = metrics.subscribe(me, seconds(1)).unwrap();
    metrics.admit_push(me, push(told.id), seconds(2)).unwrap();
    let last = Push {
        is_terminating: true,
        ..push(told.id)
    };
    metrics.admit_push(me, last, seconds(3)).unwrap();
    let after = metrics.admit_push(me, push(told.id), seconds(30));
    assert_eq!(after, Err(TelemetryError::Terminated));
}

#[test]
fn instances_go_with_their_connection_and_with_silence() {
    let mut metrics = every_ten_seconds();
    metrics.subscribe(client(7), seconds(1)).unwrap();
    metrics.subscribe(client(8), seconds(30)).unwrap();
    metrics.expire(seconds(60));
    assert_eq!(metrics.instance_count(), 2);
    metrics.expire(seconds(61));
    assert!(!metrics.knows(Uuid::from_u128(7)) && metrics.knows(Uuid::from_u128(8)));
    metrics.disconnect(client(9).address);
    assert_eq!(metrics.instance_count(), 1);
    metrics.disconnect(client(8).address);
    assert_eq!(metrics.instance_count(), 0);
}

#[test]
fn the_instance_that_asked_least_lately_makes_room() {
    let mut metrics = every_ten_seconds();
    let numbered = |number: u128| Client {
        instance_id: Uuid::from_u128(number),
        ..client(2)
    };
    for number in 2..2 + 16_384 {
        metrics.subscribe(numbered(number), seconds(1)).unwrap();
    }
    assert_eq!(
        metrics.subscribe(numbered(2), seconds(2)),
        Err(TelemetryError::TooEarly),
        "refused, yet used"
    );
    metrics.subscribe(numbered(99_999), seconds(3)).unwrap();
    assert_eq!(metrics.instance_count(), 16_384);
    assert!(metrics.knows(Uuid::from_u128(2)) && !metrics.knows(Uuid::from_u128(3)));
}

fn labels(instance: u128) -> ClientLabels<'static> {
    ClientLabels {
        instance_id: Uuid::from_u128(instance),
        id: "shop \"1\"",
    }
}

fn text(series: &ClientSeries) -> String {
    let mut text = String::new();
    series.render(&mut text);
    text
}

#[test]
fn the_latest_gauge_and_the_sum_of_deltas_are_shown() {
    let mut series = ClientSeries::default();
    let rate = "org.apache.kafka.producer.node.request.latency.avg";
    let count = "org.apache.kafka.producer.connection.creation.total";
    for value in [1.5, 2.5] {
        let pushed = payload(
            &[("client_rack", "r1")],
            vec![
                metric(
                    rate,
                    Kind::Gauge,
                    value,
                    &[("node.id", "0"), ("client_id", "x")],
                ),
                metric(count, Kind::DeltaCounter, value, &[]),
                metric("records", Kind::Counter, value, &[]),
                metric("", Kind::Gauge, value, &[]),
                metric("bad", Kind::DeltaCounter, -value, &[]),
            ],
        );
        let points = decode(pushed).unwrap();
        assert_eq!(points.dropped_count, 2, "no name, and a counter that falls");
        assert_eq!(series.accept(labels(7), points, seconds(60)), 0);
    }
    expect_test::expect![[r#"
        # TYPE kafka_client_producer_connection_creation_total counter
        kafka_client_producer_connection_creation_total{client_instance_id="AAAAAAAAAAAAAAAAAAAABw",client_id="shop \"1\"",client_rack="r1"} 4
        # TYPE kafka_client_producer_node_request_latency_avg gauge
        kafka_client_producer_node_request_latency_avg{client_instance_id="AAAAAAAAAAAAAAAAAAAABw",client_id="shop \"1\"",client_rack="r1",node_id="0"} 2.5
        # TYPE kafka_client_records_total counter
        kafka_client_records_total{client_instance_id="AAAAAAAAAAAAAAAAAAAABw",client_id="shop \"1\"",client_rack="r1"} 2.5
    "#]]
    .assert_eq(&text(&series));
    series.expire(seconds(59));
    assert_eq!(series.count(), 3);
    series.expire(seconds(60));
    assert_eq!((series.count(), text(&series)), (0, String::new()));
}

#[test]
fn labels_and_names_have_bounds() {
    let long = "x".repeat(300);
    let many: Vec<(String, String)> = (0..17)
        .map(|number| (format!("label{number}"), String::new()))
        .collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let points = decode(payload(
        &[],
        vec![
            metric(&long, Kind::Gauge, 1.0, &[]),
            metric("a", Kind::Gauge, 1.0, &[("label", &long)]),
            metric("a", Kind::Gauge, 1.0, &[(&long, "value")]),
            metric("a", Kind::Gauge, 1.0, &many),
        ],
    ))
    .unwrap();
    assert_eq!((points.points.len(), points.dropped_count), (0, 4));
}

#[test]
fn series_of_one_client_and_of_all_have_bounds() {
    let mut series = ClientSeries::default();
    let mut dropped = 0;
    for round in 0..8 {
        let metrics = (0..2000).map(|number| {
            let name = format!("metric{}", round * 2000 + number);
            metric(&name, Kind::Gauge, 1.0, &[])
        });
        let points = decode(payload(&[], metrics.collect())).unwrap();
        dropped += points.dropped_count + series.accept(labels(7), points, seconds(60));
    }
    assert!(dropped > 8000, "{dropped}");
    assert_eq!(series.count() as u64 + dropped, 16_000);
    for instance in 8..200 {
        let metrics = (0..4000).map(|number| {
            let name = format!("metric{number}");
            metric(&name, Kind::Gauge, 1.0, &[])
        });
        let points = decode(payload(&[], metrics.collect())).unwrap();
        dropped += series.accept(labels(instance), points, seconds(60));
    }
    let bytes_max = 64 * 1024 * 1024;
    assert!(series.count() * 128 < bytes_max, "{}", series.count());
    assert!(dropped > 100_000, "{dropped}");
}

#[test]
fn what_is_no_otlp_is_refused() {
    for bad in [
        &b"\x0a\x05abc"[..],
        b"\xff\xff\xff",
        b"\x0a\x03\x0a\x01\x0a",
    ] {
        assert!(decode(Bytes::from_static(bad)).is_err(), "{bad:?}");
    }
    assert_eq!(decode(Bytes::new()).unwrap(), Points::default());
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        drop(decode(bytes.into()));
    }

    #[test]
    fn flipped_bits_never_panic(bit in 0_usize..600) {
        let good = payload(
            &[("rack", "r1")],
            vec![metric("metric", Kind::DeltaCounter, 1.0, &[("topic", "t")])],
        );
        let mut bytes = good.to_vec();
        let at = bit / 8 % bytes.len();
        bytes[at] ^= 1 << (bit % 8);
        if let Ok(points) = decode(bytes.into()) {
            ClientSeries::default().accept(labels(7), points, seconds(60));
        }
    }
}
