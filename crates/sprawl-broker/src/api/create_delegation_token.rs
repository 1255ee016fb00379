//! CreateDelegationToken (key 38): a PLAINTEXT listener cannot tell who asks and gives no tokens.
//!
//! Source: `KafkaApis.handleCreateTokenRequest`, `allowTokenRequests`; KIP-48, KIP-373.

use std::sync::Arc;

use sprawl_protocol::messages::{CreateDelegationTokenRequest, CreateDelegationTokenResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::admin::{NO_TIMESTAMP, principal};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// The first version that tells the requester from the owner.
const REQUESTER_VERSION: i16 = 3;

/// Refuses.
pub(crate) fn handle(
    _broker: &Arc<Broker>,
    context: &RequestContext,
    request: CreateDelegationTokenRequest,
) -> CreateDelegationTokenResponse {
    let own = (
        StrBytes::from_static_str(principal::USER_TYPE),
        StrBytes::from_static_str(principal::ANONYMOUS),
    );
    let asked_for = request
        .owner_principal_name
        .filter(|name| !name.is_empty())
        .map(|name| (request.owner_principal_type.unwrap_or_default(), name));
    let (owner_type, owner_name) = asked_for.unwrap_or_else(|| own.clone());
    let response = CreateDelegationTokenResponse::default()
        .with_error_code(ErrorCode::DelegationTokenRequestNotAllowed.number())
        .with_principal_type(owner_type)
        .with_principal_name(owner_name)
        .with_issue_timestamp_ms(NO_TIMESTAMP)
        .with_expiry_timestamp_ms(NO_TIMESTAMP)
        .with_max_timestamp_ms(NO_TIMESTAMP);
    if context.version < REQUESTER_VERSION {
        return response;
    }
    response
        .with_token_requester_principal_type(own.0)
        .with_token_requester_principal_name(own.1)
}
