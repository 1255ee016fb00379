//! ShareGroupDescribe (key 77): epochs, members and what they have.
//!
//! Source: KIP-932.

use sprawl_core::group::{Assignment, DescribedShareGroup, DescribedShareMember};
use sprawl_core::metadata::MetadataImage;
use sprawl_protocol::messages::share_group_describe_response as wire;
use sprawl_protocol::messages::{
    GroupId, ShareGroupDescribeRequest, ShareGroupDescribeResponse, TopicName,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::authorized_operations;
use crate::broker::Broker;
use crate::coordinator::of_coordinator;
use crate::dispatch::RequestContext;
use crate::features;

/// Describes groups, in the order asked for.
pub(crate) fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: ShareGroupDescribeRequest,
) -> ShareGroupDescribeResponse {
    let operations = if request.include_authorized_operations {
        authorized_operations::GROUP
    } else {
        authorized_operations::NOT_ASKED
    };
    let groups = request.group_ids.into_iter().map(|group_id| {
        let described = describe(broker, group_id);
        if described.error_code == ErrorCode::None.number() {
            described.with_authorized_operations(operations)
        } else {
            described
        }
    });
    ShareGroupDescribeResponse::default().with_groups(groups.collect())
}

fn describe(broker: &Broker, group_id: GroupId) -> wire::DescribedGroup {
    let described = wire::DescribedGroup::default().with_group_id(group_id.clone());
    if !features::has_share_groups(&broker.image()) {
        return described.with_error_code(ErrorCode::UnsupportedVersion.number());
    }
    if group_id.is_empty() {
        return described.with_error_code(ErrorCode::InvalidGroupId.number());
    }
    let coordinator = &broker.coordinator;
    match coordinator.read(&group_id, |groups| groups.describe_share(&group_id)) {
        Ok(Ok(group)) => fill(described, group, &broker.image()),
        // Whatever the reason, there is no share group to describe.
        Ok(Err(_)) => {
            let message = format!("Group {} is not a share group.", group_id.0);
            described
                .with_error_code(ErrorCode::GroupIdNotFound.number())
                .with_error_message(Some(StrBytes::from_string(message)))
        }
        Err(error) => described.with_error_code(of_coordinator(error).number()),
    }
}

fn fill(
    described: wire::DescribedGroup,
    group: DescribedShareGroup,
    image: &MetadataImage,
) -> wire::DescribedGroup {
    let members = group.members.into_iter().map(|each| member(each, image));
    described
        .with_group_state(StrBytes::from_static_str(group.state.name()))
        .with_group_epoch(group.group_epoch)
        .with_assignment_epoch(group.assignment_epoch)
        .with_assignor_name(StrBytes::from_static_str(group.assignor))
        .with_members(members.collect())
}

fn member(member: DescribedShareMember, image: &MetadataImage) -> wire::Member {
    let topics = member.topics.into_iter();
    let topics = topics.map(|topic| TopicName(StrBytes::from_string(topic)));
    wire::Member::default()
        .with_member_id(StrBytes::from_string(member.member_id))
        .with_rack_id(member.rack_id.map(StrBytes::from_string))
        .with_member_epoch(member.member_epoch)
        .with_client_id(StrBytes::from_string(member.client_id))
        .with_client_host(StrBytes::from_string(member.client_host))
        .with_subscribed_topic_names(topics.collect())
        .with_assignment(assignment(&member.assignment, image))
}

/// Topics that are gone have no name and are left out, as Kafka does.
fn assignment(assignment: &Assignment, image: &MetadataImage) -> wire::Assignment {
    let topics = assignment.iter().filter_map(|(topic_id, partitions)| {
        let topic = image.topic_by_id(*topic_id)?;
        let named = wire::TopicPartitions::default()
            .with_topic_id(topic_id.0)
            .with_topic_name(TopicName(StrBytes::from_string(topic.name.clone())))
            .with_partitions(partitions.iter().copied().collect());
        Some(named)
    });
    wire::Assignment::default().with_topic_partitions(topics.collect())
}
