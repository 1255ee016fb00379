//! One function per target: feeds bytes to a decoder and checks what must hold whatever they are.
//!
//! Returning is the first thing checked: no panic, no abort, no memory on the word of a length.

use bytes::BytesMut;
use sprawl_model::batch::{self, BatchHeader, Batches, HEADER_BYTES, Records};
use sprawl_model::{LeaderEpoch, Offset};
use sprawl_protocol::{
    ApiKey, FrameLimits, Request, RequestHeader, decode_request, decode_response, encode_request,
    encode_response, next_frame, unsupported_answer,
};

/// The largest frame the target `frame` accepts, in bytes.
const FRAME_BYTES_MAX: usize = 1 << 16;

/// The most a compressed batch may grow to in the target `batch`, in bytes.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// The size of everything before the body of a request with a null client id and a flexible
/// header, in bytes.
const HEADER_BYTES_MAX: usize = 11;

/// A stream of frames, arriving in two pieces.
pub fn frame(data: &[u8]) {
    let limits = FrameLimits {
        request_bytes_max: FRAME_BYTES_MAX,
    };
    let (first, second) = data.split_at(data.len() / 2);
    let mut stream = BytesMut::new();
    for piece in [first, second] {
        stream.extend_from_slice(piece);
        while let Ok(Some(mut frame)) = next_frame(&mut stream, &limits) {
            assert!(
                frame.len() <= FRAME_BYTES_MAX,
                "a frame is within its limit"
            );
            let Ok(header) = RequestHeader::parse(&mut frame) else {
                return;
            };
            if header.api().is_err() {
                unsupported_answer(&header, &frame);
            } else {
                drop(decode_request(&header, frame));
            }
        }
    }
}

/// The body of any request: the first byte picks the API, the second the version.
///
/// What decodes must encode, and decode to the same value again.
pub fn request(data: &[u8]) {
    let Some((key, version, body)) = pick(data) else {
        return;
    };
    let header = RequestHeader {
        api_key: key.number(),
        version,
        correlation_id: 1,
        client_id: None,
    };
    let Ok(request) = decode_request(&header, BytesMut::from(body)) else {
        return;
    };
    let mut wire = BytesMut::new();
    encode_request(&request, version, 1, None, &mut wire).expect("what was decoded is encodable");
    let mut frame = next_frame(&mut wire, &FrameLimits::default())
        .expect("the size is in order")
        .expect("the frame is whole");
    assert_eq!(
        RequestHeader::parse(&mut frame),
        Ok(header.clone()),
        "the header survives"
    );
    let again = format!("{:?}", decode_request(&header, frame));
    // As text: a quota's value may be NaN, which equals nothing.
    assert_eq!(
        again,
        format!("{:?}", Ok::<_, ()>(request)),
        "the body survives"
    );
}

/// The body of any response, picked like [`request`].
pub fn response(data: &[u8]) {
    let Some((key, version, body)) = pick(data) else {
        return;
    };
    let mut frame = BytesMut::zeroed(4 + usize::from(key.response_header_version(version) >= 1));
    frame.extend_from_slice(body);
    let Ok(response) = decode_response(key, version, frame.freeze()) else {
        return;
    };
    let mut wire = BytesMut::new();
    // An answer that turned out to be an ApiVersions v0 may hold less than `version` needs.
    if encode_response(version, 0, &response, &mut wire).is_err() {
        return;
    }
    let again = decode_response(key, version, wire.freeze().split_off(4));
    if key != ApiKey::ApiVersions {
        // As text: a quota's value may be NaN, which equals nothing.
        let (again, response) = (format!("{again:?}"), format!("{:?}", Ok::<_, ()>(response)));
        assert_eq!(again, response, "the body survives: {key:?} v{version}");
    }
}

/// The body of a `Produce` request; the first byte picks the version.
///
/// Record batches are slices of the frame, in order and apart from each other.
pub fn produce(data: &[u8]) {
    let Some((version, body)) = data.split_first() else {
        return;
    };
    let served = ApiKey::Produce.served();
    let versions = served.max.unsigned_abs() - served.min.unsigned_abs() + 1;
    let version = served.min + (u16::from(*version) % versions).cast_signed();
    let header = RequestHeader {
        api_key: 0,
        version,
        correlation_id: 1,
        client_id: None,
    };
    let frame = BytesMut::from(body);
    let place = frame.as_ptr() as usize..=frame.as_ptr() as usize + frame.len();
    let Ok(Request::Produce(mut request)) = decode_request(&header, frame) else {
        return;
    };
    let mut free_from = *place.start();
    let partitions = request
        .topics
        .iter_mut()
        .flat_map(|topic| &mut topic.partitions);
    for records in partitions.filter_map(|partition| partition.records.as_mut()) {
        records.fill(0xee);
        if records.is_empty() {
            continue;
        }
        let start = records.as_ptr() as usize;
        assert!(
            start >= free_from,
            "records come in order and do not overlap"
        );
        free_from = start + records.len();
        assert!(
            free_from <= *place.end(),
            "records are a slice of the frame"
        );
    }
}

/// Record batches as a producer sends them or a segment holds them.
pub fn batch(data: &[u8]) {
    for found in Batches::new(data) {
        let Ok((header, bytes)) = found else {
            return;
        };
        assert_eq!(header.size(), bytes.len(), "a batch is as long as it says");
        assert!(bytes.len() >= HEADER_BYTES, "a batch has a whole header");
        read(&header, bytes);
        if batch::verify_crc(bytes).is_ok() {
            let mut patched = bytes.to_vec();
            batch::set_base_offset(&mut patched, Offset(7));
            batch::set_leader_epoch(&mut patched, LeaderEpoch(3));
            batch::verify_crc(&patched).expect("offset and epoch are outside the checksum");
            batch::set_log_append_time(&mut patched, 11);
            batch::verify_crc(&patched).expect("the checksum is made anew");
        }
    }
}

fn read(header: &BatchHeader, bytes: &[u8]) {
    let Ok(payload) = batch::payload(bytes, PAYLOAD_BYTES_MAX) else {
        return;
    };
    for record in Records::new(header, &payload) {
        let Ok(record) = record else {
            return;
        };
        for field in record.headers() {
            assert!(
                field.key.len() <= payload.len(),
                "a header is part of the batch"
            );
        }
    }
}

/// Splits `data` into an API, one of its served versions, and a body.
fn pick(data: &[u8]) -> Option<(ApiKey, i16, &[u8])> {
    let [key, version, body @ ..] = data else {
        return None;
    };
    let key = *ApiKey::ALL.get(usize::from(*key) % ApiKey::ALL.len())?;
    let versions: Vec<i16> = key.served().iter().collect();
    let version = *versions.get(usize::from(*version) % versions.len())?;
    Some((key, version, body))
}

/// Makes what [`pick`] splits.
pub(crate) fn picked(key: ApiKey, version: i16, body: &[u8]) -> Vec<u8> {
    let index = ApiKey::ALL
        .iter()
        .position(|other| *other == key)
        .unwrap_or(0);
    let version = version - key.served().min;
    [&[index.to_le_bytes()[0], version.to_le_bytes()[0]], body].concat()
}

/// Makes a whole request frame around a body.
pub(crate) fn framed(key: ApiKey, version: i16, body: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES_MAX);
    header.extend_from_slice(&key.number().to_be_bytes());
    header.extend_from_slice(&version.to_be_bytes());
    header.extend_from_slice(&[0, 0, 0, 9, 0xff, 0xff]);
    if key.request_header_version(version) >= 2 {
        header.push(0);
    }
    let size = i32::try_from(header.len() + body.len()).unwrap_or(i32::MAX);
    [&size.to_be_bytes()[..], &header, body].concat()
}
