//! DescribeDelegationToken (key 41): a PLAINTEXT listener knows no tokens.
//!
//! Source: `KafkaApis.handleDescribeTokensRequest`, `allowTokenRequests`; KIP-48.

use std::sync::Arc;

use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::{DescribeDelegationTokenRequest, DescribeDelegationTokenResponse};

use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Refuses.
pub(crate) fn handle(
    _broker: &Arc<Broker>,
    _context: &RequestContext,
    _request: DescribeDelegationTokenRequest,
) -> DescribeDelegationTokenResponse {
    DescribeDelegationTokenResponse::default()
        .with_error_code(ErrorCode::DelegationTokenRequestNotAllowed.number())
}
