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

/// Lengths that lie, in each of the encodings.
const LIES: [&[u8]; 6] = [
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xfe],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x00, 0x03, 0xff, 0xff],
    &[0x7f, 0xff],
    &[0x00, 0x00, 0x00, 0x00],
];

/// SplitMix64.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as usize
}

/// Returns a copy of `seed`, damaged as a hostile sender or a failing disk would; the same for the
/// same `number`.
pub fn damage(seed: &[u8], number: u64) -> Vec<u8> {
    let mut state = number;
    let state = &mut state;
    let mut data = seed.to_vec();
    for _ in 0..=random(state) % 3 {
        let at = random(state) % data.len().max(1);
        match random(state) % 4 {
            0 => data.truncate(at),
            1 => {
                let lie = LIES[random(state) % LIES.len()];
                let end = data.len().min(at + lie.len());
                data.splice(at..end, lie.iter().copied());
            }
            2 => {
                let copy = data[at..].to_vec();
                data.extend_from_slice(&copy[..copy.len().min(64)]);
            }
            _ => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << (random(state) % 8);
                }
            }
        }
    }
    data
}
