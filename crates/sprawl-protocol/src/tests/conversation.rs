//! Whole frames from client to broker and back, including what is not served.

use bytes::{BufMut, BytesMut};

use crate::api::{self, ApiKey, TwoPhaseCommit};
use crate::messages::{ApiVersionsResponse, MetadataRequest};
use crate::*;

fn parse(bytes: &[u8]) -> (RequestHeader, BytesMut) {
    let mut frame = BytesMut::from(bytes);
    let header = RequestHeader::parse(&mut frame).unwrap();
    (header, frame)
}

#[test]
fn a_request_and_its_answer_cross_the_wire() {
    let mut wire = BytesMut::new();
    let request = Request::from(MetadataRequest::default());
    encode_request(&request, 12, 31, Some("me"), &mut wire).unwrap();
    let mut frame = next_frame(&mut wire, &FrameLimits::default())
        .unwrap()
        .unwrap();
    let header = RequestHeader::parse(&mut frame).unwrap();
    assert_eq!(
        (header.api(), header.client_id.as_deref()),
        (Ok(ApiKey::Metadata), Some("me"))
    );
    assert_eq!(decode_request(&header, frame).unwrap(), request);

    let rows = api::advertised_versions(TwoPhaseCommit::Advertised);
    let response = Response::from(ApiVersionsResponse::default().with_api_keys(rows));
    encode_response(4, 31, &response, &mut wire).unwrap();
    let frame = next_frame(&mut wire, &FrameLimits::default())
        .unwrap()
        .unwrap()
        .freeze();
    assert_eq!(response_correlation_id(&frame), Some(31));
    assert_eq!(
        decode_response(ApiKey::ApiVersions, 4, frame).unwrap(),
        response
    );
}

#[test]
fn only_keys_of_the_table_are_advertised_and_produce_from_zero() {
    let rows = api::advertised_versions(TwoPhaseCommit::Advertised);
    assert_eq!(rows.len(), ApiKey::ALL.len());
    let produce = rows.iter().find(|row| row.api_key == 0).unwrap();
    assert_eq!((produce.min_version, produce.max_version), (0, 13));
    assert_eq!(ApiKey::Produce.served().min, 3);
}

#[test]
fn two_phase_commit_is_advertised_only_where_it_is_let() {
    let newest = |two_phase_commit| {
        let rows = api::advertised_versions(two_phase_commit);
        let row = rows.into_iter().find(|row| row.api_key == 22).unwrap();
        (row.min_version, row.max_version)
    };
    assert_eq!(newest(TwoPhaseCommit::Hidden), (0, 5));
    assert_eq!(newest(TwoPhaseCommit::Advertised), (0, 6));
    assert!(ApiKey::InitProducerId.served().contains(6));
}

#[test]
fn wish_to_keep_a_transaction_is_never_left_out_silently() {
    use crate::messages::InitProducerIdRequest;
    let keep = InitProducerIdRequest {
        keep_prepared_txn: true,
        ..Default::default()
    };
    let enable = InitProducerIdRequest {
        enable_2_pc: true,
        ..Default::default()
    };
    for request in [keep, enable] {
        let mut out = BytesMut::new();
        let written = encode_request(&request.clone().into(), 5, 1, None, &mut out);
        assert!(written.is_err() && out.is_empty());
        encode_request(&request.into(), 6, 1, None, &mut out).unwrap();
    }
}

#[test]
fn unknown_api_versions_version_is_answered_in_version_zero() {
    let (header, body) = parse(&[0, 18, 0, 99, 0, 0, 0, 5, 0xff, 0xff, 0, 1, 2, 3]);
    let answer = unsupported_answer(&header, &body).unwrap();
    let expected = [
        0, 0, 0, 16, 0, 0, 0, 5, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4,
    ];
    assert_eq!(answer[..], expected);
    let response = decode_response(ApiKey::ApiVersions, 4, answer.freeze().split_off(4)).unwrap();
    let Response::ApiVersions(response) = response else {
        panic!("an api versions response")
    };
    assert_eq!(
        (response.error_code, response.api_keys[0].max_version),
        (35, 4)
    );
}

/// A Produce request of version 0 to 2 with one batch for partition 6 of "t".
fn old_produce(version: u8, acks: i16) -> Vec<u8> {
    let mut request = BytesMut::from(&[0, 0, 0, version, 0, 0, 0, 5, 0xff, 0xff][..]);
    request.put_i16(acks);
    request.put_i32(1000);
    request.put_slice(&[
        0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0, 2, 8, 8,
    ]);
    request.to_vec()
}

#[test]
fn produce_before_version_three_is_refused_partition_by_partition() {
    let (header, body) = parse(&old_produce(0, 1));
    assert!(matches!(
        decode_request(&header, body.clone()),
        Err(DecodeError::Unsupported(_))
    ));
    let answer = unsupported_answer(&header, &body).unwrap();
    let partition = [&[0, 0, 0, 6, 0, 35][..], &[0xff; 8]].concat();
    let topic = [&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1][..], &partition].concat();
    assert_eq!(
        answer[..],
        [&[0, 0, 0, 29, 0, 0, 0, 5][..], &topic].concat()
    );

    let (header, body) = parse(&old_produce(2, 1));
    let answer = unsupported_answer(&header, &body).unwrap();
    let expected = [
        &[0, 0, 0, 41, 0, 0, 0, 5][..],
        &topic,
        &[0xff; 8],
        &[0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(answer[..], expected);
}

#[test]
fn produce_that_expects_no_answer_gets_none() {
    let (header, body) = parse(&old_produce(1, 0));
    assert_eq!(unsupported_answer(&header, &body), None);
}

#[test]
fn unknown_keys_and_versions_get_an_error_code() {
    let (header, body) = parse(&[0, 99, 0, 3, 0, 0, 0, 5, 0xff, 0xff]);
    let answer = unsupported_answer(&header, &body).unwrap();
    assert_eq!(answer[..], [0, 0, 0, 6, 0, 0, 0, 5, 0, 35]);
    // A version beyond ours is flexible, so its response header has tagged fields.
    let (header, body) = parse(&[0, 3, 0, 77, 0, 0, 0, 5, 0xff, 0xff, 0]);
    let answer = unsupported_answer(&header, &body).unwrap();
    assert_eq!(answer[..], [0, 0, 0, 7, 0, 0, 0, 5, 0, 0, 35]);
}

#[test]
fn a_response_that_its_version_cannot_carry_leaves_the_buffer_as_it_was() {
    let mut out = BytesMut::from(&b"before"[..]);
    let response =
        messages::FindCoordinatorResponse::default().with_coordinators(vec![Default::default()]);
    encode_response(0, 1, &response.into(), &mut out).unwrap_err();
    encode_response(
        99,
        1,
        &messages::HeartbeatResponse::default().into(),
        &mut out,
    )
    .unwrap_err();
    assert_eq!(out, &b"before"[..]);
}

#[test]
fn answers_are_cut_to_what_old_versions_have_fields_for() {
    use crate::messages::*;
    let partition = list_offsets_response::ListOffsetsPartitionResponse::default()
        .with_leader_epoch(3)
        .with_offset(5);
    let offsets = ListOffsetsResponse::default().with_topics(vec![
        list_offsets_response::ListOffsetsTopicResponse::default().with_partitions(vec![partition]),
    ]);
    let groups = DescribeGroupsResponse::default().with_groups(vec![
        describe_groups_response::DescribedGroup::default()
            .with_error_message(Some("gone".into()))
            .with_authorized_operations(7),
    ]);
    let cluster = DescribeClusterResponse::default()
        .with_endpoint_type(2)
        .with_brokers(vec![
            describe_cluster_response::DescribeClusterBroker::default().with_is_fenced(true),
        ]);
    let join = JoinGroupResponse::default()
        .with_protocol_name(Some("range".into()))
        .with_skip_assignment(true);
    let answers: [Response; 4] = [offsets.into(), groups.into(), cluster.into(), join.into()];
    for answer in answers {
        let key = answer.api_key();
        for version in key.served().iter() {
            let mut out = BytesMut::new();
            encode_response(version, 1, &answer, &mut out).unwrap();
            let newest = version == key.served().max;
            let back = decode_response(key, version, out.freeze().split_off(4)).unwrap();
            assert!(!newest || back == answer, "{key:?} v{version}");
        }
    }
}
