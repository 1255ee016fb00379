//! The whole broker: idempotent producers, consumers and group members speak Kafka's protocol to it
//! while its process dies and starts again, its connections break and its disk fails.
//!
//! The clients live through all of it; what one life of the broker told them the next must keep.

mod consumer;
mod deleter;
mod group;
mod ledger;
mod modern;
mod offsets;
mod producer;

use std::sync::Arc;
use std::time::Duration;

use sprawl_io::Clock;
use sprawl_io::sim::{CrashKind, SimNet};
use sprawl_io::time::sleep;
use tokio::task::JoinSet;

use crate::client::{Client, create_topic};
use crate::invariant::{Check, Violation};
use crate::node::{Node, Settings, StateKind, WATCH_INTERVAL};
use crate::plan::{Life, Plan};
use crate::run::Outcome;
use ledger::Ledger;

/// The topic everything goes to.
const TOPIC: &str = "orders";
/// Its partitions.
const PARTITION_COUNT: usize = 2;
const PRODUCER_COUNT: usize = 3;
const MEMBER_COUNT: usize = 2;
/// The stream of the seed that the clients draw from.
const RANDOM_STREAM: u64 = 5;
/// How long clients may take to finish once nothing fails any more.
const QUIET_WAIT: Duration = Duration::from_secs(120);
const SETTINGS: Settings = &[
    ("auto.create.topics.enable", "false"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.consumer.heartbeat.interval.ms", "500"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    ("group.consumer.session.timeout.ms", "3000"),
    ("group.consumer.min.session.timeout.ms", "1000"),
    ("offsets.topic.num.partitions", "1"),
    ("sprawl.disk.ballast.bytes", "0"),
    ("log.retention.check.interval.ms", "500"),
];

/// Files of the topic's second partition, the only ones in which bits flip: the group's topic has
/// one partition, and damage to the metadata refuses every start.
const DAMAGED_PARTITION: usize = 1;
const DAMAGED_FILES: &str = "-1/";

struct World {
    node: Node,
    ledger: Arc<Ledger>,
}

/// Runs one seed to its end.
pub(crate) async fn run(seed: u64) -> Outcome {
    let node = Node::new(seed, RANDOM_STREAM + 1, SETTINGS);
    let mut world = World {
        ledger: Arc::new(Ledger::new(seed, &node.handles.trace)),
        node,
    };
    let mut clients = world.start_clients();
    let mut result = Ok(());
    for life in Plan::new(seed).lives.iter().map(Node::fit) {
        if result.is_ok() {
            result = world.live(&life).await;
        }
    }
    if result.is_ok() {
        result = world.last_life().await;
    }
    world.node.handles.crash(CrashKind::Kill);
    clients.abort_all();
    while clients.join_next().await.is_some() {}
    let recent = world.node.recent();
    Outcome {
        trace_hash: world.node.handles.trace.hash(),
        event_count: world.node.handles.trace.count(),
        acked_count: world.ledger.acked_count(),
        crash_count: world.node.crash_count,
        deleted_count: world.ledger.deleted_count(),
        unreadable_count: world.ledger.unreadable_count(),
        recent: if result.is_ok() { Vec::new() } else { recent },
        violation: result.err(),
        panics: Vec::new(),
    }
}

impl World {
    fn start_clients(&self) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        let (ledger, net) = (&self.ledger, &self.node.handles.net);
        let both = || (Arc::clone(ledger), Arc::clone(net));
        clients.spawn(open_topic(Arc::clone(net), self.node.state_kind));
        // A log start is kept in the state alone.
        if self.node.state_kind == StateKind::Durable {
            let (ledger, net) = both();
            clients.spawn(deleter::run(ledger, net));
        }
        for number in 0..PRODUCER_COUNT {
            let (ledger, net) = both();
            clients.spawn(producer::run(ledger, net, number));
        }
        for partition in 0..PARTITION_COUNT {
            let (ledger, net) = both();
            clients.spawn(consumer::run(ledger, net, partition));
        }
        for number in 0..MEMBER_COUNT {
            let (ledger, net) = both();
            clients.spawn(group::run(ledger, net, number));
        }
        let owners = Arc::new(modern::Owners::default());
        for number in 0..MEMBER_COUNT {
            let (ledger, net) = both();
            clients.spawn(modern::run(ledger, net, Arc::clone(&owners), number));
        }
        clients
    }

    async fn live(&mut self, life: &Life) -> Check {
        let ledger = Arc::clone(&self.ledger);
        self.node.live(life, &|| ledger.violation()).await?;
        self.flip_bits(life);
        self.ledger.violation()
    }

    /// Flips bits as planned. Without its state a log cannot tell damage at its end from a torn
    /// write.
    fn flip_bits(&self, life: &Life) {
        if let (Some((_, count)), StateKind::Durable) = (life.flips, self.node.state_kind) {
            let flips = self.node.handles.disk.flip_bits(DAMAGED_FILES, count);
            if !flips.is_empty() {
                self.ledger.damaged(DAMAGED_PARTITION);
            }
        }
    }

    /// A broker without faults: every client finishes, then everything is read back.
    async fn last_life(&mut self) -> Check {
        let broker = self.node.start_quiet().await?;
        let (clock, net) = (&self.node.handles.clock, &self.node.handles.net);
        sleep(Duration::from_secs(2)).await;
        self.ledger.stop();
        let start = clock.monotonic();
        while !self.ledger.is_quiet() {
            self.ledger.violation()?;
            if clock.monotonic() - start > QUIET_WAIT {
                return Err(Violation {
                    invariant: "L2",
                    sentence: "every producer progresses once faults stop",
                    detail: "a producer got no answer within two minutes".to_owned(),
                });
            }
            sleep(WATCH_INTERVAL).await;
        }
        let mut logs = Vec::new();
        for partition in 0..PARTITION_COUNT {
            logs.push(consumer::read_all(&self.ledger, net, partition).await?);
        }
        self.ledger.violation()?;
        self.ledger.check_read_back(&logs)?;
        self.node.handles.crash(CrashKind::Kill);
        broker.abandon();
        Ok(())
    }
}

/// Creates the topic, in whichever life of the broker that succeeds.
async fn open_topic(net: Arc<SimNet>, state_kind: StateKind) {
    // Timestamps grow by 1 ms a record, so that segments roll after as many records.
    let configs: &[(&str, &str)] = match state_kind {
        StateKind::Durable => &[("segment.ms", "200"), ("retention.bytes", "300000")],
        StateKind::Lost => &[("segment.ms", "200")],
    };
    create_topic(
        &mut Client::new(&net, "admin"),
        TOPIC,
        PARTITION_COUNT,
        configs,
    )
    .await;
}
