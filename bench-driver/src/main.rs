//! How fast does a server serve librdkafka? One load per call, one JSON line as the answer.
//!
//! The same binary drives every server, so differences are the servers'. Latency of a produce is
//! from the send call to the delivery report; end to end it is from the send call to the poll that
//! returns the record, both by one process's monotonic clock.

mod consume;
mod end_to_end;
mod produce;
mod topic;
mod transactions;

use anyhow::Result;
use clap::{Parser, Subcommand};
use hdrhistogram::Histogram;
use serde::Serialize;

#[derive(Parser)]
#[command(about = "librdkafka as load generator")]
struct Cli {
    /// Host and port of the server.
    #[arg(long)]
    bootstrap: String,
    /// librdkafka setting, as name=value; may be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Creates a topic.
    Topic(topic::Topic),
    /// Replaces the settings of a topic.
    Configure(topic::Configure),
    /// Sends a number of records as fast as acknowledgements allow.
    Produce(produce::Produce),
    /// Reads a number of records from the start of every partition.
    Consume(consume::Consume),
    /// Sends at a fixed rate and reads at the same time.
    EndToEnd(end_to_end::EndToEnd),
    /// Commits transactions as fast as they are answered.
    Transactions(transactions::Transactions),
}

/// What one load measured.
#[derive(Serialize)]
struct Measured {
    records: u64,
    bytes: u64,
    seconds: f64,
    errors: u64,
    /// Seconds of processor time that this driver itself used.
    driver_cpu_seconds: f64,
    latency: Option<Latency>,
    /// Of whole transactions, where `latency` is that of their commits.
    whole: Option<Latency>,
}

#[derive(Serialize)]
struct Latency {
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

impl From<&Histogram<u64>> for Latency {
    fn from(histogram: &Histogram<u64>) -> Self {
        let ms = |micros: u64| micros as f64 / 1000.0;
        Self {
            p50_ms: ms(histogram.value_at_quantile(0.5)),
            p99_ms: ms(histogram.value_at_quantile(0.99)),
            p999_ms: ms(histogram.value_at_quantile(0.999)),
            max_ms: ms(histogram.max()),
        }
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let settings = client_settings(&cli)?;
    let measured = match cli.load {
        Load::Topic(topic) => return topic::run(&settings, &topic),
        Load::Configure(configure) => return topic::configure(&settings, &configure),
        Load::Produce(produce) => produce::run(&settings, &produce)?,
        Load::Consume(consume) => consume::run(&settings, &consume)?,
        Load::EndToEnd(end_to_end) => end_to_end::run(&settings, &end_to_end)?,
        Load::Transactions(transactions) => transactions::run(&settings, &transactions)?,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn client_settings(cli: &Cli) -> Result<rdkafka::ClientConfig> {
    let mut settings = rdkafka::ClientConfig::new();
    settings.set("bootstrap.servers", &cli.bootstrap);
    for setting in &cli.settings {
        let Some((name, value)) = setting.split_once('=') else {
            anyhow::bail!("expected name=value, found {setting:?}");
        };
        settings.set(name, value);
    }
    Ok(settings)
}

/// Microseconds up to a minute, three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are valid")
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok());
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / TICKS_PER_SECOND
}
