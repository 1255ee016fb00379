//! The target for what clients push of their metrics: OTLP payloads.

use std::time::Duration;

use bytes::Bytes;
use sprawl_core::client_metrics::{ClientLabels, ClientSeries, decode};

use crate::corpus::Target;

/// A payload, already decompressed.
///
/// What decodes is kept, and what is kept is shown as lines of Prometheus text, one a series.
pub fn otlp(data: &[u8]) {
    let Ok(points) = decode(Bytes::copy_from_slice(data)) else {
        return;
    };
    let mut series = ClientSeries::default();
    let client = ClientLabels {
        instance_id: uuid::uuid!("6f1c24a0-0000-4000-8000-000000000001"),
        id: "fuzz",
    };
    series.accept(client, points, Duration::from_secs(1));
    let mut text = String::new();
    series.render(&mut text);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    for sample in samples.clone() {
        let value = sample.rsplit(' ').next().expect("a line has a last word");
        assert!(value.parse::<f64>().is_ok(), "{sample}");
    }
    assert_eq!(samples.count(), series.count(), "one line for each series");
    series.expire(Duration::from_secs(1));
    assert_eq!(series.count(), 0);
}

/// The target of this file.
pub fn targets() -> Vec<Target> {
    vec![Target {
        name: "otlp",
        body: otlp,
        seeds: seeds(),
    }]
}

/// One payload with a gauge, a sum of deltas and a sum that is cumulative; and each alone.
fn seeds() -> Vec<Vec<u8>> {
    let attributes = [attribute("topic", "orders"), attribute("node_id", "0")].concat();
    let double = [&[4 << 3 | 1][..], &12.5_f64.to_le_bytes()].concat();
    let integer = [&[6 << 3 | 1][..], &7_i64.to_le_bytes()].concat();
    let gauge = field(5, &field(1, &[double.clone(), attributes].concat()));
    let sum = |temporality: u8, point: &[u8]| {
        let kind = [2 << 3, temporality, 3 << 3, 1];
        field(7, &[field(1, point), kind.to_vec()].concat())
    };
    let metrics = [
        metric("org.apache.kafka.producer.request.latency.avg", &gauge),
        metric(
            "org.apache.kafka.producer.record.send.total",
            &sum(1, &double),
        ),
        metric("com.example.events", &sum(2, &integer)),
    ];
    let mut seeds: Vec<Vec<u8>> = metrics.iter().map(|metric| payload(metric)).collect();
    seeds.push(payload(&metrics.concat()));
    seeds
}

fn payload(metrics: &[u8]) -> Vec<u8> {
    let resource = field(1, &attribute_of(1, "client_rack", "r1"));
    field(1, &[resource, field(2, metrics)].concat())
}

fn metric(name: &str, content: &[u8]) -> Vec<u8> {
    field(2, &[field(1, name.as_bytes()), content.to_vec()].concat())
}

fn attribute(key: &str, value: &str) -> Vec<u8> {
    attribute_of(7, key, value)
}

fn attribute_of(number: u8, key: &str, value: &str) -> Vec<u8> {
    let value = field(2, &field(1, value.as_bytes()));
    field(number, &[field(1, key.as_bytes()), value].concat())
}

/// A field of protobuf that holds bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut size = content.len();
    while size > 0x7f {
        field.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    field.push(size as u8);
    field.extend_from_slice(content);
    field
}
