//! Kafka wire protocol: frames, versions, request and response types; bytes in, values out.
//!
//! Order of a request: [`frame`] cuts it out of the stream, [`RequestHeader`] says what it is,
//! [`decode_request`] turns it into a [`Request`], [`encode_response`] answers it. A [`Produce`
//! request](produce) keeps its record batches as slices of the frame and a [fetch
//! response](fetch) never touches the batches it carries.
//!
//! Invariants: no input panics; nothing is allocated on the word of a length field ([`guard`]
//! checks every array before the `kafka-protocol` crate sees the bytes); versions and keys are
//! known from one table ([`api`]).

#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "test code may fail loudly"
    )
)]

pub mod api;
mod body;
pub mod error_code;
pub mod fetch;
pub mod frame;
pub mod guard;
pub mod messages;
pub mod produce;
mod request;
mod response;
pub mod share_fetch;
mod unsupported;
mod wire;

#[cfg(test)]
mod tests;

pub use api::{ApiKey, TwoPhaseCommit, VersionRange};
pub use error_code::ErrorCode;
pub use fetch::{EncodedFetch, FetchReply, Segment, encode_fetch_reply};
pub use frame::{FrameError, FrameLimits, HeaderError, RequestHeader, Unsupported, next_frame};
pub use kafka_protocol::protocol::StrBytes;
pub use messages::{BrokerId, GroupId, ProducerId, TopicName, TransactionalId};
pub use produce::ProduceRequest;
pub use request::{
    DecodeError, EncodeError, MeasuredRequest, Request, decode_request, encode_request,
    response_correlation_id,
};
pub use response::{Response, decode_response, encode_response, set_throttle_time};
pub use share_fetch::{ShareFetchReply, encode_share_fetch_reply};
pub use unsupported::unsupported_answer;
pub use wire::ReadError;
