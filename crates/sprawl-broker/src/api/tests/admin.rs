//! Elections, moves, the quorum, rules and tokens: what one broker without security can say.

use sprawl_io::time::timeout;
use std::time::Duration;

use super::data::*;
use super::*;

/// Takes the answer of one API.
macro_rules! ask {
    ($node:expr, $version:expr, $request:expr, $name:ident) => {
        match $node.call($version, $request).await {
            Response::$name(response) => response,
            other => panic!("{other:?}"),
        }
    };
}

/// Bodies that Kafka's own classes wrote, one of each message and version.
const GOLDEN: &str = include_str!("../../../../sprawl-protocol/tests/golden/kafka-4.3.1.txt");

#[test]
fn every_request_of_every_version_is_answered() {
    simulate(async {
        let node = Node::start(&[]).await;
        let mut count = 0;
        for line in GOLDEN.lines().filter(|line| line.contains(" Request ")) {
            let words: Vec<&str> = line.split(' ').collect();
            let [key, _, version, hex] = words[..] else {
                panic!("four words: {line}");
            };
            let (key, version): (i16, i16) = (key.parse().unwrap(), version.parse().unwrap());
            let flexible = ApiKey::from_number(key).unwrap().is_flexible(version);
            let mut body = Vec::from(if flexible { &[0][..] } else { &[] });
            let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap();
            let byte = |pair: &[u8]| (digit(&pair[0]) * 16 + digit(&pair[1])) as u8;
            body.extend(hex.as_bytes().chunks(2).map(byte));
            let mut stream = node.connect().await;
            stream.write_all(&frame(key, version, &body)).await.unwrap();
            let answer = timeout(Duration::from_secs(3600), receive(&mut stream)).await;
            let answer = answer.flatten().unwrap_or_else(|| panic!("{line}"));
            assert_eq!(answer[..4], [0, 0, 0, 5], "{line}");
            count += 1;
        }
        assert!(count > 100, "{count}");
    });
}

fn topic_partitions(name: &str, partitions: &[i32]) -> elect_leaders_request::TopicPartitions {
    elect_leaders_request::TopicPartitions::default()
        .with_topic(topic_name(name))
        .with_partitions(partitions.to_vec())
}

#[test]
fn election_is_not_needed_where_the_only_broker_leads() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        for version in 0..=2 {
            let asked = vec![topic_partitions("t", &[0, 7]), topic_partitions("u", &[0])];
            let request = ElectLeadersRequest::default().with_topic_partitions(Some(asked));
            let response = ask!(node, version, request, ElectLeaders);
            let codes: Vec<_> = response
                .replica_election_results
                .iter()
                .flat_map(|topic| &topic.partition_result)
                .map(|partition| partition.error_code)
                .collect();
            let unknown = ErrorCode::UnknownTopicOrPartition.number();
            let not_needed = ErrorCode::ElectionNotNeeded.number();
            assert_eq!(codes, [not_needed, unknown, unknown], "version {version}");
            let all = ElectLeadersRequest::default().with_topic_partitions(None);
            let response = ask!(node, version, all, ElectLeaders);
            let [only] = response.replica_election_results.as_slice() else {
                panic!("{response:?}");
            };
            assert!(only.partition_result.is_empty(), "nothing was to be done");
        }
        let asked = Some(vec![topic_partitions("t", &[0])]);
        let request = ElectLeadersRequest::default()
            .with_election_type(9)
            .with_topic_partitions(asked);
        let response = ask!(node, 2, request, ElectLeaders);
        let invalid = ErrorCode::InvalidRequest.number();
        let partition = &response.replica_election_results[0].partition_result[0];
        assert_eq!(
            (response.error_code, partition.error_code),
            (invalid, invalid)
        );
    });
}

#[test]
fn reassignment_is_checked_and_what_is_in_place_stays() {
    use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        for (name, partition, replicas, code) in [
            ("t", 0, Some(vec![0]), ErrorCode::None),
            (
                "t",
                0,
                Some(vec![0, 0]),
                ErrorCode::InvalidReplicaAssignment,
            ),
            (
                "t",
                0,
                Some(vec![0, 5]),
                ErrorCode::InvalidReplicaAssignment,
            ),
            ("t", 0, Some(vec![]), ErrorCode::InvalidReplicaAssignment),
            ("t", 0, None, ErrorCode::NoReassignmentInProgress),
            ("t", 1, Some(vec![0]), ErrorCode::UnknownTopicOrPartition),
            ("u", 0, Some(vec![0]), ErrorCode::UnknownTopicOrPartition),
        ] {
            let ids = replicas.map(|ids: Vec<i32>| ids.into_iter().map(BrokerId).collect());
            let partitions = vec![
                ReassignablePartition::default()
                    .with_partition_index(partition)
                    .with_replicas(ids),
            ];
            let topic = ReassignableTopic::default()
                .with_name(topic_name(name))
                .with_partitions(partitions);
            for version in 0..=1 {
                let request =
                    AlterPartitionReassignmentsRequest::default().with_topics(vec![topic.clone()]);
                let response = ask!(node, version, request, AlterPartitionReassignments);
                let answered = response.responses[0].partitions[0].error_code;
                assert_eq!(answered, code.number(), "{name} {partition} {topic:?}");
            }
        }
        let all = ListPartitionReassignmentsRequest::default().with_topics(None);
        let listed = ask!(node, 0, all, ListPartitionReassignments);
        assert_eq!((listed.error_code, listed.topics.len()), (NONE, 0));
    });
}

#[test]
fn replica_moves_only_to_the_one_directory_there_is() {
    use alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
    simulate(async {
        let mut node = Node::start(&[]).await;
        node.create_one(topic("t", 1, 1)).await;
        for version in 1..=2 {
            for (path, partition, code) in [
                ("/data", 0, ErrorCode::None),
                ("/data", 3, ErrorCode::ReplicaNotAvailable),
                ("/else", 0, ErrorCode::LogDirNotFound),
            ] {
                let topic = AlterReplicaLogDirTopic::default()
                    .with_name(topic_name("t"))
                    .with_partitions(vec![partition]);
                let directory = AlterReplicaLogDir::default()
                    .with_path(text(path))
                    .with_topics(vec![topic]);
                let request = AlterReplicaLogDirsRequest::default().with_dirs(vec![directory]);
                let response = ask!(node, version, request, AlterReplicaLogDirs);
                let [result] = response.results[0].partitions.as_slice() else {
                    panic!("{response:?}");
                };
                assert_eq!(result.error_code, code.number(), "{path} {partition}");
            }
        }
    });
}

fn quorum_of(topic: &str, partition: i32) -> DescribeQuorumRequest {
    let partition =
        describe_quorum_request::PartitionData::default().with_partition_index(partition);
    let topic = describe_quorum_request::TopicData::default()
        .with_topic_name(topic_name(topic))
        .with_partitions(vec![partition]);
    DescribeQuorumRequest::default().with_topics(vec![topic])
}

#[test]
fn quorum_is_the_node_itself_and_its_log_grows_with_every_change() {
    simulate(async {
        let mut node = Node::start(&[("node.id", "3")]).await;
        let mut last = 0;
        for version in 0..=2 {
            node.create_one(topic(&format!("t{version}"), 1, 1)).await;
            let response = ask!(
                node,
                version,
                quorum_of("__cluster_metadata", 0),
                DescribeQuorum
            );
            assert_eq!(response.error_code, NONE);
            let partition = &response.topics[0].partitions[0];
            assert_eq!(
                (partition.error_code, partition.leader_id),
                (NONE, BrokerId(3))
            );
            assert!(partition.leader_epoch >= 0 && partition.observers.is_empty());
            let [voter] = partition.current_voters.as_slice() else {
                panic!("{partition:?}");
            };
            assert_eq!(voter.replica_id, BrokerId(3));
            assert_eq!(voter.log_end_offset, partition.high_watermark);
            assert!(partition.high_watermark > last, "the topic is in it");
            last = partition.high_watermark;
            assert_eq!(voter.last_fetch_timestamp > 0, version >= 1);
            assert_eq!(response.nodes.len(), usize::from(version >= 2));
        }
        for (name, partition) in [("__cluster_metadata", 1), ("t0", 0)] {
            let response = ask!(node, 2, quorum_of(name, partition), DescribeQuorum);
            let code = response.topics[0].partitions[0].error_code;
            assert_eq!(code, ErrorCode::UnknownTopicOrPartition.number());
        }
    });
}

#[test]
fn voters_and_brokers_of_a_node_alone_neither_come_nor_go() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let own = node.broker.broker.image().cluster_id().to_owned();
        let directory = Uuid::from_u128(1);
        for (cluster, voter, directory, code) in [
            (
                Some(own.as_str()),
                1,
                directory,
                ErrorCode::UnsupportedVersion,
            ),
            (None, 1, directory, ErrorCode::UnsupportedVersion),
            (
                Some("other"),
                1,
                directory,
                ErrorCode::InconsistentClusterId,
            ),
            (None, -1, directory, ErrorCode::InvalidRequest),
            (None, 1, Uuid::nil(), ErrorCode::InvalidRequest),
        ] {
            let listener = add_raft_voter_request::Listener::default();
            let add = AddRaftVoterRequest {
                cluster_id: cluster.map(text),
                voter_id: voter,
                voter_directory_id: directory,
                listeners: vec![listener],
                ..AddRaftVoterRequest::default()
            };
            for version in 0..=1 {
                let added = ask!(node, version, add.clone(), AddRaftVoter);
                assert_eq!(added.error_code, code.number());
            }
            let remove = RemoveRaftVoterRequest::default()
                .with_cluster_id(cluster.map(text))
                .with_voter_id(voter)
                .with_voter_directory_id(directory);
            let removed = ask!(node, 0, remove, RemoveRaftVoter);
            assert_eq!(removed.error_code, code.number());
        }
        for (id, code) in [
            (0, ErrorCode::InvalidRequest),
            (8, ErrorCode::BrokerIdNotRegistered),
        ] {
            let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(id));
            let response = ask!(node, 0, request, UnregisterBroker);
            assert_eq!(response.error_code, code.number(), "{id}");
        }
    });
}

#[test]
fn access_rules_are_refused_by_a_broker_without_authorizer() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let disabled = ErrorCode::SecurityDisabled.number();
        for version in 1..=3 {
            let described = ask!(node, version, DescribeAclsRequest::default(), DescribeAcls);
            assert_eq!(described.error_code, disabled);
            let creations = vec![create_acls_request::AclCreation::default(); 2];
            let create = CreateAclsRequest::default().with_creations(creations);
            let created = ask!(node, version, create, CreateAcls).results;
            assert!(created.len() == 2 && created.iter().all(|one| one.error_code == disabled));
            let filters = vec![delete_acls_request::DeleteAclsFilter::default()];
            let delete = DeleteAclsRequest::default().with_filters(filters);
            let deleted = ask!(node, version, delete, DeleteAcls).filter_results;
            assert!(deleted.len() == 1 && deleted[0].error_code == disabled);
        }
    });
}

#[test]
fn tokens_are_refused_on_a_listener_that_cannot_tell_who_asks() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let refused = ErrorCode::DelegationTokenRequestNotAllowed.number();
        for version in 1..=3 {
            let create = CreateDelegationTokenRequest::default();
            let created = ask!(node, version, create, CreateDelegationToken);
            assert_eq!(
                (created.error_code, created.expiry_timestamp_ms),
                (refused, -1)
            );
            assert_eq!(created.principal_name, text("ANONYMOUS"));
            let describe = DescribeDelegationTokenRequest::default();
            let described = ask!(node, version, describe, DescribeDelegationToken);
            assert_eq!((described.error_code, described.tokens.len()), (refused, 0));
        }
        for version in 1..=2 {
            let renew = RenewDelegationTokenRequest::default();
            let renewed = ask!(node, version, renew, RenewDelegationToken);
            assert_eq!(renewed.error_code, refused);
            let expire = ExpireDelegationTokenRequest::default();
            let expired = ask!(node, version, expire, ExpireDelegationToken);
            assert_eq!(expired.error_code, refused);
        }
    });
}
