//! Transactions as a partition shows them: what is hidden, what is told, what survives a kill.

use std::time::Duration;

use sprawl_core::partition::{Asking, EpochBump};
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

pub(super) const ABORT: bool = false;
pub(super) const COMMIT: bool = true;

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
    let asking = Asking {
        producer: sprawl_model::ProducerIdAndEpoch {
            producer_id: batch.header().producer_id,
            producer_epoch: batch.header().producer_epoch,
        },
        base_sequence: batch.header().base_sequence,
        bump: EpochBump::PerTransaction,
    };
    let verified = partition.begin_verification(asking).unwrap();
    let appended = partition.append(batch.verified(verified)).unwrap();
    appended.durable.await.unwrap().into_inner().0
}

pub(super) fn marker(producer: (i64, i16), outcome: bool) -> WritableTxnMarker {
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

pub(super) async fn write(
    node: &mut Node,
    version: i16,
    markers: Vec<WritableTxnMarker>,
) -> Vec<i16> {
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

pub(super) async fn end(node: &mut Node, producer: (i64, i16), outcome: bool) {
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

/// A producer under a transactional id, as its client sees itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Producer {
    id: i64,
    epoch: i16,
}

const TXN: &str = "x";

async fn init(node: &mut Node) -> Producer {
    let request = InitProducerIdRequest {
        transactional_id: Some(TransactionalId(text(TXN))),
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    for _ in 0..100 {
        // Asking for the coordinator makes its topic.
        let find = FindCoordinatorRequest::default()
            .with_key_type(1)
            .with_coordinator_keys(vec![text(TXN)]);
        node.call(4, find).await;
        match node.call(4, request.clone()).await {
            Response::InitProducerId(response) if response.error_code == NONE => {
                return Producer {
                    id: response.producer_id.0,
                    epoch: response.producer_epoch,
                };
            }
            Response::InitProducerId(_) => time::sleep(Duration::from_millis(10)).await,
            other => panic!("{other:?}"),
        }
    }
    panic!("the coordinator never comes up");
}

fn in_txn(producer: Producer, base_sequence: i32, values: &[&str]) -> ProduceRequest {
    let options = BatchOptions {
        producer_id: sprawl_model::ProducerId(producer.id),
        producer_epoch: sprawl_model::ProducerEpoch(producer.epoch),
        base_sequence: sprawl_model::Sequence(base_sequence),
        transactional: true,
        ..BatchOptions::default()
    };
    let records = batch_of(options, Some("k"), values);
    ProduceRequest {
        transactional_id: Some(TransactionalId(text(TXN))),
        ..produce_to(-1, "t", vec![(0, records)])
    }
}

/// Code and base offset.
async fn produce(node: &mut Node, version: i16, request: ProduceRequest) -> (i16, i64) {
    let answer = node.produce(version, request).await.remove(0);
    (answer.error_code, answer.base_offset)
}

async fn add_partition(node: &mut Node, producer: Producer) -> i16 {
    let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![0]);
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(TransactionalId(text(TXN)))
        .with_v3_and_below_producer_id(ProducerId(producer.id))
        .with_v3_and_below_producer_epoch(producer.epoch)
        .with_v3_and_below_topics(vec![topic]);
    match node.call(3, request).await {
        Response::AddPartitionsToTxn(response) => {
            response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
        }
        other => panic!("{other:?}"),
    }
}

async fn end_txn(node: &mut Node, version: i16, producer: Producer, committed: bool) -> Producer {
    let request = EndTxnRequest::default()
        .with_transactional_id(TransactionalId(text(TXN)))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_committed(committed);
    loop {
        let Response::EndTxn(response) = node.call(version, request.clone()).await else {
            panic!("not a response of EndTxn");
        };
        if response.error_code == ErrorCode::CoordinatorLoadInProgress.number() {
            time::sleep(Duration::from_millis(10)).await;
            continue;
        }
        assert_eq!(response.error_code, NONE);
        if version < 5 {
            return producer;
        }
        return Producer {
            id: response.producer_id.0,
            epoch: response.producer_epoch,
        };
    }
}

/// Waits until the markers are written.
async fn stable(node: &mut Node, offset: i64) {
    for _ in 0..100 {
        if read_committed(node, 0).await.last_stable_offset == offset {
            return;
        }
        time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the last stable offset never becomes {offset}");
}

#[test]
fn older_clients_join_a_partition_before_they_write_to_it() {
    simulate(async {
        let mut node = with_topic().await;
        let producer = init(&mut node).await;
        for (version, code) in [
            (9, ErrorCode::InvalidTxnState),
            (10, ErrorCode::InvalidTxnState),
            (11, ErrorCode::TransactionAbortable),
        ] {
            let (refused, _) = produce(&mut node, version, in_txn(producer, 0, &["a"])).await;
            assert_eq!(refused, code.number(), "v{version}");
        }
        assert_eq!(add_partition(&mut node, producer).await, NONE);
        assert_eq!(
            produce(&mut node, 9, in_txn(producer, 0, &["a"])).await,
            (NONE, 0)
        );
        assert_eq!(
            produce(&mut node, 11, in_txn(producer, 1, &["b"])).await,
            (NONE, 1)
        );
        assert_eq!(read_committed(&mut node, 0).await.last_stable_offset, 0);
        end_txn(&mut node, 3, producer, true).await;
        stable(&mut node, 3).await;
        // The next transaction has not joined the partition; the last one is not quite over yet.
        let not_yet = ErrorCode::NotEnoughReplicas.number();
        let mut refused = not_yet;
        while refused == not_yet {
            time::sleep(Duration::from_millis(10)).await;
            (refused, _) = produce(&mut node, 9, in_txn(producer, 2, &["c"])).await;
        }
        assert_eq!(refused, ErrorCode::InvalidTxnState.number());
    });
}

#[test]
fn newer_clients_join_a_partition_by_writing_to_it() {
    simulate(async {
        let mut node = with_topic().await;
        let mut producer = init(&mut node).await;
        let mut end = 0;
        for outcome in [true, false, true] {
            let first = produce(&mut node, 12, in_txn(producer, 0, &["a", "b"])).await;
            assert_eq!(first, (NONE, end));
            let second = produce(&mut node, 12, in_txn(producer, 2, &["c"])).await;
            assert_eq!(second, (NONE, end + 2));
            // Sent again, it is answered as before.
            let again = produce(&mut node, 12, in_txn(producer, 0, &["a", "b"])).await;
            assert_eq!(again, (NONE, end));
            let next = end_txn(&mut node, 5, producer, outcome).await;
            assert_eq!((next.id, next.epoch), (producer.id, producer.epoch + 1));
            producer = next;
            end += 4;
        }
        stable(&mut node, 12).await;
        let partition = read_committed(&mut node, 0).await;
        let (data, aborted) = seen(&partition);
        assert_eq!(
            (data, aborted),
            (vec![0, 2, 4, 6, 8, 10], vec![(producer.id, 4)])
        );
    });
}

#[test]
fn requests_behind_one_that_is_being_admitted_are_appended_in_their_order() {
    simulate(async {
        let mut node = with_topic().await;
        let producer = init(&mut node).await;
        for sequence in 0..8 {
            let request = in_txn(producer, sequence, &["a"]);
            send(&mut node.stream, 12, sequence, request).await;
        }
        // One that is none of the producer's, between the others.
        send(
            &mut node.stream,
            12,
            8,
            produce_to(-1, "t", vec![(0, batch(&["b"]))]),
        )
        .await;
        for correlation_id in 0..9 {
            let mut body = receive(&mut node.stream).await.unwrap();
            assert_eq!(body.clone().get_i32(), correlation_id);
            let Response::Produce(mut response) =
                decode_response(ApiKey::Produce, 12, body.split_off(0)).unwrap()
            else {
                panic!("not a produce response");
            };
            let partition = response.responses.remove(0).partition_responses.remove(0);
            assert_eq!(partition.error_code, NONE);
            assert_eq!(partition.base_offset, i64::from(correlation_id));
        }
    });
}

#[test]
fn late_batch_of_an_ended_transaction_is_refused() {
    simulate(async {
        let mut node = with_topic().await;
        let producer = init(&mut node).await;
        produce(&mut node, 12, in_txn(producer, 0, &["a"])).await;
        end_txn(&mut node, 5, producer, false).await;
        stable(&mut node, 2).await;
        let fenced = ErrorCode::InvalidProducerEpoch.number();
        let late = produce(&mut node, 12, in_txn(producer, 1, &["b"])).await;
        assert_eq!(late, (fenced, -1));
        assert_eq!(read_committed(&mut node, 0).await.high_watermark, 2);
    });
}

#[test]
fn batches_of_several_producers_in_one_request_are_refused() {
    simulate(async {
        let mut node = with_topic().await;
        node.create_one(topic("u", 1, 1)).await;
        let producer = init(&mut node).await;
        let mut request = in_txn(producer, 0, &["a"]);
        let other = Producer {
            id: producer.id + 1,
            ..producer
        };
        let mut second = in_txn(other, 0, &["b"]).topics.remove(0);
        second.name = topic_name("u");
        request.topics.push(second);
        let code = ErrorCode::InvalidProducerIdMapping.number();
        let answers = node.produce(12, request).await;
        assert!(answers.iter().all(|answer| answer.error_code == code));
    });
}

#[test]
fn open_transaction_goes_on_after_a_kill_and_can_be_committed() {
    simulate(async {
        let mut node = with_topic().await;
        let producer = init(&mut node).await;
        let first = produce(&mut node, 12, in_txn(producer, 0, &["a"])).await;
        assert_eq!(first, (NONE, 0));
        node = node.kill_and_restart().await;
        let second = produce(&mut node, 12, in_txn(producer, 1, &["b"])).await;
        assert_eq!(second, (NONE, 1));
        end_txn(&mut node, 5, producer, true).await;
        stable(&mut node, 3).await;
        assert_eq!(
            seen(&read_committed(&mut node, 0).await),
            (vec![0, 1], vec![])
        );
    });
}

/// Commits an offset of `t-0` for group `g` in the producer's transaction.
async fn commit_offset(node: &mut Node, version: i16, producer: Producer, offset: i64) -> i16 {
    let partition = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(text("m")));
    let topic = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(TransactionalId(text(TXN)))
        .with_group_id(GroupId(text("g")))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_topics(vec![topic]);
    let passing = [
        ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotCoordinator,
        ErrorCode::ConcurrentTransactions,
    ];
    loop {
        let Response::TxnOffsetCommit(response) = node.call(version, request.clone()).await else {
            panic!("not a response of TxnOffsetCommit");
        };
        let code = response.topics[0].partitions[0].error_code;
        if !passing.iter().any(|passing| passing.number() == code) {
            return code;
        }
        // Asking for the coordinator makes its topic.
        let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
        node.call(4, find).await;
        time::sleep(Duration::from_millis(10)).await;
    }
}

/// Code and offset of `t-0` for group `g`.
pub(super) async fn committed_offset(node: &mut Node, require_stable: bool) -> (i16, i64) {
    use sprawl_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
    let topic = OffsetFetchRequestTopic {
        name: topic_name("t"),
        partition_indexes: vec![0],
    };
    let request = OffsetFetchRequest {
        group_id: GroupId(text("g")),
        topics: Some(vec![topic]),
        require_stable,
        ..OffsetFetchRequest::default()
    };
    loop {
        let Response::OffsetFetch(response) = node.call(7, request.clone()).await else {
            panic!("not a response of OffsetFetch");
        };
        if response.error_code == NONE {
            let partition = &response.topics[0].partitions[0];
            return (partition.error_code, partition.committed_offset);
        }
        let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
        node.call(4, find).await;
        time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the transaction's marker has reached the group.
async fn decided(node: &mut Node) -> i64 {
    loop {
        let (code, offset) = committed_offset(node, true).await;
        if code == NONE {
            return offset;
        }
        assert_eq!(code, ErrorCode::UnstableOffsetCommit.number());
        time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn offsets_committed_in_a_transaction_count_when_it_is_committed() {
    simulate(async {
        let mut node = with_topic().await;
        let mut producer = init(&mut node).await;
        let unstable = (ErrorCode::UnstableOffsetCommit.number(), -1);
        for (offset, outcome, expected) in [(10, true, 10), (20, false, 10), (30, true, 30)] {
            let before = decided(&mut node).await;
            assert_eq!(commit_offset(&mut node, 5, producer, offset).await, NONE);
            assert_eq!(committed_offset(&mut node, true).await, unstable);
            assert_eq!(committed_offset(&mut node, false).await, (NONE, before));
            node = node.kill_and_restart().await;
            assert_eq!(committed_offset(&mut node, true).await, unstable);
            producer = end_txn(&mut node, 5, producer, outcome).await;
            assert_eq!(decided(&mut node).await, expected);
            node = node.kill_and_restart().await;
            assert_eq!(committed_offset(&mut node, true).await, (NONE, expected));
        }
    });
}

#[test]
fn older_clients_join_the_groups_partition_before_they_commit_offsets() {
    simulate(async {
        let mut node = with_topic().await;
        let producer = init(&mut node).await;
        for (version, code) in [
            (0, ErrorCode::InvalidTxnState),
            (3, ErrorCode::InvalidTxnState),
            (4, ErrorCode::TransactionAbortable),
        ] {
            let refused = commit_offset(&mut node, version, producer, 10).await;
            assert_eq!(refused, code.number(), "v{version}");
        }
        let add = AddOffsetsToTxnRequest::default()
            .with_transactional_id(TransactionalId(text(TXN)))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_group_id(GroupId(text("g")));
        let Response::AddOffsetsToTxn(added) = node.call(3, add).await else {
            panic!("not a response of AddOffsetsToTxn");
        };
        assert_eq!(added.error_code, NONE);
        for (version, offset) in [(0, 10), (2, 11), (3, 12), (4, 13)] {
            assert_eq!(
                commit_offset(&mut node, version, producer, offset).await,
                NONE
            );
        }
        assert_eq!(committed_offset(&mut node, false).await, (NONE, -1));
        end_txn(&mut node, 3, producer, true).await;
        assert_eq!(decided(&mut node).await, 13);
    });
}

#[test]
fn offsets_of_an_ended_transaction_are_refused() {
    simulate(async {
        let mut node = with_topic().await;
        let producer = init(&mut node).await;
        assert_eq!(commit_offset(&mut node, 5, producer, 10).await, NONE);
        let next = end_txn(&mut node, 5, producer, true).await;
        assert_eq!(decided(&mut node).await, 10);
        let fenced = ErrorCode::InvalidProducerEpoch.number();
        assert_eq!(commit_offset(&mut node, 5, producer, 11).await, fenced);
        assert_eq!(commit_offset(&mut node, 5, next, 12).await, NONE);
        end_txn(&mut node, 5, next, false).await;
        assert_eq!(decided(&mut node).await, 10);
    });
}

#[test]
fn records_and_offsets_of_one_transaction_are_decided_together() {
    simulate(async {
        let mut node = with_topic().await;
        let mut producer = init(&mut node).await;
        let mut end = 0;
        for (offset, outcome) in [(1, false), (2, true)] {
            let produced = produce(&mut node, 12, in_txn(producer, 0, &["a"])).await;
            assert_eq!(produced, (NONE, end));
            assert_eq!(commit_offset(&mut node, 5, producer, offset).await, NONE);
            producer = end_txn(&mut node, 5, producer, outcome).await;
            end += 2;
            stable(&mut node, end).await;
            assert_eq!(decided(&mut node).await, if outcome { offset } else { -1 });
        }
        let (data, aborted) = seen(&read_committed(&mut node, 0).await);
        assert_eq!((data, aborted), (vec![0, 2], vec![(producer.id, 0)]));
    });
}
