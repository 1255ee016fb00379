//! Transactions: accounts move between two topics in read-process-write loops while the broker dies
//! and starts again, requests come late and twice, and clients die, outstay their timeouts and come
//! back as zombies.
//!
//! Clients of both generations of the protocol take part (`transaction.version` 0 and 2). After the
//! last fault everything settles, everything is read, and [`judge`] holds what was told, asked for
//! and shown against what stands in the log.

mod judge;
mod late;
mod ledger;
mod mover;
mod others;
mod reader;
mod record;
mod session;
mod wire;
mod zombie;

use std::sync::Arc;
use std::time::Duration;

use sprawl_io::Clock;
use sprawl_io::sim::CrashKind;
use sprawl_io::time::sleep;
use tokio::task::JoinSet;

use crate::client::{Client, create_topic};
use crate::invariant::{Check, Violation, i19_nothing_hangs};
use crate::node::{Node, Settings, WATCH_INTERVAL};
use crate::plan::Plan;
use crate::run::Outcome;
use judge::Evidence;
use late::Shared;
use ledger::Ledger;
use record::{PARTITION_COUNT, Place, TOPICS};
use wire::{Answer, Generation, Isolation, OFFSET_FETCH_VERSION};

/// The stream of the seed that the clients draw from.
const RANDOM_STREAM: u64 = 7;
/// Each mover reads one partition of both topics.
const MOVERS: [Generation; PARTITION_COUNT] = [Generation::Two, Generation::Two, Generation::One];
/// How long nothing fails before the clients are told to stop.
const QUIET_LOAD: Duration = Duration::from_secs(2);
/// How long clients may take to finish once nothing fails any more.
const QUIET_WAIT: Duration = Duration::from_secs(120);
/// How long open transactions may take to end after that; more than their timeouts.
const SETTLE_WAIT: Duration = Duration::from_secs(30);
const OFFSETS_TOPIC: &str = "__consumer_offsets";
const SETTINGS: Settings = &[
    ("auto.create.topics.enable", "false"),
    ("offsets.topic.num.partitions", "1"),
    ("transaction.state.log.num.partitions", "1"),
    (
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        "300",
    ),
    ("sprawl.disk.ballast.bytes", "0"),
];

struct World {
    node: Node,
    shared: Shared,
}

/// Runs one seed to its end.
pub(crate) async fn run(seed: u64) -> Outcome {
    let node = Node::new(seed, RANDOM_STREAM + 1, SETTINGS);
    let handles = &node.handles;
    let ledger = Arc::new(Ledger::new(seed, &handles.trace));
    let shared = Shared::new(ledger, Arc::clone(&handles.net), Arc::clone(&handles.clock));
    let mut world = World { node, shared };
    let mut clients = world.start_clients();
    let result = world.live(seed).await;
    world.node.handles.crash(CrashKind::Kill);
    world.shared.abort();
    clients.abort_all();
    while clients.join_next().await.is_some() {}
    let recent = world.node.recent();
    Outcome {
        trace_hash: world.node.handles.trace.hash(),
        event_count: world.node.handles.trace.count(),
        acked_count: world.shared.ledger.told_count(),
        crash_count: world.node.crash_count,
        recent: if result.is_ok() { Vec::new() } else { recent },
        violation: result.err(),
        ..Outcome::default()
    }
}

impl World {
    fn start_clients(&self) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        let shared = || self.shared.clone();
        for topic in TOPICS {
            let shared = shared();
            clients.spawn(async move {
                let mut admin = Client::new(&shared.net, "admin");
                // Timestamps grow by 1 ms a record, so that segments roll after as many records.
                let configs = [("segment.ms", "200")];
                create_topic(&mut admin, topic, PARTITION_COUNT, &configs).await;
            });
        }
        for (number, generation) in MOVERS.into_iter().enumerate() {
            clients.spawn(mover::run(shared(), number, generation));
        }
        clients.spawn(others::open_accounts(shared()));
        clients.spawn(others::stray(shared()));
        clients.spawn(reader::run(shared(), Isolation::Committed));
        clients.spawn(reader::run(shared(), Isolation::Committed));
        clients.spawn(reader::run(shared(), Isolation::Uncommitted));
        clients.spawn(reader::watch_stable(shared()));
        clients
    }

    async fn live(&mut self, seed: u64) -> Check {
        for life in Plan::new(seed).lives.iter().map(Node::fit) {
            let ledger = Arc::clone(&self.shared.ledger);
            self.node.live(&life, &|| ledger.violation()).await?;
            self.shared.ledger.violation()?;
        }
        let broker = self.node.start_quiet().await?;
        let judged = self.settle().await;
        self.node.handles.crash(CrashKind::Kill);
        broker.abandon();
        judged
    }

    /// A broker without faults: every client finishes, every transaction ends, then everything is
    /// read and judged.
    async fn settle(&self) -> Check {
        let ledger = &self.shared.ledger;
        sleep(QUIET_LOAD).await;
        ledger.stop();
        let start = self.shared.clock.monotonic();
        while !ledger.is_quiet() {
            ledger.violation()?;
            if self.shared.clock.monotonic() - start > QUIET_WAIT {
                return Err(Violation {
                    invariant: "L2",
                    sentence: "every producer progresses once faults stop",
                    detail: "a producer got no answer within two minutes".to_owned(),
                });
            }
            sleep(WATCH_INTERVAL).await;
        }
        let mut client = Client::new(&self.shared.net, "settle");
        for place in Place::all() {
            self.wait_until_stable(&mut client, (place.topic(), place.partition()))
                .await?;
        }
        self.wait_until_stable(&mut client, (OFFSETS_TOPIC, 0))
            .await?;
        let wholes = reader::read_all(&self.shared).await?;
        let positions = self.positions(&mut client).await?;
        ledger.violation()?;
        let (attempts, scans) = ledger.take();
        judge::judge(&Evidence {
            wholes,
            attempts,
            scans,
            positions,
            bumping: ledger.bumping(),
        })
    }

    /// Waits until nothing of a partition is held back (I19).
    async fn wait_until_stable(&self, client: &mut Client, partition: (&str, i32)) -> Check {
        let start = self.shared.clock.monotonic();
        let mut ends = (0, i64::MAX);
        while self.shared.clock.monotonic() - start < SETTLE_WAIT {
            let stable = wire::end_of(client, partition, Isolation::Committed).await;
            let high = wire::end_of(client, partition, Isolation::Uncommitted).await;
            match (stable, high) {
                (Ok(stable), Ok(high)) if stable == high => return Ok(()),
                (Ok(stable), Ok(high)) => ends = (stable, high),
                _ => client.close(),
            }
            sleep(WATCH_INTERVAL).await;
        }
        let (topic, index) = partition;
        i19_nothing_hangs(&format!("{topic}-{index}"), ends.0, ends.1)
    }

    /// Reads what the group has committed.
    async fn positions(
        &self,
        client: &mut Client,
    ) -> Result<std::collections::BTreeMap<Place, i64>, Violation> {
        let places: Vec<Place> = Place::all().collect();
        let request = wire::stable_offsets(&places);
        let answer = client.call(OFFSET_FETCH_VERSION, &request).await;
        match answer {
            Ok(answer) if answer.code() == 0 => Ok(wire::positions_in(&answer)),
            Ok(answer) => Err(unreadable(&format!("error {}", answer.code()))),
            Err(error) => Err(unreadable(&error.to_string())),
        }
    }
}

fn unreadable(reason: &str) -> Violation {
    Violation {
        invariant: "I19",
        sentence: "every open transaction ends by commit, abort or timeout",
        detail: format!(
            "committed positions cannot be read after everything has settled: {reason}"
        ),
    }
}
