//! DeleteAcls (key 31): refused, since there is no authorizer that could have rules.
//!
//! Source: `AclApis.handleDeleteAcls`; KIP-140.

use std::sync::Arc;

use sprawl_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use sprawl_protocol::messages::{DeleteAclsRequest, DeleteAclsResponse};

use super::admin::no_authorizer;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Refuses every filter.
pub(crate) fn handle(
    _broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DeleteAclsRequest,
) -> DeleteAclsResponse {
    let failure = no_authorizer();
    let refused = DeleteAclsFilterResult::default()
        .with_error_code(failure.code.number())
        .with_error_message(failure.wire_message());
    DeleteAclsResponse::default().with_filter_results(vec![refused; request.filters.len()])
}
