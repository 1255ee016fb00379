//! ListPartitionReassignments (key 46): the moves on their way. With one broker there is none, and
//! a topic without any is not listed, known or not.
//!
//! Source: `ReplicationControlManager.listPartitionReassignments`; KIP-455.

use std::sync::Arc;

use sprawl_protocol::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Lists nothing.
pub(crate) fn handle(
    _broker: &Arc<Broker>,
    _context: &RequestContext,
    _request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default().with_error_message(None)
}
