//! Record formats of consumer groups: Kafka's own bytes, round trips, and hostile bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use sprawl_model::TopicId;
use uuid::Uuid;

use crate::coordinator::{BatchKind, Machine, Record};
use crate::group::consumer::member::{ClassicMetadata, Current, MemberMetadata, MemberState};
use crate::group::consumer::records::{ConsumerRecord, GroupEpoch, ResolvedRegex, TargetEpoch};
use crate::group::{GroupSettings, GroupShard, JoinProtocol};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn topic_id() -> TopicId {
    TopicId(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10))
}

fn every_kind() -> Vec<ConsumerRecord> {
    let owned: BTreeMap<i32, i32> = [(0, 3), (2, 4)].into();
    vec![
        ConsumerRecord::Group(Some(GroupEpoch {
            epoch: 5,
            metadata_hash: 0x1122_3344_5566_7788,
        })),
        ConsumerRecord::Group(None),
        ConsumerRecord::PartitionMetadata(None),
        ConsumerRecord::Member(
            "m".to_owned(),
            Some(MemberMetadata {
                instance_id: Some("i".to_owned()),
                client_id: "c".to_owned(),
                client_host: "/h".to_owned(),
                topics: ["t".to_owned()].into(),
                regex: Some("t.*".to_owned()),
                rebalance_timeout_ms: 1_000,
                server_assignor: Some("range".to_owned()),
                classic: Some(ClassicMetadata {
                    session_timeout_ms: 9,
                    protocols: vec![JoinProtocol {
                        name: "range".to_owned(),
                        metadata: Bytes::from_static(&[1, 2]),
                    }],
                }),
                ..MemberMetadata::default()
            }),
        ),
        ConsumerRecord::Member("m".to_owned(), Some(MemberMetadata::default())),
        ConsumerRecord::TargetEpoch(Some(TargetEpoch {
            epoch: 5,
            timestamp_ms: 6,
        })),
        ConsumerRecord::Target("m".to_owned(), Some([(topic_id(), [0, 2].into())].into())),
        ConsumerRecord::Current(
            "m".to_owned(),
            Some(Current {
                epoch: 5,
                previous_epoch: 4,
                state: MemberState::UnrevokedPartitions,
                assigned: [(topic_id(), owned)].into_iter().collect(),
                revoking: Default::default(),
            }),
        ),
        ConsumerRecord::Regex(
            "t.*".to_owned(),
            Some(ResolvedRegex {
                topics: ["t".to_owned()].into(),
                version: 7,
                timestamp_ms: 8,
            }),
        ),
        ConsumerRecord::Regex("t.*".to_owned(), None),
    ]
}

#[test]
fn every_record_is_read_as_it_was_written() {
    for record in every_kind() {
        let encoded = record.encode("g");
        let decoded = ConsumerRecord::decode(&encoded).unwrap();
        assert_eq!(decoded, Some(("g".to_owned(), record)));
    }
}

/// The bytes that kafka-group-coordinator 4.3.1 writes for the same values.
#[test]
fn records_have_kafkas_bytes() {
    let bytes = |record: &ConsumerRecord| {
        let Record { key, value } = record.encode("g");
        let value = value.map_or_else(|| "-".to_owned(), |value| hex(&value));
        format!("{} {value}", hex(&key))
    };
    let written: Vec<String> = every_kind().iter().map(bytes).collect();
    let expected = [
        "0003000167 0000000000050100081122334455667788",
        "0003000167 -",
        "0004000167 -",
        "000500016700016d 00000269000263032f6802027404742e2a000003e80672616e676501001101000000\
         09020672616e67650301020000",
        "000500016700016d 0000000001010100ffffffff0000",
        "0006000167 0000000000050100080000000000000006",
        "000700016700016d 0000020102030405060708090a0b0c0d0e0f100300000000000000020000",
        "000800016700016d 0000000000050000000401020102030405060708090a0b0c0d0e0f10030000000000\
         0000020100090300000003000000040100",
        "00100001670003742e2a 00000202740000000000000007000000000000000800",
        "00100001670003742e2a -",
    ];
    assert_eq!(written, expected);
}

proptest! {
    #[test]
    fn hostile_records_never_panic(
        version in prop::sample::select(vec![3_u8, 4, 5, 6, 7, 8, 16]),
        key in prop::collection::vec(any::<u8>(), 0..40),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..80)),
    ) {
        let mut shard = GroupShard::new(GroupSettings::default());
        let record = Record {
            key: [&[0, version], key.as_slice()].concat().into(),
            value: value.map(|value| [&[0, 0], value.as_slice()].concat().into()),
        };
        let replayed = shard.replay(BatchKind::Plain, &record);
        prop_assert!(replayed.is_err() || shard.count_by_state().values().sum::<usize>() <= 1);
    }

    #[test]
    fn damaged_records_never_panic(
        which in 0_usize..10,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut record = every_kind()[which].encode("g");
        if let Some(value) = &record.value {
            let mut bytes = value.to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            record.value = Some(bytes.into());
        }
        drop(ConsumerRecord::decode(&record));
    }
}
