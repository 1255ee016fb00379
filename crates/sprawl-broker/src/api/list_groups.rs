//! ListGroups (key 16): every group this broker coordinates.
//!
//! Source: KIP-518 (states, v4), KIP-848 (types, v5). Filters compare without case, as Kafka's do;
//! a type that does not exist lists nothing.

use sprawl_core::group::ListedGroup as Group;
use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::list_groups_response::ListedGroup;
use sprawl_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};

use crate::broker::Broker;
use crate::coordinator::of_coordinator;
use crate::dispatch::RequestContext;

/// Lists groups.
pub(crate) async fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    let response = ListGroupsResponse::default();
    match broker
        .coordinator
        .read_all(|groups| groups.list().collect::<Vec<Group>>())
    {
        Ok(by_shard) => {
            let wanted = by_shard.into_iter().flatten().filter(|group| {
                matches(&request.states_filter, group.state.name())
                    && matches(&request.types_filter, group.group_type.name())
            });
            response.with_groups(wanted.map(listed).collect())
        }
        Err(error) => response.with_error_code(of_coordinator(error).number()),
    }
}

/// Whether a filter lets `name` through; an empty one lets everything through.
fn matches(filter: &[StrBytes], name: &str) -> bool {
    let mut each = filter.iter();
    filter.is_empty() || each.any(|each| each.trim().eq_ignore_ascii_case(name))
}

fn listed(group: Group) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(GroupId(StrBytes::from_string(group.group_id)))
        .with_protocol_type(StrBytes::from_string(group.protocol_type))
        .with_group_state(StrBytes::from_static_str(group.state.name()))
        .with_group_type(StrBytes::from_static_str(group.group_type.name()))
}
