//! Record formats: Kafka's own bytes in both directions, and hostile bytes.

use bytes::Bytes;
use expect_test::expect;
use proptest::prelude::*;

use crate::coordinator::{BatchKind, Machine, Now, Record, RecordError, Replayed};
use crate::group::classic::records::{GroupValue, MemberValue};
use crate::group::offsets::CommittedOffset;
use crate::group::records::{decode_offset_commit, group_key, offset_commit_value};
use crate::group::{GroupSettings, GroupShard, Input, RecordKey};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn committed(expire_timestamp_ms: Option<i64>) -> CommittedOffset {
    CommittedOffset {
        offset: 258,
        leader_epoch: if expire_timestamp_ms.is_some() { -1 } else { 3 },
        metadata: "note".to_owned(),
        commit_timestamp_ms: 4,
        expire_timestamp_ms,
    }
}

fn group_value() -> GroupValue {
    GroupValue {
        protocol_type: Some("consumer".to_owned()),
        generation: 7,
        protocol_name: Some("range".to_owned()),
        leader: Some("m".to_owned()),
        state_timestamp_ms: Some(9),
        members: vec![MemberValue {
            member_id: "m".to_owned(),
            group_instance_id: None,
            client_id: "c".to_owned(),
            client_host: "/h".to_owned(),
            rebalance_timeout_ms: 1,
            session_timeout_ms: 2,
            subscription: Bytes::from_static(b"sub"),
            assignment: Bytes::from_static(b"as"),
        }],
    }
}

#[test]
fn keys_have_kafkas_bytes() {
    let key = RecordKey::OffsetCommit {
        group_id: "g".to_owned(),
        topic: "t".to_owned(),
        partition: 2,
    };
    expect!["000100016700017400000002"].assert_eq(&hex(&key.encode()));
    assert_eq!(RecordKey::decode(&key.encode()), Ok(key));
    expect!["0002000167"].assert_eq(&hex(&group_key("g").encode()));
    assert_eq!(
        RecordKey::decode(&group_key("g").encode()),
        Ok(group_key("g"))
    );
}

#[test]
fn offset_values_have_kafkas_bytes() {
    let value = offset_commit_value(&committed(None));
    expect!["000300000000000001020000000300046e6f74650000000000000004"].assert_eq(&hex(&value));
    assert_eq!(decode_offset_commit(&value), Ok(committed(None)));
    let value = offset_commit_value(&committed(Some(5)));
    expect!["0001000000000000010200046e6f746500000000000000040000000000000005"]
        .assert_eq(&hex(&value));
    assert_eq!(decode_offset_commit(&value), Ok(committed(Some(5))));
}

#[test]
fn group_value_has_kafkas_bytes() {
    let value = group_value().encode();
    expect!["00030008636f6e73756d657200000007000572616e676500016d00000000000000090000000100016dffff00016300022f68000000010000000200000003737562000000026173"].assert_eq(&hex(&value));
    assert_eq!(GroupValue::decode(&value), Ok(group_value()));
}

#[test]
fn flexible_value_of_a_newer_kafka_is_read() {
    // Version 4: offset, epoch, compact "note", timestamp, one tagged field of two bytes.
    let mut value = vec![0, 4];
    value.extend_from_slice(&258_i64.to_be_bytes());
    value.extend_from_slice(&3_i32.to_be_bytes());
    value.extend_from_slice(b"\x05note");
    value.extend_from_slice(&4_i64.to_be_bytes());
    value.extend_from_slice(&[1, 0, 2, 0xaa, 0xbb]);
    assert_eq!(decode_offset_commit(&value), Ok(committed(None)));
}

#[test]
fn unknown_value_version_is_an_error() {
    let expected = RecordError::ValueVersion {
        known_max: 4,
        found: 5,
    };
    assert_eq!(decode_offset_commit(&[0, 5]), Err(expected));
}

#[test]
fn record_of_a_later_protocol_is_passed_over() {
    let mut shard = GroupShard::new(GroupSettings::default());
    let record = Record {
        key: Bytes::from_static(&[0, 99, 0, 1, b'g']),
        value: None,
    };
    assert_eq!(
        shard.replay(BatchKind::Plain, &record),
        Ok(Replayed::UnknownKey { version: 99 })
    );
}

#[test]
fn count_that_lies_is_an_error_and_allocates_nothing() {
    let mut value = group_value();
    value.members.clear();
    let mut bytes = value.encode().to_vec();
    let count_at = bytes.len() - 4;
    bytes[count_at..].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(
        GroupValue::decode(&bytes),
        Err(RecordError::Short {
            expected: i32::MAX as usize,
            found: 0
        })
    );
}

proptest! {
    #[test]
    fn hostile_records_never_panic(key: Vec<u8>, value: Option<Vec<u8>>, kind in 0_u8..4) {
        let mut shard = GroupShard::new(GroupSettings::default());
        let framed = |bytes: Vec<u8>| [vec![0, kind], bytes].concat();
        let good_key = group_key("g").encode();
        let value = value.map(|value| Bytes::from(framed(value)));
        let outcomes = [
            Record { key: framed(key).into(), value: value.clone() },
            Record { key: good_key, value },
        ]
        .map(|record| shard.replay(BatchKind::Plain, &record));
        let replayed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let known = shard.list().count();
        prop_assert!(known <= replayed, "a record that is refused makes no group");
        let now = Now { wall_ms: 0, monotonic_ms: 0 };
        prop_assert!(!shard.step(now, Input::Loaded).is_empty(), "the expiry timer is set");
    }

    #[test]
    fn damaged_group_values_never_panic(at in 0_usize..80, byte: u8, cut in 0_usize..80) {
        let mut bytes = group_value().encode().to_vec();
        let size = bytes.len();
        bytes[at % size] = byte;
        bytes.truncate(size - cut % size);
        if let Ok(value) = GroupValue::decode(&bytes) {
            prop_assert!(value.encode().len() <= size, "nothing is made up");
        }
    }
}
