//! The cluster, its topics page by page, and its data directory described.

use super::*;

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
