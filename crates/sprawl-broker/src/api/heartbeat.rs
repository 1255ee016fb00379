//! Heartbeat (key 12): a member is alive, and learns whether its group rebalances.

use sprawl_core::group::{HeartbeatRequest as Beat, Input, Response};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use crate::broker::Broker;
use crate::coordinator::{CoordinatorError, of_coordinator, of_group};
use crate::dispatch::RequestContext;

/// Notes a sign of life.
pub(crate) async fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: HeartbeatRequest,
) -> HeartbeatResponse {
    let group_id = request.group_id.to_string();
    let beat = Beat {
        group_id: group_id.clone(),
        member_id: request.member_id.to_string(),
        group_instance_id: request.group_instance_id.map(|id| id.to_string()),
        generation: request.generation_id,
    };
    let error = match broker
        .coordinator
        .submit(&group_id, |token| Input::Heartbeat(token, beat))
        .await
    {
        Ok(Response::Heartbeat(outcome)) => outcome.map_or_else(of_group, |()| ErrorCode::None),
        Ok(_) => ErrorCode::UnknownServerError,
        // Members of a group that is still loading are alive until the opposite is known, as in
        // Kafka.
        Err(CoordinatorError::Loading) => ErrorCode::None,
        Err(error) => of_coordinator(error),
    };
    HeartbeatResponse::default().with_error_code(error.number())
}
