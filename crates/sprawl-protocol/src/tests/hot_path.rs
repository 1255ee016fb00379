//! `Produce` and `Fetch`, which have codecs of their own, against the `kafka-protocol` crate.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response as theirs;
use kafka_protocol::protocol::{Decodable, StrBytes};
use uuid::Uuid;

use super::sample::{self, Random, Tags};
use crate::api::ApiKey;
use crate::fetch::*;
use crate::guard::Side;
use crate::*;

#[test]
fn produce_requests_read_as_the_crate_reads_them() {
    for version in ApiKey::Produce.served().iter() {
        for seed in 0..50 {
            let body = sample::body(ApiKey::Produce, Side::Request, version, Tags::Random, seed);
            let mut bytes = body.clone().freeze();
            let theirs =
                kafka_protocol::messages::ProduceRequest::decode(&mut bytes, version).unwrap();
            let ours = produce::decode(body, version).unwrap();
            assert_eq!(ours.transactional_id, theirs.transactional_id);
            assert_eq!(
                (ours.acks, ours.timeout_ms),
                (theirs.acks, theirs.timeout_ms)
            );
            assert_eq!(ours.topics.len(), theirs.topic_data.len());
            for (ours, theirs) in ours.topics.iter().zip(&theirs.topic_data) {
                assert_eq!((&ours.name, ours.topic_id), (&theirs.name, theirs.topic_id));
                assert_eq!(ours.partitions.len(), theirs.partition_data.len());
                for (ours, theirs) in ours.partitions.iter().zip(&theirs.partition_data) {
                    assert_eq!(ours.index, theirs.index);
                    assert_eq!(ours.records.as_deref(), theirs.records.as_deref());
                }
            }
        }
    }
}

#[test]
fn records_of_a_produce_request_are_the_frame_itself_and_can_be_patched() {
    let partition = |index, byte| produce::ProducePartition {
        index,
        records: Some(BytesMut::from(&[byte; 100][..])),
    };
    let topic = produce::ProduceTopic {
        name: TopicName("t".into()),
        partitions: vec![partition(0, 1), partition(1, 2)],
        ..Default::default()
    };
    let request = ProduceRequest {
        acks: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let mut out = BytesMut::new();
    encode_request(&request.into(), 9, 1, None, &mut out).unwrap();
    let range = out.as_ptr_range();
    let mut frame = next_frame(&mut out, &FrameLimits::default())
        .unwrap()
        .unwrap();
    let header = RequestHeader::parse(&mut frame).unwrap();
    let Request::Produce(mut request) = decode_request(&header, frame).unwrap() else {
        panic!("a produce request")
    };
    for partition in &mut request.topics[0].partitions {
        let records = partition.records.as_mut().unwrap();
        assert!(range.contains(&records.as_ptr()), "records were copied");
        records[..8].fill(0xee);
    }
    let partitions = &request.topics[0].partitions;
    assert_eq!(partitions[0].records.as_deref().unwrap()[8..], [1; 92]);
    assert_eq!(
        partitions[1].records.as_deref().unwrap()[..9],
        [[0xee; 8].as_slice(), &[2]].concat()
    );
}

fn endpoint(random: &mut Random) -> NodeEndpoint {
    NodeEndpoint {
        node_id: random.next() as i32,
        host: StrBytes::from_string(random.text()),
        port: random.next() as i32,
        rack: (random.below(2) == 0).then(|| StrBytes::from_string(random.text())),
    }
}

fn partition(random: &mut Random) -> FetchPartition<Bytes> {
    let some = |random: &mut Random| random.below(2) == 0;
    FetchPartition {
        partition_index: random.next() as i32,
        error_code: random.next() as i16,
        high_watermark: random.next() as i64,
        last_stable_offset: random.next() as i64,
        log_start_offset: random.next() as i64,
        diverging_epoch: some(random).then(|| EpochEndOffset {
            epoch: random.next() as i32,
            end_offset: 9,
        }),
        current_leader: some(random).then(|| LeaderIdAndEpoch {
            leader_id: random.next() as i32,
            leader_epoch: 3,
        }),
        snapshot_id: some(random).then(|| SnapshotId {
            end_offset: random.next() as i64,
            epoch: 5,
        }),
        aborted_transactions: some(random).then(|| {
            (0..random.below(3))
                .map(|n| AbortedTransaction {
                    producer_id: n as i64,
                    first_offset: 1,
                })
                .collect()
        }),
        preferred_read_replica: random.next() as i32,
        records: (0..random.below(4))
            .map(|_| {
                let count = random.below(300);
                Bytes::from(random.bytes(count))
            })
            .collect(),
    }
}

/// The same reply as the crate would hold it, with fields a version lacks left at their default.
fn their_partition(partition: &FetchPartition<Bytes>, version: i16) -> theirs::PartitionData {
    let mut data = theirs::PartitionData::default()
        .with_partition_index(partition.partition_index)
        .with_error_code(partition.error_code)
        .with_high_watermark(partition.high_watermark)
        .with_last_stable_offset(partition.last_stable_offset)
        .with_log_start_offset(partition.log_start_offset)
        .with_records(Some(Bytes::from(partition.records.concat())))
        .with_aborted_transactions(partition.aborted_transactions.as_ref().map(|list| {
            let one = |aborted: &AbortedTransaction| {
                theirs::AbortedTransaction::default()
                    .with_producer_id(ProducerId(aborted.producer_id))
                    .with_first_offset(aborted.first_offset)
            };
            list.iter().map(one).collect()
        }));
    if version >= 11 {
        data.preferred_read_replica = BrokerId(partition.preferred_read_replica);
    }
    if version < 12 {
        return data;
    }
    if let Some(epoch) = partition.diverging_epoch {
        data.diverging_epoch.epoch = epoch.epoch;
        data.diverging_epoch.end_offset = epoch.end_offset;
    }
    if let Some(leader) = partition.current_leader {
        data.current_leader.leader_id = BrokerId(leader.leader_id);
        data.current_leader.leader_epoch = leader.leader_epoch;
    }
    if let Some(snapshot) = partition.snapshot_id {
        data.snapshot_id.end_offset = snapshot.end_offset;
        data.snapshot_id.epoch = snapshot.epoch;
    }
    data
}

fn their_reply(reply: &FetchReply<Bytes>, version: i16) -> messages::FetchResponse {
    let topics = reply.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|part| their_partition(part, version));
        let mut data =
            theirs::FetchableTopicResponse::default().with_partitions(partitions.collect());
        if version >= 13 {
            data.topic_id = topic.topic_id;
        } else {
            data.topic = topic.name.clone();
        }
        data
    });
    let mut response = messages::FetchResponse::default()
        .with_throttle_time_ms(reply.throttle_time_ms)
        .with_responses(topics.collect());
    if version >= 7 {
        response.error_code = reply.error_code;
        response.session_id = reply.session_id;
    }
    if version >= 16 {
        let endpoints = reply.node_endpoints.iter().map(|endpoint| {
            theirs::NodeEndpoint::default()
                .with_node_id(BrokerId(endpoint.node_id))
                .with_host(endpoint.host.clone())
                .with_port(endpoint.port)
                .with_rack(endpoint.rack.clone())
        });
        response.node_endpoints = endpoints.collect();
    }
    response
}

#[test]
fn fetch_replies_are_written_as_the_crate_writes_them() {
    for version in ApiKey::Fetch.served().iter() {
        for seed in 0..60 {
            let random = &mut Random(seed);
            let topics = (0..random.below(3)).map(|_| FetchTopic {
                name: TopicName(StrBytes::from_string(random.text())),
                topic_id: Uuid::from_u128(u128::from(random.next())),
                partitions: (0..random.below(3)).map(|_| partition(random)).collect(),
            });
            let topics = topics.collect();
            let reply = FetchReply {
                throttle_time_ms: 4,
                error_code: 5,
                session_id: 6,
                topics,
                node_endpoints: (0..random.below(3)).map(|_| endpoint(random)).collect(),
            };
            let mut expected = BytesMut::new();
            let theirs = their_reply(&reply, version);
            encode_response(version, 77, &Response::Fetch(theirs), &mut expected).unwrap();

            let encoded = encode_fetch_reply(version, 77, reply).unwrap();
            let whole: Vec<u8> = encoded
                .segments
                .iter()
                .flat_map(|segment| match segment {
                    Segment::Header(bytes) | Segment::Records(bytes) => bytes.to_vec(),
                })
                .collect();
            assert_eq!(whole.len(), encoded.size);
            assert_eq!(whole, expected, "v{version} seed {seed}");
        }
    }
}

/// A part that cannot be read: what the encoder must not try.
#[derive(Debug)]
struct OnDisk(usize);

impl RecordsPart for OnDisk {
    fn size(&self) -> usize {
        self.0
    }
}

#[test]
fn file_parts_stand_between_header_segments_and_count_in_the_frame_size() {
    let partition = FetchPartition {
        records: vec![OnDisk(1000), OnDisk(24)],
        ..Default::default()
    };
    let topic = FetchTopic {
        name: TopicName("t".into()),
        topic_id: Uuid::nil(),
        partitions: vec![partition],
    };
    let reply = FetchReply {
        topics: vec![topic],
        ..Default::default()
    };
    let encoded = encode_fetch_reply(12, 1, reply).unwrap();
    let shape: Vec<_> = encoded
        .segments
        .iter()
        .map(|segment| match segment {
            Segment::Header(bytes) => -(bytes.len() as i64),
            Segment::Records(part) => part.0 as i64,
        })
        .collect();
    let headers = encoded.size as i64 - 1024;
    assert_eq!(shape, [-(headers - 3), 1000, 24, -3]);
    let Segment::Header(first) = &encoded.segments[0] else {
        panic!("header first")
    };
    assert_eq!(first[..4], (encoded.size as i32 - 4).to_be_bytes());
}

#[test]
fn a_frame_beyond_two_gibibytes_is_refused() {
    let partition = FetchPartition {
        records: vec![OnDisk(1 << 31)],
        ..Default::default()
    };
    let topic = FetchTopic {
        name: TopicName("t".into()),
        topic_id: Uuid::nil(),
        partitions: vec![partition],
    };
    let reply = FetchReply {
        topics: vec![topic],
        ..Default::default()
    };
    assert!(encode_fetch_reply(12, 1, reply).is_err());
}

#[test]
fn a_partition_without_records_is_sent_as_no_bytes_never_as_null() {
    let partition: FetchPartition<Bytes> = FetchPartition::default();
    let topic = FetchTopic {
        name: TopicName("t".into()),
        topic_id: Uuid::nil(),
        partitions: vec![partition],
    };
    let reply = FetchReply {
        topics: vec![topic],
        ..Default::default()
    };
    let encoded = encode_fetch_reply(11, 1, reply).unwrap();
    let Segment::Header(bytes) = &encoded.segments[0] else {
        panic!("header only")
    };
    assert!(bytes.ends_with(&[0, 0, 0, 0]));
}
