//! Responses as values: encoded by the broker, decoded by clients.
//!
//! A broker answers `Fetch` through [`fetch`](crate::fetch), which leaves record batches where
//! they are; encoding a [`Response::Fetch`] copies them.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::api::{ApiKey, with_api_table};
use crate::body::Body;
use crate::error_code::ErrorCode;
use crate::frame::SIZE_BYTES;
use crate::guard::{self, Side};
use crate::request::{DecodeError, EncodeError, layout_error, write_frame};
use crate::wire::{ReadError, Reader, Style, put_varint};

macro_rules! response {
    ($($name:ident, $key:literal, $min:literal..=$max:literal, $served:literal, $flexible:tt,
       $request:ident, $response:ident, $note:literal;)*) => {
        /// A response, one variant per API.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "moved once, from handler to encoder")]
        pub enum Response {
            $(#[doc = concat!("Key ", $key, ".")] $name(crate::messages::$response),)*
        }

        $(impl From<crate::messages::$response> for Response {
            fn from(body: crate::messages::$response) -> Self {
                Self::$name(body)
            }
        })*

        impl Response {
            /// Returns which API the response belongs to.
            pub const fn api_key(&self) -> ApiKey {
                match self { $(Self::$name(_) => ApiKey::$name,)* }
            }

            fn read(key: ApiKey, bytes: &mut Bytes, style: Style) -> Result<Self, String> {
                match key { $(ApiKey::$name => Body::read(bytes, style).map(Self::$name),)* }
            }

            fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), String> {
                match self { $(Self::$name(body) => Body::write(body, out, style),)* }
            }
        }
    };
}
with_api_table!(response);

/// Appends a whole response frame to `out`: size, header, body.
///
/// Errors: `out` is as it was; the response has a value that `version` has no field for, which is
/// the caller's mistake.
pub fn encode_response(
    version: i16,
    correlation_id: i32,
    response: &Response,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let key = response.api_key();
    write_frame(key, version, out, |out| {
        put_header(out, key, version, correlation_id);
        response.write(
            out,
            Style {
                version,
                flexible: key.is_flexible(version),
            },
        )
    })
}

/// Appends the response header that goes with `version`.
pub(crate) fn put_header(out: &mut BytesMut, key: ApiKey, version: i16, correlation_id: i32) {
    out.put_i32(correlation_id);
    if key.response_header_version(version) >= 1 {
        put_varint(out, 0);
    }
}

/// Decodes a response frame (without its length prefix) to a request of `key` and `version`.
///
/// Bounded like [`decode_request`](crate::decode_request), by
/// [`RESPONSE_ELEMENTS_MAX`](guard::RESPONSE_ELEMENTS_MAX). An `ApiVersions` answer that says
/// `UNSUPPORTED_VERSION` is read as version 0, which is what a broker sends then (KIP-511).
pub fn decode_response(
    key: ApiKey,
    version: i16,
    mut frame: Bytes,
) -> Result<Response, DecodeError> {
    let layout = |error: ReadError| layout_error(key, version, error);
    if !key.served().contains(version) {
        return Err(crate::frame::Unsupported::Version {
            key,
            found: version,
        }
        .into());
    }
    let mut header = Reader::new(&frame);
    header.i32().map_err(layout)?;
    if key.response_header_version(version) >= 1 {
        header.skip_tagged_fields().map_err(layout)?;
    }
    let header_size = header.position();
    frame.advance(header_size);
    let refused = ErrorCode::UnsupportedVersion.number().to_be_bytes();
    let version = match key {
        ApiKey::ApiVersions if frame.starts_with(&refused) => 0,
        _ => version,
    };
    guard::check(key, Side::Response, version, &frame).map_err(layout)?;
    let style = Style {
        version,
        flexible: key.is_flexible(version),
    };
    Response::read(key, &mut frame, style).map_err(|reason| DecodeError::Content {
        key,
        version,
        reason,
    })
}

/// Writes into an encoded response for how long its client is throttled, in milliseconds, where the
/// version has a field for it. Throttling is rare, so that responses need not know of it.
pub fn set_throttle_time(key: ApiKey, version: i16, throttle_time_ms: i32, frame: &mut [u8]) {
    let header_size = SIZE_BYTES
        .saturating_add(size_of::<i32>())
        .saturating_add(usize::from(key.response_header_version(version) > 0));
    let Some(body) = frame.get_mut(header_size..) else {
        return;
    };
    let place = (version, &*body);
    let position = guard::position_of(key, Side::Response, place, "throttle_time_ms");
    let field = position.and_then(|position| body.get_mut(position..)?.first_chunk_mut());
    if let Some(field) = field {
        *field = throttle_time_ms.to_be_bytes();
    }
}
