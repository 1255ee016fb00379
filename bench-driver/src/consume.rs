//! Reads a number of records from the start of every partition, one consumer, no group.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::{Measured, cpu_seconds};

const SILENCE_MAX: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct Consume {
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    #[arg(long)]
    records: u64,
}

/// A consumer that reads every partition from `offset`.
pub fn consumer(
    settings: &ClientConfig,
    topic: &str,
    partitions: i32,
    offset: Offset,
) -> Result<BaseConsumer> {
    let mut settings = settings.clone();
    settings.set("group.id", "bench-driver");
    settings.set("enable.auto.commit", "false");
    settings.set("enable.partition.eof", "false");
    let consumer: BaseConsumer = settings.create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, offset)?;
    }
    consumer.assign(&list)?;
    Ok(consumer)
}

pub fn run(settings: &ClientConfig, load: &Consume) -> Result<Measured> {
    let cpu_before = cpu_seconds();
    let began = Instant::now();
    let consumer = consumer(settings, &load.topic, load.partitions, Offset::Beginning)?;
    let (mut records, mut bytes, mut errors) = (0, 0, 0);
    let mut last = Instant::now();
    while records < load.records {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                records += 1;
                bytes += message.payload_len() as u64;
                if records % 4096 == 0 {
                    last = Instant::now();
                }
            }
            Some(Err(error)) => {
                errors += 1;
                eprintln!("error {errors}: {error}");
                ensure!(errors < 100, "too many errors, the last: {error}");
            }
            None => ensure!(
                last.elapsed() < SILENCE_MAX,
                "{records} of {} records came, then silence",
                load.records
            ),
        }
    }
    Ok(Measured {
        records,
        bytes,
        seconds: began.elapsed().as_secs_f64(),
        errors,
        driver_cpu_seconds: cpu_seconds() - cpu_before,
        latency: None,
        whole: None,
    })
}
