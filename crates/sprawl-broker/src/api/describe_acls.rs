//! DescribeAcls (key 29): who may do what. There is no authorizer, and that is the answer.
//!
//! Nothing is kept that would not be enforced: a rule that is listed and not obeyed protects
//! nobody.
//!
//! Source: `AclApis.handleDescribeAcls`; KIP-140.

use std::sync::Arc;

use sprawl_protocol::messages::{DescribeAclsRequest, DescribeAclsResponse};

use super::admin::no_authorizer;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Says that there is no authorizer.
pub(crate) fn handle(
    _broker: &Arc<Broker>,
    _context: &RequestContext,
    _request: DescribeAclsRequest,
) -> DescribeAclsResponse {
    let failure = no_authorizer();
    DescribeAclsResponse::default()
        .with_error_code(failure.code.number())
        .with_error_message(failure.wire_message())
}
