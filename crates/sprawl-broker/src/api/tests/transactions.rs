//! Transactions as a partition shows them: what is hidden, what is told, what survives a kill.

use std::time::Duration;

use sprawl_core::partition::EpochBump;
use sprawl_io::time;
use sprawl_model::batch::BatchOptions;
use sprawl_model::{Offset, PartitionId, TopicId};
use sprawl_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use sprawl_protocol::messages::describe_producers_response::ProducerState;
use sprawl_protocol::messages::fetch_response::PartitionData;
use sprawl_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use sprawl_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};

use super::data::*;
use super::*;
use crate::replicated_log::ReplicatedLog;
use crate::validate::ValidBatch;

const ABORT: bool = false;
const COMMIT: bool = true;

/// Appends a batch of a transaction as if its coordinator had agreed; returns its offset.
pub(super) async fn append_in_txn(
    node: &Node,
    producer: (i64, i16),
    base_sequence: i32,
    values: &[&str],
) -> i64 {
    let options = BatchOptions {
        producer_id: sprawl_model::ProducerId(producer.0),
        producer_epoch: sprawl_model::ProducerEpoch(producer.1),
        base_sequence: sprawl_model::Sequence(base_sequence),
        transactional: true,
        ..BatchOptions::default()
    };
    let batch = ValidBatch::from_broker(batch_of(options, Some("k"), values)).unwrap();
    let found = node
        .broker
        .broker
        .find_partition("t", TopicId::NONE, PartitionId(0));
    let partition = found.unwrap();
    let verified = partition
        .begin_verification(batch.header(), EpochBump::PerTransaction)
        .unwrap();
    let appended = partition.append(batch.verified(verified)).unwrap();
    appended.durable.await.unwrap().into_inner().0
}

fn marker(producer: (i64, i16), outcome: bool) -> WritableTxnMarker {
    let topic = WritableTxnMarkerTopic {
        name: topic_name("t"),
        partition_indexes: vec![0],
    };
    WritableTxnMarker {
        producer_id: ProducerId(producer.0),
        producer_epoch: producer.1,
        transaction_result: outcome,
        topics: vec![topic],
        transaction_version: 2,
        ..WritableTxnMarker::default()
    }
}

async fn write(node: &mut Node, version: i16, markers: Vec<WritableTxnMarker>) -> Vec<i16> {
    let request = WriteTxnMarkersRequest { markers };
    match node.call(version, request).await {
        Response::WriteTxnMarkers(response) => response
            .markers
            .iter()
            .flat_map(|marker| &marker.topics)
            .flat_map(|topic| &topic.partitions)
            .map(|partition| partition.error_code)
            .collect(),
        other => panic!("{other:?}"),
    }
}

async fn end(node: &mut Node, producer: (i64, i16), outcome: bool) {
    assert_eq!(
        write(node, 2, vec![marker(producer, outcome)]).await,
        [NONE]
    );
}

fn committed(offset: i64) -> FetchRequest {
    fetch_from("t", vec![fetch_partition(0, offset)]).with_isolation_level(1)
}

pub(super) async fn read_committed(node: &mut Node, offset: i64) -> PartitionData {
    let mut answer = node.fetch(12, committed(offset)).await;
    answer.responses.remove(0).partitions.remove(0)
}

/// Offset and values of the data batches that the answer holds, and what it says was aborted.
pub(super) fn seen(partition: &PartitionData) -> (Vec<i64>, Vec<(i64, i64)>) {
    let headers = headers_of(partition);
    let data = headers
        .iter()
        .filter(|header| !header.attributes.is_control());
    let aborted = partition.aborted_transactions.iter().flatten();
    (
        data.map(|header| header.base_offset.0).collect(),
        aborted
            .map(|txn| (txn.producer_id.0, txn.first_offset))
            .collect(),
    )
}

async fn with_topic() -> Node {
    let mut node = Node::start(&[]).await;
    node.create_one(topic("t", 1, 1)).await;
    node
}

#[test]
fn reader_of_committed_records_sees_nothing_of_an_open_transaction_and_what_is_behind_it() {
    simulate(async {
        let mut node = with_topic().await;
        node.append("t", batch(&["a", "b"])).await;
        assert_eq!(append_in_txn(&node, (7, 0), 0, &["c"]).await, 2);
        node.append("t", batch(&["d"])).await;
        let partition = read_committed(&mut node, 0).await;
        assert_eq!(
            (partition.high_watermark, partition.last_stable_offset),
            (4, 2)
        );
        assert_eq!(seen(&partition), (vec![0], vec![]));
        let all = node.read("t", 0).await;
        assert_eq!((all.high_watermark, all.last_stable_offset), (4, 2));
        assert_eq!(seen(&all), (vec![0, 2, 3], vec![]));
        assert_eq!(all.aborted_transactions, None);
        end(&mut node, (7, 1), COMMIT).await;
        let partition = read_committed(&mut node, 0).await;
        assert_eq!(
            (partition.high_watermark, partition.last_stable_offset),
            (5, 5)
        );
        assert_eq!(seen(&partition), (vec![0, 2, 3], vec![]));
    });
}

#[test]
fn reader_of_committed_records_is_told_in_every_version_what_was_aborted() {
    simulate(async {
        let mut node = with_topic().await;
        let id = node.page(&["t"], 9, None).await.topics[0].topic_id;
        append_in_txn(&node, (7, 0), 0, &["a"]).await;
        append_in_txn(&node, (8, 0), 0, &["b"]).await;
        end(&mut node, (7, 1), ABORT).await;
        end(&mut node, (8, 1), COMMIT).await;
        append_in_txn(&node, (7, 1), 0, &["c"]).await;
        end(&mut node, (7, 2), ABORT).await;
        for version in 4..=18 {
            let mut request = committed(0);
            if version >= 13 {
                request.topics[0].topic = topic_name("");
                request.topics[0].topic_id = id;
            }
            let answer = node.fetch(version, request).await;
            let partition = &answer.responses[0].partitions[0];
            assert_eq!(partition.last_stable_offset, 6);
            assert_eq!(seen(partition), (vec![0, 1, 4], vec![(7, 0), (7, 4)]));
        }
        // Only those that reach into what is returned.
        let partition = read_committed(&mut node, 3).await;
        assert_eq!(seen(&partition), (vec![4], vec![(7, 4)]));
        let mut few = committed(0);
        few.topics[0].partitions[0].partition_max_bytes = 1;
        let answer = node.fetch(12, few).await;
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(seen(partition), (vec![0], vec![(7, 0)]));
        // Nothing is returned at the end, and nothing is said.
        let partition = read_committed(&mut node, 6).await;
        assert_eq!(partition.aborted_transactions, Some(vec![]));
    });
}

#[test]
fn waiting_reader_of_committed_records_is_woken_by_the_marker_and_not_kept_by_other_records() {
    simulate(async {
        let mut node = with_topic().await;
        append_in_txn(&node, (7, 0), 0, &["a"]).await;
        let mut stream = node.connect().await;
        let waiting = committed(0).with_max_wait_ms(60_000);
        send(&mut stream, 12, 5, waiting).await;
        time::sleep(Duration::from_millis(100)).await;
        node.append("t", batch(&["b"])).await;
        let early = time::timeout(Duration::from_secs(1), receive(&mut stream)).await;
        assert!(early.is_none(), "nothing stable has come");
        let mut stream = node.connect().await;
        send(&mut stream, 12, 6, committed(0).with_max_wait_ms(60_000)).await;
        time::sleep(Duration::from_millis(100)).await;
        end(&mut node, (7, 1), COMMIT).await;
        let woken = time::timeout(Duration::from_secs(1), receive(&mut stream)).await;
        let body = woken.expect("the marker wakes the reader").unwrap();
        let Response::Fetch(answer) = decode_response(ApiKey::Fetch, 12, body).unwrap() else {
            panic!("not a fetch response");
        };
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(seen(partition), (vec![0, 1], vec![]));
    });
}

#[test]
fn offsets_are_listed_up_to_the_last_stable_one() {
    simulate(async {
        let mut node = with_topic().await;
        node.append("t", batch(&["a"])).await;
        append_in_txn(&node, (7, 0), 0, &["b", "c"]).await;
        let list = async |node: &mut Node, isolation, timestamp| {
            let partition = ListOffsetsPartition::default()
                .with_timestamp(timestamp)
                .with_current_leader_epoch(-1);
            let topic = ListOffsetsTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(vec![partition]);
            let request = ListOffsetsRequest::default()
                .with_isolation_level(isolation)
                .with_topics(vec![topic]);
            match node.call(7, request).await {
                Response::ListOffsets(mut response) => {
                    response.topics.remove(0).partitions.remove(0).offset
                }
                other => panic!("{other:?}"),
            }
        };
        for (timestamp, uncommitted, committed) in [
            (-1, 3, 1),
            (-2, 0, 0),
            (-3, 2, -1),
            (TIME_MS, 0, 0),
            (TIME_MS + 1, 2, -1),
        ] {
            assert_eq!(list(&mut node, 0, timestamp).await, uncommitted);
            assert_eq!(list(&mut node, 1, timestamp).await, committed);
        }
        end(&mut node, (7, 1), COMMIT).await;
        assert_eq!(list(&mut node, 1, -1).await, 4);
    });
}

#[test]
fn open_and_aborted_transactions_survive_a_kill() {
    simulate(async {
        let mut node = with_topic().await;
        append_in_txn(&node, (7, 0), 0, &["a"]).await;
        end(&mut node, (7, 1), ABORT).await;
        append_in_txn(&node, (8, 3), 0, &["b"]).await;
        node.append("t", batch(&["c"])).await;
        for life in 0..3 {
            if life == 1 {
                // From here on a snapshot and the state store know them.
                let store = node.broker.broker.store.clone();
                store.checkpoint().unwrap();
            }
            node = node.kill_and_restart().await;
            let partition = read_committed(&mut node, 0).await;
            assert_eq!(
                (partition.high_watermark, partition.last_stable_offset),
                (4, 2)
            );
            assert_eq!(seen(&partition), (vec![0], vec![(7, 0)]), "life {life}");
        }
        let fenced = ErrorCode::InvalidProducerEpoch.number();
        let late = marker((8, 3), COMMIT);
        assert_eq!(write(&mut node, 2, vec![late]).await, [fenced]);
        end(&mut node, (8, 4), COMMIT).await;
        let partition = read_committed(&mut node, 0).await;
        assert_eq!(partition.last_stable_offset, 5);
        assert_eq!(seen(&partition), (vec![0, 2, 3], vec![(7, 0)]));
    });
}

#[test]
fn markers_are_refused_by_epoch_coordinator_and_version() {
    simulate(async {
        let mut node = with_topic().await;
        append_in_txn(&node, (7, 3), 0, &["a"]).await;
        let fenced = ErrorCode::InvalidProducerEpoch.number();
        let by = |coordinator_epoch, marker| WritableTxnMarker {
            coordinator_epoch,
            ..marker
        };
        let none = WritableTxnMarker {
            topics: vec![WritableTxnMarkerTopic {
                name: topic_name("none"),
                partition_indexes: vec![0, 1],
            }],
            ..marker((7, 4), COMMIT)
        };
        let unknown = ErrorCode::UnknownTopicOrPartition.number();
        assert_eq!(write(&mut node, 2, vec![none]).await, [unknown, unknown]);
        for epoch in [2, 3] {
            let late = marker((7, epoch), COMMIT);
            assert_eq!(write(&mut node, 2, vec![late]).await, [fenced]);
        }
        // v1 says nothing of versions: the marker has the transaction's own epoch.
        let own = by(5, marker((7, 3), COMMIT));
        assert_eq!(write(&mut node, 1, vec![own]).await, [NONE]);
        let older = vec![by(4, marker((7, 4), COMMIT)), by(5, marker((7, 4), COMMIT))];
        let zombie = ErrorCode::TransactionCoordinatorFenced.number();
        assert_eq!(write(&mut node, 2, older).await, [zombie, NONE]);
    });
}

#[test]
fn producers_are_described_with_what_they_have_open() {
    simulate(async {
        let mut node = with_topic().await;
        node.append("t", sequenced((5, 2), 0, &["a", "b"])).await;
        append_in_txn(&node, (7, 0), 0, &["c"]).await;
        end(&mut node, (8, 4), ABORT).await;
        let topic = describe_producers_request::TopicRequest::default()
            .with_name(topic_name("t"))
            .with_partition_indexes(vec![0, 9]);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        let Response::DescribeProducers(mut response) = node.call(0, request).await else {
            panic!("not a response of DescribeProducers");
        };
        let mut partitions = response.topics.remove(0).partitions;
        let unknown = ErrorCode::UnknownTopicOrPartition.number();
        assert_eq!(partitions.remove(1).error_code, unknown);
        let row = |producer: &ProducerState| {
            (
                producer.producer_id.0,
                producer.producer_epoch,
                producer.last_sequence,
                producer.coordinator_epoch,
                producer.current_txn_start_offset,
            )
        };
        let active = &partitions[0].active_producers;
        let rows: Vec<_> = active.iter().map(row).collect();
        let expected = [(5, 2, 1, -1, -1), (7, 0, 0, -1, 2), (8, 4, -1, 0, -1)];
        assert_eq!(rows, expected);
        assert!(active.iter().all(|one| one.last_timestamp >= TIME_MS));
    });
}

#[test]
fn last_stable_offset_is_not_below_the_log_start() {
    simulate(async {
        let mut node = with_topic().await;
        append_in_txn(&node, (7, 0), 0, &["a"]).await;
        append_in_txn(&node, (7, 0), 1, &["b"]).await;
        let deleted = DeleteRecordsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![DeleteRecordsPartition::default().with_offset(1)]);
        let request = DeleteRecordsRequest::default().with_topics(vec![deleted]);
        node.call(2, request).await;
        let partition = read_committed(&mut node, 1).await;
        assert_eq!(
            (partition.log_start_offset, partition.last_stable_offset),
            (1, 1)
        );
        assert_eq!(seen(&partition), (vec![], vec![]));
        end(&mut node, (7, 1), ABORT).await;
        let partition = read_committed(&mut node, 1).await;
        assert_eq!(partition.last_stable_offset, 3);
        assert_eq!(seen(&partition), (vec![1], vec![(7, 0)]));
    });
}

#[test]
fn a_refused_append_leaves_nothing_unstable() {
    simulate(async {
        let mut node = with_topic().await;
        node.append("t", batch(&["a"])).await;
        let found = node
            .broker
            .broker
            .find_partition("t", TopicId::NONE, PartitionId(0));
        let partition = found.unwrap();
        let options = BatchOptions {
            producer_id: sprawl_model::ProducerId(7),
            producer_epoch: sprawl_model::ProducerEpoch(0),
            base_sequence: sprawl_model::Sequence(0),
            transactional: true,
            ..BatchOptions::default()
        };
        let batch = ValidBatch::from_broker(batch_of(options, None, &["b"])).unwrap();
        assert!(partition.append(batch).is_err(), "nobody has verified it");
        assert_eq!(partition.last_stable_offset(), Offset(1));
        node.append("t", data::batch(&["c"])).await;
        assert_eq!(partition.last_stable_offset(), Offset(2));
    });
}
