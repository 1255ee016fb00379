//! Delayed delivery: records wait in the log while the broker dies and starts again, its disk fails
//! and its state store is lost.
//!
//! Senders give every record a name of its own and never send one twice, so what they know of each
//! is: acknowledged, cancelled by an acknowledged record behind it, or unknown. After the last
//! fault everything becomes due, and what is read must hold each acknowledged record once, none
//! that was cancelled, none twice, none before it was due, and in every release order of due time.

mod judge;
mod sender;

use std::sync::Arc;
use std::time::Duration;

use sprawl_io::Clock;
use sprawl_io::sim::CrashKind;
use sprawl_io::time::sleep;
use tokio::task::JoinSet;

use crate::client::{Client, create_topic};
use crate::invariant::{Check, Violation};
use crate::node::{Node, Settings, WATCH_INTERVAL};
use crate::plan::Plan;
use crate::run::Outcome;
use sender::Ledger;

/// The stream of the seed that the senders draw from.
const RANDOM_STREAM: u64 = 11;
/// The topic everything goes to; one partition, so that everything is in one order.
const TOPIC: &str = "reminders";
const SENDER_COUNT: usize = 3;
/// How long nothing fails before the senders are told to stop.
const QUIET_LOAD: Duration = Duration::from_secs(2);
/// How long senders may take to finish once nothing fails any more.
const QUIET_WAIT: Duration = Duration::from_secs(120);
/// How much later than everything was due it is read.
const GRACE: Duration = Duration::from_secs(5);
const SETTINGS: Settings = &[
    ("auto.create.topics.enable", "false"),
    ("offsets.topic.num.partitions", "1"),
    ("sprawl.disk.ballast.bytes", "0"),
    ("log.retention.check.interval.ms", "500"),
];
/// Timestamps grow by 1 ms a record, so that segments roll after as many records.
const CONFIGS: [(&str, &str); 2] = [("sprawl.delayed.delivery", "true"), ("segment.ms", "200")];

struct World {
    node: Node,
    ledger: Arc<Ledger>,
}

/// Runs one seed to its end.
pub(crate) async fn run(seed: u64) -> Outcome {
    let node = Node::new(seed, RANDOM_STREAM + 1, SETTINGS);
    let clock: Arc<dyn Clock> = node.handles.clock.clone();
    let ledger = Arc::new(Ledger::new(seed, RANDOM_STREAM, clock));
    let mut world = World { node, ledger };
    let mut senders = world.start_senders();
    let result = world.live(seed).await;
    world.node.handles.crash(CrashKind::Kill);
    senders.abort_all();
    while senders.join_next().await.is_some() {}
    let recent = world.node.recent();
    Outcome {
        trace_hash: world.node.handles.trace.hash(),
        event_count: world.node.handles.trace.count(),
        acked_count: world.ledger.acked_count(),
        crash_count: world.node.crash_count,
        recent: if result.is_ok() { Vec::new() } else { recent },
        violation: result.err(),
        ..Outcome::default()
    }
}

impl World {
    fn start_senders(&self) -> JoinSet<()> {
        let mut senders = JoinSet::new();
        let net = Arc::clone(&self.node.handles.net);
        senders.spawn(async move {
            let mut admin = Client::new(&net, "admin");
            create_topic(&mut admin, TOPIC, 1, &CONFIGS).await;
        });
        for number in 0..SENDER_COUNT {
            let (ledger, net) = (self.ledger.clone(), self.node.handles.net.clone());
            senders.spawn(sender::run(ledger, net, number));
        }
        senders
    }

    async fn live(&mut self, seed: u64) -> Check {
        for life in Plan::new(seed).lives.iter().map(Node::fit) {
            let ledger = Arc::clone(&self.ledger);
            self.node.live(&life, &|| ledger.violation()).await?;
            self.ledger.violation()?;
        }
        let broker = self.node.start_quiet().await?;
        let judged = self.settle().await;
        self.node.handles.crash(CrashKind::Kill);
        broker.abandon();
        judged
    }

    /// A broker without faults: every sender finishes, everything becomes due, is read and judged.
    async fn settle(&self) -> Check {
        sleep(QUIET_LOAD).await;
        self.ledger.stop();
        let clock = &self.node.handles.clock;
        let start = clock.monotonic();
        while !self.ledger.is_quiet() {
            if clock.monotonic() - start > QUIET_WAIT {
                return Err(Violation {
                    invariant: "L2",
                    sentence: "every producer progresses once faults stop",
                    detail: "a sender got no answer within two minutes".to_owned(),
                });
            }
            sleep(WATCH_INTERVAL).await;
        }
        self.ledger.violation()?;
        let left_ms = self.ledger.last_due_ms().saturating_sub(clock.wall_ms());
        sleep(Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)) + GRACE).await;
        let seen = judge::read_all(&self.node.handles.net).await?;
        judge::judge(&self.ledger, &seen)
    }
}
