//! Metadata and ApiVersions: what a client learns first.

use sprawl_protocol::messages::metadata_request::MetadataRequestTopic;
use sprawl_protocol::messages::metadata_response::MetadataResponseTopic;

use super::data::*;
use super::*;

async fn metadata(
    node: &mut Node,
    version: i16,
    topics: Option<Vec<MetadataRequestTopic>>,
) -> MetadataResponse {
    let request = MetadataRequest::default()
        .with_topics(topics)
        .with_allow_auto_topic_creation(true);
    match node.call(version, request).await {
        Response::Metadata(response) => response,
        other => panic!("{other:?}"),
    }
}

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(topic_name(name)))
}

fn names(response: &MetadataResponse) -> Vec<String> {
    let name = |topic: &MetadataResponseTopic| topic.name.as_ref().unwrap().to_string();
    response.topics.iter().map(name).collect()
}

#[test]
fn all_topics_none_and_named_ones_are_asked_for_in_the_words_of_each_version() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create(vec![topic("a", 2, 1), topic("b", 1, 1)]).await;
        for version in 0..=13 {
            let everything = if version == 0 { Some(vec![]) } else { None };
            let all = metadata(&mut node, version, everything).await;
            assert_eq!(names(&all), ["a", "b"], "version {version}");
            assert_eq!(all.brokers.len(), 1);
            assert_eq!(all.brokers[0].port, 9092);
            let partitions = &all.topics[0].partitions;
            assert_eq!(partitions.len(), 2);
            assert_eq!(partitions[0].leader_id, all.brokers[0].node_id);
            let some = metadata(&mut node, version, Some(vec![named("b"), named("b")])).await;
            assert_eq!(names(&some), ["b"], "version {version}");
            if version > 0 {
                let none = metadata(&mut node, version, Some(vec![])).await;
                assert!(none.topics.is_empty(), "version {version}");
                assert_eq!(none.brokers.len(), 1);
            }
        }
    });
}

#[test]
fn request_for_very_many_unknown_topics_makes_some_and_the_next_one_the_rest() {
    simulate(async {
        let mut node = Node::start(&[("num.partitions", "100")]).await;
        let name = |at: i32| named(&format!("new-{at}"));
        let asked = || Some((0..15).map(name).collect());
        let made = |response: &MetadataResponse| {
            let found = |topic: &&MetadataResponseTopic| topic.error_code == NONE;
            response.topics.iter().filter(found).count()
        };
        let first = metadata(&mut node, 12, asked()).await;
        assert_eq!(made(&first), 9, "101 of 1,000 each");
        let left = ErrorCode::UnknownTopicOrPartition.number();
        assert!(
            first.topics[9..]
                .iter()
                .all(|topic| topic.error_code == left)
        );
        assert_eq!(made(&metadata(&mut node, 12, asked()).await), 15);
    });
}

#[test]
fn topics_are_found_by_id() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let id = node.create_one(topic("a", 1, 1)).await.topic_id;
        let by_id = |id| {
            let topic = MetadataRequestTopic::default().with_name(None);
            Some(vec![topic.with_topic_id(id)])
        };
        for version in 12..=13 {
            let found = metadata(&mut node, version, by_id(id)).await;
            assert_eq!(names(&found), ["a"]);
            for unknown in [Uuid::from_u128(5), Uuid::nil()] {
                let missing = metadata(&mut node, version, by_id(unknown)).await;
                let code = ErrorCode::UnknownTopicId.number();
                assert_eq!(missing.topics[0].error_code, code);
                assert_eq!(missing.topics[0].topic_id, unknown);
            }
        }
    });
}

#[test]
fn unknown_topic_is_made_with_the_brokers_defaults_and_usable_at_once() {
    simulate(async {
        let mut node = Node::start(&[("num.partitions", "3")]).await;
        let made = metadata(&mut node, 9, Some(vec![named("new")])).await;
        assert_eq!(made.topics[0].error_code, NONE);
        assert_eq!(made.topics[0].partitions.len(), 3);
        assert_eq!(node.append("new", batch(&["a"])).await, (NONE, 0));
        let invalid = metadata(&mut node, 9, Some(vec![named("a/b")])).await;
        let code = ErrorCode::InvalidTopicException.number();
        assert_eq!(invalid.topics[0].error_code, code);
        let request = MetadataRequest::default()
            .with_topics(Some(vec![named("other")]))
            .with_allow_auto_topic_creation(false);
        let Response::Metadata(refused) = node.call(9, request).await else {
            panic!("not an answer to Metadata");
        };
        let code = ErrorCode::UnknownTopicOrPartition.number();
        assert_eq!(refused.topics[0].error_code, code);
    });
}

#[test]
fn topic_is_not_made_where_the_broker_forbids_it() {
    simulate(async {
        let mut node = Node::start(&[("auto.create.topics.enable", "false")]).await;
        let refused = metadata(&mut node, 9, Some(vec![named("new")])).await;
        let code = ErrorCode::UnknownTopicOrPartition.number();
        assert_eq!(refused.topics[0].error_code, code);
        assert!(metadata(&mut node, 9, None).await.topics.is_empty());
    });
}

#[test]
fn api_versions_of_an_unknown_version_is_answered_in_version_0() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let mut frame = vec![0, 0, 0, 10, 0, 18, 0, 99, 0, 0, 0, 4];
        frame.extend_from_slice(&[0xff, 0xff]);
        node.stream.write_all(&frame).await.unwrap();
        let answer = receive(&mut node.stream).await.unwrap();
        // Correlation id, UNSUPPORTED_VERSION, one entry: key 18, 0 to 4.
        let expected = [0, 0, 0, 4, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
        assert_eq!(answer[..], expected);
    });
}

#[test]
fn api_versions_lists_every_served_api_and_checks_the_clients_name() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        for version in 0..=4 {
            let request = ApiVersionsRequest::default()
                .with_client_software_name(text("tests"))
                .with_client_software_version(text("1.0"));
            let Response::ApiVersions(response) = node.call(version, request).await else {
                panic!("not an answer to ApiVersions");
            };
            assert_eq!(response.error_code, NONE);
            let keys: Vec<_> = response.api_keys.iter().map(|api| api.api_key).collect();
            let served: Vec<_> = ApiKey::ALL.iter().map(|key| key.number()).collect();
            assert_eq!(keys, served);
        }
        let unnamed = ApiVersionsRequest::default().with_client_software_name(text("a b"));
        let Response::ApiVersions(response) = node.call(3, unnamed).await else {
            panic!("not an answer to ApiVersions");
        };
        assert_eq!(response.error_code, ErrorCode::InvalidRequest.number());
    });
}
