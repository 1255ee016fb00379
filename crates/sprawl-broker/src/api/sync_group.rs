//! SyncGroup (key 14): hand in and fetch assignments; answered when the leader's is stored.
//!
//! Source: KIP-345 (static members, v3), KIP-559 (protocol type and name, mandatory from v5).

use bytes::Bytes;
use sprawl_core::group::{Input, Response, SyncRequest};
use sprawl_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_group};
use crate::dispatch::RequestContext;

/// The first version in which the protocol must be named.
const PROTOCOL_REQUIRED_VERSION: i16 = 5;

/// Syncs a member with its generation.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    let names_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if context.version >= PROTOCOL_REQUIRED_VERSION && !names_protocol {
        return refused(ErrorCode::InconsistentGroupProtocol);
    }
    let group_id = request.group_id.to_string();
    let sync = read(request);
    match broker
        .coordinator
        .submit(&group_id, |token| Input::Sync(token, sync))
        .await
    {
        Ok(Response::Sync(Ok(synced))) => SyncGroupResponse::default()
            .with_protocol_type(synced.protocol_type.map(StrBytes::from_string))
            .with_protocol_name(synced.protocol_name.map(StrBytes::from_string))
            .with_assignment(synced.assignment),
        Ok(Response::Sync(Err(error))) => refused(of_group(error)),
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(error) => refused(of_coordinator(error)),
    }
}

fn read(request: SyncGroupRequest) -> SyncRequest {
    // Copies: the assignments outlive the frame of which these are slices.
    let assignments = request.assignments.into_iter().map(|assignment| {
        let bytes = Bytes::copy_from_slice(&assignment.assignment);
        (assignment.member_id.to_string(), bytes)
    });
    SyncRequest {
        group_id: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        group_instance_id: request.group_instance_id.map(|id| id.to_string()),
        generation: request.generation_id,
        protocol_type: request.protocol_type.map(|name| name.to_string()),
        protocol_name: request.protocol_name.map(|name| name.to_string()),
        assignments: assignments.collect(),
    }
}

fn refused(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(error.number())
}
