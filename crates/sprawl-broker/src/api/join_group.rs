//! JoinGroup (key 11): become or stay a member; answered when the generation is formed.
//!
//! Source: KIP-62, KIP-394 (member id required, v4), KIP-345 (static members, v5), KIP-559
//! (protocol type, v7), KIP-800 (reason, v8), KIP-814 (skip assignment, v9).

use bytes::Bytes;
use sprawl_core::group::{
    Input, JoinProtocol, JoinRefusal, JoinRequest, Joined, MemberIdRule, Response, SkipAssignment,
};
use sprawl_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use sprawl_protocol::messages::join_group_response::JoinGroupResponseMember;
use sprawl_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;

/// The first version that has a rebalance timeout beside the session timeout.
const REBALANCE_TIMEOUT_VERSION: i16 = 1;
/// The first version in which a new member must join twice.
const MEMBER_ID_REQUIRED_VERSION: i16 = 4;
/// The first version in which a response may do without a protocol name.
const NULL_PROTOCOL_VERSION: i16 = 7;
/// The first version that can tell a leader to skip the assignment.
const SKIP_ASSIGNMENT_VERSION: i16 = 9;

/// Joins a member to its group.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let (group_id, member_id) = (request.group_id.to_string(), request.member_id.clone());
    let join = read(broker, context, request);
    let reply = broker
        .coordinator
        .submit(&group_id, |token| Input::Join(token, join))
        .await;
    match reply {
        Ok(Response::Join(Ok(joined))) => accepted(context, joined),
        Ok(Response::Join(Err(refusal))) => {
            let JoinRefusal { error, member_id } = refusal;
            refused(context, of_group(error), StrBytes::from_string(member_id))
        }
        Ok(_) => refused(context, ErrorCode::UnknownServerError, member_id),
        Err(error) => refused(context, of_coordinator(error), member_id),
    }
}

fn read(broker: &Broker, context: &RequestContext, request: JoinGroupRequest) -> JoinRequest {
    let client_id = context.client_id.as_deref().unwrap_or_default().to_owned();
    let group_instance_id = request.group_instance_id.map(|id| id.to_string());
    let prefix = group_instance_id.as_deref().unwrap_or(&client_id);
    JoinRequest {
        group_id: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        new_member_id: broker.coordinator.new_member_id(prefix),
        client_host: format!("/{}", context.peer.address.ip()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: if context.version < REBALANCE_TIMEOUT_VERSION {
            request.session_timeout_ms
        } else {
            request.rebalance_timeout_ms
        },
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.into_iter().map(protocol).collect(),
        member_id_rule: if context.version < MEMBER_ID_REQUIRED_VERSION {
            MemberIdRule::Optional
        } else {
            MemberIdRule::Required
        },
        skip_assignment: if context.version < SKIP_ASSIGNMENT_VERSION {
            SkipAssignment::Unsupported
        } else {
            SkipAssignment::Supported
        },
        group_instance_id,
        client_id,
    }
}

fn protocol(protocol: JoinGroupRequestProtocol) -> JoinProtocol {
    JoinProtocol {
        name: protocol.name.to_string(),
        // A copy: the member outlives the frame of which this is a slice.
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    }
}

fn accepted(context: &RequestContext, joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_string(member.member_id))
            .with_group_instance_id(member.group_instance_id.map(StrBytes::from_string))
            .with_metadata(member.metadata)
    });
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(joined.protocol_type.map(StrBytes::from_string))
        .with_protocol_name(protocol_name(context, joined.protocol_name))
        .with_leader(StrBytes::from_string(joined.leader))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(StrBytes::from_string(joined.member_id))
        .with_members(members.collect())
}

fn refused(context: &RequestContext, error: ErrorCode, member_id: StrBytes) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(error.number())
        .with_generation_id(-1)
        .with_protocol_name(protocol_name(context, None))
        .with_member_id(member_id)
}

fn protocol_name(context: &RequestContext, name: Option<String>) -> Option<StrBytes> {
    match name {
        Some(name) => Some(StrBytes::from_string(name)),
        None if context.version < NULL_PROTOCOL_VERSION => Some(StrBytes::new()),
        None => None,
    }
}
