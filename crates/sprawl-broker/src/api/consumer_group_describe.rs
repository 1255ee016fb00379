//! ConsumerGroupDescribe (key 69): epochs, members, what they have and what they should have.
//!
//! Source: KIP-848, KIP-1099 (member type, v1).

use sprawl_core::group::{Assignment, DescribedConsumer, DescribedConsumerGroup, MemberProtocol};
use sprawl_core::metadata::MetadataImage;
use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::consumer_group_describe_response as wire;
use sprawl_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId,
};

use super::described_group::{self, Kind, named, subscribed};
use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::features;

/// Describes groups, in the order asked for.
pub(crate) fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let operations = described_group::operations(request.include_authorized_operations);
    let groups = request.group_ids.into_iter();
    let groups = groups.map(|group_id| describe(broker, group_id, operations));
    ConsumerGroupDescribeResponse::default().with_groups(groups.collect())
}

fn describe(broker: &Broker, group_id: GroupId, operations: i32) -> wire::DescribedGroup {
    let image = broker.image();
    let kind = Kind {
        name: "consumer",
        is_served: features::is_at_least(&image, features::GROUP_VERSION, 1),
    };
    let coordinator = &broker.coordinator;
    let checked = described_group::check(kind, &group_id, || {
        coordinator.read(&group_id, |groups| groups.describe_consumer(&group_id))
    });
    let described = wire::DescribedGroup::default().with_group_id(group_id);
    match checked {
        Ok(group) => fill(described, group, &image).with_authorized_operations(operations),
        Err(refused) => described
            .with_error_code(refused.code.number())
            .with_error_message(refused.message),
    }
}

fn fill(
    described: wire::DescribedGroup,
    group: DescribedConsumerGroup,
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

fn member(member: DescribedConsumer, image: &MetadataImage) -> wire::Member {
    wire::Member::default()
        .with_member_id(StrBytes::from_string(member.member_id))
        .with_instance_id(member.instance_id.map(StrBytes::from_string))
        .with_rack_id(member.rack_id.map(StrBytes::from_string))
        .with_member_epoch(member.member_epoch)
        .with_client_id(StrBytes::from_string(member.client_id))
        .with_client_host(StrBytes::from_string(member.client_host))
        .with_subscribed_topic_names(subscribed(member.topics))
        .with_subscribed_topic_regex(member.regex.map(StrBytes::from_string))
        .with_assignment(assignment(&member.assignment, image))
        .with_target_assignment(assignment(&member.target, image))
        .with_member_type(match member.protocol {
            MemberProtocol::Classic => 0,
            MemberProtocol::Consumer => 1,
        })
}

fn assignment(assignment: &Assignment, image: &MetadataImage) -> wire::Assignment {
    let topics = named(assignment, image).map(|(topic_id, name, partitions)| {
        wire::TopicPartitions::default()
            .with_topic_id(topic_id)
            .with_topic_name(name)
            .with_partitions(partitions)
    });
    wire::Assignment::default().with_topic_partitions(topics.collect())
}
