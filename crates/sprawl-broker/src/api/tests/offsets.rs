//! ListOffsets, OffsetForLeaderEpoch, InitProducerId.

use sprawl_model::batch::BatchOptions;
use sprawl_model::compression::Codec;
use sprawl_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use sprawl_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};

use super::data::*;
use super::*;

/// Code, offset and timestamp of one look-up.
async fn list(node: &mut Node, version: i16, timestamp: i64, epoch: i32) -> (i16, i64, i64) {
    let partition = ListOffsetsPartition::default()
        .with_timestamp(timestamp)
        .with_current_leader_epoch(epoch);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    match node.call(version, request).await {
        Response::ListOffsets(mut response) => {
            let found = response.topics.remove(0).partitions.remove(0);
            (found.error_code, found.offset, found.timestamp)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn special_timestamps_have_their_meaning_from_their_version_on() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        node.append("t", batch(&["a", "b"])).await;
        node.append("t", batch(&["c"])).await;
        let unsupported = (ErrorCode::UnsupportedVersion.number(), -1, -1);
        for version in 1..=11 {
            let from = |first: i16, found| {
                if version >= first { found } else { unsupported }
            };
            for (timestamp, expected) in [
                (-1, (NONE, 3, -1)),
                (-2, (NONE, 0, -1)),
                (-3, from(7, (NONE, 1, TIME_MS + 1))),
                (-4, from(8, (NONE, 0, -1))),
                (-5, from(9, (NONE, -1, -1))),
                (-6, from(11, (NONE, -1, -1))),
            ] {
                let found = list(&mut node, version, timestamp, -1).await;
                assert_eq!(found, expected, "{timestamp} in version {version}");
            }
        }
        let unknown = ErrorCode::UnknownLeaderEpoch.number();
        assert_eq!(list(&mut node, 4, -1, 9).await, (unknown, -1, -1));
    });
}

#[test]
fn partition_named_twice_is_not_looked_up() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 2, 1)).await;
        let asked = [0, 1, 0].map(|partition| {
            let latest = ListOffsetsPartition::default().with_timestamp(-1);
            latest.with_partition_index(partition)
        });
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(asked.to_vec());
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let Response::ListOffsets(response) = node.call(5, request).await else {
            panic!("not an answer to ListOffsets");
        };
        let partitions = &response.topics[0].partitions;
        let codes: Vec<_> = partitions.iter().map(|found| found.error_code).collect();
        let invalid = ErrorCode::InvalidRequest.number();
        assert_eq!(codes, [invalid, NONE, invalid]);
    });
}

#[test]
fn look_up_by_time_goes_down_to_the_record_in_every_codec() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let codecs = [
            Codec::None,
            Codec::Gzip,
            Codec::Snappy,
            Codec::Lz4,
            Codec::Zstd,
        ];
        // Each batch is 1,000 ms after the one before, its records 1 ms apart.
        for (number, codec) in (0..).zip(codecs) {
            let options = BatchOptions {
                codec,
                ..BatchOptions::default()
            };
            let mut builder = sprawl_model::batch::BatchBuilder::new(options);
            for record in 0..3 {
                let time = TIME_MS + number * 1_000 + record;
                builder.push(time, Some(b"k"), Some(b"v"), &[]).unwrap();
            }
            node.append("t", builder.build()).await;
        }
        for _ in 0..2 {
            for number in 0..5 {
                for record in 0..3 {
                    let time = TIME_MS + number * 1_000 + record;
                    let found = list(&mut node, 5, time, -1).await;
                    assert_eq!(found, (NONE, number * 3 + record, time));
                }
                let between = list(&mut node, 5, TIME_MS + number * 1_000 - 1, -1).await;
                assert_eq!(between.1, number * 3);
            }
            assert_eq!(
                list(&mut node, 5, TIME_MS + 4_003, -1).await,
                (NONE, -1, -1)
            );
            node = node.kill_and_restart().await;
        }
    });
}

#[test]
fn end_of_an_epoch_is_told_to_those_in_the_current_one() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        node.append("t", batch(&["a", "b"])).await;
        for version in 2..=4 {
            for (partition, current, asked, expected) in [
                (0, -1, 0, (NONE, 0, 2)),
                (0, 0, 0, (NONE, 0, 2)),
                (0, -1, 5, (NONE, -1, -1)),
                (0, 5, 0, (ErrorCode::UnknownLeaderEpoch.number(), -1, -1)),
                (
                    3,
                    -1,
                    0,
                    (ErrorCode::UnknownTopicOrPartition.number(), -1, -1),
                ),
            ] {
                let asked = OffsetForLeaderPartition::default()
                    .with_partition(partition)
                    .with_current_leader_epoch(current)
                    .with_leader_epoch(asked);
                let topic = OffsetForLeaderTopic::default()
                    .with_topic(topic_name("t"))
                    .with_partitions(vec![asked]);
                let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
                let Response::OffsetForLeaderEpoch(mut response) =
                    node.call(version, request).await
                else {
                    panic!("not an answer to OffsetForLeaderEpoch");
                };
                let found = response.topics.remove(0).partitions.remove(0);
                let found = (found.error_code, found.leader_epoch, found.end_offset);
                assert_eq!(found, expected);
            }
        }
    });
}

#[test]
fn producer_ids_are_never_given_twice_not_even_after_a_kill() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let mut given = std::collections::BTreeSet::new();
        for _ in 0..3 {
            for version in 0..=6 {
                let request = InitProducerIdRequest::default();
                let Response::InitProducerId(response) = node.call(version, request).await else {
                    panic!("not an answer to InitProducerId");
                };
                assert_eq!((response.error_code, response.producer_epoch), (NONE, 0));
                assert!(given.insert(response.producer_id.0));
            }
            node = node.kill_and_restart().await;
        }
    });
}
