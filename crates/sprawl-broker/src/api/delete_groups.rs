//! DeleteGroups (key 42): empty groups are deleted with their committed offsets.
//!
//! Source: KIP-229.

use std::collections::BTreeSet;

use sprawl_core::group::{Input, Response};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::delete_groups_response::DeletableGroupResult;
use sprawl_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;

/// Deletes groups, each once.
pub(crate) async fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut seen = BTreeSet::new();
    let mut results = Vec::new();
    for group_id in request.groups_names {
        if seen.insert(group_id.to_string()) {
            let error = delete(broker, &group_id).await;
            let result = DeletableGroupResult::default().with_group_id(group_id);
            results.push(result.with_error_code(error.number()));
        }
    }
    DeleteGroupsResponse::default().with_results(results)
}

async fn delete(broker: &Broker, group_id: &GroupId) -> ErrorCode {
    let group_ids = vec![group_id.to_string()];
    let submitted = broker
        .coordinator
        .submit(group_id, |token| Input::DeleteGroups(token, group_ids));
    match submitted.await {
        Ok(Response::DeleteGroups(results)) => {
            let outcome = results.into_iter().next().map(|(_, outcome)| outcome);
            outcome
                .unwrap_or(Ok(()))
                .map_or_else(of_group, |()| ErrorCode::None)
        }
        Ok(_) => ErrorCode::UnknownServerError,
        Err(error) => of_coordinator(error),
    }
}
