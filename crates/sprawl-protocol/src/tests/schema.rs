//! The layouts describe exactly what the codecs read and write, for every message and version.

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};
use std::fmt::Debug;

use super::sample::{self, Tags};
use crate::api::ApiKey;
use crate::guard::{self, Side};
use crate::*;

const SEEDS: std::ops::Range<u64> = 0..24;

/// Decodes a body through the public door and encodes it again; returns the new body.
fn again(key: ApiKey, side: Side, version: i16, body: &BytesMut) -> BytesMut {
    let mut out = BytesMut::new();
    match side {
        Side::Request => {
            let header = RequestHeader {
                api_key: key.number(),
                version,
                correlation_id: 7,
                client_id: None,
            };
            let request = decode_request(&header, body.clone()).unwrap();
            assert_eq!(request.api_key(), key);
            encode_request(&request, version, 7, None, &mut out).unwrap();
            let mut frame = next_frame(&mut out, &FrameLimits::default())
                .unwrap()
                .unwrap();
            assert_eq!(RequestHeader::parse(&mut frame).unwrap(), header);
            frame
        }
        Side::Response => {
            let header_size = 4 + key.response_header_version(version) as usize;
            let mut frame = BytesMut::zeroed(header_size);
            frame.extend_from_slice(body);
            let response = decode_response(key, version, frame.freeze()).unwrap();
            assert_eq!(response.api_key(), key);
            encode_response(version, 0, &response, &mut out).unwrap();
            out.split_off(4 + header_size)
        }
    }
}

#[test]
fn every_body_is_walked_to_its_last_byte() {
    for (key, side, version) in sample::every_message() {
        for seed in SEEDS {
            let mut body = sample::body(key, side, version, Tags::Random, seed);
            let size = body.len();
            let at = format!("{key:?} {side:?} v{version} seed {seed}");
            let measured = |body: &[u8]| Ok(guard::check(key, side, version, body)?.size);
            assert_eq!(measured(&body), Ok::<_, ReadError>(size), "{at}");
            body.extend_from_slice(&[1, 2, 3]);
            assert_eq!(measured(&body), Ok(size), "{at}");
            body.truncate(size.saturating_sub(1));
            assert!(
                size == 0 || guard::check(key, side, version, &body).is_err(),
                "{at}"
            );
        }
    }
}

#[test]
fn every_body_without_tagged_fields_survives_byte_for_byte() {
    for (key, side, version) in sample::every_message() {
        for seed in SEEDS {
            let body = sample::body(key, side, version, Tags::Empty, seed);
            let at = format!("{key:?} {side:?} v{version} seed {seed}");
            assert_eq!(again(key, side, version, &body), body, "{at}");
        }
    }
}

#[test]
fn every_body_with_tagged_fields_is_stable_after_one_pass() {
    for (key, side, version) in sample::every_message() {
        for seed in SEEDS {
            let body = sample::body(key, side, version, Tags::Random, seed);
            let once = again(key, side, version, &body);
            let at = format!("{key:?} {side:?} v{version} seed {seed}");
            assert_eq!(again(key, side, version, &once), once, "{at}");
        }
    }
}

/// Our layout of a message is what the crate's codec reads and writes, where we have our own.
fn check_against_crate<T: Encodable + Decodable + Debug>(
    key: ApiKey,
    side: Side,
    versions: std::ops::RangeInclusive<i16>,
) {
    for version in versions {
        for seed in SEEDS {
            let body = sample::body(key, side, version, Tags::Empty, seed);
            let mut bytes: Bytes = body.clone().freeze();
            let message = T::decode(&mut bytes, version).unwrap();
            assert_eq!(bytes.remaining(), 0, "{key:?} v{version} seed {seed}");
            let mut encoded = BytesMut::new();
            message.encode(&mut encoded, version).unwrap();
            assert_eq!(encoded, body, "{key:?} v{version} seed {seed}: {message:?}");
        }
    }
}

#[test]
fn our_own_messages_agree_with_the_crate_where_it_has_the_version() {
    use ApiKey::{
        DescribeLogDirs, DescribeShareGroupOffsets, InitProducerId, OffsetCommit, OffsetFetch,
        Produce, ReadShareGroupStateSummary, ShareAcknowledge, ShareFetch, WriteShareGroupState,
    };
    use Side::{Request, Response};
    check_against_crate::<theirs::ProduceRequest>(Produce, Request, 3..=13);
    check_against_crate::<theirs::InitProducerIdRequest>(InitProducerId, Request, 0..=5);
    check_against_crate::<theirs::InitProducerIdResponse>(InitProducerId, Response, 0..=5);
    check_against_crate::<theirs::OffsetCommitRequest>(OffsetCommit, Request, 2..=9);
    check_against_crate::<theirs::OffsetCommitResponse>(OffsetCommit, Response, 2..=9);
    check_against_crate::<theirs::OffsetFetchRequest>(OffsetFetch, Request, 1..=9);
    check_against_crate::<theirs::OffsetFetchResponse>(OffsetFetch, Response, 1..=9);
    check_against_crate::<theirs::DescribeLogDirsResponse>(DescribeLogDirs, Response, 1..=4);
    check_against_crate::<theirs::ShareFetchRequest>(ShareFetch, Request, 1..=1);
    check_against_crate::<theirs::ShareAcknowledgeRequest>(ShareAcknowledge, Request, 1..=1);
    check_against_crate::<theirs::ShareAcknowledgeResponse>(ShareAcknowledge, Response, 1..=1);
    check_against_crate::<theirs::DescribeShareGroupOffsetsResponse>(
        DescribeShareGroupOffsets,
        Response,
        0..=0,
    );
    check_against_crate::<theirs::WriteShareGroupStateRequest>(
        WriteShareGroupState,
        Request,
        0..=0,
    );
    check_against_crate::<theirs::ReadShareGroupStateSummaryResponse>(
        ReadShareGroupStateSummary,
        Response,
        0..=0,
    );
}

#[test]
fn topic_ids_stand_where_names_stood() {
    use crate::messages::offset_commit_request::*;
    let topic = OffsetCommitRequestTopic {
        topic_id: uuid::Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        partitions: vec![OffsetCommitRequestPartition {
            partition_index: 1,
            committed_offset: 2,
            ..Default::default()
        }],
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: GroupId("g".into()),
        topics: vec![topic],
        ..Default::default()
    };
    let mut out = BytesMut::new();
    encode_request(&request.into(), 10, 9, Some("c"), &mut out).unwrap();
    let expected = [
        &[0, 0, 0, 58, 0, 8, 0, 10, 0, 0, 0, 9, 0, 1, b'c', 0][..], // size, header
        &[2, b'g', 0xff, 0xff, 0xff, 0xff, 1, 0, 2],                // group, epoch, member
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],   // topic id
        &[2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2],                   // partition and offset
        &[0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0],                      // epoch, note, tags
    ];
    assert_eq!(out, expected.concat()[..]);
}

#[test]
fn bodies_that_kafka_itself_wrote_survive_byte_for_byte() {
    let golden = include_str!("../../tests/golden/kafka-4.3.1.txt");
    let mut seen = 0;
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        let [key, side, version, hex] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("four words: {line}");
        };
        let key = ApiKey::from_number(key.parse().unwrap()).unwrap();
        let side = if side == "Request" {
            Side::Request
        } else {
            Side::Response
        };
        let version = version.parse().unwrap();
        let digits: Vec<char> = hex.chars().collect();
        let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
        let body: BytesMut = digits.chunks(2).map(byte).collect();
        assert_eq!(
            again(key, side, version, &body),
            body,
            "{key:?} {side:?} v{version}"
        );
        seen += 1;
    }
    assert_eq!(seen, sample::every_message().count());
}

#[test]
fn throttle_time_is_written_into_every_response_that_has_a_field_for_it() {
    let mut count = 0;
    for (key, side, version) in sample::every_message().filter(|m| m.1 == Side::Response) {
        let header_size = 4 + key.response_header_version(version) as usize;
        let mut frame = BytesMut::zeroed(4 + header_size);
        frame.extend_from_slice(&sample::body(key, side, version, Tags::Empty, 5));
        let before = frame.clone();
        set_throttle_time(key, version, 123_456, &mut frame);
        let at = format!("{key:?} v{version}");
        let has_field = guard::layout_of(key, side)
            .iter()
            .any(|field| field.name == "throttle_time_ms" && field.versions.contains(version));
        assert_eq!(frame != before, has_field, "{at}");
        let response = decode_response(key, version, frame.split_off(4).freeze()).unwrap();
        let shown = format!("{response:?}");
        assert_eq!(
            shown.contains("throttle_time_ms: 123456"),
            has_field,
            "{at}"
        );
        count += usize::from(has_field);
    }
    assert!(count > 50, "{count}");
}
