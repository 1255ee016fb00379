//! Consumer groups of the new protocol (KIP-848) over the wire.

use sprawl_protocol::messages::consumer_group_describe_response::DescribedGroup;
use sprawl_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;

use super::*;

const GROUP: &str = "g";

/// Asks for the coordinator until it has loaded its groups.
async fn find_coordinator(node: &mut Node) {
    for _ in 0..100 {
        let request = FindCoordinatorRequest::default().with_key(text(GROUP));
        let Response::FindCoordinator(found) = node.call(3, request).await else {
            panic!("another answer");
        };
        let beat = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text(GROUP)))
            .with_member_id(text("nobody"))
            .with_member_epoch(1);
        let loading = ErrorCode::CoordinatorLoadInProgress.number();
        if found.error_code == NONE && beat_with(node, beat).await.error_code != loading {
            return;
        }
        sprawl_io::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no coordinator");
}

async fn beat_with(
    node: &mut Node,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    match node.call(1, request).await {
        Response::ConsumerGroupHeartbeat(response) => response,
        other => panic!("{other:?}"),
    }
}

fn joining(member_id: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text(GROUP)))
        .with_member_id(text(member_id))
        .with_member_epoch(0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic_name("t")]))
        .with_topic_partitions(Some(Vec::new()))
}

async fn describe(node: &mut Node, version: i16) -> DescribedGroup {
    let request =
        ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId(text(GROUP))]);
    match node.call(version, request).await {
        Response::ConsumerGroupDescribe(mut response) => response.groups.remove(0),
        other => panic!("{other:?}"),
    }
}

async fn list(node: &mut Node, kind: &str) -> Vec<(String, String)> {
    let request = ListGroupsRequest::default().with_types_filter(vec![text(kind)]);
    match node.call(5, request).await {
        Response::ListGroups(response) => {
            let groups = response.groups.into_iter();
            groups
                .map(|group| (group.group_type.to_string(), group.group_state.to_string()))
                .collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn consumer_group_lives_over_the_wire_and_through_a_crash() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let topic_id = node.create_one(topic("t", 3, 1)).await.topic_id;
        find_coordinator(&mut node).await;
        let joined = beat_with(&mut node, joining("m")).await;
        assert_eq!((joined.error_code, joined.member_epoch), (NONE, 1));
        assert_eq!(joined.heartbeat_interval_ms, 5_000);
        let given = joined.assignment.unwrap().topic_partitions;
        assert_eq!(given[0].topic_id, topic_id);
        assert_eq!(given[0].partitions, [0, 1, 2]);

        for version in 0..=1 {
            let group = describe(&mut node, version).await;
            assert_eq!(group.group_state.as_str(), "Stable");
            assert_eq!((group.group_epoch, group.assignment_epoch), (1, 1));
            assert_eq!(group.assignor_name.as_str(), "uniform");
            let member = &group.members[0];
            assert_eq!(member.assignment, member.target_assignment);
            let named = &member.assignment.topic_partitions[0];
            assert_eq!(named.topic_name, topic_name("t"));
            assert_eq!(member.member_type, if version == 0 { -1 } else { 1 });
        }
        let listed = vec![("consumer".to_owned(), "Stable".to_owned())];
        assert_eq!(list(&mut node, "consumer").await, listed);
        assert_eq!(list(&mut node, "classic").await, []);

        let mut node = node.kill_and_restart().await;
        find_coordinator(&mut node).await;
        let owned = TopicPartitions::default()
            .with_topic_id(topic_id)
            .with_partitions(vec![0, 1, 2]);
        let beat = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text(GROUP)))
            .with_member_id(text("m"))
            .with_member_epoch(1)
            .with_topic_partitions(Some(vec![owned]));
        let beat = beat_with(&mut node, beat).await;
        assert_eq!((beat.error_code, beat.member_epoch), (NONE, 1));
        assert_eq!(beat.assignment, None, "nothing has changed");
    });
}

#[test]
fn refusals_have_their_codes_and_say_why() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        find_coordinator(&mut node).await;
        let refused = [
            (joining(""), ErrorCode::InvalidRequest),
            (
                joining("m").with_server_assignor(Some(text("x"))),
                ErrorCode::UnsupportedAssignor,
            ),
            (
                joining("m").with_subscribed_topic_regex(Some(text("("))),
                ErrorCode::InvalidRegularExpression,
            ),
            (
                joining("m").with_member_epoch(7),
                ErrorCode::GroupIdNotFound,
            ),
        ];
        for (request, code) in refused {
            let response = beat_with(&mut node, request).await;
            assert_eq!(response.error_code, code.number());
            assert!(response.error_message.is_some());
        }
        let missing = describe(&mut node, 1).await;
        assert_eq!(missing.error_code, ErrorCode::GroupIdNotFound.number());
    });
}

#[test]
fn settings_of_a_group_count_with_its_next_heartbeat() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        find_coordinator(&mut node).await;
        beat_with(&mut node, joining("m")).await;
        let name = "consumer.heartbeat.interval.ms";
        let kind = resource_type::GROUP;
        let set = |value: &'static str| (name, 0, Some(value));
        // Kafka's bounds: 5 to 15 seconds.
        let invalid = ErrorCode::InvalidConfig.number();
        assert_eq!(node.alter(kind, GROUP, set("4999")).await, invalid);
        assert_eq!(
            node.alter(kind, GROUP, ("nope", 0, Some("1"))).await,
            invalid
        );
        assert_eq!(node.alter(kind, GROUP, set("9000")).await, NONE);
        let described = node.config(kind, GROUP, name).await;
        assert_eq!(described.value, Some(text("9000")));
        assert_eq!(described.config_source, 8);
        let request = ListConfigResourcesRequest::default().with_resource_types(vec![kind]);
        let Response::ListConfigResources(listed) = node.call(1, request).await else {
            panic!("another answer");
        };
        assert_eq!(listed.config_resources[0].resource_name, text(GROUP));
        let mut interval_ms = 0;
        for _ in 0..100 {
            interval_ms = beat_with(&mut node, joining("m"))
                .await
                .heartbeat_interval_ms;
            if interval_ms == 9_000 {
                break;
            }
            sprawl_io::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(interval_ms, 9_000);
    });
}
