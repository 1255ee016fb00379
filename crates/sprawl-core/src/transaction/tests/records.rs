//! Record formats: Kafka's own bytes in both directions, and hostile bytes.

use bytes::Bytes;
use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::coordinator::{BatchKind, Machine, Record, RecordError, Replayed};
use crate::transaction::records::{decode, record, tombstone};
use crate::transaction::value::TransactionValue;
use crate::transaction::{TransactionSettings, TransactionShard};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn value() -> TransactionValue {
    TransactionValue {
        producer: producer(5, 3),
        previous_producer_id: ProducerId(5),
        next_producer_id: ProducerId(6),
        next_producer_epoch: ProducerEpoch(9),
        state: TransactionState::PrepareCommit,
        partitions: [tp("t")].into(),
        start_ms: 7,
        client_version: TransactionVersion::V2,
        ..TransactionValue::new(ProducerId(5), 60_000, 8)
    }
}

#[test]
fn records_are_byte_for_byte_kafkas() {
    let written = record("txn", &value(), TransactionVersion::V0);
    expect!["0000000374786e"].assert_eq(&hex(&written.key));
    expect!["000000000000000000050003 0000ea60 02 00000001 000174 00000001 00000000 0000000000000008 0000000000000007"]
        .assert_eq(&spaced(&written.value.unwrap(), &[12, 4, 1, 4, 3, 4, 4, 8, 8]));
    let written = record("txn", &value(), TransactionVersion::V2);
    expect!["000100000000000000050003 0000ea60 02 02 0274 02 00000000 00 0000000000000008 0000000000000007 04 00080000000000000005 01080000000000000006 02020002 03020009"]
        .assert_eq(&spaced(
            &written.value.unwrap(),
            &[12, 4, 1, 1, 2, 1, 4, 1, 8, 8, 1, 10, 10, 4, 4],
        ));
    assert_eq!(tombstone("txn").value, None);
}

/// Groups bytes as the fields of the format are.
fn spaced(bytes: &[u8], sizes: &[usize]) -> String {
    let mut rest = bytes;
    let mut fields = Vec::new();
    for size in sizes {
        let (field, after) = rest.split_at(*size);
        fields.push(hex(field));
        rest = after;
    }
    assert!(rest.is_empty(), "left over: {}", hex(rest));
    fields.join(" ")
}

#[test]
fn both_versions_are_read_back() {
    let plain = TransactionValue {
        previous_producer_id: ProducerId::NONE,
        next_producer_id: ProducerId::NONE,
        next_producer_epoch: ProducerEpoch::NONE,
        client_version: TransactionVersion::V0,
        ..value()
    };
    let empty = TransactionValue::new(ProducerId(9), 1, 2);
    for (value, version) in [
        (value(), TransactionVersion::V2),
        (plain, TransactionVersion::V0),
        (empty.clone(), TransactionVersion::V0),
        (empty, TransactionVersion::V1),
    ] {
        let written = record("txn", &value, version).value.unwrap();
        assert_eq!(decode(&written), Ok(value));
    }
}

#[test]
fn unknown_versions_and_states_are_told_apart() {
    let written = record("txn", &value(), TransactionVersion::V2);
    let mut newer = written.value.clone().unwrap().to_vec();
    newer[1] = 2;
    let error = RecordError::ValueVersion {
        known_max: 1,
        found: 2,
    };
    assert_eq!(decode(&newer), Err(error));
    let mut odd = written.value.unwrap().to_vec();
    odd[16] = 8;
    assert_eq!(decode(&odd), Err(RecordError::Number(8)));
    let mut shard = TransactionShard::new(TransactionSettings::default());
    let later = Record {
        key: Bytes::from_static(&[0, 1, 0]),
        value: None,
    };
    assert_eq!(
        shard.replay(BatchKind::Plain, &later),
        Ok(Replayed::UnknownKey { version: 1 })
    );
}

#[test]
fn value_that_promises_two_billion_partitions_is_refused_before_anything_is_reserved() {
    let written = record("txn", &value(), TransactionVersion::V2);
    let written = written.value.unwrap();
    // Version, producer, timeout, state; then topics, or a topic's partitions.
    let (topics, partitions) = (2 + 8 + 2 + 4 + 1, 2 + 8 + 2 + 4 + 1 + 1 + 2);
    for at in [topics, partitions] {
        let (head, tail) = written.split_at(at);
        let lie = [0xff, 0xff, 0xff, 0xff, 0x07];
        let value = [head, &lie, &tail[1..]].concat();
        assert!(decode(&value).is_err(), "at {at}");
    }
    let plain = record("txn", &value(), TransactionVersion::V0);
    let plain = plain.value.unwrap();
    let (head, tail) = plain.split_at(topics);
    let value = [head, &[0x7f, 0xff, 0xff, 0xff], &tail[4..]].concat();
    assert!(decode(&value).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_replay_panic(
        key in prop::collection::vec(any::<u8>(), 0..40),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..80)),
        version in 0_u8..3,
    ) {
        let framed = |bytes: Vec<u8>| [vec![0, version], bytes].concat();
        let mut shard = TransactionShard::new(TransactionSettings::default());
        let record = Record {
            key: framed(key).into(),
            value: value.map(|value| Bytes::from(framed(value))),
        };
        let good = Record { key: tombstone("t").key, value: record.value.clone() };
        let replayed = [record, good].map(|record| shard.replay(BatchKind::Plain, &record));
        let read = replayed.iter().filter(|replayed| replayed.is_ok()).count();
        let known: usize = shard.count_by_state().values().sum();
        prop_assert!(known <= read, "a record that is refused makes no transactional id");
    }
}
