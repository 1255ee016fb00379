//! The tables against Kafka's own, then resolution, refusals and contradictions.

use super::*;

fn map(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn broker_error(pairs: &[(&str, &str)]) -> String {
    BrokerSettings::from_map(&map(pairs))
        .unwrap_err()
        .to_string()
}

fn topic_with(overrides: &[(&str, &str)], statics: &[(&str, &str)]) -> TopicConfig {
    let (none, statics) = (ConfigMap::new(), map(statics));
    let layers = ConfigLayers {
        statics: &statics,
        ..ConfigLayers::empty(&none)
    };
    TopicConfig::resolve(&map(overrides), &layers).unwrap()
}

fn topic_error(overrides: &[(&str, &str)]) -> String {
    let none = ConfigMap::new();
    TopicConfig::resolve(&map(overrides), &ConfigLayers::empty(&none))
        .unwrap_err()
        .to_string()
}

#[test]
fn tables_are_sorted_by_name_and_every_default_is_valid() {
    for table in [topic_definitions(), broker_definitions()] {
        assert!(table.is_sorted_by(|a, b| a.name < b.name));
        for definition in table {
            if let Some(default) = definition.default {
                let value = definition.parse(default).unwrap();
                assert_eq!(value.to_text(), default, "{}", definition.name);
            }
        }
    }
}

#[test]
fn every_topic_setting_of_kafka_is_known_with_kafkas_default() {
    for line in include_str!("../../fixtures/kafka-4.3-topic-settings.txt").lines() {
        let (name, default) = line.split_once(' ').unwrap();
        let definition = topic_definition(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(definition.default, Some(default), "{name}");
    }
}

#[test]
fn every_broker_setting_of_kafka_is_served_or_refused_with_advice() {
    for name in include_str!("../../fixtures/kafka-4.3-broker-settings.txt").lines() {
        if broker_definition(name).is_some() {
            continue;
        }
        let error = BrokerSettings::from_map(&map(&[(name, "1")])).unwrap_err();
        assert!(
            matches!(error, ConfigError::NotApplicable { .. }),
            "{name}: {error}"
        );
    }
}

#[test]
fn every_synonym_of_a_topic_setting_is_a_broker_setting_with_the_same_default() {
    let none = ConfigMap::new();
    let entries = describe_topic(&none, &ConfigLayers::empty(&none)).unwrap();
    for (definition, entry) in topic_definitions().iter().zip(entries) {
        for synonym in definition.synonyms {
            assert!(broker_definition(synonym).is_some(), "{synonym}");
        }
        assert_eq!(
            entry.value.as_deref(),
            definition.default,
            "{}",
            definition.name
        );
        assert_eq!(entry.source, ConfigSource::Default);
    }
}

#[test]
fn slip_in_a_name_is_answered_with_the_nearest_one() {
    assert_eq!(
        broker_error(&[("num.partition", "3")]),
        "unknown setting num.partition: did you mean num.partitions?"
    );
    assert_eq!(
        topic_error(&[("retension.ms", "3")]),
        "unknown setting retension.ms: did you mean retention.ms?"
    );
    assert_eq!(broker_error(&[("colour", "red")]), "unknown setting colour");
}

#[test]
fn settings_of_zookeeper_and_the_quorum_are_refused_with_advice() {
    assert_eq!(
        broker_error(&[("zookeeper.connect", "x")]),
        "zookeeper.connect does not apply here: there is no ZooKeeper; remove it"
    );
    assert_eq!(
        broker_error(&[("controller.quorum.voters", "1@a:1")]),
        "controller.quorum.voters does not apply here: a node is broker and controller in one; \
         remove it"
    );
}

#[test]
fn wrong_values_are_refused_by_name_value_and_expectation() {
    assert_eq!(
        broker_error(&[("num.partitions", "0")]),
        "invalid value \"0\" for num.partitions: expected an int from 1 to 2147483647"
    );
    assert_eq!(
        topic_error(&[("segment.bytes", "14")]),
        "invalid value \"14\" for segment.bytes: expected an int from 1048576 to 2147483647"
    );
    assert_eq!(
        topic_error(&[("cleanup.policy", "delete,delete")]),
        "invalid value \"delete,delete\" for cleanup.policy: expected a list of different words \
         out of compact, delete"
    );
    assert_eq!(
        topic_error(&[("compression.type", "brotli")]),
        "invalid value \"brotli\" for compression.type: expected one of uncompressed, zstd, lz4, \
         snappy, gzip, producer"
    );
    for (name, value) in [
        ("preallocate", "yes"),
        ("retention.ms", "-2"),
        ("retention.ms", "1e3"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("min.cleanable.dirty.ratio", "NaN"),
        ("compression.gzip.level", "0"),
        ("leader.replication.throttled.replicas", "0"),
        ("leader.replication.throttled.replicas", "0:1,*"),
        ("sprawl.flush", "never"),
        ("remote.storage.enable", "true"),
    ] {
        assert!(
            topic_error(&[(name, value)]).contains(name),
            "{name}={value}"
        );
    }
}

#[test]
fn values_that_contradict_each_other_are_refused_by_both_names() {
    assert_eq!(
        broker_error(&[
            ("message.max.bytes", "2000"),
            ("socket.request.max.bytes", "1000")
        ]),
        "message.max.bytes=2000 contradicts socket.request.max.bytes=1000: expected the first at or \
         below the second"
    );
    for pairs in [
        [
            ("group.min.session.timeout.ms", "10"),
            ("group.max.session.timeout.ms", "9"),
        ],
        [
            ("queued.max.request.bytes", "1000000"),
            ("socket.request.max.bytes", "2000000"),
        ],
        [
            ("sprawl.disk.throttle.percent", "96"),
            ("sprawl.disk.full.percent", "95"),
        ],
        [
            ("sprawl.journal.file.bytes", "67108864"),
            ("sprawl.journal.bytes.max", "134217728"),
        ],
    ] {
        let error = broker_error(&pairs);
        assert!(
            error.contains(pairs[0].0) && error.contains(pairs[1].0),
            "{error}"
        );
    }
    let error = topic_error(&[
        ("min.compaction.lag.ms", "10"),
        ("max.compaction.lag.ms", "5"),
    ]);
    assert!(error.contains("contradicts"), "{error}");
    let error = topic_error(&[
        ("sprawl.delayed.delivery", "true"),
        ("cleanup.policy", "compact,delete"),
    ]);
    assert!(error.contains("cleanup.policy=compact"), "{error}");
}

#[test]
fn defaults_of_a_broker_are_kafkas_on_this_machine_only() {
    let settings = BrokerSettings::from_map(&ConfigMap::new()).unwrap();
    let listener = ListenerAddress {
        host: "127.0.0.1".to_owned(),
        port: 9092,
    };
    assert_eq!(settings.listener, listener);
    assert_eq!(settings.topics.partition_count, 1);
    assert!(settings.topics.auto_create);
    assert_eq!(settings.connections.request_bytes_max, 100 * 1024 * 1024);
    assert_eq!(settings.offsets.retention.as_secs(), 7 * 24 * 3600);
    assert_eq!(settings.topic_config, TopicConfig::defaults());
}

#[test]
fn listener_is_one_plaintext_address() {
    let bound = |text| BrokerSettings::from_map(&map(&[("listeners", text)])).map(|s| s.listener);
    let address = |host: &str, port| ListenerAddress {
        host: host.to_owned(),
        port,
    };
    assert_eq!(bound("PLAINTEXT://0.0.0.0:0"), Ok(address("0.0.0.0", 0)));
    assert_eq!(bound("PLAINTEXT://[::1]:9092"), Ok(address("::1", 9092)));
    assert_eq!(bound("PLAINTEXT://:9092"), Ok(address("", 9092)));
    assert!(bound("SSL://a:1").is_err());
    assert!(bound("PLAINTEXT://a:1,PLAINTEXT://b:2").is_err());
    assert!(bound("PLAINTEXT://a").is_err());
}

#[test]
fn topic_setting_wins_over_the_brokers_and_finer_units_over_coarser_ones() {
    assert_eq!(topic_with(&[], &[]).retention_ms, Some(604_800_000));
    let hours = ("log.retention.hours", "1");
    let minutes = ("log.retention.minutes", "1");
    assert_eq!(topic_with(&[], &[hours]).retention_ms, Some(3_600_000));
    assert_eq!(
        topic_with(&[], &[hours, minutes]).retention_ms,
        Some(60_000)
    );
    let ms = ("log.retention.ms", "5");
    assert_eq!(topic_with(&[], &[hours, minutes, ms]).retention_ms, Some(5));
    assert_eq!(
        topic_with(&[("retention.ms", "7")], &[hours, ms]).retention_ms,
        Some(7)
    );
    assert_eq!(
        topic_with(&[("retention.ms", "-1")], &[ms]).retention_ms,
        None
    );
    assert_eq!(
        topic_with(&[], &[("log.retention.hours", "-1")]).retention_ms,
        None
    );
}

#[test]
fn run_time_setting_of_one_broker_wins_over_that_of_all_and_over_the_start() {
    let (one, all) = (
        map(&[("message.max.bytes", "1")]),
        map(&[("message.max.bytes", "2")]),
    );
    let (statics, none) = (map(&[("message.max.bytes", "3")]), ConfigMap::new());
    let resolve = |dynamic_broker, dynamic_default| {
        let layers = ConfigLayers {
            dynamic_broker,
            dynamic_default,
            statics: &statics,
        };
        TopicConfig::resolve(&none, &layers)
            .unwrap()
            .message_bytes_max
    };
    assert_eq!(resolve(&one, &all), 1);
    assert_eq!(resolve(&none, &all), 2);
    assert_eq!(resolve(&none, &none), 3);
}

#[test]
fn described_topic_setting_names_every_place_it_could_come_from() {
    let (one, none) = (map(&[("log.retention.ms", "20")]), ConfigMap::new());
    let statics = map(&[("log.retention.minutes", "30")]);
    let layers = ConfigLayers {
        dynamic_broker: &one,
        dynamic_default: &none,
        statics: &statics,
    };
    let entries = describe_topic(&map(&[("retention.ms", "10")]), &layers).unwrap();
    let entry = entries
        .iter()
        .find(|entry| entry.name == "retention.ms")
        .unwrap();
    let synonyms: Vec<_> = entry
        .synonyms
        .iter()
        .map(|synonym| {
            (
                synonym.name,
                synonym.value.as_str(),
                synonym.source.wire_id(),
            )
        })
        .collect();
    assert_eq!(
        synonyms,
        [
            ("retention.ms", "10", 1),
            ("log.retention.ms", "20", 2),
            ("log.retention.minutes", "30", 4),
            ("log.retention.hours", "168", 5),
        ]
    );
    assert_eq!(entry.source, ConfigSource::DynamicTopic);
    assert_eq!(entry.value.as_deref(), Some("10"));
    assert_eq!(entry.config_type.wire_id(), 5);
    assert!(!entry.read_only);
}

#[test]
fn described_default_of_all_brokers_holds_only_what_was_set_there() {
    let (all, none) = (map(&[("log.retention.ms", "20")]), ConfigMap::new());
    let statics = map(&[("num.partitions", "3")]);
    let layers = ConfigLayers {
        dynamic_broker: &none,
        dynamic_default: &all,
        statics: &statics,
    };
    let entries = describe_broker(BrokerScope::All, &layers).unwrap();
    assert_eq!(
        entries.iter().map(|entry| entry.name).collect::<Vec<_>>(),
        ["log.retention.ms"]
    );
    assert_eq!(entries[0].source, ConfigSource::DynamicDefaultBroker);
    let one = describe_broker(BrokerScope::One, &layers).unwrap();
    assert_eq!(one.len(), broker_definitions().len());
    let partitions = one
        .iter()
        .find(|entry| entry.name == "num.partitions")
        .unwrap();
    assert_eq!(partitions.source, ConfigSource::StaticBroker);
    assert!(partitions.read_only);
}

#[test]
fn node_id_and_broker_id_are_two_names_of_one_number() {
    for name in ["node.id", "broker.id"] {
        let settings = BrokerSettings::from_map(&map(&[(name, "7")])).unwrap();
        assert_eq!(settings.node_id, sprawl_model::BrokerId(7), "{name}");
        let none = ConfigMap::new();
        let layers = ConfigLayers {
            statics: &settings.statics,
            ..ConfigLayers::empty(&none)
        };
        let entries = describe_broker(BrokerScope::One, &layers).unwrap();
        let ids = entries
            .iter()
            .filter(|entry| ["broker.id", "node.id"].contains(&entry.name))
            .map(|entry| (entry.value.as_deref(), entry.read_only));
        let seven = (Some("7"), true);
        assert_eq!(ids.collect::<Vec<_>>(), [seven, seven], "{name}");
    }
    let differ = BrokerSettings::from_map(&map(&[("node.id", "1"), ("broker.id", "2")]));
    assert!(
        matches!(differ, Err(ConfigError::Contradiction { .. })),
        "{differ:?}"
    );
}

#[test]
fn run_time_update_of_a_setting_read_at_start_is_refused() {
    let error = check_dynamic_broker(&map(&[("num.partitions", "3")])).unwrap_err();
    assert_eq!(
        error,
        ConfigError::ReadOnly {
            name: "num.partitions".to_owned()
        }
    );
    assert!(check_dynamic_broker(&map(&[("log.retention.ms", "3")])).is_ok());
    assert!(check_dynamic_broker(&map(&[("log.retention.ms", "x")])).is_err());
}

#[test]
fn documentation_page_is_what_the_tables_say() {
    expect_test::expect_file!["../../../../docs/configuration.md"].assert_eq(&documentation());
}
