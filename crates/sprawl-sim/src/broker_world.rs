//! The whole broker: idempotent producers, consumers and group members speak Kafka's protocol to it
//! while its process dies and starts again, its connections break and its disk fails.
//!
//! The clients live through all of it; what one life of the broker told them the next must keep.

mod client;
mod consumer;
mod deleter;
mod error_code;
mod group;
mod ledger;
mod producer;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use kafka_protocol::protocol::StrBytes;
use sprawl_broker::{BrokerOptions, RunningBroker};
use sprawl_core::config::BrokerSettings;
use sprawl_io::sim::{CrashKind, SeededRandom, SimHandles, SimNet};
use sprawl_io::time::{sleep, timeout};
use sprawl_io::{Clock, Io};
use sprawl_log::{NoObserver, StateStore};
use tokio::task::JoinSet;

use crate::invariant::{Check, Violation};
use crate::plan::{End, Life, Plan};
use crate::run::Outcome;
use crate::state_store::DurableState;
use client::Client;
use ledger::Ledger;

/// The topic everything goes to.
const TOPIC: &str = "orders";
/// Its partitions.
const PARTITION_COUNT: usize = 2;
const PRODUCER_COUNT: usize = 3;
const MEMBER_COUNT: usize = 2;
/// The stream of the seed that the clients draw from.
const RANDOM_STREAM: u64 = 5;
/// How often a life looks whether its process still lives.
const WATCH_INTERVAL: Duration = Duration::from_millis(20);
/// A broker lives this many times longer than a log alone: its clients need several exchanges.
const DURATION_FACTOR: u32 = 6;
/// A broker does more operations before its clients have done anything.
const OPERATION_FACTOR: u64 = 3;
/// Disk space is given out in larger pieces than to a log alone.
const FREE_BYTES_FACTOR: u64 = 16;
/// How long a start may take.
const START_WAIT: Duration = Duration::from_secs(60);
/// How long clients may take to finish once nothing fails any more.
const QUIET_WAIT: Duration = Duration::from_secs(120);
/// Operations shown with a violation.
const RECENT_COUNT: usize = 40;
const CREATE_TOPICS_VERSION: i16 = 5;
/// TOPIC_ALREADY_EXISTS: an earlier attempt got through.
const TOPIC_ALREADY_EXISTS: i16 = 36;

/// Files of the topic's second partition, the only ones in which bits flip: the group's topic has
/// one partition, and damage to the metadata refuses every start.
const DAMAGED_PARTITION: usize = 1;
const DAMAGED_FILES: &str = "-1/";

/// Where the state of the log is kept between the lives of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StateKind {
    /// As RocksDB does: what was flushed survives.
    Durable,
    /// Every start finds it lost. A log start is kept nowhere else, so nothing is deleted.
    Lost,
}

struct World {
    handles: SimHandles,
    state: DurableState,
    state_kind: StateKind,
    ledger: Arc<Ledger>,
    random: SeededRandom,
    crash_count: u64,
    notes: Vec<String>,
}

/// Runs one seed to its end.
pub(crate) async fn run(seed: u64) -> Outcome {
    let (_, handles) = Io::simulated(seed);
    handles.trace.keep_recent(RECENT_COUNT);
    let random = SeededRandom::new(seed, RANDOM_STREAM + 1);
    let state_kind = if random.chance(1, 4) {
        StateKind::Lost
    } else {
        StateKind::Durable
    };
    let mut world = World {
        state: DurableState::new(Arc::clone(&handles.disk)),
        state_kind,
        ledger: Arc::new(Ledger::new(seed, &handles.trace)),
        random,
        crash_count: 0,
        notes: Vec::new(),
        handles,
    };
    let mut clients = world.start_clients();
    let mut result = Ok(());
    for life in Plan::new(seed).lives.iter().map(for_a_broker) {
        if result.is_ok() {
            result = world.live(&life).await;
        }
    }
    if result.is_ok() {
        result = world.last_life().await;
    }
    world.handles.crash(CrashKind::Kill);
    clients.abort_all();
    while clients.join_next().await.is_some() {}
    let mut recent = world.notes;
    recent.extend(world.handles.trace.recent());
    Outcome {
        trace_hash: world.handles.trace.hash(),
        event_count: world.handles.trace.count(),
        acked_count: world.ledger.acked_count(),
        crash_count: world.crash_count,
        deleted_count: world.ledger.deleted_count(),
        unreadable_count: world.ledger.unreadable_count(),
        recent: if result.is_ok() { Vec::new() } else { recent },
        violation: result.err(),
        panics: Vec::new(),
    }
}

/// Fits a life made for the log alone.
fn for_a_broker(life: &Life) -> Life {
    Life {
        duration: life.duration * DURATION_FACTOR,
        end: match life.end {
            End::Crash(kind, operation) => End::Crash(kind, operation * OPERATION_FACTOR),
            close @ End::Close(_) => close,
        },
        free_bytes: life.free_bytes.map(|bytes| bytes * FREE_BYTES_FACTOR),
        ..life.clone()
    }
}

fn options(state_store: Option<Arc<dyn StateStore>>) -> BrokerOptions {
    let settings = [
        ("auto.create.topics.enable", "false"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("offsets.topic.num.partitions", "1"),
        ("sprawl.disk.ballast.bytes", "0"),
        ("log.retention.check.interval.ms", "500"),
    ];
    let settings: BTreeMap<String, String> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let mut settings = BrokerSettings::from_map(&settings).expect("literal settings are valid");
    // Below what an operator may choose, so that files are used again within seconds.
    settings.journal.file_bytes = 256 << 10;
    settings.journal.bytes_max = 1 << 20;
    BrokerOptions {
        data_dir: PathBuf::from("/data"),
        kafka_address: client::ADDRESS.parse().expect("a literal address"),
        settings,
        hot_bytes_max: 4 << 20,
        state_store,
    }
}

impl World {
    fn start_clients(&self) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        let (ledger, net) = (&self.ledger, &self.handles.net);
        let both = || (Arc::clone(ledger), Arc::clone(net));
        clients.spawn(create_topic(Arc::clone(net), self.state_kind));
        if self.state_kind == StateKind::Durable {
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
        clients
    }

    /// Starts a broker, lets it serve, ends it as planned.
    async fn live(&mut self, life: &Life) -> Check {
        self.notes.push(format!("start {life:?}"));
        let io = self.handles.restart();
        self.make_data_dir(&io);
        self.handles.spawn.set_step_latency(life.step_latency);
        if let End::Crash(kind, operation) = life.end {
            let now = self.handles.disk.operation_count();
            self.handles.disk.crash_at(now + operation, kind);
        }
        for (kind, nth) in &life.faults {
            self.handles.disk.fail_nth(*kind, *nth);
        }
        self.handles.disk.limit_free_bytes(life.free_bytes);
        let has_fault = !life.faults.is_empty() || life.free_bytes.is_some();
        match timeout(
            START_WAIT,
            RunningBroker::start(io, self.options(), Arc::new(NoObserver)),
        )
        .await
        {
            Some(Ok(broker)) => {
                self.watch(life).await;
                match life.end {
                    End::Close(then) if !has_fault => self.close(broker, then).await,
                    End::Close(_) => self.crash_with(broker, CrashKind::Kill),
                    End::Crash(kind, _) => self.crash_with(broker, kind),
                }
            }
            Some(Err(_)) | None if has_fault || self.handles.disk.is_down() => {
                self.crash(CrashKind::Kill);
            }
            Some(Err(error)) => return Err(does_not_start(&error.to_string())),
            None => return Err(does_not_start("it takes longer than a minute")),
        }
        self.flip_bits(life);
        self.ledger.violation()
    }

    /// Flips bits as planned. Without its state a log cannot tell damage at its end from a torn
    /// write.
    fn flip_bits(&self, life: &Life) {
        if let (Some((_, count)), StateKind::Durable) = (life.flips, self.state_kind) {
            let flips = self.handles.disk.flip_bits(DAMAGED_FILES, count);
            if !flips.is_empty() {
                self.ledger.damaged(DAMAGED_PARTITION);
            }
        }
    }

    fn options(&self) -> BrokerOptions {
        options((self.state_kind == StateKind::Durable).then(|| self.state.open()))
    }

    /// An operator made the data directory long before anything could crash.
    fn make_data_dir(&self, io: &Io) {
        let dir = Path::new("/data");
        let made = io
            .disk
            .create_dir_all(dir)
            .and_then(|()| io.disk.sync_dir(Path::new("/")));
        made.expect("the disk has no fault yet");
    }

    async fn close(&mut self, broker: RunningBroker, then: Option<CrashKind>) {
        if let Err(error) = broker.shutdown().await {
            self.ledger.report(Err(Violation {
                invariant: "L2",
                sentence: "a broker without faults stops cleanly",
                detail: error.to_string(),
            }));
        }
        self.crash(then.unwrap_or(CrashKind::Kill));
    }

    fn crash_with(&mut self, broker: RunningBroker, kind: CrashKind) {
        self.crash(kind);
        broker.abandon();
    }

    fn crash(&mut self, kind: CrashKind) {
        let event = format!("crash {kind:?} at operation {}", self.handles.trace.count());
        self.notes.push(event);
        self.handles.crash(kind);
        self.state.crash(&self.random);
        self.crash_count += 1;
    }

    /// Waits until the life's time is over or its process died, and breaks a connection now and
    /// then.
    async fn watch(&self, life: &Life) {
        let start = self.handles.clock.monotonic();
        while self.handles.clock.monotonic() - start < life.duration
            && !self.handles.disk.is_down()
            && self.ledger.violation().is_ok()
        {
            let count = self.handles.net.connection_count() as u64;
            if count > 0 && self.random.chance(1, 100) {
                self.handles.net.reset(self.random.below(count) as usize);
            } else if count > 0 && self.random.chance(1, 400) {
                self.handles.net.silence(self.random.below(count) as usize);
            }
            sleep(WATCH_INTERVAL).await;
        }
    }

    /// A broker without faults: every client finishes, then everything is read back.
    async fn last_life(&mut self) -> Check {
        self.notes.push("start the last life".to_owned());
        let io = self.handles.restart();
        self.make_data_dir(&io);
        self.handles.disk.limit_free_bytes(None);
        let broker = RunningBroker::start(io, self.options(), Arc::new(NoObserver)).await;
        let broker = broker.map_err(|error| does_not_start(&error.to_string()))?;
        sleep(Duration::from_secs(2)).await;
        self.ledger.stop();
        let start = self.handles.clock.monotonic();
        while !self.ledger.is_quiet() {
            self.ledger.violation()?;
            if self.handles.clock.monotonic() - start > QUIET_WAIT {
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
            logs.push(consumer::read_all(&self.ledger, &self.handles.net, partition).await?);
        }
        self.ledger.violation()?;
        self.ledger.check_read_back(&logs)?;
        self.handles.crash(CrashKind::Kill);
        broker.abandon();
        Ok(())
    }
}

fn does_not_start(reason: &str) -> Violation {
    Violation {
        invariant: "I26",
        sentence: "recovery from any crash succeeds",
        detail: format!("the broker does not start: {reason}"),
    }
}

/// Creates the topic, in whichever life of the broker that succeeds.
async fn create_topic(net: Arc<SimNet>, state_kind: StateKind) {
    let mut client = Client::new(&net, "admin");
    // Timestamps grow by 1 ms a record, so that segments roll after as many records.
    let configs: &[(&str, &str)] = match state_kind {
        StateKind::Durable => &[("segment.ms", "200"), ("retention.bytes", "300000")],
        StateKind::Lost => &[("segment.ms", "200")],
    };
    while try_create(&mut client, configs).await.is_err() {
        client.close();
        sleep(WATCH_INTERVAL).await;
    }
}

async fn try_create(client: &mut Client, configs: &[(&str, &str)]) -> io::Result<()> {
    let configs = configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string((*name).to_owned()))
            .with_value(Some(StrBytes::from_string((*value).to_owned())))
    });
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
        .with_num_partitions(i32::try_from(PARTITION_COUNT).unwrap_or(1))
        .with_replication_factor(1)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000);
    let response = client.call(CREATE_TOPICS_VERSION, &request).await?;
    match response.topics.first().map(|topic| topic.error_code) {
        Some(0 | TOPIC_ALREADY_EXISTS) => Ok(()),
        code => Err(io::Error::other(format!("error code {code:?}"))),
    }
}
