//! Fetch: from where, how much, how long, and what is hidden.

use std::time::Duration;

use sprawl_model::batch::BatchOptions;
use sprawl_model::compression::Codec;
use sprawl_protocol::messages::fetch_request::ForgottenTopic;

use super::data::*;
use super::*;

/// Values of a fetched partition with their offsets.
fn pairs(expected: &[(i64, &str)]) -> Vec<(i64, String)> {
    let owned = expected
        .iter()
        .map(|(at, value)| (*at, (*value).to_owned()));
    owned.collect()
}

async fn with_batches() -> Node {
    let mut node = Node::start(&[]).await;
    node.create_one(topic("t", 1, 1)).await;
    node.append("t", batch(&["a", "b"])).await;
    node.append("t", batch(&["c", "d", "e"])).await;
    node
}

#[test]
fn batch_that_holds_the_offset_is_returned_whole_from_memory_and_from_segments() {
    simulate(async {
        let mut node = with_batches().await;
        let all = pairs(&[(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e")]);
        for place in ["memory", "journal", "segments"] {
            for (offset, from) in [(0, 0), (1, 0), (2, 2), (3, 2), (4, 2)] {
                let partition = node.read("t", offset).await;
                assert_eq!(partition.error_code, NONE);
                assert_eq!(partition.high_watermark, 5);
                assert_eq!(records_of(&partition), all[from..], "{place} {offset}");
            }
            assert!(records_of(&node.read("t", 5).await).is_empty());
            if place == "journal" {
                // Written to segments and out of memory by a clean stop.
                let (mut handles, options) = (node.handles, node.options);
                drop(node.stream);
                node.broker.shutdown().await.unwrap();
                handles.crash(CrashKind::Kill);
                let io = handles.restart();
                node = Node::open(io, handles, options).await;
            } else {
                node = node.kill_and_restart().await;
            }
        }
    });
}

#[test]
fn every_version_returns_what_was_written() {
    simulate(async {
        let mut node = with_batches().await;
        let id = node.page(&["t"], 9, None).await.topics[0].topic_id;
        for version in 4..=18 {
            let mut request = fetch_from("t", vec![fetch_partition(0, 2)]);
            if version >= 13 {
                request.topics[0].topic = topic_name("");
                request.topics[0].topic_id = id;
            }
            let mut answer = node.fetch(version, request).await;
            let topic = answer.responses.remove(0);
            let partition = &topic.partitions[0];
            assert_eq!(
                records_of(partition),
                pairs(&[(2, "c"), (3, "d"), (4, "e")])
            );
            assert_eq!(partition.last_stable_offset, 5);
            if version >= 13 {
                assert_eq!(topic.topic_id, id);
            } else {
                assert_eq!(topic.topic.as_str(), "t");
            }
        }
        let mut unknown = fetch_from("", vec![fetch_partition(0, 0)]);
        unknown.topics[0].topic_id = Uuid::from_u128(9);
        let answer = node.fetch(13, unknown).await;
        let code = answer.responses[0].partitions[0].error_code;
        assert_eq!(code, ErrorCode::UnknownTopicId.number());
    });
}

#[test]
fn compressed_batches_are_returned_as_they_were_sent() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let codecs = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
        for (offset, codec) in (0..).zip(codecs) {
            let options = BatchOptions {
                codec,
                ..BatchOptions::default()
            };
            let sent = batch_of(options, Some("k"), &["v"]);
            assert_eq!(node.append("t", sent.clone()).await, (NONE, offset));
            let fetched = node.read("t", offset).await.records.unwrap();
            // All but base offset and leader epoch, which are the broker's.
            assert_eq!(fetched[8..12], sent[8..12]);
            assert_eq!(fetched[16..], sent[16..]);
        }
    });
}

#[test]
fn fetch_at_the_end_waits_its_time_and_is_woken_by_a_produce() {
    simulate(async {
        let mut node = with_batches().await;
        let request = fetch_from("t", vec![fetch_partition(0, 5)]).with_max_wait_ms(10_000);
        let clock = node.io.clock.clone();
        let start = clock.monotonic();
        let answer = node.fetch(12, request.clone()).await;
        assert!(records_of(&answer.responses[0].partitions[0]).is_empty());
        let waited = clock.monotonic() - start;
        assert!((10_000..10_500).contains(&waited.as_millis()), "{waited:?}");

        let mut consumer = node.connect().await;
        let start = clock.monotonic();
        send(&mut consumer, 12, 1, request).await;
        sprawl_io::time::sleep(Duration::from_secs(2)).await;
        node.append("t", batch(&["f"])).await;
        let answer = receive(&mut consumer).await.unwrap();
        let waited = clock.monotonic() - start;
        assert!((2_000..2_500).contains(&waited.as_millis()), "{waited:?}");
        let Response::Fetch(answer) = decode_response(ApiKey::Fetch, 12, answer).unwrap() else {
            panic!("not an answer to Fetch");
        };
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(records_of(partition), pairs(&[(5, "f")]));
    });
}

#[test]
fn fetch_waits_until_there_are_min_bytes() {
    simulate(async {
        let mut node = with_batches().await;
        let size = i32::try_from(batch(&["x"]).len()).unwrap();
        let request = fetch_from("t", vec![fetch_partition(0, 5)])
            .with_max_wait_ms(10_000)
            .with_min_bytes(2 * size);
        let mut consumer = node.connect().await;
        send(&mut consumer, 12, 1, request).await;
        node.append("t", batch(&["x"])).await;
        let early = sprawl_io::time::timeout(Duration::from_secs(1), receive(&mut consumer));
        assert!(early.await.is_none(), "one batch is not enough");
    });
}

#[test]
fn limits_in_bytes_cut_after_whole_batches_and_let_one_pass() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 2, 1)).await;
        let size = i32::try_from(batch(&["x"]).len()).unwrap();
        for _ in 0..3 {
            let parts = vec![(0, batch(&["x"])), (1, batch(&["y"]))];
            node.produce(9, produce_to(-1, "t", parts)).await;
        }
        for (bytes_max, partition_bytes_max, expected) in [
            (NO_LIMIT, NO_LIMIT, [3, 3]),
            (NO_LIMIT, 2 * size, [2, 2]),
            (NO_LIMIT, 2 * size - 1, [1, 1]),
            (4 * size, NO_LIMIT, [3, 1]),
            (3 * size, NO_LIMIT, [3, 0]),
            (1, NO_LIMIT, [1, 0]),
            (NO_LIMIT, 1, [1, 0]),
            (0, 0, [1, 0]),
        ] {
            let asked = [0, 1].map(|index| {
                fetch_partition(index, 0).with_partition_max_bytes(partition_bytes_max)
            });
            let request = fetch_from("t", asked.to_vec()).with_max_bytes(bytes_max);
            let answer = node.fetch(12, request).await;
            let counts: Vec<_> = answer.responses[0]
                .partitions
                .iter()
                .map(|partition| headers_of(partition).len())
                .collect();
            assert_eq!(counts, expected, "{bytes_max} {partition_bytes_max}");
        }
    });
}

#[test]
fn offsets_outside_the_log_are_refused_also_after_delete_records() {
    simulate(async {
        let mut node = with_batches().await;
        let out_of_range = ErrorCode::OffsetOutOfRange.number();
        assert_eq!(node.read("t", -1).await.error_code, out_of_range);
        assert_eq!(node.read("t", 6).await.error_code, out_of_range);
        let partition = DeleteRecordsPartition::default().with_offset(3);
        let deleted = DeleteRecordsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![deleted]);
        node.call(2, request).await;
        assert_eq!(node.read("t", 2).await.error_code, out_of_range);
        let partition = node.read("t", 3).await;
        assert_eq!(partition.log_start_offset, 3);
        // The batch is returned whole; the client drops what is below its offset.
        assert_eq!(headers_of(&partition)[0].base_offset.0, 2);
    });
}

#[test]
fn leader_epochs_of_the_past_and_the_future_are_fenced_apart() {
    simulate(async {
        let mut node = with_batches().await;
        for (epoch, code) in [
            (-1, ErrorCode::None),
            (0, ErrorCode::None),
            (7, ErrorCode::UnknownLeaderEpoch),
        ] {
            let asked = fetch_partition(0, 0).with_current_leader_epoch(epoch);
            let answer = node.fetch(12, fetch_from("t", vec![asked])).await;
            let partition = &answer.responses[0].partitions[0];
            assert_eq!(partition.error_code, code.number(), "{epoch}");
            if code != ErrorCode::None {
                assert_eq!(partition.current_leader.leader_epoch, 0);
            }
        }
    });
}

#[test]
fn client_whose_last_epoch_ends_before_its_offset_is_told_where_to_cut() {
    simulate(async {
        let mut node = with_batches().await;
        for (last_epoch, offset, diverging, code) in [
            (0, 3, (-1, -1), NONE),
            (0, 9, (0, 5), NONE),
            (3, 3, (-1, -1), ErrorCode::OffsetOutOfRange.number()),
        ] {
            let asked = fetch_partition(0, offset).with_last_fetched_epoch(last_epoch);
            let answer = node.fetch(12, fetch_from("t", vec![asked])).await;
            let partition = &answer.responses[0].partitions[0];
            let told = &partition.diverging_epoch;
            assert_eq!((told.epoch, told.end_offset), diverging);
            assert_eq!(partition.error_code, code);
        }
    });
}

#[test]
fn session_hears_only_of_news_and_forgets_what_it_is_told_to() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 2, 1)).await;
        let both = vec![fetch_partition(0, 0), fetch_partition(1, 0)];
        let full = fetch_from("t", both).with_session_epoch(0);
        let answer = node.fetch(12, full).await;
        let id = answer.session_id;
        assert!(id > 0);
        assert_eq!(answer.responses[0].partitions.len(), 2);

        let next = |epoch| {
            FetchRequest::default()
                .with_max_bytes(NO_LIMIT)
                .with_session_id(id)
                .with_session_epoch(epoch)
        };
        assert!(node.fetch(12, next(1)).await.responses.is_empty());
        node.produce(9, produce_to(-1, "t", vec![(1, batch(&["a"]))]))
            .await;
        let answer = node.fetch(12, next(2)).await;
        let partitions = &answer.responses[0].partitions;
        assert_eq!(partitions.len(), 1);
        assert_eq!(partitions[0].partition_index, 1);
        assert_eq!(records_of(&partitions[0]), pairs(&[(0, "a")]));

        let forgotten = ForgottenTopic::default()
            .with_topic(topic_name("t"))
            .with_partitions(vec![1]);
        let forget = next(3).with_forgotten_topics_data(vec![forgotten]);
        assert!(node.fetch(12, forget).await.responses.is_empty());
        assert!(node.fetch(12, next(4)).await.responses.is_empty());
    });
}

#[test]
fn session_errors_are_answered_for_the_whole_request() {
    simulate(async {
        let mut node = with_batches().await;
        let full = fetch_from("t", vec![fetch_partition(0, 0)]).with_session_epoch(0);
        let id = node.fetch(12, full).await.session_id;
        let other_naming = FetchRequest::default()
            .with_session_id(id)
            .with_session_epoch(1);
        let answer = node.fetch(13, other_naming).await;
        let code = ErrorCode::FetchSessionTopicIdError.number();
        assert_eq!(answer.error_code, code);
        let ask = |id, epoch| {
            FetchRequest::default()
                .with_session_id(id)
                .with_session_epoch(epoch)
        };
        for (request, code) in [
            (ask(id, 5), ErrorCode::InvalidFetchSessionEpoch),
            (ask(id ^ 1, 1), ErrorCode::FetchSessionIdNotFound),
        ] {
            let answer = node.fetch(12, request).await;
            assert_eq!(answer.error_code, code.number());
            assert!(answer.responses.is_empty());
        }
    });
}

#[test]
fn records_that_are_not_durable_yet_are_not_shown() {
    simulate(async {
        let mut node = with_batches().await;
        // Every step of the disk's workers takes a second from now on.
        node.handles.spawn.set_step_latency(Duration::from_secs(1));
        let mut producer = node.connect().await;
        let request = produce_to(-1, "t", vec![(0, batch(&["f"]))]);
        send(&mut producer, 9, 1, request).await;
        sprawl_io::time::sleep(Duration::from_millis(100)).await;
        let log_end = node.broker.broker.partitions.all()[0].log().log_end();
        assert_eq!(log_end.0, 6, "appended");
        let hidden = node.read("t", 5).await;
        assert_eq!((hidden.error_code, hidden.high_watermark), (NONE, 5));
        assert!(records_of(&hidden).is_empty());
        receive(&mut producer).await.unwrap();
        assert_eq!(records_of(&node.read("t", 5).await), pairs(&[(5, "f")]));
    });
}
