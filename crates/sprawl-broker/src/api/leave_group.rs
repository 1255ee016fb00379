//! LeaveGroup (key 13): members leave, or an administrator removes them.
//!
//! Source: KIP-345 (batches, v3), KIP-800 (reason, v5; for people only).

use sprawl_core::group::{GroupError, Input, LeaveRequest, LeavingMember, LeftMember, Response};
use sprawl_protocol::messages::leave_group_response::MemberResponse;
use sprawl_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;

/// The first version that names several members.
const BATCH_VERSION: i16 = 3;

/// Takes members out of their group.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let group_id = request.group_id.to_string();
    let leave = LeaveRequest {
        group_id: group_id.clone(),
        members: members(context, request),
    };
    match broker
        .coordinator
        .submit(&group_id, |token| Input::Leave(token, leave))
        .await
    {
        Ok(Response::Leave(Ok(left))) => answer(context, left),
        Ok(Response::Leave(Err(error))) => refused(of_group(error)),
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(error) => refused(of_coordinator(error)),
    }
}

fn members(context: &RequestContext, request: LeaveGroupRequest) -> Vec<LeavingMember> {
    if context.version < BATCH_VERSION {
        let member_id = request.member_id.to_string();
        return vec![LeavingMember {
            member_id,
            group_instance_id: None,
        }];
    }
    let members = request.members.into_iter().map(|member| LeavingMember {
        member_id: member.member_id.to_string(),
        group_instance_id: member.group_instance_id.map(|id| id.to_string()),
    });
    members.collect()
}

fn answer(context: &RequestContext, left: Vec<LeftMember>) -> LeaveGroupResponse {
    if context.version < BATCH_VERSION {
        // One member, whose outcome is that of the request.
        let outcome = left
            .into_iter()
            .next()
            .map_or(Ok(()), |member| member.outcome);
        return refused(code(outcome));
    }
    let members = left.into_iter().map(|left| {
        let instance_id = left.member.group_instance_id.map(StrBytes::from_string);
        MemberResponse::default()
            .with_member_id(StrBytes::from_string(left.member.member_id))
            .with_group_instance_id(instance_id)
            .with_error_code(code(left.outcome).number())
    });
    LeaveGroupResponse::default().with_members(members.collect())
}

fn code(outcome: Result<(), GroupError>) -> ErrorCode {
    outcome.map_or_else(of_group, |()| ErrorCode::None)
}

fn refused(error: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse::default().with_error_code(error.number())
}
