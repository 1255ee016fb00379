//! The administration APIs over the wire, against a whole broker on a simulated disk and network.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use sprawl_core::config::{BrokerSettings, ConfigMap};
use sprawl_io::Io;
use sprawl_log::NoObserver;
use sprawl_protocol::messages::alter_configs_request::AlterConfigsResource as ReplaceResource;
use sprawl_protocol::messages::alter_configs_request::AlterableConfig as ReplacedConfig;
use sprawl_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use sprawl_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use sprawl_protocol::messages::create_topics_response::CreatableTopicResult;
use sprawl_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use sprawl_protocol::messages::delete_topics_request::DeleteTopicState;
use sprawl_protocol::messages::describe_configs_request::DescribeConfigsResource;
use sprawl_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use sprawl_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use sprawl_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use sprawl_protocol::messages::*;
use sprawl_protocol::{ErrorCode, Request, Response, StrBytes, decode_response, encode_request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use super::admin::resource_type;
use crate::{BrokerOptions, RunningBroker};

const NONE: i16 = 0;

/// A broker and one connection to it.
struct Node {
    _broker: RunningBroker,
    stream: sprawl_io::Stream,
}

impl Node {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let (io, _) = Io::simulated(3);
        // The simulated disk holds the whole journal in memory: a small one starts quickly.
        let small = [
            ("sprawl.journal.file.bytes", "8388608"),
            ("sprawl.journal.bytes.max", "134217728"),
            ("sprawl.disk.ballast.bytes", "0"),
        ];
        let settings: ConfigMap = small
            .iter()
            .chain(settings)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let options = BrokerOptions {
            data_dir: PathBuf::from("/data"),
            kafka_address: "127.0.0.1:9092".parse().unwrap(),
            settings: BrokerSettings::from_map(&settings).unwrap(),
            hot_bytes_max: 64 << 20,
        };
        let broker = RunningBroker::start(io.clone(), options, Arc::new(NoObserver))
            .await
            .unwrap();
        let address = broker.local_address().to_string();
        let stream = io.net.connect(&address).await.unwrap();
        Self {
            _broker: broker,
            stream,
        }
    }

    async fn call(&mut self, version: i16, request: impl Into<Request>) -> Response {
        let request = request.into();
        let mut frame = BytesMut::new();
        encode_request(&request, version, 1, Some("test"), &mut frame).unwrap();
        self.stream.write_all(&frame).await.unwrap();
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).await.unwrap();
        let mut body = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
        self.stream.read_exact(&mut body).await.unwrap();
        let body = Bytes::from(body);
        assert_eq!(body.clone().get_i32(), 1, "the correlation id");
        decode_response(request.api_key(), version, body.clone())
            .unwrap_or_else(|e| panic!("{e} {body:?}"))
    }

    async fn create(&mut self, topics: Vec<CreatableTopic>) -> Vec<CreatableTopicResult> {
        let request = CreateTopicsRequest::default().with_topics(topics);
        match self.call(7, request).await {
            Response::CreateTopics(response) => response.topics,
            other => panic!("{other:?}"),
        }
    }

    async fn create_one(&mut self, topic: CreatableTopic) -> CreatableTopicResult {
        self.create(vec![topic]).await.remove(0)
    }

    async fn delete(&mut self, version: i16, request: DeleteTopicsRequest) -> Vec<i16> {
        match self.call(version, request).await {
            Response::DeleteTopics(response) => response
                .responses
                .iter()
                .map(|result| result.error_code)
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    async fn describe(&mut self, version: i16, kind: i8, name: &str) -> DescribeConfigsResult {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default()
            .with_resources(vec![resource])
            .with_include_synonyms(true)
            .with_include_documentation(version >= 3);
        match self.call(version, request).await {
            Response::DescribeConfigs(mut response) => response.results.remove(0),
            other => panic!("{other:?}"),
        }
    }

    async fn config(&mut self, kind: i8, name: &str, key: &str) -> DescribeConfigsResourceResult {
        let described = self.describe(4, kind, name).await;
        let mut configs = described.configs.into_iter();
        configs.find(|config| config.name.as_str() == key).unwrap()
    }

    async fn alter(&mut self, kind: i8, name: &str, op: (&str, i8, Option<&str>)) -> i16 {
        self.alter_or_check(kind, name, &[op], false).await
    }

    async fn alter_or_check(
        &mut self,
        kind: i8,
        name: &str,
        ops: &[(&str, i8, Option<&str>)],
        validate_only: bool,
    ) -> i16 {
        let configs = ops.iter().map(|(key, operation, value)| {
            AlterableConfig::default()
                .with_name(text(key))
                .with_config_operation(*operation)
                .with_value(value.map(text))
        });
        let resource = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configs(configs.collect());
        let request = IncrementalAlterConfigsRequest::default()
            .with_resources(vec![resource])
            .with_validate_only(validate_only);
        match self.call(1, request).await {
            Response::IncrementalAlterConfigs(response) => response.responses[0].error_code,
            other => panic!("{other:?}"),
        }
    }

    async fn replace(&mut self, name: &str, configs: &[(&str, &str)]) -> i16 {
        let configs = configs.iter().map(|(key, value)| {
            ReplacedConfig::default()
                .with_name(text(key))
                .with_value(Some(text(value)))
        });
        let resource = ReplaceResource::default()
            .with_resource_type(resource_type::TOPIC)
            .with_resource_name(text(name))
            .with_configs(configs.collect());
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        match self.call(2, request).await {
            Response::AlterConfigs(response) => response.responses[0].error_code,
            other => panic!("{other:?}"),
        }
    }

    async fn page(
        &mut self,
        names: &[&str],
        limit: i32,
        cursor: Option<(&str, i32)>,
    ) -> DescribeTopicPartitionsResponse {
        let topics = names
            .iter()
            .map(|name| TopicRequest::default().with_name(topic_name(name)));
        let cursor = cursor.map(|(name, partition)| {
            Cursor::default()
                .with_topic_name(topic_name(name))
                .with_partition_index(partition)
        });
        let request = DescribeTopicPartitionsRequest::default()
            .with_topics(topics.collect())
            .with_response_partition_limit(limit)
            .with_cursor(cursor);
        match self.call(0, request).await {
            Response::DescribeTopicPartitions(response) => response,
            other => panic!("{other:?}"),
        }
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

fn topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(replicas)
}

fn with_config(topic: CreatableTopic, key: &str, value: Option<&str>) -> CreatableTopic {
    let config = CreatableTopicConfig::default()
        .with_name(text(key))
        .with_value(value.map(text));
    topic.with_configs(vec![config])
}

fn simulate<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test);
}

#[test]
fn created_topic_is_answered_with_its_id_counts_and_every_setting() {
    simulate(async {
        let mut node = Node::start(&[("num.partitions", "3"), ("log.retention.hours", "1")]).await;
        let created = node
            .create_one(with_config(topic("t", -1, -1), "segment.ms", Some("5000")))
            .await;
        assert_eq!(created.error_code, NONE, "{:?}", created.error_message);
        assert!(!created.topic_id.is_nil());
        assert_eq!((created.num_partitions, created.replication_factor), (3, 1));
        let configs = created.configs.unwrap();
        assert!(configs.is_sorted_by(|a, b| a.name.as_str() < b.name.as_str()));
        let find = |key: &str| {
            let config = configs
                .iter()
                .find(|config| config.name.as_str() == key)
                .unwrap();
            (
                config.value.as_ref().unwrap().to_string(),
                config.config_source,
            )
        };
        assert_eq!(find("segment.ms"), ("5000".to_owned(), 1));
        assert_eq!(find("retention.ms"), ("3600000".to_owned(), 4));
        assert_eq!(find("cleanup.policy"), ("delete".to_owned(), 5));
    });
}

#[test]
fn topics_are_refused_with_kafkas_codes() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        assert_eq!(node.create_one(topic("there", 1, 1)).await.error_code, NONE);
        let assignment = |partition: i32, brokers: &[i32]| {
            CreatableReplicaAssignment::default()
                .with_partition_index(partition)
                .with_broker_ids(brokers.iter().copied().map(BrokerId).collect())
        };
        let manual = |partitions, replicas, assignments| {
            topic("m", partitions, replicas).with_assignments(assignments)
        };
        for (refused, code) in [
            (topic("there", 1, 1), ErrorCode::TopicAlreadyExists),
            (topic("a/b", 1, 1), ErrorCode::InvalidTopicException),
            (topic("__cluster_metadata", 1, 1), ErrorCode::InvalidRequest),
            (topic("t", 0, 1), ErrorCode::InvalidPartitions),
            (topic("t", -2, 1), ErrorCode::InvalidPartitions),
            (topic("t", 10_001, 1), ErrorCode::PolicyViolation),
            (topic("t", 1, 0), ErrorCode::InvalidReplicationFactor),
            (topic("t", 1, 2), ErrorCode::InvalidReplicationFactor),
            (
                with_config(topic("t", 1, 1), "no.such", Some("1")),
                ErrorCode::InvalidConfig,
            ),
            (
                with_config(topic("t", 1, 1), "retention.ms", Some("x")),
                ErrorCode::InvalidConfig,
            ),
            (
                with_config(topic("t", 1, 1), "retention.ms", None),
                ErrorCode::InvalidConfig,
            ),
            (
                manual(1, -1, vec![assignment(0, &[0])]),
                ErrorCode::InvalidRequest,
            ),
            (
                manual(-1, 1, vec![assignment(0, &[0])]),
                ErrorCode::InvalidRequest,
            ),
            (
                manual(-1, -1, vec![assignment(0, &[9])]),
                ErrorCode::InvalidReplicaAssignment,
            ),
            (
                manual(-1, -1, vec![assignment(1, &[0])]),
                ErrorCode::InvalidReplicaAssignment,
            ),
        ] {
            let result = node.create_one(refused.clone()).await;
            assert_eq!(result.error_code, code.number(), "{refused:?}");
            assert!(!result.error_message.unwrap().is_empty());
        }
        let assigned = manual(-1, -1, vec![assignment(1, &[0]), assignment(0, &[0])]);
        assert_eq!(node.create_one(assigned).await.num_partitions, 2);
    });
}

#[test]
fn topic_named_twice_in_one_request_is_refused_and_the_others_are_made() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let topics = vec![topic("a", 1, 1), topic("b", 1, 1), topic("a", 2, 1)];
        let results = node.create(topics).await;
        let codes: Vec<_> = results
            .iter()
            .map(|r| (r.name.as_str().to_owned(), r.error_code))
            .collect();
        assert_eq!(codes, [("b".to_owned(), NONE), ("a".to_owned(), 42)]);
    });
}

#[test]
fn validated_topics_are_answered_as_if_made_and_are_not() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        for version in 2..=7 {
            let topics = vec![topic("t.a", 2, 1), topic("t_a", 1, 1)];
            let request = CreateTopicsRequest::default()
                .with_topics(topics)
                .with_validate_only(true);
            let Response::CreateTopics(response) = node.call(version, request).await else {
                panic!("not an answer to CreateTopics");
            };
            let codes: Vec<_> = response
                .topics
                .iter()
                .map(|topic| topic.error_code)
                .collect();
            let collision = ErrorCode::InvalidTopicException.number();
            assert_eq!(
                codes,
                [NONE, collision],
                "topics of one request see each other"
            );
        }
        assert_eq!(node.page(&[], 10, None).await.topics.len(), 0);
    });
}

#[test]
fn topics_are_deleted_by_name_and_by_id_and_named_exactly_once() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let a = node.create_one(topic("a", 1, 1)).await.topic_id;
        let b = node.create_one(topic("b", 1, 1)).await.topic_id;
        let by_name = |name: &str| DeleteTopicState::default().with_name(Some(topic_name(name)));
        let by_id = |id: Uuid| {
            DeleteTopicState::default()
                .with_name(None)
                .with_topic_id(id)
        };
        let request = |states| DeleteTopicsRequest::default().with_topics(states);
        let unknown = Uuid::from_u128(77);
        for (states, codes) in [
            (vec![by_name("a"), by_id(a)], vec![42]),
            (vec![by_id(a), by_id(a)], vec![42]),
            (vec![by_name("a").with_topic_id(a)], vec![42]),
            (vec![by_id(Uuid::nil())], vec![42]),
            (vec![by_id(unknown)], vec![100]),
            (vec![by_name("c")], vec![3]),
            (vec![by_id(a)], vec![NONE]),
            (vec![by_id(a)], vec![100]),
        ] {
            assert_eq!(
                node.delete(6, request(states.clone())).await,
                codes,
                "{states:?}"
            );
        }
        let by_names = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("b")]);
        assert_eq!(node.delete(1, by_names.clone()).await, [NONE]);
        assert_eq!(node.delete(5, by_names).await, [3]);
        let again = node.create_one(topic("b", 1, 1)).await.topic_id;
        assert_ne!(again, b);
    });
}

#[test]
fn deletion_that_is_switched_off_is_refused_in_words_the_client_knows() {
    simulate(async {
        let mut node = Node::start(&[("delete.topic.enable", "false")]).await;
        node.create_one(topic("a", 1, 1)).await;
        let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("a")]);
        assert_eq!(node.delete(2, request.clone()).await, [42]);
        assert_eq!(node.delete(3, request).await, [73]);
    });
}

#[test]
fn every_topic_asked_for_more_partitions_is_answered_once() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create(vec![topic("a", 2, 1), topic("b", 2, 1)]).await;
        let grow = |name: &str, count| {
            CreatePartitionsTopic::default()
                .with_name(topic_name(name))
                .with_count(count)
                .with_assignments(None)
        };
        for version in 0..=3 {
            for (topics, validate_only, codes) in [
                (vec![grow("a", 3)], true, vec![NONE]),
                (vec![grow("a", 2)], false, vec![37]),
                (vec![grow("a", 1), grow("nope", 4)], false, vec![37, 3]),
                (vec![grow("b", 3), grow("b", 4)], false, vec![42]),
                (vec![grow("b", 3 + i32::from(version))], false, vec![NONE]),
            ] {
                let request = CreatePartitionsRequest::default()
                    .with_topics(topics)
                    .with_validate_only(validate_only);
                let Response::CreatePartitions(response) = node.call(version, request).await else {
                    panic!("not an answer to CreatePartitions");
                };
                let found: Vec<_> = response.results.iter().map(|r| r.error_code).collect();
                assert_eq!(found, codes);
            }
        }
        let counts: Vec<_> = node
            .page(&[], 100, None)
            .await
            .topics
            .iter()
            .map(|t| t.partitions.len())
            .collect();
        assert_eq!(counts, [2, 6]);
    });
}

#[test]
fn records_are_deleted_up_to_the_high_watermark_and_not_beyond() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        node.create_one(with_config(
            topic("c", 1, 1),
            "cleanup.policy",
            Some("compact"),
        ))
        .await;
        let delete = |name: &str, partition, offset| {
            let partition = DeleteRecordsPartition::default()
                .with_partition_index(partition)
                .with_offset(offset);
            let topic = DeleteRecordsTopic::default()
                .with_name(topic_name(name))
                .with_partitions(vec![partition]);
            DeleteRecordsRequest::default().with_topics(vec![topic])
        };
        for version in 0..=2 {
            for (request, expected) in [
                (delete("t", 0, -1), (0, NONE)),
                (delete("t", 0, 0), (0, NONE)),
                (
                    delete("t", 0, 1),
                    (-1, ErrorCode::OffsetOutOfRange.number()),
                ),
                (
                    delete("t", 0, -2),
                    (-1, ErrorCode::OffsetOutOfRange.number()),
                ),
                (
                    delete("t", 1, 0),
                    (-1, ErrorCode::UnknownTopicOrPartition.number()),
                ),
                (
                    delete("nope", 0, 0),
                    (-1, ErrorCode::UnknownTopicOrPartition.number()),
                ),
                (delete("c", 0, 0), (-1, ErrorCode::PolicyViolation.number())),
            ] {
                let Response::DeleteRecords(response) = node.call(version, request).await else {
                    panic!("not an answer to DeleteRecords");
                };
                let result = &response.topics[0].partitions[0];
                assert_eq!((result.low_watermark, result.error_code), expected);
            }
        }
    });
}

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
            (resource_type::GROUP, "g", ErrorCode::InvalidRequest),
            (99, "x", ErrorCode::InvalidRequest),
        ] {
            let described = node.describe(4, kind, name).await;
            assert_eq!(described.error_code, code.number(), "{kind} {name}");
            assert!(described.configs.is_empty());
        }
    });
}

#[test]
fn topic_settings_change_one_by_one_and_validated_changes_do_not_stay() {
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

#[test]
fn log_directory_is_described_with_sizes_and_the_partitions_asked_for() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create(vec![topic("a", 2, 1), topic("b", 1, 1)]).await;
        for version in 1..=5 {
            let request = DescribeLogDirsRequest::default().with_topics(None);
            let Response::DescribeLogDirs(response) = node.call(version, request).await else {
                panic!("not an answer to DescribeLogDirs");
            };
            let [directory] = response.results.as_slice() else {
                panic!("{response:?}")
            };
            assert_eq!(
                (directory.error_code, directory.log_dir.as_str()),
                (NONE, "/data")
            );
            let counts: Vec<_> = directory
                .topics
                .iter()
                .map(|t| t.partitions.len())
                .collect();
            assert_eq!(counts, [2, 1]);
            assert_eq!(directory.total_bytes > 0, version >= 4);
        }
        let asked = describe_log_dirs_request::DescribableLogDirTopic::default()
            .with_topic(topic_name("a"))
            .with_partitions(vec![1, 5]);
        let request = DescribeLogDirsRequest::default().with_topics(Some(vec![asked]));
        let Response::DescribeLogDirs(response) = node.call(4, request).await else {
            panic!("not an answer to DescribeLogDirs");
        };
        let topics = &response.results[0].topics;
        assert_eq!(topics.len(), 1);
        assert_eq!(topics[0].partitions[0].partition_index, 1);
    });
}

#[test]
fn cluster_is_described_to_clients_of_brokers_only() {
    simulate(async {
        let mut node = Node::start(&[("broker.rack", "r1")]).await;
        for (version, endpoint_type, code) in [
            (0, 1, NONE),
            (1, 1, NONE),
            (2, 1, NONE),
            (1, 2, ErrorCode::MismatchedEndpointType.number()),
            (1, 9, ErrorCode::UnsupportedEndpointType.number()),
        ] {
            let request = DescribeClusterRequest::default()
                .with_endpoint_type(endpoint_type)
                .with_include_cluster_authorized_operations(true);
            let Response::DescribeCluster(response) = node.call(version, request).await else {
                panic!("not an answer to DescribeCluster");
            };
            assert_eq!(response.error_code, code);
            assert_eq!(response.brokers.len(), usize::from(code == NONE));
            if let [broker] = response.brokers.as_slice() {
                assert_eq!(broker.broker_id, BrokerId(0));
                assert_eq!((broker.port, broker.rack.clone()), (9092, Some(text("r1"))));
                assert_eq!(response.cluster_id.len(), 22);
                assert!(response.cluster_authorized_operations > 0);
            }
        }
    });
}

#[test]
fn topics_are_described_page_by_page_without_gap_or_repetition() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create(vec![topic("a", 2, 1), topic("b", 3, 1), topic("c", 1, 1)])
            .await;
        let mut seen = Vec::new();
        let mut cursor: Option<(String, i32)> = None;
        for _ in 0..10 {
            let at = cursor
                .as_ref()
                .map(|(name, partition)| (name.as_str(), *partition));
            let page = node.page(&[], 2, at).await;
            for topic in &page.topics {
                let name = topic.name.as_ref().unwrap().to_string();
                let ids = topic
                    .partitions
                    .iter()
                    .map(|p| (name.clone(), p.partition_index));
                seen.extend(ids);
            }
            let Some(next) = page.next_cursor else { break };
            cursor = Some((next.topic_name.to_string(), next.partition_index));
        }
        let expected = [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("c", 0)];
        assert_eq!(
            seen,
            expected.map(|(name, partition)| (name.to_owned(), partition))
        );
    });
}

#[test]
fn described_partitions_name_their_leader_and_unknown_topics_their_error() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let id = node.create_one(topic("a", 1, 1)).await.topic_id;
        let page = node.page(&["nope", "a", "a", "b b"], 100, None).await;
        let codes: Vec<_> = page.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [NONE, 17, 3]);
        assert_eq!(page.topics[0].topic_id, id);
        let partition = &page.topics[0].partitions[0];
        assert_eq!(partition.leader_id, BrokerId(0));
        assert_eq!(partition.replica_nodes, [BrokerId(0)]);
        assert_eq!(partition.eligible_leader_replicas, Some(Vec::new()));
        for cursor in [("a", -1), ("z", 0)] {
            let refused = node.page(&["a"], 100, Some(cursor)).await;
            assert_eq!(refused.topics[0].error_code, 42, "{cursor:?}");
        }
    });
}
