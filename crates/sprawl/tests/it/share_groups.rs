//! Share groups from the command line, with members that speak the protocol.

use std::time::{Duration, Instant};

use serde_json::Value;
use sprawl_client::{Call, Client, ClientOptions};
use sprawl_io::Io;
use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::share_acknowledge_request::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch,
};
use sprawl_protocol::messages::share_fetch_request::{FetchPartition, FetchTopic};
use sprawl_protocol::messages::{
    ShareAcknowledgeRequest, ShareFetchRequest, ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
};
use uuid::Uuid;

use crate::node::{Node, wait_for};

const ACCEPT: i8 = 1;
const REJECT: i8 = 3;
const LEAVE: i32 = -1;

/// A member of a share group that consumes partition 0 of one topic.
struct Member {
    client: Client,
    runtime: tokio::runtime::Runtime,
    group: String,
    id: String,
    member_epoch: i32,
    session_epoch: i32,
    topic: Uuid,
}

impl Member {
    /// Joins and waits for the partition.
    fn join(node: &Node, group: &str, topic: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = ClientOptions::new(vec![node.kafka.clone()]);
        let client = runtime
            .block_on(Client::connect(Io::real(), options))
            .unwrap();
        let mut member = Self {
            client,
            runtime,
            group: group.to_owned(),
            id: Uuid::from_u128(7).to_string(),
            member_epoch: 0,
            session_epoch: 0,
            topic: Uuid::nil(),
        };
        wait_for("the member has its partition", || {
            member.beat(topic);
            !member.topic.is_nil()
        });
        member
    }

    fn call<R: Call>(&self, request: R) -> R::Response {
        let call = async {
            let connection = self.client.any().await.unwrap();
            connection.call(request).await.unwrap()
        };
        self.runtime.block_on(call)
    }

    fn beat(&mut self, topic: &str) {
        let mut request = ShareGroupHeartbeatRequest::default()
            .with_group_id(StrBytes::from(self.group.clone()).into())
            .with_member_id(self.id.clone().into())
            .with_member_epoch(self.member_epoch);
        if self.member_epoch == 0 {
            request.subscribed_topic_names = Some(vec![StrBytes::from(topic.to_owned()).into()]);
        }
        let response = self.coordinate(request);
        if response.error_code != 0 {
            // The coordinator is loading its groups.
            return;
        }
        self.member_epoch = response.member_epoch;
        let assigned = response.assignment.into_iter();
        for given in assigned.flat_map(|assignment| assignment.topic_partitions) {
            self.topic = given.topic_id;
        }
    }

    /// The first and last offsets of what it is given.
    fn fetch(&mut self) -> Vec<(i64, i64)> {
        let partition = FetchPartition::default();
        let response = self.call(ShareFetchRequest {
            group_id: Some(self.group.clone().into()),
            member_id: Some(self.id.clone().into()),
            share_session_epoch: self.session_epoch,
            max_wait_ms: 2_000,
            min_bytes: 1,
            max_bytes: 1 << 20,
            max_records: 100,
            batch_size: 100,
            topics: vec![FetchTopic {
                topic_id: self.topic,
                partitions: vec![partition],
            }],
            ..ShareFetchRequest::default()
        });
        self.session_epoch += 1;
        assert_eq!(response.error_code, 0);
        let partitions = response
            .responses
            .into_iter()
            .flat_map(|topic| topic.partitions);
        let runs = partitions.flat_map(|partition| partition.acquired_records);
        runs.map(|run| (run.first_offset, run.last_offset))
            .collect()
    }

    fn answer(&mut self, first: i64, last: i64, answer: i8) {
        let batch = AcknowledgementBatch {
            first_offset: first,
            last_offset: last,
            acknowledge_types: vec![answer],
        };
        let partition = AcknowledgePartition {
            partition_index: 0,
            acknowledgement_batches: vec![batch],
        };
        let response = self.call(ShareAcknowledgeRequest {
            group_id: Some(self.group.clone().into()),
            member_id: Some(self.id.clone().into()),
            share_session_epoch: self.session_epoch,
            topics: vec![AcknowledgeTopic {
                topic_id: self.topic,
                partitions: vec![partition],
            }],
            ..ShareAcknowledgeRequest::default()
        });
        self.session_epoch += 1;
        assert_eq!(response.error_code, 0);
        assert_eq!(response.responses[0].partitions[0].error_code, 0);
    }

    fn leave(mut self) {
        self.member_epoch = LEAVE;
        let request = ShareGroupHeartbeatRequest::default()
            .with_group_id(StrBytes::from(self.group.clone()).into())
            .with_member_id(self.id.clone().into())
            .with_member_epoch(LEAVE);
        assert_eq!(self.coordinate(request).error_code, 0);
    }

    fn coordinate(&self, request: ShareGroupHeartbeatRequest) -> ShareGroupHeartbeatResponse {
        let call = self.client.call_coordinator(&self.group, request);
        self.runtime.block_on(call).unwrap()
    }
}

/// A broker with topic `t`, as many records as `count` in it, and group `jobs` that begins at its
/// start and, where it says, moves its dead to `dlq.jobs`.
fn queue(dir: &std::path::Path, count: u32, keeps_letters: bool) -> Node {
    let node = Node::start(dir, &[]);
    node.run(&["topic", "create", "t", "-p", "1"]);
    let lines: String = (0..count).map(|number| format!("v{number}\n")).collect();
    assert!(node.output(&["produce", "t"], &lines).status.success());
    let set = |setting: &str| {
        node.run(&["config", "alter", "--group", "jobs", "--set", setting]);
    };
    set("share.auto.offset.reset=earliest");
    if keeps_letters {
        let enabled = "errors.deadletterqueue.group.enable=true";
        node.run(&[
            "topic", "create", "dlq.jobs", "-p", "1", "--config", enabled,
        ]);
        set("errors.deadletterqueue.topic.name=dlq.jobs");
        set("errors.deadletterqueue.copy.record.enable=true");
    }
    node
}

fn json(node: &Node, args: &[&str]) -> Value {
    let all = [&["share-group"], args, &["--json"]].concat();
    serde_json::from_str(&node.run(&all)).unwrap()
}

/// Where the group stands in the one partition: start offset and lag.
fn standing(node: &Node) -> (i64, i64) {
    let described = json(node, &["describe", "jobs"]);
    let partition = &described["partitions"][0];
    let number = |field: &str| partition[field].as_i64().unwrap();
    (number("start_offset"), number("lag"))
}

fn values(node: &Node, topic: &str) -> Vec<String> {
    let read = node.run(&["consume", topic, "-e"]);
    read.lines().map(str::to_owned).collect()
}

#[test]
fn a_share_group_is_listed_described_reset_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let node = queue(dir.path(), 10, false);
    assert_eq!(json(&node, &["list"]), serde_json::json!([]));
    let mut member = Member::join(&node, "jobs", "t");
    assert_eq!(member.fetch(), [(0, 9)]);
    member.answer(0, 5, ACCEPT);

    let listed = json(&node, &["list"]);
    assert_eq!(listed[0]["group"], "jobs");
    assert_eq!(listed[0]["state"], "Stable");
    let described = json(&node, &["describe", "jobs"]);
    assert_eq!(described["assignor"], "simple");
    let members = &described["members"];
    assert_eq!(members[0]["assignment"], serde_json::json!({"t": [0]}));
    assert_eq!(
        (standing(&node), &described["total_lag"]),
        ((6, 4), &4.into())
    );
    let table = node.run(&["share-group", "describe", "jobs"]);
    assert!(table.contains("state Stable  members 1  lag 4"), "{table}");
    let reset = ["share-group", "reset-offsets", "jobs", "--topic", "t"];
    let earliest = [&reset[..], &["--to-earliest", "--execute"]].concat();
    let refused = node.refused(&earliest);
    assert!(
        refused.contains("stop the group's members first"),
        "{refused}"
    );
    let refused = node.refused(&["share-group", "delete", "jobs"]);
    assert!(refused.contains("NON_EMPTY_GROUP"), "{refused}");

    member.leave();
    assert_eq!(json(&node, &["list"])[0]["state"], "Empty");
    let change = |args: &[&str]| {
        let changes = json(&node, &[&reset[1..], args].concat());
        let one = &changes[0];
        let number = |field: &str| one[field].as_i64().unwrap();
        (number("start_offset"), number("new_offset"))
    };
    assert_eq!(change(&["--to-earliest"]), (6, 0));
    assert_eq!(standing(&node), (6, 4), "a dry run changed something");
    assert_eq!(change(&["--to-earliest", "--execute"]), (6, 0));
    assert_eq!(standing(&node), (0, 10));
    assert_eq!(change(&["--to-offset", "99"]), (0, 10));
    assert_eq!(change(&["--to-offset", "3", "--execute"]), (0, 3));
    assert_eq!(standing(&node), (3, 7));
    let all = ["reset-offsets", "jobs", "--all-topics", "--to-latest"];
    assert_eq!(json(&node, &all)[0]["new_offset"], 10);
    // The next member begins there.
    let mut member = Member::join(&node, "jobs", "t");
    assert_eq!(member.fetch(), [(3, 9)]);
    member.leave();

    let deleted = node.run(&["share-group", "delete", "jobs"]);
    assert_eq!(deleted, "share group jobs deleted\n");
    assert_eq!(json(&node, &["list"]), serde_json::json!([]));
    node.refused(&["share-group", "describe", "jobs"]);
    node.refused(&["share-group", "delete", "jobs"]);
}

#[test]
fn dead_letters_go_back_when_asked_at_a_rate_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let node = queue(dir.path(), 6, true);
    let mut member = Member::join(&node, "jobs", "t");
    assert_eq!(member.fetch(), [(0, 5)]);
    member.answer(0, 3, REJECT);
    member.answer(4, 5, ACCEPT);
    wait_for("the letters", || values(&node, "dlq.jobs").len() == 4);
    member.leave();

    // Only counted, and only what the filters let through.
    let redrive = |args: &[&str]| json(&node, &[&["redrive", "dlq.jobs"], args].concat());
    let counts = |summary: &Value| {
        ["read", "redriven", "filtered"].map(|field| summary[field].as_u64().unwrap())
    };
    let dry = redrive(&[]);
    assert_eq!((counts(&dry), &dry["executed"]), ([4, 4, 0], &false.into()));
    assert_eq!(dry["by_topic"], serde_json::json!({"t": 4}));
    assert_eq!(counts(&redrive(&["--group", "mails"])), [4, 0, 4]);
    assert_eq!(counts(&redrive(&["--source", "mails"])), [4, 0, 4]);
    assert_eq!(counts(&redrive(&["--reason", "as often as"])), [4, 0, 4]);
    let ours = ["--group", "jobs", "--source", "t", "--reason", "rejected"];
    assert_eq!(counts(&redrive(&ours)), [4, 4, 0]);
    assert_eq!(values(&node, "t").len(), 6, "a dry run wrote something");

    // Three of them, two a second: a second passes between the first and the last.
    let start = Instant::now();
    let slowly = [
        "--execute",
        "--rate",
        "2",
        "--limit",
        "3",
        "--resume",
        "again",
    ];
    assert_eq!(redrive(&slowly)["redriven"], 3);
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "faster than asked"
    );
    assert_eq!(values(&node, "t")[6..], ["v0", "v1", "v2"]);
    // What is left, and then nothing.
    let rest = ["--execute", "--resume", "again"];
    assert_eq!(redrive(&rest)["redriven"], 1);
    assert_eq!(redrive(&rest)["redriven"], 0);
    assert_eq!(values(&node, "t")[6..], ["v0", "v1", "v2", "v3"]);

    // To another topic, from the start again.
    node.run(&["topic", "create", "u", "-p", "1"]);
    let elsewhere = redrive(&["--to", "u", "--execute"]);
    assert_eq!(elsewhere["by_topic"], serde_json::json!({"u": 4}));
    assert_eq!(values(&node, "u"), ["v0", "v1", "v2", "v3"]);
    let mut member = Member::join(&node, "jobs", "t");
    assert_eq!(member.fetch(), [(6, 9)], "the group gets them again");
    member.leave();
}
