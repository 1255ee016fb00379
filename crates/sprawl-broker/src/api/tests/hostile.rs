//! Peers that lie, stall, trickle, never read, or come in thousands.

use std::time::Duration;

use sprawl_io::time::{sleep, timeout};

use super::data::*;
use super::*;

const IDLE: (&str, &str) = ("connections.max.idle.ms", "60000");
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Whether the broker has closed the connection, once everything has settled.
async fn is_closed(stream: &mut sprawl_io::Stream) -> bool {
    let mut rest = Vec::new();
    timeout(Duration::from_millis(10), stream.read_to_end(&mut rest))
        .await
        .is_some()
}

fn open_connections(node: &Node) -> usize {
    node.broker.broker.connections().open()
}

#[test]
fn frame_sizes_below_zero_and_beyond_the_limit_close_the_connection() {
    simulate(async {
        let node = Node::start(&[]).await;
        for size in [-1, i32::MIN, i32::MAX, 104_857_601] {
            let mut stream = node.connect().await;
            stream.write_all(&size.to_be_bytes()).await.unwrap();
            assert!(is_closed(&mut stream).await, "{size}");
        }
        assert_eq!(open_connections(&node), 1, "the first one lives on");
    });
}

#[test]
fn garbage_instead_of_a_header_closes_the_connection() {
    simulate(async {
        let node = Node::start(&[]).await;
        let client_id_too_long = [0, 3, 0, 9, 0, 0, 0, 5, 0x7f, 0xff, b'x'];
        for body in [&[][..], &[1], &[0, 3, 0, 9, 0, 0], &client_id_too_long] {
            let mut stream = node.connect().await;
            let size = u32::try_from(body.len()).unwrap().to_be_bytes();
            stream.write_all(&size).await.unwrap();
            stream.write_all(body).await.unwrap();
            assert!(is_closed(&mut stream).await, "{body:?}");
        }
    });
}

#[test]
fn what_came_before_a_broken_frame_is_answered_before_the_connection_closes() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let bad_body = frame(3, 9, &[0xff, 0xff, 0xff, 0xff, 0x0f]);
        for broken in [&bad_body[..], &[0xff; 4], &[0, 0, 0, 1, 7]] {
            let mut stream = node.connect().await;
            let mut bytes = BytesMut::new();
            for _ in 0..2 {
                let request = produce_to(-1, "t", vec![(0, batch(&["a"]))]).into();
                encode_request(&request, 9, 1, None, &mut bytes).unwrap();
            }
            bytes.extend_from_slice(broken);
            stream.write_all(&bytes).await.unwrap();
            assert!(receive(&mut stream).await.is_some());
            assert!(receive(&mut stream).await.is_some());
            assert_eq!(receive(&mut stream).await, None);
        }
        assert_eq!(node.read("t", 0).await.high_watermark, 6);
    });
}

#[test]
fn peer_that_closes_its_half_gets_the_answers_it_asked_for() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let mut stream = node.connect().await;
        send(&mut stream, 9, 1, MetadataRequest::default()).await;
        let request = produce_to(0, "t", vec![(0, batch(&["a"]))]);
        send(&mut stream, 9, 2, request).await;
        stream.shutdown().await.unwrap();
        assert!(receive(&mut stream).await.is_some());
        assert_eq!(receive(&mut stream).await, None);
        assert_eq!(node.read("t", 0).await.high_watermark, 1);
    });
}

#[test]
fn unknown_key_and_unknown_version_are_answered_and_the_connection_lives_on() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        for (key, version) in [(999, 0), (-1, 0), (3, 99), (1, 3), (0, 14)] {
            node.stream
                .write_all(&frame(key, version, &[]))
                .await
                .unwrap();
            let answer = receive(&mut node.stream).await.unwrap();
            assert_eq!(answer[..4], [0, 0, 0, 5], "{key} {version}");
            assert!(answer.ends_with(&[0, 35]), "{key} {version} {answer:?}");
        }
        assert_eq!(node.create_one(topic("t", 1, 1)).await.error_code, NONE);
    });
}

#[test]
fn arrays_that_lie_about_their_length_close_the_connection() {
    simulate(async {
        let node = Node::start(&[]).await;
        // Metadata v9: two billion topics in five bytes; Fetch v4: the same, the old way;
        // Produce v3: no transaction, acks, timeout, two billion topics.
        let fetch = [&[0xff; 4][..], &[0; 13], &[0x7f, 0xff, 0xff, 0xff]].concat();
        let produce = [&[0xff, 0xff][..], &[0; 6], &[0x7f, 0xff, 0xff, 0xff]].concat();
        for bytes in [
            frame(3, 9, &[0, 0xff, 0xff, 0xff, 0xff, 0x07]),
            frame(1, 4, &fetch),
            frame(0, 3, &produce),
        ] {
            let mut stream = node.connect().await;
            stream.write_all(&bytes).await.unwrap();
            assert!(is_closed(&mut stream).await);
        }
    });
}

#[test]
fn half_a_frame_and_then_silence_is_closed_when_idle_for_too_long() {
    simulate(async {
        let node = Node::start(&[IDLE]).await;
        for bytes in [&[][..], &[0, 0], &[0, 16, 0, 0], &[0, 16, 0, 0, 0, 3, 0, 9]] {
            let mut stream = node.connect().await;
            stream.write_all(bytes).await.unwrap();
            sleep(IDLE_MAX - Duration::from_millis(100)).await;
            assert!(!is_closed(&mut stream).await, "{bytes:?}");
            sleep(Duration::from_millis(200)).await;
            assert!(is_closed(&mut stream).await, "{bytes:?}");
        }
    });
}

#[test]
fn peer_that_trickles_bytes_cannot_hold_its_connection() {
    simulate(async {
        let node = Node::start(&[IDLE]).await;
        let mut stream = node.connect().await;
        stream.write_all(&[0, 16, 0, 0]).await.unwrap();
        let mut sent_count = 0;
        while !is_closed(&mut stream).await {
            // The write may meet the closed connection first.
            drop(stream.write_all(&[7]).await);
            sleep(IDLE_MAX / 6).await;
            sent_count += 1;
            assert!(sent_count < 10, "still open");
        }
    });
}

#[test]
fn unfinished_requests_of_all_connections_share_one_limit_and_small_ones_go_on() {
    simulate(async {
        let limits = [
            ("queued.max.request.bytes", "2000000"),
            ("socket.request.max.bytes", "2000000"),
        ];
        let mut node = Node::start(&limits).await;
        node.create_one(topic("t", 1, 1)).await;
        let half = [&1_900_000_u32.to_be_bytes()[..], &[0; 900_000]].concat();
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = node.connect().await;
            stream.write_all(&half).await.unwrap();
            streams.push(stream);
        }
        let mut third = node.connect().await;
        // The broker may close while this is still being written.
        drop(third.write_all(&half).await);
        assert!(is_closed(&mut third).await);
        assert!(!is_closed(&mut streams[0]).await);
        assert_eq!(node.append("t", batch(&["a"])).await, (NONE, 0));
        drop(streams);
        sleep(Duration::from_millis(1)).await;
        let held = &node.broker.broker.unfinished_bytes;
        assert_eq!(held.load(std::sync::atomic::Ordering::Relaxed), 0);
    });
}

#[test]
fn requests_wait_while_memory_is_full_and_go_on_when_it_is_not() {
    simulate(async {
        let mut node = Node::start(&[IDLE]).await;
        node.create_one(topic("t", 1, 1)).await;
        let queued = || &node.broker.broker.queued_bytes;
        let much = 1 << 40;
        queued().fetch_add(much, std::sync::atomic::Ordering::Relaxed);
        let mut streams = [node.connect().await, node.connect().await];
        for stream in &mut streams {
            let request = produce_to(-1, "t", vec![(0, batch(&["a"]))]);
            send(stream, 9, 1, request).await;
        }
        // Longer than an idle connection lives: it is the broker that does not read.
        sleep(IDLE_MAX + IDLE_MAX / 2).await;
        let partition = node.broker.broker.partitions.all().remove(0);
        assert_eq!(partition.log().log_end().0, 0);
        queued().fetch_sub(much, std::sync::atomic::Ordering::Relaxed);
        for stream in &mut streams {
            assert!(receive(stream).await.is_some());
        }
        assert_eq!(partition.log().log_end().0, 2);
    });
}

#[test]
fn large_decoded_requests_wait_for_room_and_small_ones_do_not() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let all_of_it = node.broker.broker.decoded.try_take(usize::MAX);
        let mut large = node.connect().await;
        let names = (0..1_000).map(|at| GroupId(text(&format!("g{at}"))));
        let groups = DescribeGroupsRequest::default().with_groups(names.collect());
        send(&mut large, 5, 1, groups).await;
        // A produce request to many partitions waits too, and the one behind it stays behind it.
        let mut producer = node.connect().await;
        let partitions = (0..500).map(|index| (index, batch(&["a"])));
        send(
            &mut producer,
            9,
            1,
            produce_to(-1, "t", partitions.collect()),
        )
        .await;
        send(
            &mut producer,
            9,
            2,
            produce_to(-1, "t", vec![(0, batch(&["b"]))]),
        )
        .await;
        sleep(Duration::from_secs(5)).await;
        let partition = node.broker.broker.partitions.all().remove(0);
        assert_eq!(partition.log().log_end().0, 0, "both wait");
        assert_eq!(node.append("t", batch(&["small"])).await, (NONE, 0));
        drop(all_of_it);
        assert!(receive(&mut large).await.is_some());
        for correlation_id in [1, 2] {
            let answer = receive(&mut producer).await.unwrap();
            assert_eq!(answer[..4], [0, 0, 0, correlation_id]);
        }
        assert_eq!(partition.log().log_end().0, 3);
        assert!(node.broker.broker.decoded.try_take(usize::MAX).is_some());
    });
}

#[test]
fn slow_sender_of_a_large_frame_is_served() {
    simulate(async {
        let mut node = Node::start(&[IDLE]).await;
        node.create_one(topic("t", 1, 1)).await;
        let request = produce_to(-1, "t", vec![(0, batch(&[&"x".repeat(50_000)]))]).into();
        let mut bytes = BytesMut::new();
        encode_request(&request, 9, 1, None, &mut bytes).unwrap();
        for piece in bytes.chunks(5_000) {
            node.stream.write_all(piece).await.unwrap();
            sleep(IDLE_MAX / 2).await;
        }
        assert!(receive(&mut node.stream).await.is_some());
        assert_eq!(node.read("t", 0).await.high_watermark, 1);
    });
}

#[test]
fn connection_that_waits_for_its_answer_is_not_idle() {
    simulate(async {
        let mut node = Node::start(&[IDLE]).await;
        node.create_one(topic("t", 1, 1)).await;
        let wait = fetch_from("t", vec![fetch_partition(0, 0)]).with_max_wait_ms(150_000);
        let answer = node.fetch(12, wait).await;
        assert_eq!(answer.responses[0].partitions[0].high_watermark, 0);
        assert_eq!(node.append("t", batch(&["a"])).await, (NONE, 0));
    });
}

#[test]
fn client_that_never_reads_is_cut_off_and_holds_few_requests_until_then() {
    simulate(async {
        let mut node = Node::start(&[IDLE]).await;
        node.create_one(topic("t", 1, 1)).await;
        node.append("t", batch(&[&"x".repeat(500_000)])).await;
        let mut stream = node.connect().await;
        let mut one = BytesMut::new();
        let request = fetch_from("t", vec![fetch_partition(0, 0)]).into();
        encode_request(&request, 12, 1, None, &mut one).unwrap();
        // Requests that would be answered with half a gigabyte.
        let many = one.repeat(1_000);
        let written = timeout(Duration::from_secs(1), stream.write_all(&many)).await;
        assert!(written.is_none(), "the broker stops reading");
        let held = node
            .broker
            .broker
            .queued_bytes
            .load(std::sync::atomic::Ordering::Relaxed);
        assert!(held <= 32 * one.len() as u64, "{held}");
        assert_eq!(open_connections(&node), 2);
        sleep(IDLE_MAX).await;
        assert_eq!(open_connections(&node), 0, "both have been silent");
    });
}

#[test]
fn connections_beyond_the_limits_are_refused_and_freed_ones_are_taken() {
    simulate(async {
        for limit in ["max.connections", "max.connections.per.ip"] {
            let mut node = Node::start(&[(limit, "3")]).await;
            let second = node.connect().await;
            let _third = node.connect().await;
            let mut refused = node.connect().await;
            assert!(is_closed(&mut refused).await, "{limit}");
            assert_eq!(open_connections(&node), 3);
            drop(second);
            sleep(Duration::from_millis(1)).await;
            let mut taken = node.connect().await;
            assert!(!is_closed(&mut taken).await, "{limit}");
            assert_eq!(node.create_one(topic("t", 1, 1)).await.error_code, NONE);
        }
    });
}

#[test]
fn thousands_of_idle_connections_do_not_disturb_one_that_works() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let mut idle = Vec::new();
        for _ in 0..2_000 {
            idle.push(node.connect().await);
            // The listener's queue is short; it gets its turn.
            tokio::task::yield_now().await;
        }
        sleep(Duration::from_millis(1)).await;
        assert_eq!(open_connections(&node), 2_001);
        assert_eq!(node.append("t", batch(&["a"])).await, (NONE, 0));
        drop(idle);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(open_connections(&node), 1);
    });
}

#[test]
fn request_behind_another_is_not_decoded_before_its_turn() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let wait = fetch_from("t", vec![fetch_partition(0, 0)]).with_max_wait_ms(5_000);
        send(&mut node.stream, 12, 1, wait).await;
        // Its body lies; found out only when the fetch before it is answered.
        let broken = frame(3, 9, &[0, 0xff, 0xff, 0xff, 0xff, 0x07]);
        node.stream.write_all(&broken).await.unwrap();
        sleep(Duration::from_secs(4)).await;
        assert_eq!(open_connections(&node), 1, "nothing is wrong yet");
        assert!(receive(&mut node.stream).await.is_some());
        assert_eq!(receive(&mut node.stream).await, None);
    });
}
