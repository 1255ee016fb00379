//! DescribeGroups (key 15): state, protocol and members of groups.
//!
//! Source: KIP-430 (operations, v3), KIP-345 (instance ids, v4), KIP-1043 (GROUP_ID_NOT_FOUND, v6).

use sprawl_core::group::{ClassicState, DescribedGroup as Group, DescribedMember};
use sprawl_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use sprawl_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::authorized_operations;
use crate::broker::Broker;
use crate::coordinator::of_coordinator;
use crate::dispatch::RequestContext;

/// The first version that tells a missing group from a dead one.
const NOT_FOUND_VERSION: i16 = 6;

/// Describes groups, in the order asked for.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let operations = if request.include_authorized_operations {
        authorized_operations::GROUP
    } else {
        authorized_operations::NOT_ASKED
    };
    let groups = request.groups.into_iter().map(|group_id| {
        let described = describe(broker, context, group_id);
        if described.error_code == ErrorCode::None.number() {
            described.with_authorized_operations(operations)
        } else {
            described
        }
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn describe(broker: &Broker, context: &RequestContext, group_id: GroupId) -> DescribedGroup {
    let described = DescribedGroup::default().with_group_id(group_id.clone());
    match broker
        .coordinator
        .read(&group_id, |groups| groups.describe(&group_id))
    {
        Ok(Ok(group)) => fill(described, group),
        // Whatever the reason, there is no such group to describe.
        Ok(Err(_)) => missing(context, described, &group_id),
        Err(error) => described.with_error_code(of_coordinator(error).number()),
    }
}

fn missing(
    context: &RequestContext,
    described: DescribedGroup,
    group_id: &GroupId,
) -> DescribedGroup {
    let dead = described.with_group_state(StrBytes::from_static_str(ClassicState::Dead.name()));
    if context.version < NOT_FOUND_VERSION {
        return dead;
    }
    let message = format!("Group {} not found.", group_id.0);
    dead.with_error_code(ErrorCode::GroupIdNotFound.number())
        .with_error_message(Some(StrBytes::from_string(message)))
}

fn fill(described: DescribedGroup, group: Group) -> DescribedGroup {
    described
        .with_group_state(StrBytes::from_static_str(group.state.name()))
        .with_protocol_type(StrBytes::from_string(group.protocol_type))
        .with_protocol_data(StrBytes::from_string(group.protocol_name))
        .with_members(group.members.into_iter().map(member).collect())
}

fn member(member: DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember::default()
        .with_member_id(StrBytes::from_string(member.member_id))
        .with_group_instance_id(member.group_instance_id.map(StrBytes::from_string))
        .with_client_id(StrBytes::from_string(member.client_id))
        .with_client_host(StrBytes::from_string(member.client_host))
        .with_member_metadata(member.metadata)
        .with_member_assignment(member.assignment)
}
