//! Where does a request start and end, and what is it?
//!
//! A frame is an `i32` size and that many bytes. The size is checked against a limit before
//! anything is reserved for it. A request header is read without trusting anything in it; it
//! parses for unknown keys and versions too, since those are answered, not cut off.
//!
//! Source: Kafka protocol guide, request header v1 and v2 (KIP-482).

use bytes::{Buf, BytesMut};
use kafka_protocol::protocol::StrBytes;
use thiserror::Error;

use crate::api::ApiKey;
use crate::wire::{ReadError, Reader};

/// The size of the length prefix in bytes.
pub const SIZE_BYTES: usize = 4;

/// What a listener accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// The largest request in bytes, without the length prefix (`socket.request.max.bytes`).
    pub request_bytes_max: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self {
            request_bytes_max: 104_857_600,
        }
    }
}

/// Why a stream cannot be cut into frames any further; the connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The length prefix is negative.
    #[error("expected a frame size of 0 or more, found {size}")]
    Negative {
        /// The size as sent.
        size: i32,
    },
    /// The length prefix is beyond the limit.
    #[error("expected a frame of at most {limit} bytes, found {size}")]
    TooLarge {
        /// The size as sent.
        size: usize,
        /// The limit in force.
        limit: usize,
    },
}

impl FrameLimits {
    /// Checks a length prefix and returns how many bytes follow it.
    pub fn frame_size(&self, prefix: [u8; SIZE_BYTES]) -> Result<usize, FrameError> {
        let size = i32::from_be_bytes(prefix);
        let limit = self.request_bytes_max;
        match usize::try_from(size) {
            Ok(size) if size <= limit => Ok(size),
            Ok(size) => Err(FrameError::TooLarge { size, limit }),
            Err(_) => Err(FrameError::Negative { size }),
        }
    }
}

/// Takes the next whole frame, without its length prefix, from the front of `stream`.
///
/// Returns `None` while the frame is incomplete; `stream` is then unchanged and nothing has been
/// reserved. Errors: the connection must be closed.
pub fn next_frame(
    stream: &mut BytesMut,
    limits: &FrameLimits,
) -> Result<Option<BytesMut>, FrameError> {
    let Some(prefix) = stream.first_chunk::<SIZE_BYTES>() else {
        return Ok(None);
    };
    let size = limits.frame_size(*prefix)?;
    if stream.len().saturating_sub(SIZE_BYTES) < size {
        return Ok(None);
    }
    stream.advance(SIZE_BYTES);
    Ok(Some(stream.split_to(size)))
}

/// Says what a request is and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API key as sent; it may be one that is not served.
    pub api_key: i16,
    /// The API version as sent; it may be one that is not served.
    pub version: i16,
    /// Repeated in the answer.
    pub correlation_id: i32,
    /// The client's name for itself. `None` where the client sent null or the key is unknown and
    /// the field unreadable.
    pub client_id: Option<StrBytes>,
}

/// Why a request cannot be decoded although its header is sound; see
/// [`unsupported_answer`](crate::unsupported_answer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unsupported {
    /// No such API here.
    #[error("expected a served api key, found {0}")]
    Key(i16),
    /// The API is served, this version is not.
    #[error("expected {} version {} to {}, found {found}", key.name(), key.served().min, key.served().max)]
    Version {
        /// The API.
        key: ApiKey,
        /// The version as sent.
        found: i16,
    },
}

/// Why a request header cannot be read; the connection must be closed, since not even the
/// correlation id is known for sure.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a request header, found {0}")]
pub struct HeaderError(#[from] ReadError);

impl RequestHeader {
    /// Reads the header from the front of `frame`, which keeps the body.
    ///
    /// Errors: the frame is shorter than its header says, or the client id is not UTF-8.
    pub fn parse(frame: &mut BytesMut) -> Result<Self, HeaderError> {
        let mut reader = Reader::new(frame);
        let api_key = reader.i16()?;
        let version = reader.i16()?;
        let correlation_id = reader.i32()?;
        let mut header = Self {
            api_key,
            version,
            correlation_id,
            client_id: None,
        };
        let client_id = reader.nullable_string().map(|id| id.map(str::to_owned));
        match header.api() {
            Ok(key) => {
                header.client_id = client_id?.map(StrBytes::from_string);
                if key.request_header_version(version) >= 2 {
                    reader.skip_tagged_fields()?;
                }
            }
            // The layout beyond the client id is not known, and the body is not looked at.
            Err(_) => header.client_id = client_id.ok().flatten().map(StrBytes::from_string),
        }
        let header_size = reader.position();
        frame.advance(header_size);
        Ok(header)
    }

    /// Returns the served API this header asks for.
    pub fn api(&self) -> Result<ApiKey, Unsupported> {
        let key = ApiKey::from_number(self.api_key).ok_or(Unsupported::Key(self.api_key))?;
        if key.served().contains(self.version) {
            Ok(key)
        } else {
            Err(Unsupported::Version {
                key,
                found: self.version,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(bytes: &[u8]) -> Result<(RequestHeader, Vec<u8>), HeaderError> {
        let mut frame = BytesMut::from(bytes);
        RequestHeader::parse(&mut frame).map(|header| (header, frame.to_vec()))
    }

    #[test]
    fn frame_size_is_refused_before_anything_is_reserved() {
        let limits = FrameLimits {
            request_bytes_max: 10,
        };
        let mut stream = BytesMut::from(&[0x7f, 0xff, 0xff, 0xff][..]);
        let error = FrameError::TooLarge {
            size: i32::MAX as usize,
            limit: 10,
        };
        assert_eq!(next_frame(&mut stream, &limits), Err(error));
        let mut stream = BytesMut::from(&[0xff, 0xff, 0xff, 0xff][..]);
        assert_eq!(
            next_frame(&mut stream, &limits),
            Err(FrameError::Negative { size: -1 })
        );
        assert!(stream.capacity() < 4096);
    }

    #[test]
    fn frames_are_cut_one_by_one_and_halves_wait() {
        let limits = FrameLimits::default();
        let mut stream = BytesMut::from(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 1][..]);
        assert_eq!(
            next_frame(&mut stream, &limits).unwrap().unwrap(),
            &[7, 8][..]
        );
        assert_eq!(next_frame(&mut stream, &limits).unwrap(), None);
        stream.extend_from_slice(&[9]);
        assert_eq!(next_frame(&mut stream, &limits).unwrap().unwrap(), &[9][..]);
        assert!(stream.is_empty());
    }

    #[test]
    fn header_version_follows_the_api_version() {
        // Metadata v8: header 1, no tagged fields; Metadata v9: header 2, one unknown tag.
        let (old, rest) = header(&[0, 3, 0, 8, 0, 0, 0, 5, 0, 1, b'c', 0xaa]).unwrap();
        assert_eq!((old.client_id.as_deref(), rest), (Some("c"), vec![0xaa]));
        let (new, rest) = header(&[0, 3, 0, 9, 0, 0, 0, 5, 0xff, 0xff, 1, 9, 1, 0, 0xaa]).unwrap();
        assert_eq!((new.client_id, rest), (None, vec![0xaa]));
        assert_eq!(new.correlation_id, 5);
    }

    #[test]
    fn unknown_keys_and_versions_still_have_a_header() {
        let (key, _) = header(&[0x30, 3, 0, 8, 0, 0, 0, 5]).unwrap();
        assert_eq!(
            (key.api(), key.correlation_id),
            (Err(Unsupported::Key(0x3003)), 5)
        );
        let (version, _) = header(&[0, 18, 0, 99, 0, 0, 0, 6, 0, 1, b'c']).unwrap();
        let error = Unsupported::Version {
            key: ApiKey::ApiVersions,
            found: 99,
        };
        assert_eq!(
            (version.api(), version.client_id.as_deref()),
            (Err(error), Some("c"))
        );
    }

    #[test]
    fn truncated_header_of_a_served_api_is_an_error() {
        assert!(header(&[0, 3, 0, 8, 0, 0, 0, 5, 0, 9, b'c']).is_err());
        assert!(header(&[0, 3, 0]).is_err());
    }
}
