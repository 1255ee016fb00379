//! ExpireDelegationToken (key 40): a PLAINTEXT listener knows no tokens.
//!
//! Source: `KafkaApis.handleExpireTokenRequest`, `allowTokenRequests`; KIP-48.

use std::sync::Arc;

use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};

use super::admin::NO_TIMESTAMP;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Refuses.
pub(crate) fn handle(
    _broker: &Arc<Broker>,
    _context: &RequestContext,
    _request: ExpireDelegationTokenRequest,
) -> ExpireDelegationTokenResponse {
    ExpireDelegationTokenResponse::default()
        .with_error_code(ErrorCode::DelegationTokenRequestNotAllowed.number())
        .with_expiry_timestamp_ms(NO_TIMESTAMP)
}
