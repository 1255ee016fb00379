//! Requests as values: decoded by the broker, encoded by clients.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::api::{ApiKey, with_api_table};
use crate::body::Body;
use crate::frame::{RequestHeader, SIZE_BYTES, Unsupported};
use crate::guard::{self, Side};
use crate::produce;
use crate::wire::{ReadError, Style, put_string, put_varint};

macro_rules! request {
    ($($name:ident, $key:literal, $min:literal..=$max:literal, $served:literal, $flexible:tt,
       $request:ident, $response:ident, $note:literal;)*) => {
        /// A decoded request, one variant per API.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "moved once, from decoder to handler")]
        pub enum Request {
            $(#[doc = concat!("Key ", $key, ".")] $name(crate::messages::$request),)*
        }

        $(impl From<crate::messages::$request> for Request {
            fn from(body: crate::messages::$request) -> Self {
                Self::$name(body)
            }
        })*

        impl Request {
            /// Returns which API the request is for.
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
with_api_table!(request);

/// Why a body does not become a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The key or version is not served: answer with
    /// [`unsupported_answer`](crate::unsupported_answer).
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A length lies or there are too many elements: close the connection, as Kafka does.
    #[error("expected a body of {} version {version}, found {error}", key.name())]
    Layout {
        /// The API.
        key: ApiKey,
        /// Its version.
        version: i16,
        /// What is wrong.
        error: ReadError,
    },
    /// A value is not allowed where it stands: close the connection, as Kafka does.
    #[error("expected a body of {} version {version}: {reason}", key.name())]
    Content {
        /// The API.
        key: ApiKey,
        /// Its version.
        version: i16,
        /// What is wrong.
        reason: String,
    },
}

/// Why a message cannot be written; nothing has been.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot write {} version {version}: {reason}", key.name())]
pub struct EncodeError {
    /// The API.
    pub key: ApiKey,
    /// Its version.
    pub version: i16,
    /// What is wrong: a length, or a value that this version has no field for.
    pub reason: String,
}

/// A request whose body is known to be well formed, and how large it becomes.
#[derive(Debug)]
pub struct MeasuredRequest {
    key: ApiKey,
    version: i16,
    body: BytesMut,
    decoded_bytes: usize,
}

impl MeasuredRequest {
    /// Checks and measures the body that follows `header`. Allocates nothing.
    pub fn new(header: &RequestHeader, body: BytesMut) -> Result<Self, DecodeError> {
        let (key, version) = (header.api()?, header.version);
        let measure = guard::check(key, Side::Request, version, &body)
            .map_err(|error| layout_error(key, version, error))?;
        Ok(Self {
            key,
            version,
            body,
            decoded_bytes: measure.decoded_bytes(),
        })
    }

    /// The most memory that [`Self::decode`] and the handling take beside the frame, in bytes.
    pub fn decoded_bytes(&self) -> usize {
        self.decoded_bytes
    }

    /// Decodes the body. Text and bytes are slices of the frame; those of a `Produce` request are
    /// slices nobody else holds.
    pub fn decode(self) -> Result<Request, DecodeError> {
        let Self {
            key, version, body, ..
        } = self;
        if key == ApiKey::Produce {
            let request = produce::decode(body, version);
            return request
                .map(Request::Produce)
                .map_err(|error| layout_error(key, version, error));
        }
        let style = Style {
            version,
            flexible: key.is_flexible(version),
        };
        Request::read(key, &mut body.freeze(), style).map_err(|reason| DecodeError::Content {
            key,
            version,
            reason,
        })
    }
}

/// Decodes the body that follows `header`.
///
/// Never panics, and reserves no more than the frame's size and the elements its API may have
/// ([`guard::request_elements_max`]).
pub fn decode_request(header: &RequestHeader, body: BytesMut) -> Result<Request, DecodeError> {
    MeasuredRequest::new(header, body)?.decode()
}

pub(crate) fn layout_error(key: ApiKey, version: i16, error: ReadError) -> DecodeError {
    DecodeError::Layout {
        key,
        version,
        error,
    }
}

/// Appends a whole request frame to `out`: size, header, body.
pub fn encode_request(
    request: &Request,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let key = request.api_key();
    let flexible = key.is_flexible(version);
    write_frame(key, version, out, |out| {
        out.put_i16(key.number());
        out.put_i16(version);
        out.put_i32(correlation_id);
        put_string(out, false, client_id).map_err(|error| error.to_string())?;
        if flexible {
            put_varint(out, 0);
        }
        request.write(out, Style { version, flexible })
    })
}

/// Appends a frame whose content `write` appends, or leaves `out` as it was.
pub(crate) fn write_frame(
    key: ApiKey,
    version: i16,
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<(), String>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.put_i32(0);
    let written = if key.served().contains(version) {
        write(out)
    } else {
        Err("no such version here".to_owned())
    };
    let content = out.len().saturating_sub(start).saturating_sub(SIZE_BYTES);
    let sized = written.and_then(|()| {
        let size = i32::try_from(content).map_err(|_| format!("a frame of {content} bytes"))?;
        if let Some(mut prefix) = out.get_mut(start..) {
            prefix.put_i32(size);
        }
        Ok(())
    });
    sized.map_err(|reason| {
        out.truncate(start);
        EncodeError {
            key,
            version,
            reason,
        }
    })
}

/// Returns the correlation id of a response frame (without its length prefix): with it a client
/// finds out which request the frame answers, and so the key and version to decode it with.
pub fn response_correlation_id(frame: &[u8]) -> Option<i32> {
    let mut frame = frame;
    frame.try_get_i32().ok()
}
