//! `sprawl produce`: lines become records.
//!
//! The command ends with success only when every record was acknowledged. With the defaults
//! (idempotent, acks=all) a record is written once and in order, also when the broker goes away and
//! comes back meanwhile.

mod input;
mod parse;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use sprawl_client::{Acks, Client, Codec, Delivery, Producer, ProducerOptions};
use sprawl_io::Io;
use tokio::sync::{mpsc, oneshot};

use crate::client::{ConnectArgs, explain, parse_assignment};
use crate::output;
use crate::stop::StopSignal;
use input::Lines;
use parse::LineParser;

/// Records whose outcome is waited for.
const PENDING_COUNT_MAX: usize = 100_000;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sprawl produce orders < orders.txt
  echo 'key:value' | sprawl produce orders -K :
  sprawl produce orders -p 3 -H source=import -z zstd orders.txt
  sprawl consume orders -e -J | sprawl produce copy -J
  seq 100000 | sprawl produce numbers --rate 5000 --print-acks")]
pub(crate) struct ProduceArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The topic
    topic: String,
    /// Files with one record a line; standard input where there are none
    files: Vec<PathBuf>,
    /// What separates key and value in a line; \\t, \\n and \\xNN are understood
    #[arg(
        short = 'K',
        long,
        value_name = "DELIMITER",
        conflicts_with = "json_lines"
    )]
    key_delimiter: Option<String>,
    /// The key of records whose line has none
    #[arg(short = 'k', long, value_name = "KEY", conflicts_with = "json_lines")]
    key: Option<String>,
    /// A header for every record; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = parse_assignment)]
    headers: Vec<(String, String)>,
    /// The partition [default: by key]
    #[arg(short, long, value_name = "N")]
    partition: Option<i32>,
    /// The timestamp of every record: ms since 1970, or a date and time
    #[arg(short = 'T', long, value_name = "TIME", value_parser = parse::time)]
    timestamp: Option<i64>,
    /// Write empty keys and values as null
    #[arg(short = 'Z', long)]
    null: bool,
    /// Lines are JSON objects as `consume -J` prints them
    #[arg(short = 'J', long)]
    json_lines: bool,
    /// How batches are compressed
    #[arg(short = 'z', long, value_enum, default_value = "none")]
    compression: Compression,
    /// Who must have a record before it counts as written
    #[arg(short, long, value_enum, default_value = "all")]
    acks: AcksArg,
    /// How long a batch waits for more records, in ms
    #[arg(long, value_name = "MS", default_value_t = 5)]
    linger_ms: u64,
    /// Give up on a record after this time, in ms
    #[arg(long, value_name = "MS", default_value_t = 120_000)]
    delivery_timeout_ms: u64,
    /// Stop after this many records
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
    /// At most this many records a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Print partition, offset and key of each record once it is acknowledged
    #[arg(long)]
    print_acks: bool,
    /// No progress and no summary
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AcksArg {
    #[value(alias = "-1")]
    All,
    #[value(name = "1")]
    Leader,
    #[value(name = "0")]
    None,
}

pub(crate) async fn run(io: Io, args: ProduceArgs) -> anyhow::Result<()> {
    let parser = LineParser::new(&args)?;
    let stop = StopSignal::catch(&io)?;
    let client = args.connect.client(io.clone()).await?;
    client.topic(&args.topic).await.map_err(explain)?;
    let producer = producer(&client, &args)?;
    let mut lines = Lines::open(&io, &args.files)?;
    let progress = progress(&args, lines.size_bytes());
    let (pending, outcome) = report(&io, args.print_acks);
    let start = io.clock.monotonic();
    let mut sent: u64 = 0;
    while args.count.is_none_or(|count| sent < count) {
        let line = tokio::select! {
            biased;
            () = stop.wait() => break,
            line = lines.next() => line?,
        };
        let Some(line) = line else { break };
        progress.inc(u64::try_from(line.len()).unwrap_or(0).saturating_add(1));
        let record = parser.parse(&line)?;
        let key = record.key.clone();
        let delivery = producer.send(record).await.map_err(explain)?;
        sent += 1;
        if pending.send(Pending { key, delivery }).await.is_err() {
            break;
        }
        if let Some(rate) = args.rate {
            let due = Duration::from_secs_f64(sent as f64 / rate as f64);
            let elapsed = io.clock.monotonic().saturating_sub(start);
            sprawl_io::time::sleep(due.saturating_sub(elapsed)).await;
        }
    }
    drop(pending);
    let written = outcome.await?;
    progress.finish_and_clear();
    let written = written?;
    if !args.quiet {
        output::note(&format!("{written} records written to {}", args.topic));
    }
    Ok(())
}

fn producer(client: &Client, args: &ProduceArgs) -> anyhow::Result<Producer> {
    let acks = match args.acks {
        AcksArg::All => Acks::All,
        AcksArg::Leader => Acks::Leader,
        AcksArg::None => Acks::None,
    };
    let codec = match args.compression {
        Compression::None => Codec::None,
        Compression::Gzip => Codec::Gzip,
        Compression::Snappy => Codec::Snappy,
        Compression::Lz4 => Codec::Lz4,
        Compression::Zstd => Codec::Zstd,
    };
    let options = ProducerOptions {
        acks,
        idempotent: acks == Acks::All,
        codec,
        linger: Duration::from_millis(args.linger_ms),
        delivery_wait_max: Duration::from_millis(args.delivery_timeout_ms),
        ..ProducerOptions::default()
    };
    Producer::new(client.clone(), options).map_err(explain)
}

/// A bar where the size is known, a spinner where it is not, nothing where nobody looks.
fn progress(args: &ProduceArgs, size_bytes: Option<u64>) -> ProgressBar {
    if args.quiet {
        return ProgressBar::hidden();
    }
    let (bar, template) = match size_bytes {
        Some(size) => (
            ProgressBar::new(size),
            "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {bytes} {bytes_per_sec}",
        ),
    };
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    bar.with_style(style)
}

/// A record on its way.
struct Pending {
    key: Option<bytes::Bytes>,
    delivery: Delivery,
}

/// Waits for every outcome in order; the second half returns how many records were acknowledged.
fn report(
    io: &Io,
    print_acks: bool,
) -> (
    mpsc::Sender<Pending>,
    oneshot::Receiver<anyhow::Result<u64>>,
) {
    let (pending, mut queue) = mpsc::channel::<Pending>(PENDING_COUNT_MAX);
    let (done, outcome) = oneshot::channel();
    io.spawn.task(Box::pin(async move {
        let mut written = 0;
        let result = loop {
            let Some(Pending { key, delivery }) = queue.recv().await else {
                break Ok(written);
            };
            let delivered = match delivery.await {
                Ok(delivered) => delivered,
                Err(error) => {
                    let reason = explain(error);
                    break Err(anyhow::anyhow!("after {written} records: {reason}"));
                }
            };
            written += 1;
            if print_acks {
                let key = String::from_utf8_lossy(key.as_deref().unwrap_or_default()).into_owned();
                let line = format!("{}\t{}\t{key}", delivered.partition, delivered.offset);
                if let Err(error) = output::line(&line) {
                    break Err(error.into());
                }
            }
        };
        // The receiver waits for exactly this.
        drop(done.send(result));
    }));
    (pending, outcome)
}
