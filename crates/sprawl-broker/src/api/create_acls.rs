//! CreateAcls (key 30): refused, since there is no authorizer to obey a rule.
//!
//! Source: `AclApis.handleCreateAcls`; KIP-140.

use std::sync::Arc;

use sprawl_protocol::messages::create_acls_response::AclCreationResult;
use sprawl_protocol::messages::{CreateAclsRequest, CreateAclsResponse};

use super::admin::no_authorizer;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Refuses every creation.
pub(crate) fn handle(
    _broker: &Arc<Broker>,
    _context: &RequestContext,
    request: CreateAclsRequest,
) -> CreateAclsResponse {
    let failure = no_authorizer();
    let refused = AclCreationResult::default()
        .with_error_code(failure.code.number())
        .with_error_message(failure.wire_message());
    CreateAclsResponse::default().with_results(vec![refused; request.creations.len()])
}
