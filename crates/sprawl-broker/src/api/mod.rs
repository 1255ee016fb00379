//! One file per API: decode is done, here is what the request means.
//!
//! Each handler takes the broker, the request's context and the decoded request, and returns the response
//! as a value. None knows how it is encoded.

pub(crate) mod api_versions;
pub(crate) mod fetch;
pub(crate) mod init_producer_id;
pub(crate) mod list_offsets;
pub(crate) mod metadata;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;
