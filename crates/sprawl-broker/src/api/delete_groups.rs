//! DeleteGroups (key 42): empty groups are deleted with their committed offsets.
//!
//! Source: KIP-229, KIP-932 (share groups).

use std::collections::BTreeSet;
use std::sync::Arc;

use sprawl_core::group::{Input, Response};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::delete_groups_response::DeletableGroupResult;
use sprawl_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;
use crate::share::membership::{delete_states, states_of_empty};

/// Deletes groups, each once.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
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

async fn delete(broker: &Arc<Broker>, group_id: &GroupId) -> ErrorCode {
    // The states of a share group go first: without the group nobody would know of them.
    match states_of_empty(broker, group_id) {
        Ok(states) => {
            if let Err(error) = delete_states(broker, group_id, &states).await {
                return error;
            }
        }
        Err(ErrorCode::NonEmptyGroup) => return ErrorCode::NonEmptyGroup,
        // It is no share group.
        Err(_) => {}
    }
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
