//! Record formats of streams groups: Kafka's own bytes, round trips, and hostile bytes.

use proptest::prelude::*;

use super::*;
use crate::coordinator::{BatchKind, Machine};
use crate::group::streams::member::MemberState;
use crate::group::streams::tasks::OwnedTasks;
use crate::group::streams::topology::{CopartitionGroup, InternalTopic, Subtopology};
use crate::group::{GroupSettings, GroupShard};

fn text(text: &str) -> String {
    text.to_owned()
}

fn topology() -> Topology {
    let changelog = InternalTopic {
        name: text("c"),
        configs: vec![(text("cleanup.policy"), text("compact"))],
        ..InternalTopic::default()
    };
    let repartition = InternalTopic {
        name: text("r"),
        partition_count: 3,
        replication_factor: 1,
        configs: Vec::new(),
    };
    let group = CopartitionGroup {
        source_topics: vec![0],
        ..CopartitionGroup::default()
    };
    let first = Subtopology {
        source_topics: vec![text("a")],
        changelogs: vec![changelog],
        repartition_sinks: vec![text("r")],
        copartition_groups: vec![group],
        ..Subtopology::default()
    };
    let second = Subtopology {
        repartition_sources: vec![repartition],
        ..Subtopology::default()
    };
    Topology {
        epoch: 1,
        subtopologies: [(text("0"), first), (text("1"), second)].into(),
    }
}

fn every_kind() -> Vec<StreamsRecord> {
    let standby = BTreeMap::from([(text("1"), [1].into())]);
    vec![
        StreamsRecord::Group(Some(GroupEpoch {
            epoch: 5,
            metadata_hash: 0x1122_3344_5566_7788,
            validated_topology_epoch: 0,
            assignment_configs: [(text("num.standby.replicas"), text("1"))].into(),
        })),
        StreamsRecord::Group(Some(GroupEpoch::default())),
        StreamsRecord::Group(None),
        StreamsRecord::Member(
            text("m"),
            Some(MemberMetadata {
                instance_id: Some(text("i")),
                rack_id: Some(text("r")),
                client_id: text("c"),
                client_host: text("/h"),
                rebalance_timeout_ms: 1_000,
                topology_epoch: 2,
                process_id: text("p"),
                user_endpoint: Some((text("e"), 59_090)),
                client_tags: [(text("k"), text("v"))].into(),
            }),
        ),
        StreamsRecord::Member(text("m"), Some(MemberMetadata::default())),
        StreamsRecord::TargetEpoch(Some(TargetEpoch {
            epoch: 5,
            timestamp_ms: 6,
        })),
        StreamsRecord::Target(
            text("m"),
            Some(Tasks {
                active: [(text("0"), [0, 2].into())].into(),
                standby: standby.clone(),
                ..Tasks::default()
            }),
        ),
        StreamsRecord::Current(
            text("m"),
            Some(Current {
                epoch: 5,
                previous_epoch: 4,
                state: MemberState::UnrevokedTasks,
                assigned: OwnedTasks {
                    active: [(text("0"), [(0, 3), (2, 4)].into())].into(),
                    standby,
                    ..OwnedTasks::default()
                },
                revoking: OwnedTasks {
                    active: [(text("0"), [(1, 3)].into())].into(),
                    ..OwnedTasks::default()
                },
            }),
        ),
        StreamsRecord::Topology(Some(topology())),
        StreamsRecord::Topology(None),
    ]
}

#[test]
fn every_record_is_read_as_it_was_written() {
    for record in every_kind() {
        let encoded = record.encode("g");
        let decoded = StreamsRecord::decode(&encoded).unwrap();
        assert_eq!(decoded, Some((text("g"), record)));
    }
}

/// The bytes that kafka-group-coordinator 4.3.1 writes for the same values.
#[test]
fn records_have_kafkas_bytes() {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let bytes = |record: &StreamsRecord| {
        let Record { key, value } = record.encode("g");
        let value = value.map_or_else(|| text("-"), |value| hex(&value));
        format!("{} {value}", hex(&key))
    };
    let written: Vec<String> = every_kind().iter().map(bytes).collect();
    let expected = [
        "0011000167 000000000005112233445566778802000400000000011902156e756d2e7374616e646\
         2792e7265706c69636173023100",
        "0011000167 000000000001000000000000000000",
        "0011000167 -",
        "001300016700016d 0000026902720263032f68000003e8000000020270010265e6d20002026b027\
         60000",
        "001300016700016d 000000000101ffffffffffffffff01ff0100",
        "0014000167 0000000000050100080000000000000006",
        "001500016700016d 0000020230030000000000000002000202310200000001000100",
        "001600016700016d 000000000005000000040202023003000000000000000201000903000000030\
         00000040202310200000001000102023002000000010100050200000003010100",
        "0017000167 00000000000103023002026101020263000000000000020f636c65616e75702e706f6\
         c69637908636f6d70616374000002027201020200000101000002310101010102027200000003000\
         10100010000",
        "0017000167 -",
    ];
    assert_eq!(written, expected);
}

#[test]
fn active_tasks_without_epochs_are_of_the_members_epoch() {
    // As an earlier release wrote them: one active task, no tagged field.
    let value = [
        &[0, 0, 0, 0, 0, 7, 0, 0, 0, 6, 1][..],
        &[2, 2, b'0', 2, 0, 0, 0, 3, 0],
        &[1, 1, 1, 1, 1, 0],
    ];
    let record = Record {
        value: Some(value.concat().into()),
        ..StreamsRecord::Current(text("m"), None).encode("g")
    };
    let decoded = StreamsRecord::decode(&record).unwrap();
    let Some((_, StreamsRecord::Current(_, Some(current)))) = decoded else {
        panic!("{decoded:?}");
    };
    assert_eq!(current.active_since("0", 3), Some(7));
}

proptest! {
    #[test]
    fn hostile_records_never_panic(
        version in prop::sample::select(vec![17_u8, 18, 19, 20, 21, 22, 23]),
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
        drop(StreamsRecord::decode(&record));
    }
}
