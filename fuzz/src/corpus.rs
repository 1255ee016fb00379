//! What the targets start from: bodies that Apache Kafka wrote, and batches of each codec.

use sprawl_model::batch::{BatchBuilder, BatchOptions, HeaderRef};
use sprawl_model::compression::Codec;
use sprawl_protocol::ApiKey;

use crate::bodies;

/// A target: its name, what it does, what it starts from.
pub struct Target {
    /// The name of the binary and of its corpus folder.
    pub name: &'static str,
    /// What it does with an input.
    pub body: fn(&[u8]),
    /// What it starts from.
    pub seeds: Vec<Vec<u8>>,
}

/// Every target. `golden` is the text of `sprawl-protocol`'s golden file.
pub fn targets(golden: &str) -> Vec<Target> {
    let requests = messages(golden, "Request");
    let responses = messages(golden, "Response");
    let produce = requests.iter().filter(|(key, ..)| *key == ApiKey::Produce);
    let produce = produce.map(|(key, version, body)| {
        let version = version - key.served().min;
        [&version.to_le_bytes()[..1], body].concat()
    });
    let picked = |messages: &[(ApiKey, i16, Vec<u8>)]| {
        messages
            .iter()
            .map(|(key, version, body)| bodies::picked(*key, *version, body))
            .collect()
    };
    let framed = requests
        .iter()
        .map(|(key, version, body)| bodies::framed(*key, *version, body));
    vec![
        Target {
            name: "frame",
            body: bodies::frame,
            seeds: framed.collect(),
        },
        Target {
            name: "request",
            body: bodies::request,
            seeds: picked(&requests),
        },
        Target {
            name: "response",
            body: bodies::response,
            seeds: picked(&responses),
        },
        Target {
            name: "produce",
            body: bodies::produce,
            seeds: produce.collect(),
        },
        Target {
            name: "batch",
            body: bodies::batch,
            seeds: batches(),
        },
    ]
}

/// Reads the golden bodies of one side.
fn messages(golden: &str, side: &str) -> Vec<(ApiKey, i16, Vec<u8>)> {
    golden
        .lines()
        .filter_map(|line| message(line, side))
        .collect()
}

fn message(line: &str, wanted: &str) -> Option<(ApiKey, i16, Vec<u8>)> {
    let mut words = line.split(' ');
    let key = ApiKey::from_number(words.next()?.parse().ok()?)?;
    let side = words.next()?;
    let version = words.next()?.parse().ok()?;
    let digits = words.next()?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let body: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    (side == wanted).then_some((key, version, body?))
}

/// Makes a batch in each codec, and two batches one after the other.
fn batches() -> Vec<Vec<u8>> {
    let codecs = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];
    let mut seeds: Vec<Vec<u8>> = codecs.into_iter().map(batch_of_three).collect();
    seeds.push(seeds.concat());
    seeds
}

fn batch_of_three(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions {
        codec,
        ..BatchOptions::default()
    });
    let header = HeaderRef {
        key: b"trace",
        value: Some(b"1"),
    };
    let records = [
        (
            Some(&b"key"[..]),
            Some(&b"a value of a record"[..]),
            &[header, header][..],
        ),
        (
            None,
            Some(b"no key, and a value that repeats, repeats, repeats, repeats"),
            &[],
        ),
        (Some(b"key"), None, &[]),
    ];
    for (timestamp, (key, value, headers)) in (1_700_000_000_000..).zip(records) {
        builder
            .push(timestamp, key, value, headers)
            .expect("three small records fit a batch");
    }
    builder.build().to_vec()
}
