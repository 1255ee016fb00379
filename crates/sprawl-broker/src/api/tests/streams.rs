//! Streams groups (KIP-1071) over the wire.

use sprawl_protocol::messages::streams_group_describe_response::DescribedGroup;
use sprawl_protocol::messages::streams_group_heartbeat_request as wire;
use sprawl_protocol::messages::update_features_request::FeatureUpdateKey;

use sprawl_model::TenantId;

use super::*;

const GROUP: &str = "g";

/// Assigns at once, so that a test does not wait.
const PROMPT: &[(&str, &str)] = &[
    ("group.streams.initial.rebalance.delay.ms", "0"),
    ("group.streams.assignment.interval.ms", "0"),
];

const MISSING_SOURCE_TOPICS: i8 = 1;
const MISSING_INTERNAL_TOPICS: i8 = 3;

async fn beat(
    node: &mut Node,
    request: StreamsGroupHeartbeatRequest,
) -> StreamsGroupHeartbeatResponse {
    match node.call(0, request).await {
        Response::StreamsGroupHeartbeat(response) => response,
        other => panic!("{other:?}"),
    }
}

fn quiet(member_epoch: i32) -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest {
        group_id: text(GROUP),
        member_id: text("m"),
        member_epoch,
        endpoint_information_epoch: -1,
        ..Default::default()
    }
}

fn internal(name: &str, configs: &[(&str, &str)]) -> wire::TopicInfo {
    let configs = configs.iter().map(|(key, value)| wire::KeyValue {
        key: text(key),
        value: text(value),
    });
    wire::TopicInfo {
        name: text(name),
        topic_configs: configs.collect(),
        ..Default::default()
    }
}

/// Reads `t`, counts behind a repartition topic, and keeps the counts in a changelog.
fn topology() -> wire::Topology {
    let map = wire::Subtopology {
        subtopology_id: text("0"),
        source_topics: vec![text("t")],
        repartition_sink_topics: vec![text("g-repartition")],
        ..Default::default()
    };
    let count = wire::Subtopology {
        subtopology_id: text("1"),
        repartition_source_topics: vec![internal("g-repartition", &[("retention.ms", "-1")])],
        state_changelog_topics: vec![internal("g-changelog", &[("cleanup.policy", "compact")])],
        ..Default::default()
    };
    wire::Topology {
        epoch: 0,
        subtopologies: vec![map, count],
    }
}

fn joining() -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest {
        rebalance_timeout_ms: 60_000,
        topology: Some(topology()),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        process_id: Some(text("p")),
        user_endpoint: Some(wire::Endpoint {
            host: text("host"),
            port: 60_000,
        }),
        client_tags: Some(Vec::new()),
        ..quiet(0)
    }
}

/// Asks for the coordinator until it has loaded its groups.
async fn find_coordinator(node: &mut Node) {
    for _ in 0..100 {
        let request = FindCoordinatorRequest::default().with_key(text(GROUP));
        let Response::FindCoordinator(found) = node.call(3, request).await else {
            panic!("another answer");
        };
        let loading = ErrorCode::CoordinatorLoadInProgress.number();
        if found.error_code == NONE && beat(node, quiet(1)).await.error_code != loading {
            return;
        }
        sprawl_io::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no coordinator");
}

async fn describe(node: &mut Node) -> DescribedGroup {
    let request = StreamsGroupDescribeRequest {
        group_ids: vec![text(GROUP)],
        include_authorized_operations: true,
    };
    match node.call(0, request).await {
        Response::StreamsGroupDescribe(mut response) => response.groups.remove(0),
        other => panic!("{other:?}"),
    }
}

fn status_codes(response: &StreamsGroupHeartbeatResponse) -> Vec<i8> {
    let statuses = response.status.iter().flatten();
    statuses.map(|status| status.status_code).collect()
}

type Shown = Vec<(String, Vec<i32>)>;

fn active(response: &StreamsGroupHeartbeatResponse) -> Option<Shown> {
    let tasks = response.active_tasks.as_ref()?.iter();
    let shown = tasks.map(|tasks| (tasks.subtopology_id.to_string(), tasks.partitions.clone()));
    Some(shown.collect())
}

#[test]
fn an_application_runs_once_its_topics_are_there_and_through_a_crash() {
    simulate(async {
        let mut node = Node::start(PROMPT).await;
        find_coordinator(&mut node).await;
        let waiting = beat(&mut node, joining()).await;
        assert_eq!(waiting.error_code, NONE, "{waiting:?}");
        assert_eq!(status_codes(&waiting), [MISSING_SOURCE_TOPICS]);
        assert_eq!(describe(&mut node).await.group_state.as_str(), "NotReady");

        node.create_one(topic("t", 2, 1)).await;
        let told = beat(&mut node, quiet(waiting.member_epoch)).await;
        assert_eq!(status_codes(&told), [MISSING_INTERNAL_TOPICS]);
        // They were made before the answer, as the application says.
        let image = node.broker.broker.image();
        for (name, key, value) in [
            ("g-repartition", "retention.ms", "-1"),
            ("g-changelog", "cleanup.policy", "compact"),
        ] {
            let topic = image.topic(TenantId::DEFAULT, name).expect(name);
            assert_eq!(topic.partition_count(), 2);
            assert_eq!(topic.configs.get(key).map(String::as_str), Some(value));
        }
        let running = beat(&mut node, quiet(told.member_epoch)).await;
        assert_eq!(status_codes(&running), [0_i8; 0]);
        let all = |id: &str| (id.to_owned(), vec![0, 1]);
        assert_eq!(active(&running), Some(vec![all("0"), all("1")]));
        let endpoint = &running.partitions_by_user_endpoint.unwrap()[0];
        assert_eq!(endpoint.user_endpoint.port, 60_000);
        let topics = endpoint.active_partitions.iter();
        let topics: Vec<&str> = topics.map(|one| one.topic.as_str()).collect();
        assert_eq!(topics, ["t", "g-repartition"]);

        let group = describe(&mut node).await;
        assert_eq!(
            (group.error_code, group.group_state.as_str()),
            (NONE, "Stable")
        );
        let member = &group.members[0];
        assert_eq!(member.assignment, member.target_assignment);
        assert_eq!(member.process_id.as_str(), "p");
        assert_eq!(member.user_endpoint.as_ref().unwrap().port, 60_000);
        let subtopologies = group.topology.unwrap().subtopologies.unwrap();
        assert_eq!(subtopologies[1].state_changelog_topics[0].partitions, 2);

        let mut node = node.kill_and_restart().await;
        find_coordinator(&mut node).await;
        let again = beat(&mut node, quiet(running.member_epoch)).await;
        assert_eq!(again.error_code, NONE, "{again:?}");
        assert_eq!(again.member_epoch, running.member_epoch);
        assert_eq!(active(&again), None, "nothing has changed");
        assert_eq!(describe(&mut node).await.group_state.as_str(), "Stable");
    });
}

#[test]
fn a_topic_that_cannot_be_made_is_told() {
    simulate(async {
        let mut node = Node::start(PROMPT).await;
        node.create_one(topic("t", 2, 1)).await;
        find_coordinator(&mut node).await;
        let mut request = joining();
        let topology = request.topology.as_mut().unwrap();
        topology.subtopologies[1].state_changelog_topics[0].replication_factor = 3;
        let told = beat(&mut node, request).await;
        assert_eq!(status_codes(&told), [MISSING_INTERNAL_TOPICS]);
        let detail = &told.status.unwrap()[0].status_detail;
        let begin = "Internal topics are missing: g-changelog, g-repartition; Creation failed: \
                     g-changelog (INVALID_REPLICATION_FACTOR";
        assert!(detail.starts_with(begin), "{detail}");
        let image = node.broker.broker.image();
        assert!(image.topic(TenantId::DEFAULT, "g-repartition").is_some());
    });
}

#[test]
fn refusals_have_their_codes_and_say_why() {
    simulate(async {
        let mut node = Node::start(PROMPT).await;
        find_coordinator(&mut node).await;
        let with = |change: &dyn Fn(&mut StreamsGroupHeartbeatRequest)| {
            let mut request = joining();
            change(&mut request);
            request
        };
        let source = |name: &'static str| {
            with(&move |request| {
                let topology = request.topology.as_mut().unwrap();
                topology.subtopologies[0].source_topics = vec![text(name)];
            })
        };
        let twice = with(&|request| {
            let topology = request.topology.as_mut().unwrap();
            topology.subtopologies[1].subtopology_id = text("0");
        });
        let one_kind = with(&|request| request.warmup_tasks = None);
        let offsets = with(&|request| request.task_offsets = Some(Vec::new()));
        let end_offsets = with(&|request| request.task_end_offsets = Some(Vec::new()));
        let invalid = ErrorCode::StreamsInvalidTopology;
        for (request, code, message) in [
            (
                source("__consumer_offsets"),
                invalid,
                "Use of Kafka internal topics",
            ),
            (
                source("no topic"),
                invalid,
                "Topic names no topic are not valid",
            ),
            (twice, invalid, "subtopology 0 is there twice"),
            (one_kind, ErrorCode::InvalidRequest, "all must be non-null"),
            (offsets, ErrorCode::InvalidRequest, "TaskOffsets"),
            (end_offsets, ErrorCode::InvalidRequest, "TaskEndOffsets"),
            (quiet(1), ErrorCode::GroupIdNotFound, "group does not exist"),
        ] {
            let refused = beat(&mut node, request).await;
            assert_eq!(refused.error_code, code.number(), "{refused:?}");
            let said = refused.error_message.unwrap();
            assert!(said.contains(message), "{said}");
        }
        let missing = describe(&mut node).await;
        assert_eq!(missing.error_code, ErrorCode::GroupIdNotFound.number());
        assert_eq!(
            missing.error_message,
            Some(text("Group g is not a streams group."))
        );
    });
}

async fn finalize(node: &mut Node, level: i16, upgrade_type: i8) {
    let update = FeatureUpdateKey::default()
        .with_feature(text("streams.version"))
        .with_max_version_level(level)
        .with_upgrade_type(upgrade_type);
    let request = UpdateFeaturesRequest::default().with_feature_updates(vec![update]);
    match node.call(1, request).await {
        Response::UpdateFeatures(response) => assert_eq!(response.error_code, NONE, "{response:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn streams_groups_are_served_while_their_feature_is_finalized() {
    const UPGRADE: i8 = 1;
    const SAFE_DOWNGRADE: i8 = 2;
    simulate(async {
        let mut node = Node::start(PROMPT).await;
        find_coordinator(&mut node).await;
        finalize(&mut node, 0, SAFE_DOWNGRADE).await;
        let unsupported = ErrorCode::UnsupportedVersion.number();
        assert_eq!(beat(&mut node, joining()).await.error_code, unsupported);
        assert_eq!(describe(&mut node).await.error_code, unsupported);
        finalize(&mut node, 1, UPGRADE).await;
        assert_eq!(beat(&mut node, joining()).await.error_code, NONE);
    });
}

#[test]
fn streams_groups_are_listed_configured_and_deleted() {
    simulate(async {
        let mut node = Node::start(PROMPT).await;
        node.create_one(topic("t", 1, 1)).await;
        find_coordinator(&mut node).await;
        assert_eq!(beat(&mut node, joining()).await.error_code, NONE);
        let list = ListGroupsRequest::default()
            .with_types_filter(vec![text("Streams")])
            .with_states_filter(vec![text("NotReady")]);
        match node.call(5, list).await {
            Response::ListGroups(listed) => {
                let group = &listed.groups[0];
                assert_eq!(group.group_type.as_str(), "streams");
                assert_eq!(group.protocol_type.as_str(), "streams");
                assert_eq!(group.group_state.as_str(), "NotReady");
            }
            other => panic!("{other:?}"),
        }
        let delete = || DeleteGroupsRequest::default().with_groups_names(vec![GroupId("g".into())]);
        for expected in [ErrorCode::NonEmptyGroup, ErrorCode::None] {
            match node.call(2, delete()).await {
                Response::DeleteGroups(deleted) => {
                    assert_eq!(deleted.results[0].error_code, expected.number());
                }
                other => panic!("{other:?}"),
            }
            if expected == ErrorCode::NonEmptyGroup {
                assert_eq!(beat(&mut node, quiet(-1)).await.member_epoch, -1);
            }
        }
        let gone = ErrorCode::GroupIdNotFound.number();
        assert_eq!(describe(&mut node).await.error_code, gone);
    });
}
