//! Each rule of [`validate`], broken once; and what a batch looks like when all hold.

use std::collections::BTreeMap;

use bytes::BytesMut;
use sprawl_core::config::{ConfigLayers, ConfigMap, TopicConfig};
use sprawl_model::ProducerId;
use sprawl_model::batch::{
    self, BatchBuilder, BatchHeader, BatchOptions, HEADER_BYTES, HeaderRef, Records, TimestampType,
};
use sprawl_model::compression::Codec;

use super::{InvalidBatch, RawBatch, Rules, ValidBatch, validate};

const NOW_MS: i64 = 1_700_000_000_000;
const PRODUCE_VERSION: i16 = 9;

fn topic(settings: &[(&str, &str)]) -> TopicConfig {
    let none = ConfigMap::new();
    let overrides: BTreeMap<_, _> = settings
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    TopicConfig::resolve(&overrides, &ConfigLayers::empty(&none)).unwrap()
}

fn batch_of(options: BatchOptions) -> BytesMut {
    let mut builder = BatchBuilder::new(options);
    let header = HeaderRef {
        key: b"h",
        value: Some(b"1"),
    };
    builder
        .push(NOW_MS, Some(b"k"), Some(b"one"), &[header, header])
        .unwrap();
    builder.push(NOW_MS + 5, Some(b"k"), None, &[]).unwrap();
    builder.build()
}

fn check(bytes: BytesMut, settings: &[(&str, &str)]) -> Result<ValidBatch, InvalidBatch> {
    check_at(bytes, settings, PRODUCE_VERSION)
}

fn check_at(
    bytes: BytesMut,
    settings: &[(&str, &str)],
    produce_version: i16,
) -> Result<ValidBatch, InvalidBatch> {
    let topic = topic(settings);
    validate(
        RawBatch(bytes),
        &Rules {
            topic: &topic,
            now_ms: NOW_MS,
            produce_version,
        },
    )
}

/// Changes bytes inside the checksum and makes the checksum fit again.
fn patched(position: usize, bytes: &[u8]) -> BytesMut {
    let mut batch = batch_of(BatchOptions::default());
    batch[position..position + bytes.len()].copy_from_slice(bytes);
    reseal(&mut batch);
    batch
}

fn reseal(batch: &mut BytesMut) {
    let max_timestamp = i64::from_be_bytes(batch[35..43].try_into().unwrap());
    batch::set_create_time(batch, max_timestamp);
}

fn records_of(valid: ValidBatch) -> Vec<(i64, Option<Vec<u8>>, usize)> {
    let (bytes, header) = valid.into_parts();
    let payload = batch::payload(&bytes, 1 << 20).unwrap();
    Records::new(&header, &payload)
        .map(|record| record.unwrap())
        .map(|record| {
            (
                record.timestamp,
                record.value.map(<[u8]>::to_vec),
                record.headers().count(),
            )
        })
        .collect()
}

#[test]
fn a_sound_batch_of_every_codec_passes_unchanged() {
    for codec in [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ] {
        let bytes = batch_of(BatchOptions {
            codec,
            ..BatchOptions::default()
        });
        let valid = check(bytes.clone(), &[]).unwrap();
        assert_eq!(valid.header().record_count, 2);
        assert_eq!(valid.into_parts().0, bytes, "{codec:?}");
    }
}

#[test]
fn a_flipped_bit_is_a_corrupt_batch() {
    let mut bytes = batch_of(BatchOptions::default());
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(matches!(check(bytes, &[]), Err(InvalidBatch::Corrupt(_))));
}

#[test]
fn no_batch_a_cut_one_and_two_of_them_are_malformed() {
    let one = batch_of(BatchOptions::default());
    let mut two = one.clone();
    two.extend_from_slice(&one);
    let cut = BytesMut::from(&one[..one.len() - 3]);
    for bytes in [BytesMut::new(), cut, two] {
        let error = check(bytes, &[]).unwrap_err();
        assert!(matches!(error, InvalidBatch::Malformed(_)), "{error}");
    }
}

#[test]
fn an_older_magic_is_named() {
    let mut bytes = batch_of(BatchOptions::default());
    bytes[16] = 1;
    assert!(matches!(check(bytes, &[]), Err(InvalidBatch::Magic(1))));
}

#[test]
fn a_record_count_that_lies_is_refused() {
    for count in [0_i32, 1, 3] {
        let error = check(patched(57, &count.to_be_bytes()), &[]).unwrap_err();
        assert!(
            matches!(error, InvalidBatch::Malformed(_) | InvalidBatch::Corrupt(_)),
            "{count}: {error}"
        );
    }
}

#[test]
fn a_count_that_agrees_with_the_delta_but_not_with_the_records_is_refused() {
    let mut bytes = batch_of(BatchOptions::default());
    bytes[23..27].copy_from_slice(&6_i32.to_be_bytes());
    bytes[57..61].copy_from_slice(&7_i32.to_be_bytes());
    reseal(&mut bytes);
    assert!(matches!(check(bytes, &[]), Err(InvalidBatch::Malformed(_))));
}

#[test]
fn garbage_after_a_fitting_checksum_is_refused() {
    let error = check(patched(HEADER_BYTES, &[0xff; 4]), &[]).unwrap_err();
    assert!(matches!(error, InvalidBatch::Malformed(_)), "{error}");
}

#[test]
fn clients_may_not_write_control_batches() {
    let control = batch_of(BatchOptions {
        control: true,
        ..BatchOptions::default()
    });
    assert!(matches!(
        check(control, &[]),
        Err(InvalidBatch::Malformed(_))
    ));
}

#[test]
fn a_producer_id_without_a_sequence_is_refused() {
    let options = BatchOptions {
        producer_id: ProducerId(7),
        ..BatchOptions::default()
    };
    assert!(matches!(
        check(batch_of(options), &[]),
        Err(InvalidBatch::Malformed(_))
    ));
}

#[test]
fn a_batch_above_max_message_bytes_is_refused_with_both_sizes() {
    let bytes = batch_of(BatchOptions::default());
    let found = bytes.len();
    match check(bytes, &[("max.message.bytes", "70")]) {
        Err(InvalidBatch::TooLarge { size, size_max }) => {
            assert_eq!((size, size_max), (found, 70));
        }
        other => panic!("expected TooLarge, found {other:?}"),
    }
}

#[test]
fn zstd_needs_produce_version_7() {
    let options = BatchOptions {
        codec: Codec::Zstd,
        ..BatchOptions::default()
    };
    let error = check_at(batch_of(options), &[], 6).unwrap_err();
    assert!(matches!(error, InvalidBatch::CodecTooNew));
}

#[test]
fn a_keyless_record_on_a_compacted_topic_is_named_by_its_index() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.push(NOW_MS, Some(b"k"), Some(b"v"), &[]).unwrap();
    builder.push(NOW_MS, None, Some(b"v"), &[]).unwrap();
    match check(builder.build(), &[("cleanup.policy", "compact")]) {
        Err(InvalidBatch::Records(errors)) => {
            assert_eq!(
                errors.iter().map(|error| error.index).collect::<Vec<_>>(),
                [1]
            );
        }
        other => panic!("expected record errors, found {other:?}"),
    }
}

#[test]
fn timestamps_outside_the_topic_s_window_are_refused() {
    for settings in [
        [("message.timestamp.after.max.ms", "3")],
        [("message.timestamp.before.max.ms", "3")],
    ] {
        let shift = if settings[0].0.contains("after") {
            0
        } else {
            -1_000
        };
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder
            .push(NOW_MS + 5 + shift, None, Some(b"v"), &[])
            .unwrap();
        let error = check(builder.build(), &settings).unwrap_err();
        assert!(matches!(error, InvalidBatch::Timestamps(_)), "{error}");
    }
}

#[test]
fn compression_type_converts_and_keeps_every_record() {
    let plain = records_of(check(batch_of(BatchOptions::default()), &[]).unwrap());
    for name in ["gzip", "snappy", "lz4", "zstd"] {
        let settings = [("compression.type", name)];
        let valid = check(batch_of(BatchOptions::default()), &settings).unwrap();
        assert_ne!(
            valid.header().attributes.codec().unwrap(),
            Codec::None,
            "{name}"
        );
        assert_eq!(records_of(valid), plain, "{name}");
    }
    let packed = batch_of(BatchOptions {
        codec: Codec::Lz4,
        ..BatchOptions::default()
    });
    let valid = check(packed, &[("compression.type", "uncompressed")]).unwrap();
    assert_eq!(valid.header().attributes.codec().unwrap(), Codec::None);
    assert_eq!(records_of(valid), plain);
}

#[test]
fn log_append_time_replaces_the_producer_s_timestamps() {
    let settings = [("message.timestamp.type", "LogAppendTime")];
    let valid = check(batch_of(BatchOptions::default()), &settings).unwrap();
    assert_eq!(valid.log_append_time(), Some(NOW_MS));
    assert_eq!(
        valid.header().attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    let (bytes, header) = valid.into_parts();
    assert_eq!(header.max_timestamp, NOW_MS);
    batch::verify_crc(&bytes).unwrap();
}

#[test]
fn a_wrong_max_timestamp_is_corrected() {
    let bytes = patched(35, &(NOW_MS + 999).to_be_bytes());
    let valid = check(bytes, &[]).unwrap();
    assert_eq!(valid.header().max_timestamp, NOW_MS + 5);
    let (bytes, header) = valid.into_parts();
    batch::verify_crc(&bytes).unwrap();
    assert_eq!(BatchHeader::parse(&bytes).unwrap(), header);
}
