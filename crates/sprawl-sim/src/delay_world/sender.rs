//! Whoever sends delayed records, and what all of them know.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use kafka_protocol::protocol::StrBytes;
use sprawl_io::Clock;
use sprawl_io::sim::{SeededRandom, SimNet};
use sprawl_io::time::sleep;
use sprawl_model::batch::{
    BatchBuilder, BatchOptions, DELIVER_AFTER, DELIVER_AT, DELIVER_CANCEL, HeaderRef,
};

use super::TOPIC;
use crate::client::Client;
use crate::error_code;
use crate::invariant::{Check, Violation, i13_error_is_safe};

const PRODUCE_VERSION: i16 = 9;
const PRODUCE_TIMEOUT_MS: i32 = 10_000;
/// The pause before the next record after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The longest delay of a record that is to be seen, in ms.
const DELAY_MS_MAX: u64 = 4_000;
/// The delay of one that is to be cancelled before, in ms; longer than any run.
const CANCELLED_DELAY_MS: i64 = 3_600_000;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was acknowledged: to be seen once.
    Acked,
    /// It was acknowledged, and so was its cancellation: never to be seen.
    Cancelled,
    /// Nobody said: to be seen at most once.
    Unknown,
}

/// What the senders know.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) random: SeededRandom,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    is_stopping: AtomicBool,
    busy: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    fates: BTreeMap<String, Fate>,
    last_due_ms: i64,
    violation: Option<Violation>,
}

impl Ledger {
    pub(super) fn new(seed: u64, random_stream: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            random: SeededRandom::new(seed, random_stream),
            clock,
            known: Mutex::default(),
            is_stopping: AtomicBool::new(false),
            busy: AtomicU64::new(0),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn violation(&self) -> Check {
        self.known().violation.clone().map_or(Ok(()), Err)
    }

    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    pub(super) fn acked_count(&self) -> u64 {
        let known = self.known();
        let acked = known.fates.values().filter(|fate| **fate != Fate::Unknown);
        acked.count() as u64
    }

    /// When the last record that is to be seen is due.
    pub(super) fn last_due_ms(&self) -> i64 {
        self.known().last_due_ms
    }

    pub(super) fn fates(&self) -> BTreeMap<String, Fate> {
        self.known().fates.clone()
    }

    fn note(&self, name: &str, fate: Fate) {
        self.known().fates.insert(name.to_owned(), fate);
    }

    fn report(&self, check: Check) {
        if let Err(violation) = check {
            self.known().violation.get_or_insert(violation);
        }
    }
}

/// Sends until it is told to stop.
pub(super) async fn run(ledger: Arc<Ledger>, net: Arc<SimNet>, number: usize) {
    ledger.busy.fetch_add(1, Ordering::Relaxed);
    let mut sender = Sender {
        client: Client::new(&net, &format!("sender-{number}")),
        ledger,
        number,
        next: 0,
    };
    while !sender.ledger.is_stopping.load(Ordering::Relaxed) {
        let sent = if sender.ledger.random.chance(1, 6) {
            sender.send_and_cancel().await
        } else {
            sender.send().await
        };
        if sent.is_err() {
            sleep(RETRY_PAUSE).await;
        }
        sleep(Duration::from_micros(sender.ledger.random.below(30_000))).await;
    }
    sender.ledger.busy.fetch_sub(1, Ordering::Relaxed);
}

struct Sender {
    ledger: Arc<Ledger>,
    client: Client,
    number: usize,
    next: u64,
}

impl Sender {
    fn name(&mut self) -> String {
        self.next += 1;
        format!("{}-{}", self.number, self.next)
    }

    /// Sends a batch of delayed records and others.
    async fn send(&mut self) -> io::Result<()> {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let mut names = Vec::new();
        for _ in 0..=self.ledger.random.below(4) {
            let name = self.name();
            let delay_ms = self.ledger.random.below(DELAY_MS_MAX);
            let delay_ms = i64::try_from(delay_ms).unwrap_or(0);
            self.push(&mut builder, &name, delay_ms);
            names.push(name);
            if self.ledger.random.chance(1, 4) {
                let pushed = builder.push(self.timestamp(), None, Some(b"plain"), &[]);
                pushed.expect("a few bytes fit a batch");
            }
        }
        let latest_ms = self.ledger.clock.wall_ms() + i64::try_from(DELAY_MS_MAX).unwrap_or(0);
        let sent = self.produce(builder).await;
        let fate = if sent.is_ok() {
            Fate::Acked
        } else {
            Fate::Unknown
        };
        for name in &names {
            self.ledger.note(name, fate);
        }
        // A relative time counts from when the broker takes the batch, which is before the answer.
        let answered_ms = self.ledger.clock.wall_ms() + i64::try_from(DELAY_MS_MAX).unwrap_or(0);
        let mut known = self.ledger.known();
        known.last_due_ms = known.last_due_ms.max(latest_ms).max(answered_ms);
        drop(known);
        sent
    }

    /// Sends a record that is due long after everything, and takes it back.
    async fn send_and_cancel(&mut self) -> io::Result<()> {
        let name = self.name();
        self.ledger.note(&name, Fate::Unknown);
        let mut builder = BatchBuilder::new(BatchOptions::default());
        self.push(&mut builder, &name, CANCELLED_DELAY_MS);
        self.produce(builder).await?;
        let header = HeaderRef {
            key: DELIVER_CANCEL.as_bytes(),
            value: None,
        };
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let pushed = builder.push(self.timestamp(), Some(name.as_bytes()), None, &[header]);
        pushed.expect("a few bytes fit a batch");
        self.produce(builder).await?;
        self.ledger.note(&name, Fate::Cancelled);
        Ok(())
    }

    fn timestamp(&self) -> i64 {
        sprawl_io::sim::clock::WALL_MS_START + i64::try_from(self.next).unwrap_or(0)
    }

    fn push(&self, builder: &mut BatchBuilder, name: &str, delay_ms: i64) {
        let (key, value) = if self.ledger.random.chance(1, 2) {
            (DELIVER_AFTER, delay_ms)
        } else {
            (DELIVER_AT, self.ledger.clock.wall_ms() + delay_ms)
        };
        let value = value.to_string();
        let header = HeaderRef {
            key: key.as_bytes(),
            value: Some(value.as_bytes()),
        };
        let name = Some(name.as_bytes());
        let pushed = builder.push(self.timestamp(), name, name, &[header]);
        pushed.expect("a few bytes fit a batch");
    }

    async fn produce(&mut self, builder: BatchBuilder) -> io::Result<()> {
        let partition = PartitionProduceData::default()
            .with_index(0)
            .with_records(Some(builder.build().freeze()));
        let topic = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
            .with_partition_data(vec![partition]);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(PRODUCE_TIMEOUT_MS)
            .with_topic_data(vec![topic]);
        let response = self.client.call(PRODUCE_VERSION, &request).await?;
        let answer = response
            .responses
            .first()
            .and_then(|topic| topic.partition_responses.first());
        match answer.map(|answer| answer.error_code) {
            Some(0) => Ok(()),
            Some(code) => {
                let name = format!("sender {}", self.number);
                let check = i13_error_is_safe(&name, code, error_code::is_safe_to_retry);
                self.ledger.report(check);
                Err(io::Error::other(format!("error code {code}")))
            }
            None => Err(io::Error::other("no answer for the partition")),
        }
    }
}
