//! A scenario for every command and every refusal.

use sprawl_model::{
    BrokerEpoch, BrokerId, LeaderEpoch, PartitionId, ProducerId, TenantId, TopicId,
};
use uuid::Uuid;

use super::*;
use crate::config::ConfigMap;

struct Cluster {
    image: MetadataImage,
    index: u64,
}

impl Cluster {
    fn with_brokers(count: i32) -> Self {
        let mut cluster = Self {
            image: MetadataImage::default(),
            index: 0,
        };
        for id in 0..count {
            cluster.register(id, 1).unwrap();
        }
        cluster
    }

    /// Applies, and checks that a refusal changed nothing but the index.
    fn apply(&mut self, command: MetadataCommand) -> Result<MetadataReply, MetadataError> {
        self.index += 1;
        let before = self.image.clone();
        let reply = apply(&mut self.image, self.index, &command);
        if reply.is_err() {
            let unchanged = MetadataImage {
                applied_index: self.index,
                ..before
            };
            assert_eq!(self.image, unchanged, "a refused command changed the image");
        }
        let restored = MetadataImage::from_snapshot(self.image.to_snapshot());
        assert_eq!(
            restored.as_ref(),
            Ok(&self.image),
            "the snapshot is not the image"
        );
        reply
    }

    fn register(&mut self, id: i32, incarnation: u128) -> Result<MetadataReply, MetadataError> {
        self.apply(MetadataCommand::RegisterBroker(BrokerSpec {
            id: BrokerId(id),
            incarnation_id: Uuid::from_u128(incarnation),
            endpoints: Vec::new(),
            rack: None,
        }))
    }

    fn create(&mut self, name: &str, placement: Placement) -> Result<MetadataReply, MetadataError> {
        let topic_id = TopicId(Uuid::from_u128(u128::from(self.index) + 1));
        let topic = topic(name);
        let configs = ConfigMap::new();
        self.apply(MetadataCommand::CreateTopic(NewTopic {
            topic,
            topic_id,
            placement,
            configs,
        }))
    }

    fn topic(&self, name: &str) -> &Topic {
        self.image.topic(TenantId::DEFAULT, name).unwrap()
    }

    fn grow(
        &mut self,
        name: &str,
        count: i32,
        assignments: Option<Vec<Vec<BrokerId>>>,
    ) -> Result<MetadataReply, MetadataError> {
        let topic = topic(name);
        self.apply(MetadataCommand::CreatePartitions(NewPartitions {
            topic,
            count,
            assignments,
        }))
    }

    fn alter(
        &mut self,
        resource: ConfigResource,
        name: &str,
        action: ConfigAction,
    ) -> Result<MetadataReply, MetadataError> {
        let ops = vec![ConfigOp {
            name: name.to_owned(),
            action,
        }];
        self.apply(MetadataCommand::AlterConfigs { resource, ops })
    }
}

fn topic(name: &str) -> TopicRef {
    TopicRef {
        tenant: TenantId::DEFAULT,
        name: name.to_owned(),
    }
}

fn spread(partition_count: i32, replication_factor: i16) -> Placement {
    Placement::Spread {
        partition_count,
        replication_factor,
    }
}

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn manual(assignments: &[(i32, &[i32])]) -> Placement {
    let owned = |(partition, brokers): &(i32, &[i32])| (PartitionId(*partition), ids(brokers));
    Placement::Manual(assignments.iter().map(owned).collect())
}

fn set(value: &str) -> ConfigAction {
    ConfigAction::Set(value.to_owned())
}

#[test]
fn created_topic_is_found_by_name_and_id_and_led_by_its_first_replica() {
    let mut cluster = Cluster::with_brokers(3);
    assert_eq!(
        cluster.create("orders", spread(4, 2)),
        Ok(MetadataReply::Done)
    );
    let topic = cluster.topic("orders");
    assert_eq!(
        cluster.image.topic_by_id(topic.id).map(|t| t.name.as_str()),
        Some("orders")
    );
    assert_eq!(topic.partition_count(), 4);
    for partition in &topic.partitions {
        assert_eq!(partition.replicas.len(), 2);
        assert_ne!(partition.replicas[0], partition.replicas[1]);
        assert_eq!(partition.leader, Some(partition.replicas[0]));
        assert_eq!(partition.isr, partition.replicas);
        assert_eq!(partition.leader_epoch, LeaderEpoch(0));
    }
    let leaders: Vec<_> = topic.partitions.iter().filter_map(|p| p.leader).collect();
    assert_ne!(
        leaders[0], leaders[1],
        "consecutive partitions have different leaders"
    );
}

#[test]
fn topic_names_are_checked_as_kafka_checks_them() {
    let mut cluster = Cluster::with_brokers(1);
    for name in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(250)] {
        let refused = cluster.create(name, spread(1, 1));
        assert!(
            matches!(refused, Err(MetadataError::InvalidTopicName { .. })),
            "{name}"
        );
    }
    for name in ["a", "A-b_c.9", "...", &"x".repeat(249)] {
        assert_eq!(
            cluster.create(name, spread(1, 1)),
            Ok(MetadataReply::Done),
            "{name}"
        );
    }
}

#[test]
fn names_that_differ_only_in_dots_and_underscores_collide() {
    let mut cluster = Cluster::with_brokers(1);
    cluster.create("a.b", spread(1, 1)).unwrap();
    let refused = cluster.create("a_b", spread(1, 1));
    assert!(matches!(
        refused,
        Err(MetadataError::InvalidTopicName { .. })
    ));
    let exists = MetadataError::TopicExists {
        name: "a.b".to_owned(),
    };
    assert_eq!(cluster.create("a.b", spread(1, 1)), Err(exists));
    assert_eq!(cluster.create("a-b", spread(1, 1)), Ok(MetadataReply::Done));
}

#[test]
fn partition_and_replica_counts_out_of_range_are_refused() {
    let mut cluster = Cluster::with_brokers(2);
    for count in [0, -1, -2] {
        let refused = cluster.create("t", spread(count, 1));
        assert!(
            matches!(refused, Err(MetadataError::InvalidPartitions { .. })),
            "{count}"
        );
    }
    for factor in [0, -1, 3] {
        let refused = cluster.create("t", spread(1, factor));
        assert!(
            matches!(refused, Err(MetadataError::InvalidReplicationFactor { .. })),
            "{factor}"
        );
    }
    let refused = cluster.create("t", spread(10_001, 1));
    let (max, found) = (10_000, 10_001);
    assert_eq!(
        refused,
        Err(MetadataError::TooManyPartitions { max, found })
    );
    assert_eq!(
        cluster.create("t", spread(10_000, 1)),
        Ok(MetadataReply::Done)
    );
}

#[test]
fn manual_assignment_is_kept_in_order_of_partition() {
    let mut cluster = Cluster::with_brokers(3);
    cluster
        .create("t", manual(&[(1, &[2, 0]), (0, &[1, 2])]))
        .unwrap();
    let replicas: Vec<_> = cluster
        .topic("t")
        .partitions
        .iter()
        .map(|p| &p.replicas)
        .collect();
    assert_eq!(replicas, [&ids(&[1, 2]), &ids(&[2, 0])]);
}

#[test]
fn manual_assignment_with_a_flaw_is_refused() {
    let mut cluster = Cluster::with_brokers(3);
    for (flaw, placement) in [
        ("partition twice", manual(&[(0, &[0]), (0, &[1])])),
        ("no partition 0", manual(&[(1, &[0])])),
        ("gap", manual(&[(0, &[0]), (2, &[0])])),
        ("negative", manual(&[(-1, &[0]), (0, &[0])])),
        ("no replicas", manual(&[(0, &[])])),
        ("replica twice", manual(&[(0, &[1, 1])])),
        ("unknown broker", manual(&[(0, &[9])])),
        ("uneven", manual(&[(0, &[0, 1]), (1, &[0])])),
    ] {
        let refused = cluster.create("t", placement);
        assert!(
            matches!(refused, Err(MetadataError::InvalidReplicaAssignment { .. })),
            "{flaw}"
        );
    }
}

#[test]
fn topic_id_in_use_or_empty_is_refused() {
    let mut cluster = Cluster::with_brokers(1);
    cluster.create("t", spread(1, 1)).unwrap();
    for topic_id in [TopicId::NONE, cluster.topic("t").id] {
        let (topic, placement, configs) = (topic("u"), spread(1, 1), ConfigMap::new());
        let new = NewTopic {
            topic,
            topic_id,
            placement,
            configs,
        };
        let refused = cluster.apply(MetadataCommand::CreateTopic(new));
        assert_eq!(refused, Err(MetadataError::TopicIdTaken { topic_id }));
    }
}

#[test]
fn topic_made_again_under_its_name_has_another_id_and_no_old_settings() {
    let mut cluster = Cluster::with_brokers(1);
    cluster.create("t", spread(1, 1)).unwrap();
    let old = cluster.topic("t").id;
    cluster
        .alter(ConfigResource::Topic(topic("t")), "retention.ms", set("5"))
        .unwrap();
    cluster
        .apply(MetadataCommand::DeleteTopic { topic_id: old })
        .unwrap();
    assert!(cluster.image.topic(TenantId::DEFAULT, "t").is_none());
    let unknown = MetadataError::UnknownTopicId { topic_id: old };
    assert_eq!(
        cluster.apply(MetadataCommand::DeleteTopic { topic_id: old }),
        Err(unknown)
    );
    cluster.create("t", spread(1, 1)).unwrap();
    assert_ne!(cluster.topic("t").id, old);
    assert!(cluster.topic("t").configs.is_empty());
}

#[test]
fn tenants_do_not_see_each_others_topics() {
    let mut cluster = Cluster::with_brokers(1);
    cluster.create("t", spread(1, 1)).unwrap();
    let topic = TopicRef {
        tenant: TenantId(7),
        name: "t".to_owned(),
    };
    let (topic_id, placement) = (TopicId(Uuid::from_u128(99)), spread(1, 1));
    let new = NewTopic {
        topic,
        topic_id,
        placement,
        configs: ConfigMap::new(),
    };
    assert_eq!(
        cluster.apply(MetadataCommand::CreateTopic(new)),
        Ok(MetadataReply::Done)
    );
    assert_ne!(cluster.topic("t").id, topic_id);
    assert_eq!(cluster.image.topics(TenantId(7)).count(), 1);
    assert_eq!(cluster.image.topic_count(), 2);
}

#[test]
fn partitions_are_added_and_never_taken_away() {
    let mut cluster = Cluster::with_brokers(3);
    cluster.create("t", spread(2, 2)).unwrap();
    let before = cluster.topic("t").partitions.clone();
    for count in [2, 1, 0, -1] {
        let refused = cluster.grow("t", count, None);
        assert!(
            matches!(refused, Err(MetadataError::InvalidPartitions { .. })),
            "{count}"
        );
    }
    assert_eq!(cluster.grow("t", 4, None), Ok(MetadataReply::Done));
    let after = &cluster.topic("t").partitions;
    assert_eq!(after[..2], before);
    assert!(
        after[2..]
            .iter()
            .all(|partition| partition.replicas.len() == 2)
    );
    assert_eq!(
        cluster.grow("t", 5, Some(vec![ids(&[2, 1])])),
        Ok(MetadataReply::Done)
    );
    assert_eq!(cluster.topic("t").partitions[4].replicas, ids(&[2, 1]));
}

#[test]
fn added_partitions_with_a_flawed_assignment_are_refused() {
    let mut cluster = Cluster::with_brokers(3);
    cluster.create("t", spread(1, 2)).unwrap();
    for (flaw, assignments) in [
        ("too few", vec![ids(&[0, 1])]),
        ("too many", vec![ids(&[0, 1]), ids(&[0, 1]), ids(&[0, 1])]),
        ("fewer replicas", vec![ids(&[0, 1]), ids(&[0])]),
        ("unknown broker", vec![ids(&[0, 1]), ids(&[0, 9])]),
    ] {
        let refused = cluster.grow("t", 3, Some(assignments));
        assert!(
            matches!(refused, Err(MetadataError::InvalidReplicaAssignment { .. })),
            "{flaw}"
        );
    }
    let unknown = MetadataError::UnknownTopic {
        name: "u".to_owned(),
    };
    assert_eq!(cluster.grow("u", 3, None), Err(unknown));
}

#[test]
fn settings_are_set_deleted_appended_and_subtracted() {
    let mut cluster = Cluster::with_brokers(1);
    cluster.create("t", spread(1, 1)).unwrap();
    let of_topic = || ConfigResource::Topic(topic("t"));
    let policy = |cluster: &Cluster| cluster.topic("t").configs.get("cleanup.policy").cloned();
    // Appending to a list that is not set appends to its default.
    let append = ConfigAction::Append("compact".to_owned());
    cluster
        .alter(of_topic(), "cleanup.policy", append.clone())
        .unwrap();
    assert_eq!(policy(&cluster).as_deref(), Some("delete,compact"));
    cluster.alter(of_topic(), "cleanup.policy", append).unwrap();
    assert_eq!(policy(&cluster).as_deref(), Some("delete,compact"));
    let subtract = ConfigAction::Subtract("delete".to_owned());
    cluster
        .alter(of_topic(), "cleanup.policy", subtract)
        .unwrap();
    assert_eq!(policy(&cluster).as_deref(), Some("compact"));
    cluster
        .alter(of_topic(), "cleanup.policy", ConfigAction::Delete)
        .unwrap();
    assert_eq!(policy(&cluster), None);
    let refused = cluster.alter(
        of_topic(),
        "retention.ms",
        ConfigAction::Append("5".to_owned()),
    );
    assert!(matches!(refused, Err(MetadataError::InvalidConfig { .. })));
}

#[test]
fn wrong_setting_is_refused_at_creation_and_alteration() {
    let mut cluster = Cluster::with_brokers(1);
    let configs: ConfigMap = [("retention.ms".to_owned(), "soon".to_owned())].into();
    let (topic_id, placement) = (TopicId(Uuid::from_u128(9)), spread(1, 1));
    let new = NewTopic {
        topic: topic("t"),
        topic_id,
        placement,
        configs: configs.clone(),
    };
    let refused = cluster.apply(MetadataCommand::CreateTopic(new));
    assert!(matches!(refused, Err(MetadataError::InvalidConfig { .. })));
    cluster.create("t", spread(1, 1)).unwrap();
    let resource = ConfigResource::Topic(topic("t"));
    let refused = cluster.alter(resource.clone(), "no.such.setting", set("1"));
    assert!(matches!(refused, Err(MetadataError::InvalidConfig { .. })));
    let refused = cluster.apply(MetadataCommand::ReplaceConfigs { resource, configs });
    assert!(matches!(refused, Err(MetadataError::InvalidConfig { .. })));
    let unknown = MetadataError::UnknownTopic {
        name: "u".to_owned(),
    };
    let refused = cluster.alter(ConfigResource::Topic(topic("u")), "retention.ms", set("1"));
    assert_eq!(refused, Err(unknown));
}

#[test]
fn replacing_settings_drops_those_not_named() {
    let mut cluster = Cluster::with_brokers(1);
    cluster.create("t", spread(1, 1)).unwrap();
    let resource = ConfigResource::Topic(topic("t"));
    cluster
        .alter(resource.clone(), "retention.ms", set("5"))
        .unwrap();
    let configs: ConfigMap = [("retention.bytes".to_owned(), "6".to_owned())].into();
    let replace = MetadataCommand::ReplaceConfigs {
        resource,
        configs: configs.clone(),
    };
    cluster.apply(replace).unwrap();
    assert_eq!(cluster.topic("t").configs, configs);
}

#[test]
fn broker_settings_layer_one_broker_over_all_and_refuse_those_read_at_start() {
    let mut cluster = Cluster::with_brokers(1);
    let name = "log.retention.ms";
    cluster
        .alter(ConfigResource::BrokerDefault, name, set("5"))
        .unwrap();
    cluster
        .alter(ConfigResource::Broker(BrokerId(0)), name, set("6"))
        .unwrap();
    let none = ConfigMap::new();
    let layers = cluster.image.layers(BrokerId(0), &none);
    assert_eq!(
        layers.dynamic_default.get(name).map(String::as_str),
        Some("5")
    );
    assert_eq!(
        layers.dynamic_broker.get(name).map(String::as_str),
        Some("6")
    );
    cluster
        .alter(
            ConfigResource::Broker(BrokerId(0)),
            name,
            ConfigAction::Delete,
        )
        .unwrap();
    assert_eq!(cluster.image.configured_brokers().count(), 0);
    let refused = cluster.alter(ConfigResource::BrokerDefault, "num.partitions", set("2"));
    assert!(matches!(refused, Err(MetadataError::InvalidConfig { .. })));
}

#[test]
fn restarted_broker_gets_a_new_epoch_and_its_partitions_a_new_leader_epoch() {
    let mut cluster = Cluster::with_brokers(1);
    cluster.create("t", spread(2, 1)).unwrap();
    let first = cluster.image.broker(BrokerId(0)).unwrap().epoch;
    let again = cluster.register(0, 1).unwrap();
    assert_eq!(
        again,
        MetadataReply::BrokerRegistered { epoch: first },
        "the same start, repeated"
    );
    assert_eq!(
        cluster.topic("t").partitions[0].leader_epoch,
        LeaderEpoch(0)
    );
    let restarted = cluster.register(0, 2).unwrap();
    let epoch = cluster.image.broker(BrokerId(0)).unwrap().epoch;
    assert_eq!(restarted, MetadataReply::BrokerRegistered { epoch });
    assert!(epoch > first);
    assert!(
        cluster
            .topic("t")
            .partitions
            .iter()
            .all(|p| p.leader_epoch == LeaderEpoch(1))
    );
}

#[test]
fn producer_ids_are_handed_out_once_and_to_registered_brokers_only() {
    let mut cluster = Cluster::with_brokers(1);
    let broker_epoch = cluster.image.broker(BrokerId(0)).unwrap().epoch;
    let ask = |broker_id, broker_epoch| MetadataCommand::AllocateProducerIds {
        broker_id: BrokerId(broker_id),
        broker_epoch,
        count: 1000,
    };
    for first in [0, 1000] {
        let block = MetadataReply::ProducerIds {
            first: ProducerId(first),
            count: 1000,
        };
        assert_eq!(cluster.apply(ask(0, broker_epoch)), Ok(block));
    }
    let stale = cluster.apply(ask(0, BrokerEpoch(0)));
    assert!(matches!(stale, Err(MetadataError::StaleBrokerEpoch { .. })));
    let unknown = MetadataError::UnknownBroker {
        broker_id: BrokerId(5),
    };
    assert_eq!(cluster.apply(ask(5, broker_epoch)), Err(unknown));
}

#[test]
fn cluster_is_named_once() {
    let mut cluster = Cluster::with_brokers(0);
    for proposed in ["first", "second"] {
        let reply = cluster.apply(MetadataCommand::Initialize {
            cluster_id: proposed.to_owned(),
            features: [("group.version".to_owned(), 1)].into(),
        });
        let cluster_id = "first".to_owned();
        assert_eq!(reply, Ok(MetadataReply::Initialized { cluster_id }));
    }
    assert_eq!(cluster.image.cluster_id(), "first");
}

#[test]
fn planning_says_what_applying_would_do_and_changes_nothing() {
    let mut cluster = Cluster::with_brokers(1);
    let (topic_id, placement) = (TopicId(Uuid::from_u128(9)), spread(3, 1));
    let new = NewTopic {
        topic: topic("t"),
        topic_id,
        placement,
        configs: ConfigMap::new(),
    };
    let planned = plan_create_topic(&cluster.image, &new).unwrap();
    assert_eq!(cluster.image.topic_count(), 0);
    cluster.apply(MetadataCommand::CreateTopic(new)).unwrap();
    assert_eq!(cluster.topic("t"), &planned);
}

#[test]
fn topics_are_listed_by_name_from_any_point() {
    let mut cluster = Cluster::with_brokers(1);
    for name in ["b", "d", "a"] {
        cluster.create(name, spread(1, 1)).unwrap();
    }
    let names = |first| {
        let topics = cluster.image.topics_from(TenantId::DEFAULT, first);
        topics.map(|topic| topic.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["a", "b", "d"]);
    assert_eq!(names("b"), ["b", "d"]);
    assert_eq!(names("c"), ["d"]);
    assert_eq!(names("e"), Vec::<String>::new());
}

fn entity(names: &[(QuotaEntityType, Option<&str>)]) -> QuotaEntity {
    let owned = |(kind, name): &(QuotaEntityType, Option<&str>)| (*kind, name.map(str::to_owned));
    names.iter().map(owned).collect()
}

fn quota(entity: QuotaEntity, ops: &[(&str, Option<f64>)]) -> MetadataCommand {
    let ops = ops
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.map(QuotaValue::new)));
    MetadataCommand::AlterClientQuotas {
        changes: vec![QuotaChange {
            entity,
            ops: ops.collect(),
        }],
    }
}

#[test]
fn quotas_are_set_changed_and_taken_away() {
    use QuotaEntityType::{ClientId, User};
    let mut cluster = Cluster::with_brokers(1);
    let who = entity(&[(User, None), (ClientId, Some("c"))]);
    let both = [
        (PRODUCER_BYTE_RATE, Some(1024.0)),
        (REQUEST_PERCENTAGE, Some(12.5)),
    ];
    cluster.apply(quota(who.clone(), &both)).unwrap();
    let kept = &cluster.image.client_quotas()[&who];
    assert_eq!(kept[REQUEST_PERCENTAGE].get(), 12.5);
    let less = [(REQUEST_PERCENTAGE, None), (CONSUMER_BYTE_RATE, None)];
    cluster.apply(quota(who.clone(), &less)).unwrap();
    assert_eq!(cluster.image.client_quotas()[&who].len(), 1);
    cluster
        .apply(quota(who, &[(PRODUCER_BYTE_RATE, None)]))
        .unwrap();
    assert!(cluster.image.client_quotas().is_empty());
}

#[test]
fn quotas_that_make_no_sense_are_refused() {
    use QuotaEntityType::{ClientId, Ip, User};
    let mut cluster = Cluster::with_brokers(1);
    let user = [(User, Some("u"))];
    let rate = |value| [(PRODUCER_BYTE_RATE, Some(value))];
    for (entity_of, ops) in [
        (&[][..], &rate(1.0)[..]),
        (&[(User, Some(""))], &rate(1.0)),
        (&user, &rate(0.0)),
        (&user, &rate(-1.0)),
        (&user, &rate(1.5)),
        (&user, &rate(f64::NAN)),
        (&user, &rate(f64::INFINITY)),
        (&user, &rate(1e19)),
        (&user, &[("no_such_rate", Some(1.0))]),
        (&user, &[(CONNECTION_CREATION_RATE, Some(1.0))]),
        (&[(Ip, Some("127.0.0.1"))], &rate(1.0)),
        (
            &[(Ip, Some("nowhere"))],
            &[(CONNECTION_CREATION_RATE, Some(1.0))],
        ),
        (
            &[(Ip, None), (ClientId, None)],
            &[(CONNECTION_CREATION_RATE, Some(1.0))],
        ),
    ] {
        let refused = cluster.apply(quota(entity(entity_of), ops));
        let is_invalid = matches!(refused, Err(MetadataError::InvalidRequest { .. }));
        assert!(is_invalid, "{entity_of:?} {ops:?}");
    }
    let by_address = [(CONNECTION_CREATION_RATE, Some(5.0))];
    cluster
        .apply(quota(entity(&[(Ip, Some("::1"))]), &by_address))
        .unwrap();
}

#[test]
fn credentials_are_kept_replaced_and_taken_away() {
    let mut cluster = Cluster::with_brokers(1);
    let change = |iterations: Option<i32>| MetadataCommand::AlterScramCredentials {
        changes: vec![ScramChange {
            user: "u".to_owned(),
            mechanism: ScramMechanism::Sha512,
            credential: iterations.map(|iterations| ScramCredential {
                iterations,
                salt: vec![1],
                stored_key: vec![2],
                server_key: vec![3],
            }),
        }],
    };
    let key = ("u".to_owned(), ScramMechanism::Sha512);
    for iterations in [4096, 8192] {
        cluster.apply(change(Some(iterations))).unwrap();
        assert_eq!(
            cluster.image.scram_credentials()[&key].iterations,
            iterations
        );
    }
    assert!(!format!("{:?}", cluster.image.scram_credentials()).contains('3'));
    cluster.apply(change(None)).unwrap();
    assert!(cluster.image.scram_credentials().is_empty());
}

#[test]
fn features_are_finalized_at_other_levels_and_taken_away_at_level_0() {
    let mut cluster = Cluster::with_brokers(1);
    let update = |level| MetadataCommand::UpdateFeatures {
        levels: [("f.version".to_owned(), level)].into(),
    };
    cluster.apply(update(2)).unwrap();
    assert_eq!(cluster.image.features()["f.version"], 2);
    cluster.apply(update(0)).unwrap();
    assert!(cluster.image.features().is_empty());
}

#[test]
fn client_metrics_subscriptions_come_with_their_first_setting_and_go_with_their_last() {
    let mut cluster = Cluster::with_brokers(1);
    let named = |name: &str| ConfigResource::ClientMetrics(name.to_owned());
    cluster.alter(named("all"), "metrics", set("*")).unwrap();
    assert_eq!(cluster.image.client_metrics()["all"]["metrics"], "*");
    let refused = cluster.alter(named("all"), "interval.ms", set("99"));
    assert!(matches!(refused, Err(MetadataError::InvalidRequest { .. })));
    let refused = cluster.alter(named("all"), "match", set("planet=mars"));
    assert!(matches!(refused, Err(MetadataError::InvalidConfig { .. })));
    cluster
        .alter(named("all"), "metrics", ConfigAction::Delete)
        .unwrap();
    assert!(cluster.image.client_metrics().is_empty());
    for number in 0..1_000 {
        let name = named(&number.to_string());
        cluster.alter(name, "metrics", set("*")).unwrap();
    }
    let refused = cluster.alter(named("one more"), "metrics", set("*"));
    assert!(matches!(refused, Err(MetadataError::TooMany { .. })));
    cluster.alter(named("7"), "metrics", set("a.")).unwrap();
}
