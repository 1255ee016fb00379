//! Settings described, changed and listed.

use super::*;

#[test]
fn described_topic_has_every_setting_with_source_synonyms_type_and_documentation() {
    simulate(async {
        let mut node = Node::start(&[("log.retention.minutes", "5")]).await;
        node.create_one(with_config(
            topic("t", 1, 1),
            "max.message.bytes",
            Some("2000"),
        ))
        .await;
        for version in 1..=4 {
            let described = node.describe(version, resource_type::TOPIC, "t").await;
            assert_eq!(described.error_code, NONE);
            assert_eq!(
                described.configs.len(),
                sprawl_core::config::topic_definitions().len()
            );
        }
        let own = node
            .config(resource_type::TOPIC, "t", "max.message.bytes")
            .await;
        assert_eq!(
            (own.config_source, own.config_type, own.read_only),
            (1, 3, false)
        );
        assert_eq!(own.value, Some(text("2000")));
        assert!(own.documentation.is_some_and(|doc| !doc.is_empty()));
        let sources: Vec<_> = own
            .synonyms
            .iter()
            .map(|s| (s.name.as_str(), s.source))
            .collect();
        assert_eq!(
            sources,
            [("max.message.bytes", 1), ("message.max.bytes", 5)]
        );
        let inherited = node.config(resource_type::TOPIC, "t", "retention.ms").await;
        assert_eq!(
            (inherited.value, inherited.config_source),
            (Some(text("300000")), 4)
        );
    });
}

#[test]
fn description_holds_only_the_settings_asked_for() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        let resource = DescribeConfigsResource::default()
            .with_resource_type(resource_type::TOPIC)
            .with_resource_name(text("t"))
            .with_configuration_keys(Some(vec![text("retention.ms"), text("no.such")]));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let Response::DescribeConfigs(response) = node.call(4, request).await else {
            panic!("not an answer to DescribeConfigs");
        };
        let [config] = response.results[0].configs.as_slice() else {
            panic!("{response:?}")
        };
        assert_eq!(config.name.as_str(), "retention.ms");
        assert!(config.synonyms.is_empty() && config.documentation.is_none());
    });
}

#[test]
fn resources_that_have_no_settings_are_refused_when_described() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        for (kind, name, code) in [
            (
                resource_type::TOPIC,
                "nope",
                ErrorCode::UnknownTopicOrPartition,
            ),
            (
                resource_type::TOPIC,
                "a b",
                ErrorCode::InvalidTopicException,
            ),
            (resource_type::BROKER, "7", ErrorCode::InvalidRequest),
            (resource_type::BROKER, "x", ErrorCode::InvalidRequest),
            (resource_type::GROUP, "", ErrorCode::InvalidRequest),
            (resource_type::CLIENT_METRICS, "", ErrorCode::InvalidRequest),
            (99, "x", ErrorCode::InvalidRequest),
        ] {
            let described = node.describe(4, kind, name).await;
            assert_eq!(described.error_code, code.number(), "{kind} {name}");
            assert!(described.configs.is_empty());
        }
    });
}

#[test]
fn topic_settings_change_one_by_one() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        const TOPIC: i8 = resource_type::TOPIC;
        for (name, op, code) in [
            ("t", ("retention.ms", 0, Some("5")), NONE),
            ("t", ("cleanup.policy", 2, Some("compact")), NONE),
            ("t", ("cleanup.policy", 3, Some("delete")), NONE),
            (
                "t",
                ("retention.ms", 2, Some("5")),
                ErrorCode::InvalidConfig.number(),
            ),
            (
                "t",
                ("retention.ms", 0, None),
                ErrorCode::InvalidRequest.number(),
            ),
            (
                "t",
                ("retention.ms", 9, Some("5")),
                ErrorCode::InvalidRequest.number(),
            ),
            (
                "t",
                ("retention.ms", 0, Some("soon")),
                ErrorCode::InvalidConfig.number(),
            ),
            (
                "t",
                ("no.such", 0, Some("1")),
                ErrorCode::InvalidConfig.number(),
            ),
            (
                "nope",
                ("retention.ms", 0, Some("5")),
                ErrorCode::UnknownTopicOrPartition.number(),
            ),
            (
                "",
                ("retention.ms", 0, Some("5")),
                ErrorCode::InvalidRequest.number(),
            ),
        ] {
            assert_eq!(node.alter(TOPIC, name, op).await, code, "{name} {op:?}");
        }
        assert_eq!(
            node.config(TOPIC, "t", "retention.ms").await.value,
            Some(text("5"))
        );
        assert_eq!(
            node.config(TOPIC, "t", "cleanup.policy").await.value,
            Some(text("compact"))
        );
    });
}

#[test]
fn validated_change_of_a_setting_does_not_stay() {
    simulate(async {
        const TOPIC: i8 = resource_type::TOPIC;
        let mut node = Node::start(&[]).await;
        node.create_one(with_config(topic("t", 1, 1), "retention.ms", Some("5")))
            .await;
        let check = [("retention.ms", 0, Some("6"))];
        assert_eq!(node.alter_or_check(TOPIC, "t", &check, true).await, NONE);
        let twice = [("retention.ms", 0, Some("6")), ("retention.ms", 1, None)];
        assert_eq!(node.alter_or_check(TOPIC, "t", &twice, false).await, 42);
        assert_eq!(
            node.config(TOPIC, "t", "retention.ms").await.value,
            Some(text("5"))
        );
        assert_eq!(
            node.alter(TOPIC, "t", ("retention.ms", 1, None)).await,
            NONE
        );
        assert_eq!(
            node.config(TOPIC, "t", "retention.ms").await.config_source,
            5
        );
    });
}

#[test]
fn replacing_topic_settings_drops_the_others() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(with_config(topic("t", 1, 1), "retention.ms", Some("5")))
            .await;
        assert_eq!(node.replace("t", &[("segment.ms", "7")]).await, NONE);
        let kept = node.config(resource_type::TOPIC, "t", "retention.ms").await;
        assert_eq!(kept.config_source, 5);
        let set = node.config(resource_type::TOPIC, "t", "segment.ms").await;
        assert_eq!((set.value, set.config_source), (Some(text("7")), 1));
        assert_eq!(node.replace("t", &[("segment.ms", "0")]).await, 40);
        assert_eq!(node.replace("nope", &[]).await, 3);
    });
}

#[test]
fn broker_settings_change_at_run_time_for_one_and_for_all_and_reach_topics() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        const BROKER: i8 = resource_type::BROKER;
        node.create_one(topic("t", 1, 1)).await;
        for (name, op, code) in [
            ("", ("log.retention.ms", 0, Some("50")), NONE),
            ("0", ("message.max.bytes", 0, Some("60")), NONE),
            (
                "0",
                ("num.partitions", 0, Some("2")),
                ErrorCode::InvalidRequest.number(),
            ),
            (
                "0",
                ("message.max.bytes", 0, Some("x")),
                ErrorCode::InvalidRequest.number(),
            ),
            (
                "",
                ("message.max.bytes", 0, Some("999999999")),
                ErrorCode::InvalidRequest.number(),
            ),
            (
                "0",
                ("no.such", 0, Some("2")),
                ErrorCode::InvalidRequest.number(),
            ),
            (
                "1",
                ("message.max.bytes", 0, Some("60")),
                ErrorCode::InvalidRequest.number(),
            ),
        ] {
            assert_eq!(node.alter(BROKER, name, op).await, code, "{name} {op:?}");
        }
        let topic = node.config(resource_type::TOPIC, "t", "retention.ms").await;
        assert_eq!((topic.value, topic.config_source), (Some(text("50")), 3));
        let topic = node
            .config(resource_type::TOPIC, "t", "max.message.bytes")
            .await;
        assert_eq!((topic.value, topic.config_source), (Some(text("60")), 2));
        let own = node.config(BROKER, "0", "message.max.bytes").await;
        assert_eq!(
            (own.value, own.config_source, own.read_only),
            (Some(text("60")), 2, false)
        );
        let all = node.describe(4, BROKER, "").await;
        let names: Vec<_> = all
            .configs
            .iter()
            .map(|config| config.name.as_str())
            .collect();
        assert_eq!(names, ["log.retention.ms"]);
        let read_only = node.config(BROKER, "0", "num.partitions").await;
        assert!(read_only.read_only);
    });
}

#[test]
fn resources_with_settings_are_listed_by_type() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create(vec![topic("a", 1, 1), topic("b", 1, 1)]).await;
        for (version, types, error, expected) in [
            (0, vec![], NONE, vec![]),
            (1, vec![], NONE, vec![(2, "a"), (2, "b"), (4, "0")]),
            (1, vec![2], NONE, vec![(2, "a"), (2, "b")]),
            (1, vec![4, 32], NONE, vec![(4, "0")]),
            (1, vec![3], ErrorCode::UnsupportedVersion.number(), vec![]),
        ] {
            let request = ListConfigResourcesRequest::default().with_resource_types(types);
            let Response::ListConfigResources(response) = node.call(version, request).await else {
                panic!("not an answer to ListConfigResources");
            };
            assert_eq!(response.error_code, error);
            let found: Vec<_> = response
                .config_resources
                .iter()
                .map(|resource| (resource.resource_type, resource.resource_name.as_str()))
                .collect();
            assert_eq!(found, expected);
        }
    });
}
