//! RenewDelegationToken (key 39): a PLAINTEXT listener knows no tokens.
//!
//! Source: `KafkaApis.handleRenewTokenRequest`, `allowTokenRequests`; KIP-48.

use std::sync::Arc;

use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};

use super::admin::NO_TIMESTAMP;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Refuses.
pub(crate) fn handle(
    _broker: &Arc<Broker>,
    _context: &RequestContext,
    _request: RenewDelegationTokenRequest,
) -> RenewDelegationTokenResponse {
    RenewDelegationTokenResponse::default()
        .with_error_code(ErrorCode::DelegationTokenRequestNotAllowed.number())
        .with_expiry_timestamp_ms(NO_TIMESTAMP)
}
