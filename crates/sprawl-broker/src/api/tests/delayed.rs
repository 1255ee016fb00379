//! Delayed delivery as clients see it: hidden until due, then once each, in order of due time;
//! whatever is killed or lost in between.

use std::collections::BTreeSet;
use std::time::Duration;

use sprawl_io::time;
use sprawl_log::MemoryStore;
use sprawl_model::batch::{BatchBuilder, BatchOptions, Batches, HeaderRef, Records};
use sprawl_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};

use super::data::*;
use super::*;

const AT: &str = "sprawl.deliver-at";
const AFTER: &str = "sprawl.deliver-after";
const CANCEL: &str = "sprawl.deliver-cancel";

/// A record to produce: key, value, headers.
type Given<'a> = (Option<&'a str>, Option<&'a str>, &'a [(&'a str, &'a str)]);

/// A record as a consumer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    offset: i64,
    timestamp: i64,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, String)>,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn value(&self) -> &str {
        self.value.as_deref().unwrap_or("none")
    }
}

fn delayed_topic(configs: &[(&str, &str)]) -> CreatableTopic {
    let configs = [("sprawl.delayed.delivery", "true")]
        .iter()
        .chain(configs)
        .map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        });
    topic("t", 1, 1).with_configs(configs.collect())
}

fn records(options: BatchOptions, given: &[Given<'_>]) -> BytesMut {
    let mut builder = BatchBuilder::new(options);
    for (time, (key, value, headers)) in (TIME_MS..).zip(given) {
        let headers: Vec<_> = headers
            .iter()
            .map(|(key, value)| HeaderRef {
                key: key.as_bytes(),
                value: Some(value.as_bytes()),
            })
            .collect();
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        builder.push(time, key, value, &headers).unwrap();
    }
    builder.build()
}

fn plain(given: &[Given<'_>]) -> BytesMut {
    records(BatchOptions::default(), given)
}

/// Reads from an offset to the end as a consumer does: control batches only move it on.
async fn consume(node: &mut Node, mut offset: i64) -> Vec<Seen> {
    let mut found = Vec::new();
    loop {
        let partition = node.read("t", offset).await;
        assert_eq!(partition.error_code, NONE);
        let bytes = partition.records.clone().unwrap_or_default();
        if bytes.is_empty() {
            assert_eq!(
                offset, partition.high_watermark,
                "nobody stops before the end"
            );
            return found;
        }
        for one in Batches::new(&bytes) {
            let (header, batch) = one.unwrap();
            sprawl_model::batch::verify_crc(batch).unwrap();
            assert!(!header.attributes.holds_delayed(), "a waiting batch left");
            offset = header.next_offset().0;
            if header.attributes.is_control() {
                continue;
            }
            let payload = sprawl_model::batch::payload(batch, 1 << 24).unwrap();
            for record in Records::new(&header, &payload) {
                let record = record.unwrap();
                let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                found.push(Seen {
                    offset: record.offset.0,
                    timestamp: record.timestamp,
                    key: record.key.map(string),
                    value: record.value.map(string),
                    headers: record
                        .headers()
                        .map(|header| {
                            (string(header.key), string(header.value.unwrap_or_default()))
                        })
                        .collect(),
                });
            }
        }
    }
}

async fn values(node: &mut Node) -> Vec<String> {
    let seen = consume(node, 0).await;
    seen.iter().map(|seen| seen.value().to_owned()).collect()
}

async fn pass(ms: u64) {
    time::sleep(Duration::from_millis(ms)).await;
}

#[test]
fn records_appear_when_due_in_order_of_due_time_with_where_they_came_from() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(delayed_topic(&[])).await;
        let now = node.io.clock.wall_ms();
        let at = (now + 5_000).to_string();
        let late = plain(&[(Some("k"), Some("late"), &[("x", "1"), (AFTER, "9000")])]);
        assert_eq!(node.append("t", late).await, (NONE, 0));
        let early = plain(&[(Some("k"), Some("early"), &[(AT, at.as_str()), ("y", "2")])]);
        assert_eq!(node.append("t", early).await, (NONE, 1));
        let visible = plain(&[(None, Some("now"), &[])]);
        assert_eq!(node.append("t", visible).await, (NONE, 2));
        assert_eq!(values(&mut node).await, ["now"]);
        pass(4_900).await;
        assert_eq!(values(&mut node).await, ["now"]);
        pass(200).await;
        assert_eq!(values(&mut node).await, ["now", "early"]);
        pass(4_000).await;
        let seen = consume(&mut node, 0).await;
        let found: Vec<_> = seen
            .iter()
            .map(|seen| (seen.offset, seen.value()))
            .collect();
        assert_eq!(found, [(2, "now"), (3, "early"), (4, "late")]);
        let early = &seen[1];
        assert_eq!(early.key.as_deref(), Some("k"));
        assert_eq!(early.header("y"), Some("2"));
        assert_eq!(early.header(AT), None);
        assert_eq!(early.header("sprawl.delayed-offset"), Some("1"));
        assert_eq!(early.header("sprawl.delayed-due"), Some(at.as_str()));
        let produced = TIME_MS.to_string();
        assert_eq!(
            early.header("sprawl.delayed-timestamp"),
            Some(produced.as_str())
        );
        let lateness = early.timestamp - (now + 5_000);
        assert!((0..100).contains(&lateness), "{lateness} ms late");
        assert_eq!(seen[2].header(AFTER), None);
        assert_eq!(seen[2].header("x"), Some("1"));
    });
}

#[test]
fn a_batch_of_both_kinds_is_seen_without_what_waits() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(delayed_topic(&[])).await;
        let options = BatchOptions {
            codec: sprawl_model::compression::Codec::Zstd,
            ..BatchOptions::default()
        };
        let mixed = records(
            options,
            &[
                (None, Some("a"), &[]),
                (None, Some("b"), &[(AFTER, "1000")]),
                (None, Some("c"), &[("h", "1")]),
                (None, Some("d"), &[(AFTER, "500")]),
            ],
        );
        assert_eq!(node.append("t", mixed).await, (NONE, 0));
        let seen = consume(&mut node, 0).await;
        let found: Vec<_> = seen
            .iter()
            .map(|seen| (seen.offset, seen.value()))
            .collect();
        assert_eq!(found, [(0, "a"), (2, "c")]);
        pass(1_100).await;
        assert_eq!(values(&mut node).await, ["a", "c", "d", "b"]);
        // From within the batch, and from behind what was visible of it.
        let seen = consume(&mut node, 3).await;
        let found: Vec<_> = seen.iter().map(Seen::value).collect();
        assert_eq!(found, ["a", "c", "d", "b"]);
        let seen = consume(&mut node, 4).await;
        assert_eq!(seen.len(), 2);
    });
}

#[test]
fn wrong_headers_are_refused_record_by_record_and_nothing_is_appended() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let limit = [("sprawl.delayed.delivery.max.ms", "60000")];
        node.create_one(delayed_topic(&limit)).await;
        let far = (node.io.clock.wall_ms() + 61_000).to_string();
        let batch = plain(&[
            (None, Some("0"), &[]),
            (None, Some("1"), &[(AFTER, "-5")]),
            (None, Some("2"), &[(AFTER, "60000")]),
            (None, Some("3"), &[(AFTER, "60001")]),
            (None, Some("4"), &[(AT, far.as_str())]),
            (None, Some("5"), &[(AT, "soon")]),
            (None, Some("6"), &[(AT, "1"), (AFTER, "1")]),
            (Some("k"), Some("7"), &[(CANCEL, "")]),
            (None, None, &[(CANCEL, "")]),
        ]);
        let request = produce_to(-1, "t", vec![(0, batch)]);
        let answer = node.produce(9, request).await.remove(0);
        assert_eq!(answer.error_code, ErrorCode::InvalidRecord.number());
        let refused: Vec<_> = answer.record_errors.iter().map(|e| e.batch_index).collect();
        assert_eq!(refused, [1, 3, 4, 5, 6, 7, 8]);
        let messages: BTreeSet<_> = answer
            .record_errors
            .iter()
            .map(|error| {
                error
                    .batch_index_error_message
                    .as_ref()
                    .unwrap()
                    .to_string()
            })
            .collect();
        assert_eq!(messages.len(), 5, "{messages:?}");
        assert_eq!(
            node.append("t", plain(&[(None, Some("next"), &[])])).await,
            (NONE, 0)
        );
    });
}

#[test]
fn in_a_transaction_nothing_is_delayed() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(delayed_topic(&[])).await;
        let options = BatchOptions {
            producer_id: sprawl_model::ProducerId(4),
            producer_epoch: sprawl_model::ProducerEpoch(0),
            base_sequence: sprawl_model::Sequence(0),
            transactional: true,
            ..BatchOptions::default()
        };
        let batch = records(options, &[(None, Some("v"), &[(AFTER, "1")])]);
        let request = produce_to(-1, "t", vec![(0, batch)]);
        let answer = node.produce(9, request).await.remove(0);
        assert_eq!(answer.error_code, ErrorCode::InvalidRecord.number());
        let message = answer.record_errors[0].batch_index_error_message.as_ref();
        assert!(message.unwrap().contains("transaction"), "{message:?}");
    });
}

#[test]
fn without_the_setting_headers_are_the_producers_own() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let headers = [(AFTER, "later"), (AT, "1"), (CANCEL, "")];
        let batch = plain(&[(None, Some("v"), &headers)]);
        assert_eq!(node.append("t", batch).await, (NONE, 0));
        let seen = consume(&mut node, 0).await;
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].header(AFTER), Some("later"));
        assert_eq!(seen[0].headers.len(), 3);
    });
}

#[test]
fn attribute_bits_of_our_own_are_refused_from_clients() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let mut hidden = plain(&[(None, Some("v"), &[])]);
        sprawl_model::batch::set_holds_delayed(&mut hidden, sprawl_model::batch::Held::All);
        let mut release = plain(&[(None, Some("v"), &[("sprawl.delayed-offset", "0")])]);
        sprawl_model::batch::set_release(&mut release);
        for batch in [hidden, release] {
            let (code, _) = node.append("t", batch).await;
            assert_eq!(code, ErrorCode::InvalidRecord.number());
        }
    });
}

#[test]
fn a_cancelled_key_is_never_delivered_and_others_are() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(delayed_topic(&[])).await;
        for (key, value) in [("a", "a1"), ("b", "b1"), ("a", "a2")] {
            let batch = plain(&[(Some(key), Some(value), &[(AFTER, "1000")])]);
            node.append("t", batch).await;
        }
        let keyless = plain(&[(None, Some("none"), &[(AFTER, "1000")])]);
        node.append("t", keyless).await;
        let cancel = plain(&[(Some("a"), None, &[(CANCEL, "")])]);
        assert_eq!(node.append("t", cancel).await, (NONE, 4));
        let again = plain(&[(Some("a"), Some("a3"), &[(AFTER, "1000")])]);
        node.append("t", again).await;
        pass(1_100).await;
        assert_eq!(values(&mut node).await, ["b1", "none", "a3"]);
        // What was delivered is delivered: a late cancellation changes nothing.
        let cancel = plain(&[(Some("a"), None, &[(CANCEL, "")])]);
        node.append("t", cancel).await;
        pass(100).await;
        assert_eq!(values(&mut node).await, ["b1", "none", "a3"]);
        // In one batch with what it cancels, and with what it does not.
        let batch = plain(&[
            (Some("c"), Some("c1"), &[(AFTER, "100")]),
            (Some("c"), None, &[(CANCEL, "")]),
            (Some("c"), Some("c2"), &[(AFTER, "100")]),
        ]);
        node.append("t", batch).await;
        pass(200).await;
        assert_eq!(values(&mut node).await, ["b1", "none", "a3", "c2"]);
    });
}

#[test]
fn the_same_batch_sent_twice_is_delivered_once() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(delayed_topic(&[])).await;
        let options = BatchOptions {
            producer_id: sprawl_model::ProducerId(4),
            producer_epoch: sprawl_model::ProducerEpoch(0),
            base_sequence: sprawl_model::Sequence(0),
            ..BatchOptions::default()
        };
        let batch = || {
            records(
                options,
                &[(None, Some("v"), &[(AFTER, "500")]), (None, Some("w"), &[])],
            )
        };
        assert_eq!(node.append("t", batch()).await, (NONE, 0));
        assert_eq!(node.append("t", batch()).await, (NONE, 0));
        pass(600).await;
        assert_eq!(node.append("t", batch()).await, (NONE, 0));
        let mut node = node.kill_and_restart().await;
        assert_eq!(node.append("t", batch()).await, (NONE, 0));
        pass(600).await;
        assert_eq!(values(&mut node).await, ["w", "v"]);
    });
}

/// Starts a node whose state store outlives it.
async fn with_state() -> (Node, Arc<MemoryStore>) {
    let state = Arc::new(MemoryStore::default());
    let node = Node::start(&[]).await;
    let Node {
        broker,
        handles,
        mut options,
        ..
    } = node;
    broker.shutdown().await.unwrap();
    options.state_store = Some(state.clone());
    options.data_dir = PathBuf::from("/other");
    let mut handles = handles;
    handles.crash(CrashKind::Kill);
    let io = handles.restart();
    (Node::open(io, handles, options).await, state)
}

#[test]
fn killed_anywhere_every_record_is_delivered_exactly_once() {
    simulate(async {
        // What of the state store a kill leaves: what was flushed, everything, nothing.
        for left in ["flushed", "all", "none"] {
            let (mut node, state) = with_state().await;
            node.create_one(delayed_topic(&[])).await;
            let mut expected = BTreeSet::new();
            for round in 0..12_u64 {
                for number in 0..5_u64 {
                    let value = format!("{round}.{number}");
                    let delay = (number * 700 + round * 130).to_string();
                    let given: [Given<'_>; 2] = [
                        (Some("k"), Some(value.as_str()), &[(AFTER, delay.as_str())]),
                        (Some("k"), Some("plain"), &[]),
                    ];
                    let count = if number % 2 == 0 { 1 } else { 2 };
                    let (code, _) = node.append("t", plain(&given[..count])).await;
                    assert_eq!(code, NONE);
                    expected.insert(value);
                }
                pass(round * 97 % 400).await;
                if round % 3 == 1 {
                    node.broker.broker.store.checkpoint().unwrap();
                    pass(round * 31 % 50).await;
                }
                match left {
                    "flushed" => state.lose_unflushed(),
                    "none" => sprawl_log::StateStore::reset(state.as_ref()).unwrap(),
                    _ => {}
                }
                node = node.kill_and_restart().await;
            }
            pass(10_000).await;
            let mut delivered: Vec<_> = values(&mut node).await;
            delivered.retain(|value| value != "plain");
            let different: BTreeSet<_> = delivered.iter().cloned().collect();
            assert_eq!(different, expected, "{left}");
            assert_eq!(delivered.len(), expected.len(), "{left}: one came twice");
        }
    });
}

#[test]
fn a_cancellation_survives_a_kill() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(delayed_topic(&[])).await;
        let batch = plain(&[
            (Some("a"), Some("a"), &[(AFTER, "3000")]),
            (Some("b"), Some("b"), &[(AFTER, "3000")]),
        ]);
        node.append("t", batch).await;
        pass(10).await;
        let mut node = node.kill_and_restart().await;
        let cancel = plain(&[(Some("a"), None, &[(CANCEL, "")])]);
        node.append("t", cancel).await;
        let mut node = node.kill_and_restart().await;
        pass(7_000).await;
        assert_eq!(values(&mut node).await, ["b"]);
    });
}

#[test]
fn what_waits_when_the_setting_goes_off_is_delivered_and_then_headers_mean_nothing() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(delayed_topic(&[])).await;
        node.append("t", plain(&[(None, Some("v"), &[(AFTER, "1000")])]))
            .await;
        let off = ("sprawl.delayed.delivery", 0, Some("false"));
        assert_eq!(node.alter(resource_type::TOPIC, "t", off).await, NONE);
        node.append("t", plain(&[(None, Some("w"), &[(AFTER, "1000")])]))
            .await;
        assert_eq!(values(&mut node).await, ["w"]);
        let mut node = node.kill_and_restart().await;
        assert_eq!(values(&mut node).await, ["w"]);
        pass(2_500).await;
        assert_eq!(values(&mut node).await, ["w", "v"]);
    });
}

#[test]
fn compaction_and_delayed_delivery_exclude_each_other() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let both = delayed_topic(&[("cleanup.policy", "compact")]);
        let invalid = ErrorCode::InvalidConfig.number();
        assert_eq!(node.create_one(both).await.error_code, invalid);
        node.create_one(delayed_topic(&[])).await;
        let compact = ("cleanup.policy", 0, Some("compact"));
        assert_eq!(
            node.alter(resource_type::TOPIC, "t", compact).await,
            invalid
        );
    });
}

async fn delete_records(node: &mut Node, before: i64) -> (i16, i64) {
    let partition = DeleteRecordsPartition::default().with_offset(before);
    let topic = DeleteRecordsTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
    match node.call(2, request).await {
        Response::DeleteRecords(response) => {
            let found = &response.topics[0].partitions[0];
            (found.error_code, found.low_watermark)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_that_waits_is_deleted() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let short = [("retention.ms", "1000"), ("segment.bytes", "1048576")];
        node.create_one(delayed_topic(&short)).await;
        node.append("t", plain(&[(None, Some("old"), &[])])).await;
        node.append("t", plain(&[(None, Some("v"), &[(AFTER, "60000")])]))
            .await;
        node.append("t", plain(&[(None, Some("new"), &[])])).await;
        assert_eq!(delete_records(&mut node, 1).await, (NONE, 1));
        let policy = ErrorCode::PolicyViolation.number();
        assert_eq!(delete_records(&mut node, 2).await, (policy, -1));
        assert_eq!(delete_records(&mut node, -1).await, (policy, -1));
        pass(30_000).await;
        node.broker.broker.store.apply_retention().unwrap();
        let seen = consume(&mut node, 1).await;
        assert_eq!(seen.len(), 1);
        pass(31_000).await;
        let seen = consume(&mut node, 1).await;
        let found: Vec<_> = seen.iter().map(Seen::value).collect();
        assert_eq!(found, ["new", "v"]);
        // Delivered, it is a record like any other.
        assert_eq!(delete_records(&mut node, -1).await, (NONE, 4));
    });
}

#[test]
fn look_ups_by_time_do_not_find_what_waits() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(delayed_topic(&[])).await;
        node.append("t", plain(&[(None, Some("now"), &[])])).await;
        let waiting = plain(&[
            (None, Some("x"), &[]),
            (None, Some("y"), &[(AFTER, "5000")]),
        ]);
        node.append("t", waiting).await;
        let whole = plain(&[
            (None, Some("1"), &[(AFTER, "5000")]),
            (None, Some("2"), &[(AFTER, "5000")]),
            (None, Some("3"), &[(AFTER, "5000")]),
        ]);
        node.append("t", whole).await;
        let mut look = async |timestamp: i64| {
            let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
            let topic = ListOffsetsTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(vec![partition]);
            let request = ListOffsetsRequest::default().with_topics(vec![topic]);
            match node.call(7, request).await {
                Response::ListOffsets(mut response) => {
                    let found = response.topics.remove(0).partitions.remove(0);
                    (found.offset, found.timestamp)
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(look(TIME_MS).await, (0, TIME_MS));
        assert_eq!(look(TIME_MS + 1).await, (-1, -1));
        assert_eq!(look(-3).await, (0, TIME_MS));
        pass(6_000).await;
        let (offset, timestamp) = look(TIME_MS + 1).await;
        assert_eq!(offset, 6);
        assert!(timestamp >= TIME_MS + 5_000);
    });
}

#[test]
fn a_backlog_larger_than_a_release_comes_out_whole_and_in_order() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(delayed_topic(&[])).await;
        let due = node.io.clock.wall_ms() + 60_000;
        let count = 10_000_i64;
        let numbers: Vec<i64> = (0..count).map(|n| n * 7_919 % count).collect();
        for chunk in numbers.chunks(500) {
            let texts: Vec<_> = chunk
                .iter()
                .map(|n| (n.to_string(), (due + n / 3).to_string()))
                .collect();
            let headers: Vec<_> = texts.iter().map(|(_, at)| [(AT, at.as_str())]).collect();
            let given: Vec<Given<'_>> = texts
                .iter()
                .zip(&headers)
                .map(|((value, _), headers)| (None, Some(value.as_str()), &headers[..]))
                .collect();
            assert_eq!(node.append("t", plain(&given)).await.0, NONE);
        }
        assert_eq!(values(&mut node).await.len(), 0);
        let mut node = node.kill_and_restart().await;
        pass(200_000).await;
        let seen = consume(&mut node, 0).await;
        assert_eq!(seen.len() as i64, count);
        let order: Vec<(i64, i64)> = seen
            .iter()
            .map(|seen| {
                let number = |name| seen.header(name).unwrap().parse().unwrap();
                (
                    number("sprawl.delayed-due"),
                    number("sprawl.delayed-offset"),
                )
            })
            .collect();
        assert!(order.is_sorted(), "in order of due time, then of offset");
    });
}

#[test]
fn a_deleted_topic_takes_its_timers_along() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(delayed_topic(&[])).await;
        node.append("t", plain(&[(None, Some("v"), &[(AFTER, "1000")])]))
            .await;
        pass(50).await;
        assert_eq!(node.broker.broker.partitions.agenda().waiting(), 1);
        let state = DeleteTopicState::default().with_name(Some(topic_name("t")));
        let request = DeleteTopicsRequest::default().with_topics(vec![state]);
        assert_eq!(node.delete(6, request).await, [NONE]);
        assert_eq!(node.broker.broker.partitions.agenda().waiting(), 0);
        node.create_one(delayed_topic(&[])).await;
        pass(2_000).await;
        assert_eq!(values(&mut node).await.len(), 0);
    });
}
