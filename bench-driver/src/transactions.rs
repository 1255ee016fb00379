//! Commits transactions of a fixed number of records, one after the other, in several producers at
//! once, for a fixed time.
//!
//! A commit is timed from the call to its return, with every record acknowledged before it: what
//! remains is the request that ends the transaction. A whole transaction is timed from its begin to
//! the return of its commit.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};

use crate::produce::{Deliveries, noise, send};
use crate::{Latency, Measured, cpu_seconds, histogram};

const WAIT_MAX: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct Transactions {
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    #[arg(long)]
    record_bytes: usize,
    /// Records of one transaction.
    #[arg(long)]
    records: u64,
    /// Producers, each with a transactional id and a thread of its own.
    #[arg(long)]
    producers: u32,
    #[arg(long)]
    seconds: u64,
    /// How many records go to one partition before the next has its turn.
    #[arg(long, default_value_t = 16)]
    run_records: u64,
}

/// What one producer did.
struct Committed {
    transactions: u64,
    commits: Histogram<u64>,
    wholes: Histogram<u64>,
}

pub fn run(settings: &ClientConfig, load: &Transactions) -> Result<Measured> {
    ensure!(load.records > 0, "a transaction has at least one record");
    let producers = (0..load.producers)
        .map(|number| producer(settings, load, number))
        .collect::<Result<Vec<_>>>()?;
    let cpu_before = cpu_seconds();
    let began = Instant::now();
    let committed = std::thread::scope(|scope| {
        let threads: Vec<_> = producers
            .iter()
            .map(|producer| scope.spawn(move || commit_until(producer, load, began)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a producer's thread does not panic"))
            .collect::<Result<Vec<_>>>()
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let (mut commits, mut wholes, mut transactions) = (histogram(), histogram(), 0);
    for one in &committed {
        commits.add(&one.commits)?;
        wholes.add(&one.wholes)?;
        transactions += one.transactions;
    }
    let records = transactions * load.records;
    Ok(Measured {
        records,
        bytes: records * load.record_bytes as u64,
        seconds,
        errors: producers.iter().map(|p| p.context().errors()).sum(),
        driver_cpu_seconds: cpu_seconds() - cpu_before,
        latency: Some(Latency::from(&commits)),
        whole: Some(Latency::from(&wholes)),
    })
}

/// A producer whose transactional id is known to the server and that knows the topic's leaders.
fn producer(
    settings: &ClientConfig,
    load: &Transactions,
    number: u32,
) -> Result<BaseProducer<Deliveries>> {
    let mut settings = settings.clone();
    settings.set("acks", "all");
    settings.set("transactional.id", format!("bench-driver-{number}"));
    let producer: BaseProducer<Deliveries> =
        settings.create_with_context(Deliveries::new(Instant::now()))?;
    producer
        .client()
        .fetch_metadata(Some(&load.topic), Duration::from_secs(30))?;
    producer
        .init_transactions(WAIT_MAX)
        .with_context(|| format!("producer {number} gets no producer id"))?;
    Ok(producer)
}

fn commit_until(
    producer: &BaseProducer<Deliveries>,
    load: &Transactions,
    began: Instant,
) -> Result<Committed> {
    let payload = noise(load.record_bytes);
    let length = Duration::from_secs(load.seconds);
    let mut done = Committed {
        transactions: 0,
        commits: histogram(),
        wholes: histogram(),
    };
    let mut index = 0;
    while began.elapsed() < length {
        let begin = Instant::now();
        producer.begin_transaction()?;
        for _ in 0..load.records {
            let partition = (index / load.run_records % load.partitions as u64) as i32;
            send(producer, &load.topic, partition, (None, &payload))?;
            index += 1;
        }
        producer.flush(WAIT_MAX)?;
        let commit = Instant::now();
        producer.commit_transaction(WAIT_MAX)?;
        done.commits.saturating_record(micros(commit));
        done.wholes.saturating_record(micros(begin));
        done.transactions += 1;
    }
    Ok(done)
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
