//! Transactions from the command line.

use sprawl_client::{Client, ClientOptions};
use sprawl_io::Io;
use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use sprawl_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ProducerId, TopicName,
    TransactionalId,
};

use crate::node::{Node, wait_for};

const ID: &str = "billing-0";

fn json(node: &Node, args: &[&str]) -> serde_json::Value {
    let args: Vec<&str> = args.iter().chain(&["--json"]).copied().collect();
    serde_json::from_str(&node.run(&args)).unwrap()
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A producer that begins and ends transactions, as far as its coordinator is concerned.
struct Producer {
    runtime: tokio::runtime::Runtime,
    client: Client,
    producer_id: ProducerId,
    producer_epoch: i16,
}

impl Producer {
    fn init(node: &Node) -> Self {
        Self::init_with(node, false)
    }

    /// With `enable_2_pc`, transactions never time out.
    fn init_with(node: &Node, enable_2_pc: bool) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = ClientOptions::new(vec![node.kafka.clone()]);
        let client = runtime
            .block_on(Client::connect(Io::real(), options))
            .unwrap();
        let request = InitProducerIdRequest {
            transactional_id: Some(TransactionalId(text(ID))),
            transaction_timeout_ms: 60_000,
            enable_2_pc,
            ..Default::default()
        };
        let mut found = None;
        wait_for("the transaction coordinator", || {
            let call = client.call_transaction_coordinator(ID, request.clone());
            let response = runtime.block_on(call).unwrap();
            found = (response.error_code == 0).then_some(response);
            found.is_some()
        });
        let response = found.unwrap();
        Self {
            runtime,
            client,
            producer_id: response.producer_id,
            producer_epoch: response.producer_epoch,
        }
    }

    fn begin(&self, topic: &str) {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(TopicName(text(topic)))
            .with_partitions(vec![0]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(TransactionalId(text(ID)))
            .with_v3_and_below_producer_id(self.producer_id)
            .with_v3_and_below_producer_epoch(self.producer_epoch)
            .with_v3_and_below_topics(vec![topic]);
        let call = self.client.call_transaction_coordinator(ID, request);
        let response = self.runtime.block_on(call).unwrap();
        let topic = &response.results_by_topic_v3_and_below[0];
        assert_eq!(topic.results_by_partition[0].partition_error_code, 0);
    }

    fn prepared(&self) -> String {
        format!("{}:{}", self.producer_id.0, self.producer_epoch)
    }

    fn commit(&self) {
        assert_eq!(self.commit_code(), 0);
    }

    fn commit_code(&self) -> i16 {
        let request = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text(ID)))
            .with_producer_id(self.producer_id)
            .with_producer_epoch(self.producer_epoch)
            .with_committed(true);
        let call = self.client.call_transaction_coordinator(ID, request);
        self.runtime.block_on(call).unwrap().error_code
    }
}

#[test]
fn transactions_are_listed_and_described() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    node.run(&["topic", "create", "t"]);
    assert_eq!(json(&node, &["transaction", "list"]), serde_json::json!([]));
    let producer = Producer::init(&node);
    producer.begin("t");
    let listed = json(&node, &["transaction", "list", "--state", "Ongoing"]);
    assert_eq!(listed[0]["transactional_id"], ID);
    assert_eq!(listed[0]["producer_id"], producer.producer_id.0);
    let none = json(&node, &["transaction", "list", "--pattern", "billing"]);
    assert_eq!(none, serde_json::json!([]));
    let described = json(&node, &["transaction", "describe", ID]);
    assert_eq!(described["state"], "Ongoing");
    assert_eq!(described["partitions"], serde_json::json!(["t-0"]));
    assert!(described["duration_ms"].as_i64().unwrap() >= 0);
    producer.commit();
    wait_for("the commit", || {
        json(&node, &["transaction", "describe", ID])["state"] == "CompleteCommit"
    });
    let table = node.run(&["transaction", "list"]);
    assert!(table.contains("CompleteCommit"), "{table}");
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    node.run(&["topic", "create", "t"]);
    drop(Producer::init(&node));
    let unknown = node.refused(&["transaction", "describe", "nobody"]);
    assert!(unknown.contains("sprawl transaction list"), "{unknown}");
    let state = node.refused(&["transaction", "list", "--state", "Sleeping"]);
    assert!(state.contains("Sleeping"), "{state}");
    let none = node.refused(&["transaction", "abort", "t", "0", "--start-offset", "7"]);
    assert!(none.contains("describe-producers t 0"), "{none}");
    let producers = json(&node, &["transaction", "describe-producers", "t", "0"]);
    assert_eq!(producers, serde_json::json!([]));
    let hanging = json(&node, &["transaction", "find-hanging"]);
    assert_eq!(hanging, serde_json::json!([]));
}

/// A broker that lets producers take part in two-phase commit.
fn two_phase_node(dir: &std::path::Path) -> Node {
    Node::start(dir, &["--set", "transaction.two.phase.commit.enable=true"])
}

fn state(node: &Node) -> String {
    let described = json(node, &["transaction", "describe", ID]);
    described["state"].as_str().unwrap().to_owned()
}

#[test]
fn prepared_transactions_are_listed_and_ended_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let node = two_phase_node(dir.path());
    node.run(&["topic", "create", "t"]);
    for (verb, ended) in [
        ("commit-prepared", "CompleteCommit"),
        ("abort-prepared", "CompleteAbort"),
    ] {
        let producer = Producer::init_with(&node, true);
        producer.begin("t");
        let prepared = producer.prepared();
        let listed = json(&node, &["transaction", "list-prepared"]);
        assert_eq!(listed[0]["transactional_id"], ID);
        assert_eq!(listed[0]["prepared"], prepared);
        assert_eq!(listed[0]["partitions"], serde_json::json!(["t-0"]));
        let unasked = node.refused(&["transaction", verb, ID, &prepared]);
        assert!(unasked.contains("--yes"), "{unasked}");
        let other = format!("{}:7", producer.producer_id.0);
        let wrong = node.refused(&["transaction", verb, ID, &other, "--yes"]);
        assert!(wrong.contains("has no open transaction"), "{wrong}");
        assert_eq!(state(&node), "Ongoing");
        node.run(&["transaction", verb, ID, &prepared, "--yes"]);
        wait_for("the end", || state(&node) == ended);
        assert_ne!(producer.commit_code(), 0, "the producer is fenced");
        let again = node.refused(&["transaction", verb, ID, &prepared, "--yes"]);
        assert!(again.contains("has no open transaction"), "{again}");
        let none = json(&node, &["transaction", "list-prepared"]);
        assert_eq!(none, serde_json::json!([]));
    }
}

#[test]
fn open_transaction_is_terminated_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    node.run(&["topic", "create", "t"]);
    let producer = Producer::init(&node);
    producer.begin("t");
    let none = json(&node, &["transaction", "list-prepared"]);
    assert_eq!(none, serde_json::json!([]), "it has a timeout");
    let hidden = node.refused(&[
        "transaction",
        "commit-prepared",
        ID,
        &producer.prepared(),
        "--yes",
    ]);
    let setting = "transaction.two.phase.commit.enable";
    assert!(hidden.contains(setting), "{hidden}");
    let unasked = node.refused(&["transaction", "terminate", ID]);
    assert!(unasked.contains("--yes"), "{unasked}");
    let unknown = node.refused(&["transaction", "terminate", "nobody", "--yes"]);
    assert!(unknown.contains("sprawl transaction list"), "{unknown}");
    node.run(&["transaction", "terminate", ID, "--yes"]);
    assert_ne!(producer.commit_code(), 0, "the producer is fenced");
    assert_eq!(state(&node), "Empty");
}
