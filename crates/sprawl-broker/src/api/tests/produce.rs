//! Produce: what is acknowledged, what is refused, and what survives a kill.

use sprawl_model::batch::BatchOptions;
use sprawl_protocol::produce::ProduceTopic;

use super::data::*;
use super::*;

#[test]
fn acknowledged_batch_is_answered_with_its_true_base_offset_in_every_version() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let id = node.create_one(topic("t", 1, 1)).await.topic_id;
        let mut expected = 0;
        for version in 3..=13 {
            for acks in [1, -1] {
                let mut request = produce_to(acks, "t", vec![(0, batch(&["a", "b"]))]);
                if version >= 13 {
                    request.topics[0].topic_id = id;
                }
                let answer = node.produce(version, request).await.remove(0);
                assert_eq!((answer.error_code, answer.base_offset), (NONE, expected));
                assert_eq!(answer.log_append_time_ms, -1);
                expected += 2;
            }
        }
        assert_eq!(node.read("t", expected).await.high_watermark, expected);
    });
}

#[test]
fn produce_without_acks_gets_no_answer_and_is_appended() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        send(
            &mut node.stream,
            9,
            7,
            produce_to(0, "t", vec![(0, batch(&["a"]))]),
        )
        .await;
        // The next answer on the connection belongs to the next request.
        assert_eq!(node.append("t", batch(&["b"])).await, (NONE, 1));
    });
}

#[test]
fn failed_produce_without_acks_closes_the_connection() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        send(
            &mut node.stream,
            9,
            7,
            produce_to(0, "none", vec![(0, batch(&["a"]))]),
        )
        .await;
        assert_eq!(receive(&mut node.stream).await, None);
    });
}

#[test]
fn unknown_topics_partitions_and_ids_are_told_apart_by_version() {
    simulate(async {
        let mut node = Node::start(&[("auto.create.topics.enable", "false")]).await;
        let id = node.create_one(topic("t", 1, 1)).await.topic_id;
        let unknown = ErrorCode::UnknownTopicOrPartition.number();
        for version in 3..=12 {
            for (name, partition) in [("none", 0), ("t", 1), ("t", -1)] {
                let request = produce_to(-1, name, vec![(partition, batch(&["a"]))]);
                let answer = node.produce(version, request).await.remove(0);
                assert_eq!((answer.error_code, answer.base_offset), (unknown, -1));
            }
        }
        for (topic_id, partition, code) in [
            (Uuid::nil(), 0, ErrorCode::UnknownTopicId.number()),
            (Uuid::from_u128(7), 0, ErrorCode::UnknownTopicId.number()),
            (id, 1, unknown),
            (id, 0, NONE),
        ] {
            let mut request = produce_to(-1, "", vec![(partition, batch(&["a"]))]);
            request.topics[0].topic_id = topic_id;
            let answer = node.produce(13, request).await.remove(0);
            assert_eq!(answer.error_code, code);
        }
    });
}

#[test]
fn other_acks_transactions_and_internal_topics_are_refused() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create(vec![topic("t", 1, 1), topic("__consumer_offsets", 1, 1)])
            .await;
        let one = |acks, name: &str| produce_to(acks, name, vec![(0, batch(&["a"]))]);
        // Under a transactional id, but not in a transaction.
        let mut named = one(-1, "t");
        named.transactional_id = Some(TransactionalId(text("x")));
        assert_eq!(node.produce(9, named).await[0].error_code, NONE);
        let options = BatchOptions {
            producer_id: sprawl_model::ProducerId(1),
            producer_epoch: sprawl_model::ProducerEpoch(0),
            base_sequence: sprawl_model::Sequence(0),
            transactional: true,
            ..BatchOptions::default()
        };
        let transactional = batch_of(options, Some("k"), &["a"]);
        for (request, code) in [
            (one(2, "t"), ErrorCode::InvalidRequiredAcks),
            (one(-2, "t"), ErrorCode::InvalidRequiredAcks),
            (
                produce_to(-1, "t", vec![(0, transactional)]),
                ErrorCode::TransactionalIdAuthorizationFailed,
            ),
            (
                one(-1, "__consumer_offsets"),
                ErrorCode::InvalidTopicException,
            ),
        ] {
            let answer = node.produce(9, request).await.remove(0);
            assert_eq!((answer.error_code, answer.base_offset), (code.number(), -1));
        }
        assert_eq!(node.read("t", 0).await.high_watermark, 1);
    });
}

#[test]
fn duplicate_batch_returns_first_offset_also_after_a_kill() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let producer = (40, 0);
        assert_eq!(node.append("t", batch(&["x"])).await, (NONE, 0));
        for (sequence, offset) in (0..6).zip(1..) {
            let one = sequenced(producer, sequence, &["a"]);
            assert_eq!(node.append("t", one).await, (NONE, offset));
        }
        let third = || sequenced(producer, 2, &["a"]);
        assert_eq!(node.append("t", third()).await, (NONE, 3));
        for _ in 0..2 {
            node = node.kill_and_restart().await;
            assert_eq!(node.append("t", third()).await, (NONE, 3), "in the window");
            let out_of_order = ErrorCode::OutOfOrderSequenceNumber.number();
            let first = sequenced(producer, 0, &["a"]);
            assert_eq!(node.append("t", first).await, (out_of_order, -1));
        }
        let next = sequenced(producer, 6, &["b"]);
        assert_eq!(node.append("t", next).await, (NONE, 7));
        assert_eq!(node.read("t", 0).await.high_watermark, 8);
    });
}

#[test]
fn gap_in_sequence_and_older_producer_epoch_are_refused_and_write_nothing() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        assert_eq!(
            node.append("t", sequenced((5, 1), 0, &["a"])).await,
            (NONE, 0)
        );
        for (refused, code) in [
            (
                sequenced((5, 1), 2, &["c"]),
                ErrorCode::OutOfOrderSequenceNumber,
            ),
            (
                sequenced((5, 0), 1, &["b"]),
                ErrorCode::InvalidProducerEpoch,
            ),
            (
                sequenced((5, 2), 1, &["b"]),
                ErrorCode::OutOfOrderSequenceNumber,
            ),
        ] {
            assert_eq!(node.append("t", refused).await, (code.number(), -1));
        }
        assert_eq!(
            node.append("t", sequenced((5, 2), 0, &["b"])).await,
            (NONE, 1),
            "a newer epoch starts at 0"
        );
    });
}

#[test]
fn keyless_records_of_a_compacted_topic_are_named_in_the_refusal() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(with_config(
            topic("c", 1, 1),
            "cleanup.policy",
            Some("compact"),
        ))
        .await;
        let keyless = batch_of(BatchOptions::default(), None, &["a", "b"]);
        let answer = node
            .produce(9, produce_to(-1, "c", vec![(0, keyless)]))
            .await
            .remove(0);
        assert_eq!(answer.error_code, ErrorCode::InvalidRecord.number());
        let indexes: Vec<_> = answer.record_errors.iter().map(|e| e.batch_index).collect();
        assert_eq!(indexes, [0, 1]);
        assert!(answer.error_message.is_some());
        assert_eq!(node.append("c", batch(&["a"])).await, (NONE, 0));
    });
}

#[test]
fn one_refused_partition_leaves_the_others_alone() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let small = with_config(topic("t", 3, 1), "max.message.bytes", Some("200"));
        node.create_one(small).await;
        let large = "x".repeat(200);
        let mut damaged = batch(&["a"]);
        *damaged.last_mut().unwrap() ^= 1;
        let parts = vec![
            (0, batch(&[&large])),
            (1, batch(&["good"])),
            (2, damaged),
            (9, batch(&["a"])),
        ];
        let answers = node.produce(9, produce_to(-1, "t", parts)).await;
        let codes: Vec<_> = answers.iter().map(|a| (a.index, a.error_code)).collect();
        let expected = [
            (0, ErrorCode::MessageTooLarge.number()),
            (1, NONE),
            (2, ErrorCode::CorruptMessage.number()),
            (9, ErrorCode::UnknownTopicOrPartition.number()),
        ];
        assert_eq!(codes, expected);
        assert_eq!(answers[1].base_offset, 0);
    });
}

#[test]
fn log_append_time_is_returned_and_is_what_a_duplicate_gets_again() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(with_config(
            topic("t", 1, 1),
            "message.timestamp.type",
            Some("LogAppendTime"),
        ))
        .await;
        let one = || produce_to(-1, "t", vec![(0, sequenced((5, 0), 0, &["a"]))]);
        let pause = std::time::Duration::from_secs(5);
        sprawl_io::time::sleep(pause).await;
        let first = node.produce(9, one()).await.remove(0);
        assert_eq!(first.error_code, NONE);
        assert!(first.log_append_time_ms >= TIME_MS + 5_000);
        sprawl_io::time::sleep(pause).await;
        let again = node.produce(9, one()).await.remove(0);
        assert_eq!(again.log_append_time_ms, first.log_append_time_ms);
        let header = headers_of(&node.read("t", 0).await).remove(0);
        assert_eq!(header.max_timestamp, first.log_append_time_ms);
    });
}

#[test]
fn produce_of_unserved_versions_is_answered_for_every_partition() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        for version in 0..=2_i16 {
            let mut frame = BytesMut::new();
            frame.extend_from_slice(&[0, 0]);
            frame.extend_from_slice(&version.to_be_bytes());
            frame.extend_from_slice(&[0, 0, 0, 9, 0xff, 0xff]); // correlation id, no client id
            frame.extend_from_slice(&[0, 1, 0, 0, 0, 1]); // acks, timeout
            frame.extend_from_slice(&[0, 0, 0, 1, 0, 1, b't']); // one topic
            frame.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0]); // partition 5, empty
            let size = u32::try_from(frame.len()).unwrap().to_be_bytes();
            node.stream.write_all(&size).await.unwrap();
            node.stream.write_all(&frame).await.unwrap();
            let answer = receive(&mut node.stream).await.unwrap();
            assert_eq!(answer[..4], [0, 0, 0, 9]);
            // One topic "t", one partition 5, UNSUPPORTED_VERSION.
            let body = [0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 5, 0, 35];
            assert_eq!(answer[4..21], body);
        }
    });
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        for correlation_id in 0..100 {
            if correlation_id % 7 == 3 {
                let request = MetadataRequest::default().with_topics(None);
                send(&mut node.stream, 9, correlation_id, request).await;
            } else {
                let value = correlation_id.to_string();
                let request = produce_to(-1, "t", vec![(0, batch(&[&value]))]);
                send(&mut node.stream, 9, correlation_id, request).await;
            }
        }
        for correlation_id in 0..100 {
            let answer = receive(&mut node.stream).await.unwrap();
            assert_eq!(answer.clone().get_i32(), correlation_id);
        }
        let values: Vec<i32> = records_of(&node.read("t", 0).await)
            .into_iter()
            .map(|(_, value)| value.parse().unwrap())
            .collect();
        assert!(values.is_sorted());
        assert_eq!(values.len(), 86);
    });
}

#[test]
fn null_and_empty_records_are_refused_and_no_topic_is_an_empty_answer() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let mut null = produce_to(-1, "t", vec![(0, BytesMut::new())]);
        assert_eq!(
            node.produce(9, null.clone()).await[0].error_code,
            ErrorCode::InvalidRecord.number()
        );
        null.topics[0].partitions[0].records = None;
        assert_eq!(
            node.produce(9, null).await[0].error_code,
            ErrorCode::InvalidRecord.number()
        );
        let nothing = ProduceRequest {
            acks: -1,
            topics: Vec::<ProduceTopic>::new(),
            ..ProduceRequest::default()
        };
        assert!(node.produce(9, nothing).await.is_empty());
    });
}
