//! Sends records, without keys unless they are asked for, in short runs per partition, as fast as
//! the client's queue takes them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use hdrhistogram::Histogram;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use crate::{Latency, Measured, cpu_seconds, histogram};

const DRAIN_WAIT_MAX: Duration = Duration::from_secs(120);
/// Delivery reports are taken every so many sends.
const POLL_EVERY: u64 = 256;

#[derive(Args)]
pub struct Produce {
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    #[arg(long)]
    record_bytes: usize,
    #[arg(long)]
    records: u64,
    /// How many records may wait for their acknowledgement at once.
    #[arg(long, default_value_t = 100_000)]
    window: u64,
    /// How many records go to one partition before the next has its turn, as clients without keys
    /// do (KIP-480).
    #[arg(long, default_value_t = 16)]
    run_records: u64,
    /// Gives every record one of this many keys of 8 bytes, at random; part of its size.
    #[arg(long)]
    keys: Option<u64>,
}

/// Collects delivery reports.
pub struct Deliveries {
    started: Instant,
    latency: Mutex<Histogram<u64>>,
    errors: AtomicU64,
}

impl Deliveries {
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            latency: Mutex::new(histogram()),
            errors: AtomicU64::new(0),
        }
    }

    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    fn micros(&self) -> usize {
        self.started.elapsed().as_micros() as usize
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    /// Microseconds since the start at which the record was sent.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: usize) {
        match result {
            Ok(_) => {
                let took = self.micros().saturating_sub(sent) as u64;
                self.latency
                    .lock()
                    .expect("never poisoned")
                    .saturating_record(took);
            }
            Err((error, _)) => {
                if self.errors.fetch_add(1, Ordering::Relaxed) == 0 {
                    eprintln!("first failed delivery: {error}");
                }
            }
        }
    }
}

/// Sends one record, taking delivery reports while the queue is full.
pub fn send(
    producer: &BaseProducer<Deliveries>,
    topic: &str,
    partition: i32,
    (key, payload): (Option<&[u8]>, &[u8]),
) -> Result<()> {
    let sent = producer.context().micros();
    let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, sent)
        .partition(partition)
        .payload(payload);
    record.key = key;
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(1));
                record = back;
            }
            Err((error, _)) => bail!("cannot send: {error}"),
        }
    }
}

pub fn run(settings: &ClientConfig, load: &Produce) -> Result<Measured> {
    let mut settings = settings.clone();
    settings.set("queue.buffering.max.messages", load.window.to_string());
    settings.set("acks", "all");
    let started = Instant::now();
    let producer: BaseProducer<Deliveries> =
        settings.create_with_context(Deliveries::new(started))?;
    // The first metadata answer is not part of what is measured.
    producer
        .client()
        .fetch_metadata(Some(&load.topic), Duration::from_secs(30))?;
    let key_bytes = load.keys.map_or(0, |_| size_of::<u64>());
    let mut payload = noise(load.record_bytes.saturating_sub(key_bytes));
    let cpu_before = cpu_seconds();
    let began = Instant::now();
    for index in 0..load.records {
        let partition = (index / load.run_records % load.partitions as u64) as i32;
        let stamp = index.to_be_bytes();
        let size = stamp.len().min(payload.len());
        payload[..size].copy_from_slice(&stamp[..size]);
        let key = load.keys.map(|keys| (mixed(index) % keys).to_be_bytes());
        let key = key.as_ref().map(|key| key.as_slice());
        send(&producer, &load.topic, partition, (key, &payload))?;
        if index % POLL_EVERY == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(DRAIN_WAIT_MAX)?;
    let seconds = began.elapsed().as_secs_f64();
    let deliveries = producer.context();
    let latency = Latency::from(&*deliveries.latency.lock().expect("never poisoned"));
    Ok(Measured {
        records: load.records - deliveries.errors(),
        bytes: (load.records - deliveries.errors()) * load.record_bytes as u64,
        seconds,
        errors: deliveries.errors(),
        driver_cpu_seconds: cpu_seconds() - cpu_before,
        latency: Some(latency),
        whole: None,
    })
}

/// Bytes that no codec shrinks, from a fixed xorshift.
pub fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_be_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// A number that looks random and is the same in every run (the finaliser of SplitMix64).
fn mixed(index: u64) -> u64 {
    let mut number = index.wrapping_add(0x9E37_79B9_7F4A_7C15);
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
