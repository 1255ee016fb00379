//! No bytes panic, abort, or reserve memory on the word of a length field.

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::sample::{self, Random, Tags};
use crate::api::ApiKey;
use crate::guard::{self, Side, request_elements_max};
use crate::wire::{ReadError, put_varint};
use crate::*;

/// Feeds a body to the decoder of its message; the result does not matter, returning does.
fn feed(key: ApiKey, side: Side, version: i16, body: BytesMut) {
    let header = RequestHeader {
        api_key: key.number(),
        version,
        correlation_id: 1,
        client_id: None,
    };
    match side {
        Side::Request => drop(decode_request(&header, body)),
        Side::Response => {
            let mut frame = BytesMut::zeroed(4 + key.response_header_version(version) as usize);
            frame.extend_from_slice(&body);
            drop(decode_response(key, version, frame.freeze()));
        }
    }
}

/// Damages `body` in one of the ways a hostile sender would.
pub(crate) fn damage(body: &mut BytesMut, random: &mut Random) {
    let lies: [&[u8]; 6] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xfe],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x00, 0x03, 0xff, 0xff],
        &[0x80, 0x80, 0x80, 0x80, 0x80],
    ];
    for _ in 0..=random.below(3) {
        let at = random.below(body.len().max(1));
        match random.below(4) {
            0 => body.truncate(at),
            1 => {
                let tail = body.split_off(at.min(body.len()));
                body.put_slice(lies[random.below(lies.len())]);
                body.unsplit(tail);
            }
            2 => {
                let lie = lies[random.below(lies.len())];
                let end = body.len().min(at + lie.len());
                if at < end {
                    body[at..end].copy_from_slice(&lie[..end - at]);
                }
            }
            _ => {
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damaged_bodies_of_every_message_and_version_only_fail(seed: u64) {
        for (key, side, version) in sample::every_message() {
            let mut random = Random(seed ^ version as u64);
            let mut body = sample::body(key, side, version, Tags::Random, seed);
            damage(&mut body, &mut random);
            feed(key, side, version, body);
        }
    }

    #[test]
    fn random_bodies_of_every_message_and_version_only_fail(
        body in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        for (key, side, version) in sample::every_message() {
            feed(key, side, version, BytesMut::from(&body[..]));
        }
    }

    #[test]
    fn random_frames_get_an_answer_or_an_error(
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        key in 0_u8..80,
        version in 0_u8..20,
    ) {
        if let Some(head) = bytes.first_chunk_mut::<4>() {
            *head = [0, key, 0, version];
        }
        let mut frame = BytesMut::from(&bytes[..]);
        if let Ok(header) = RequestHeader::parse(&mut frame) {
            let answer = unsupported_answer(&header, &frame);
            prop_assert!(answer.is_none_or(|frame| frame.len() >= 10));
            drop(decode_request(&header, frame));
        }
    }
}

#[test]
fn eight_bytes_that_promise_two_billion_topics_are_refused() {
    for version in ApiKey::Metadata.served().iter() {
        let mut body = BytesMut::new();
        if ApiKey::Metadata.is_flexible(version) {
            put_varint(&mut body, u32::MAX);
        } else {
            body.put_i32(i32::MAX);
        }
        body.put_i32(0);
        let header = RequestHeader {
            api_key: 3,
            version,
            correlation_id: 1,
            client_id: None,
        };
        let error = decode_request(&header, body).unwrap_err();
        assert!(
            matches!(error, DecodeError::Layout { .. }),
            "v{version}: {error}"
        );
    }
}

#[test]
fn elements_are_capped_even_where_the_bytes_are_there() {
    // 300,000 groups with empty names, two bytes each.
    let count = 300_000;
    let mut body = BytesMut::new();
    body.put_i32(count);
    body.put_bytes(0, 2 * count as usize);
    let limit = request_elements_max(ApiKey::DeleteGroups);
    let found = guard::check(ApiKey::DeleteGroups, Side::Request, 0, &body);
    assert_eq!(found, Err(ReadError::TooManyElements { limit }));
}

#[test]
fn no_element_of_a_request_is_larger_than_its_measure_says() {
    use crate::messages::*;
    let sizes = [
        size_of::<fetch_request::FetchTopic>(),
        size_of::<fetch_request::FetchPartition>(),
        size_of::<create_topics_request::CreatableTopic>(),
        size_of::<join_group_request::JoinGroupRequestProtocol>(),
        size_of::<leave_group_request::MemberIdentity>(),
        size_of::<offset_commit_request::OffsetCommitRequestPartition>(),
        size_of::<offset_fetch_request::OffsetFetchRequestGroup>(),
        size_of::<describe_configs_request::DescribeConfigsResource>(),
        // A map's node: eleven tags, their bytes, and its place in the map.
        11 * (size_of::<i32>() + size_of::<bytes::Bytes>()) + 2 * size_of::<usize>(),
    ];
    for size in sizes {
        assert!(size <= guard::ELEMENT_BYTES_MAX, "{size} of {sizes:?}");
    }
}

#[test]
fn measured_request_says_what_it_takes_before_it_is_decoded() {
    let mut body = BytesMut::new();
    body.put_i32(1_000);
    body.put_bytes(0, 2_000);
    let header = RequestHeader {
        api_key: ApiKey::DeleteGroups.number(),
        version: 0,
        correlation_id: 1,
        client_id: None,
    };
    let measured = MeasuredRequest::new(&header, body).unwrap();
    assert_eq!(measured.decoded_bytes(), 1_000 * guard::ELEMENT_BYTES_MAX);
    let Request::DeleteGroups(request) = measured.decode().unwrap() else {
        panic!("another request");
    };
    assert_eq!(request.groups_names.len(), 1_000);
}

#[test]
fn tagged_field_that_hides_its_true_size_is_refused() {
    // Fetch v12: one tagged field, the cluster id "ab", said to take 9 bytes.
    let mut body = sample::body(ApiKey::Fetch, Side::Request, 12, Tags::Empty, 3);
    body.truncate(body.len() - 1);
    body.extend_from_slice(&[1, 0, 9, 3, b'a', b'b', 0, 0, 0, 0, 0, 0]);
    let found = guard::check(ApiKey::Fetch, Side::Request, 12, &body);
    assert_eq!(
        found,
        Err(ReadError::TaggedFieldSize {
            tag: 0,
            size: 9,
            content: 3
        })
    );
}

#[test]
fn unknown_tag_that_could_not_be_written_again_is_refused() {
    // Metadata v12: null topics, two flags, one empty tagged field.
    let body = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    let found = guard::check(ApiKey::Metadata, Side::Request, 12, &body);
    assert_eq!(found, Err(ReadError::Tag(u32::MAX)));
}
