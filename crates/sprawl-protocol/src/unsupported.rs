//! What is said to a request whose key or version is not served?
//!
//! - `ApiVersions` of an unknown version: a version 0 body with `UNSUPPORTED_VERSION` and the range
//!   of `ApiVersions`, as Kafka (KIP-511). Clients try again with the highest version of it.
//! - `Produce` 0 to 2: that version's body, with `UNSUPPORTED_VERSION` for each partition named.
//!   Kafka announces these versions for librdkafka's sake (KAFKA-18659) but closes the connection;
//!   the code tells an old sender what is wrong. With acks 0 there is no answer: none is read.
//! - Anything else: the response header and an error code, `UNSUPPORTED_VERSION`. Kafka closes the
//!   connection here. No body is right for a layout that is not known; an error code is what many
//!   responses start with, and the connection stays usable for the requests behind it.
//!   Clients that follow `ApiVersions` never see this.

use bytes::{BufMut, BytesMut};

use crate::api::{self, ApiKey};
use crate::error_code::ErrorCode;
use crate::frame::{RequestHeader, SIZE_BYTES};
use crate::guard::REQUEST_ELEMENTS_MAX;
use crate::messages::ApiVersionsResponse;
use crate::response::put_header;
use crate::wire::{ReadError, Reader, put_string};
use crate::{Response, encode_response};

const CODE: i16 = ErrorCode::UnsupportedVersion.number();

/// Returns the whole frame that answers a request that is not served, or `None` where the sender
/// expects no answer.
pub fn unsupported_answer(header: &RequestHeader, body: &[u8]) -> Option<BytesMut> {
    let mut out = BytesMut::new();
    match ApiKey::from_number(header.api_key) {
        Some(ApiKey::ApiVersions) => put_api_versions(&mut out, header),
        Some(ApiKey::Produce) if (0..=2).contains(&header.version) => {
            match produce_answer(header.version, body) {
                Ok(None) => return None,
                Ok(Some(answer)) => put_frame(&mut out, header, &answer),
                Err(_) => put_frame(&mut out, header, &CODE.to_be_bytes()),
            }
        }
        _ => put_frame(&mut out, header, &CODE.to_be_bytes()),
    }
    Some(out)
}

fn put_api_versions(out: &mut BytesMut, header: &RequestHeader) {
    let response = ApiVersionsResponse::default()
        .with_error_code(CODE)
        .with_api_keys(vec![api::advertised_version(ApiKey::ApiVersions)]);
    encode_response(
        0,
        header.correlation_id,
        &Response::ApiVersions(response),
        out,
    )
    .expect("version 0 has a field for each value set");
}

fn put_frame(out: &mut BytesMut, header: &RequestHeader, body: &[u8]) {
    out.put_i32(0);
    match ApiKey::from_number(header.api_key) {
        Some(key) => put_header(out, key, header.version, header.correlation_id),
        None => out.put_i32(header.correlation_id),
    }
    out.put_slice(body);
    let size = i32::try_from(out.len().saturating_sub(SIZE_BYTES)).unwrap_or(i32::MAX);
    if let Some(mut prefix) = out.get_mut(..SIZE_BYTES) {
        prefix.put_i32(size);
    }
}

/// Reads a `Produce` request of version 0 to 2 and refuses every partition it names.
fn produce_answer(version: i16, body: &[u8]) -> Result<Option<BytesMut>, ReadError> {
    let mut request = Reader::new(body);
    let acks = request.i16()?;
    let _timeout_ms = request.i32()?;
    let mut answer = BytesMut::new();
    let mut elements = 0_usize;
    let topics = copy_count(&mut request, &mut answer, &mut elements)?;
    for _ in 0..topics {
        let name = request.nullable_string()?.ok_or(ReadError::Length(-1))?;
        put_string(&mut answer, false, Some(name)).map_err(|_| ReadError::Length(-1))?;
        let partitions = copy_count(&mut request, &mut answer, &mut elements)?;
        for _ in 0..partitions {
            answer.put_i32(request.i32()?);
            let records = request.long_length(false)?;
            request.take(records.unwrap_or(0))?;
            answer.put_i16(CODE);
            answer.put_i64(-1); // base offset
            if version >= 2 {
                answer.put_i64(-1); // log append time
            }
        }
    }
    if version >= 1 {
        answer.put_i32(0); // throttle time
    }
    Ok((acks != 0).then_some(answer))
}

/// Copies an array's count, checked against what is left and against the element limit.
fn copy_count(
    request: &mut Reader<'_>,
    answer: &mut BytesMut,
    elements: &mut usize,
) -> Result<usize, ReadError> {
    let count = request.long_length(false)?.ok_or(ReadError::Length(-1))?;
    let left = request.remaining();
    if count > left {
        return Err(ReadError::Short {
            needed: count,
            left,
        });
    }
    *elements = elements.saturating_add(count);
    if *elements > REQUEST_ELEMENTS_MAX {
        return Err(ReadError::TooManyElements {
            limit: REQUEST_ELEMENTS_MAX,
        });
    }
    answer.put_i32(i32::try_from(count).map_err(|_| ReadError::Length(-1))?);
    Ok(count)
}
