//! Topics made, grown, emptied and deleted.

use super::*;

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
