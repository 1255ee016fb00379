//! Groups from the command line.

use sprawl_client::{Client, ClientOptions};
use sprawl_io::Io;
use sprawl_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use sprawl_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, GroupId, TopicName,
};

use crate::node::{Node, wait_for};

fn lag(node: &Node, group: &str) -> serde_json::Value {
    serde_json::from_str(&node.run(&["group", "describe", group, "--json"])).unwrap()
}

fn numbers(count: u32) -> String {
    (0..count).map(|number| format!("{number}\n")).collect()
}

#[test]
fn a_group_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &["--set", "group.initial.rebalance.delay.ms=0"]);
    node.run(&["topic", "create", "t", "-p", "2"]);
    assert!(
        node.output(&["produce", "t"], &numbers(100))
            .status
            .success()
    );
    let first = node.run(&["consume", "t", "-G", "g", "-c", "30"]);
    assert_eq!(first.lines().count(), 30);
    assert_eq!(lag(&node, "g")["total_lag"], 70);
    let second = node.run(&["consume", "t", "-G", "g", "-e"]);
    let mut all: Vec<u32> = first
        .lines()
        .chain(second.lines())
        .map(|line| line.parse().unwrap())
        .collect();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    let after = lag(&node, "g");
    assert_eq!(
        (&after["total_lag"], &after["state"]),
        (&0.into(), &"Empty".into())
    );
}

#[test]
fn a_reset_is_shown_first_and_done_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &["--set", "group.initial.rebalance.delay.ms=0"]);
    node.run(&["topic", "create", "t"]);
    for (time, text) in [("1000", "a\nb\n"), ("2000", "c\n"), ("3000", "d\n")] {
        assert!(
            node.output(&["produce", "t", "-T", time], text)
                .status
                .success()
        );
    }
    node.run(&["consume", "t", "-G", "g", "-e"]);
    let reset = |args: &[&str]| {
        let all: Vec<&str> = ["group", "reset-offsets", "g", "--topic", "t", "--json"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let changes: serde_json::Value = serde_json::from_str(&node.run(&all)).unwrap();
        changes[0]["new_offset"].as_i64().unwrap()
    };
    assert_eq!(reset(&["--to-earliest"]), 0);
    assert_eq!(
        lag(&node, "g")["total_lag"],
        0,
        "a dry run changed something"
    );
    assert_eq!(reset(&["--to-datetime", "2000"]), 2);
    assert_eq!(reset(&["--shift-by", "-1"]), 3);
    assert_eq!(reset(&["--to-offset", "99"]), 4);
    assert_eq!(reset(&["--to-latest"]), 4);
    assert_eq!(reset(&["--to-offset", "1", "--execute"]), 1);
    assert_eq!(lag(&node, "g")["total_lag"], 3);
    assert_eq!(node.run(&["consume", "t", "-G", "g", "-e"]), "b\nc\nd\n");
}

#[test]
fn a_group_with_members_is_neither_reset_nor_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &["--set", "group.initial.rebalance.delay.ms=0"]);
    node.run(&["topic", "create", "t"]);
    let mut member = node
        .command(&["consume", "t", "-G", "g", "-q"])
        .spawn()
        .unwrap();
    let described = || node.output(&["group", "describe", "g", "--json"], "");
    wait_for("the member joined", || {
        let text = String::from_utf8(described().stdout).unwrap();
        text.contains("\"state\": \"Stable\"")
    });
    assert!(node.run(&["group", "list"]).contains("Stable"));
    let reset = [
        "group",
        "reset-offsets",
        "g",
        "--topic",
        "t",
        "--to-earliest",
        "--execute",
    ];
    assert!(node.refused(&reset).contains("stop them first"));
    assert!(
        node.refused(&["group", "delete", "g"])
            .contains("NON_EMPTY_GROUP")
    );

    crate::node::signal(&member, "-TERM");
    assert!(member.wait().unwrap().success());
    assert_eq!(lag(&node, "g")["state"], "Empty");
    node.run(&["group", "delete", "g"]);
    assert!(
        node.refused(&["group", "describe", "g"])
            .contains("there is no group g")
    );
}

/// A member of a consumer group of the new protocol (KIP-848), which our own reader does not speak.
struct Member {
    runtime: tokio::runtime::Runtime,
    client: Client,
    epoch: i32,
    owned: Vec<TopicPartitions>,
}

impl Member {
    const ID: &str = "3w5E9wYvTGaFv2L6tPqaMg";

    fn new(node: &Node) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = ClientOptions::new(vec![node.kafka.clone()]);
        let client = runtime
            .block_on(Client::connect(Io::real(), options))
            .unwrap();
        Self {
            runtime,
            client,
            epoch: 0,
            owned: Vec::new(),
        }
    }

    /// Beats once, with all that a beat may say, and takes over what it is told.
    fn beat(&mut self, epoch: i32) -> ConsumerGroupHeartbeatResponse {
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId("g".into()))
            .with_member_id(Self::ID.into())
            .with_member_epoch(epoch)
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(vec![TopicName("t".into())]))
            .with_topic_partitions(Some(self.owned.clone()));
        let call = async { self.client.any().await?.call(request).await };
        let told = self.runtime.block_on(call).unwrap();
        if let Some(assignment) = &told.assignment {
            let topics = assignment.topic_partitions.iter();
            self.owned = topics
                .map(|topic| {
                    TopicPartitions::default()
                        .with_topic_id(topic.topic_id)
                        .with_partitions(topic.partitions.clone())
                })
                .collect();
        }
        if told.error_code == 0 {
            self.epoch = told.member_epoch;
        }
        told
    }
}

#[test]
fn a_consumer_group_is_listed_described_reset_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    node.run(&["topic", "create", "t", "-p", "2"]);
    assert!(
        node.output(&["produce", "t"], &numbers(100))
            .status
            .success()
    );
    // Asking for the coordinator makes the topic of offsets, which is loaded a moment later.
    wait_for("the coordinator is there", || {
        let output = node.output(&["group", "describe", "g"], "");
        let stderr = String::from_utf8(output.stderr).unwrap();
        stderr.contains("there is no group g")
    });
    let mut member = Member::new(&node);
    wait_for("the member joined", || member.beat(0).error_code == 0);
    wait_for("it has both partitions", || {
        let epoch = member.epoch;
        member.beat(epoch);
        member
            .owned
            .iter()
            .map(|topic| topic.partitions.len())
            .sum::<usize>()
            == 2
    });
    let epoch = member.epoch;
    member.beat(epoch);

    let listed: serde_json::Value =
        serde_json::from_str(&node.run(&["group", "list", "--json"])).unwrap();
    assert_eq!(
        (
            &listed[0]["group"],
            &listed[0]["group_type"],
            &listed[0]["state"]
        ),
        (&"g".into(), &"consumer".into(), &"Stable".into()),
    );
    let described = lag(&node, "g");
    assert_eq!(described["member_count"], 1);
    assert_eq!(described["members"][0]["member"], Member::ID);
    assert_eq!(described["members"][0]["epoch"], described["group_epoch"]);
    let has = &described["members"][0]["assignment"]["t"];
    assert_eq!(*has, serde_json::json!([0, 1]));
    assert_eq!(*has, described["members"][0]["target"]["t"]);
    let table = node.run(&["group", "describe", "g"]);
    assert!(
        table.contains("SHOULD HAVE") && table.contains("assignor uniform"),
        "{table}"
    );

    let reset = [
        "group",
        "reset-offsets",
        "g",
        "--topic",
        "t",
        "--to-earliest",
    ];
    let execute = [&reset[..], &["--execute"]].concat();
    assert!(node.refused(&execute).contains("stop them first"));
    assert!(
        node.refused(&["group", "delete", "g"])
            .contains("NON_EMPTY_GROUP")
    );
    member.beat(-1);
    assert_eq!(lag(&node, "g")["state"], "Empty");
    node.run(&reset);
    assert!(
        lag(&node, "g")["partitions"].as_array().unwrap().is_empty(),
        "a dry run"
    );
    node.run(&execute);
    assert_eq!(lag(&node, "g")["total_lag"], 100);
    node.run(&["group", "delete", "g"]);
    assert!(
        node.refused(&["group", "describe", "g"])
            .contains("there is no group g")
    );
}
