//! Sends at a fixed rate while reading: how old is a record when its reader gets it?

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{ClientConfig, Message, Offset};

use crate::produce::{Deliveries, noise, send};
use crate::{Latency, Measured, consume, cpu_seconds, histogram};

/// Records are sent in bursts this far apart.
const TICK: Duration = Duration::from_millis(1);
/// How many records go to one partition before the next has its turn (KIP-480).
const RUN_RECORDS: u64 = 16;
/// The reader goes on this long after the last send.
const TAIL: Duration = Duration::from_secs(3);

#[derive(Args)]
pub struct EndToEnd {
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    #[arg(long)]
    record_bytes: usize,
    /// Payload bytes sent per second.
    #[arg(long)]
    rate_bytes: u64,
    /// Seconds at the start that are not counted.
    #[arg(long)]
    warm_up_seconds: u64,
    /// Seconds that are counted.
    #[arg(long)]
    seconds: u64,
}

pub fn run(settings: &ClientConfig, load: &EndToEnd) -> Result<Measured> {
    ensure!(
        load.record_bytes >= 8,
        "a record must hold its 8-byte send time"
    );
    let epoch = Instant::now();
    let consumer = consume::consumer(settings, &load.topic, load.partitions, Offset::Beginning)?;
    let done = AtomicBool::new(false);
    let cpu_before = cpu_seconds();
    let (read, sent) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_all(&consumer, load, epoch, &done));
        let sent = send_all(settings, load, epoch);
        std::thread::sleep(TAIL);
        done.store(true, Ordering::Relaxed);
        (reader.join().expect("the reader does not panic"), sent)
    });
    let (sent, errors) = sent?;
    let read = read?;
    let counted = read.histogram.len();
    Ok(Measured {
        records: counted,
        bytes: counted * load.record_bytes as u64,
        seconds: load.seconds as f64,
        errors: errors + sent.saturating_sub(read.records),
        driver_cpu_seconds: cpu_seconds() - cpu_before,
        latency: Some(Latency::from(&read.histogram)),
        whole: None,
    })
}

/// Sends until the time is up; returns how many records were sent and how many failed.
fn send_all(settings: &ClientConfig, load: &EndToEnd, epoch: Instant) -> Result<(u64, u64)> {
    let mut settings = settings.clone();
    settings.set("acks", "all");
    let producer: BaseProducer<Deliveries> =
        settings.create_with_context(Deliveries::new(epoch))?;
    producer
        .client()
        .fetch_metadata(Some(&load.topic), Duration::from_secs(30))?;
    let mut payload = noise(load.record_bytes);
    let began = Instant::now();
    let length = Duration::from_secs(load.warm_up_seconds + load.seconds);
    let rate = load.rate_bytes as f64 / load.record_bytes as f64;
    let mut sent = 0u64;
    while began.elapsed() < length {
        let due = (began.elapsed().as_secs_f64() * rate) as u64;
        while sent < due {
            let stamp = (epoch.elapsed().as_micros() as u64).to_be_bytes();
            payload[..stamp.len()].copy_from_slice(&stamp);
            let partition = (sent / RUN_RECORDS % load.partitions as u64) as i32;
            send(&producer, &load.topic, partition, (None, &payload))?;
            sent += 1;
        }
        producer.poll(TICK);
    }
    producer.flush(Duration::from_secs(60))?;
    Ok((sent, producer.context().errors()))
}

struct Read {
    records: u64,
    histogram: Histogram<u64>,
}

fn read_all(
    consumer: &BaseConsumer,
    load: &EndToEnd,
    epoch: Instant,
    done: &AtomicBool,
) -> Result<Read> {
    let mut read = Read {
        records: 0,
        histogram: histogram(),
    };
    let mut first = None;
    let warm_up = load.warm_up_seconds * 1_000_000;
    while !done.load(Ordering::Relaxed) {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let message = message?;
        let payload = message.payload().unwrap_or_default();
        let Some(stamp) = payload.first_chunk::<8>() else {
            continue;
        };
        let sent = u64::from_be_bytes(*stamp);
        read.records += 1;
        let start = *first.get_or_insert(sent);
        if sent >= start + warm_up {
            let now = epoch.elapsed().as_micros() as u64;
            read.histogram.saturating_record(now.saturating_sub(sent));
        }
    }
    Ok(read)
}
