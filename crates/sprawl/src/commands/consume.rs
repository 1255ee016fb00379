//! `sprawl consume`: records become lines.

pub(crate) mod format;
pub(crate) mod json;
mod offsets;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use sprawl_client::admin::OffsetSpec;
use sprawl_client::{
    Client, ClientError, ConsumedRecord, Consumer, ConsumerOptions, GroupConsumer, GroupOptions,
};
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain};
use crate::output;
use crate::stop::StopSignal;
use format::Format;
use offsets::Range;

/// How long the broker may hold an empty answer; a signal is noticed after at most that.
const POLL_WAIT_MAX: Duration = Duration::from_millis(250);

/// Records printed at once.
const POLL_RECORD_COUNT: usize = 1000;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sprawl consume orders                       from the beginning, then wait for more
  sprawl consume orders -o end                only what comes from now on
  sprawl consume orders -o -10 -e             the last 10 records of each partition
  sprawl consume orders -p 3 -o 500 -c 1      one record
  sprawl consume orders -o s@2026-11-24T08:00 -o e@2026-11-24T09:00
  sprawl consume orders -G billing            as a member of a group, going on where it stopped
  sprawl consume orders -e -f '%t %p %o %k %s %T %h\\n'
  sprawl consume orders -e -J | jq .payload

Format: %t topic, %p partition, %o offset, %k key, %K its length, %s value, %S its length,
  %R its length as 4 bytes, %T timestamp, %h headers, %% percent; \\n \\r \\t \\0 \\xNN.")]
pub(crate) struct ConsumeArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Read as a member of this group and commit what was printed
    #[arg(short = 'G', long, value_name = "GROUP")]
    group: Option<String>,
    /// The member's static name in its group
    #[arg(long, value_name = "NAME", requires = "group")]
    group_instance_id: Option<String>,
    /// Only these partitions
    #[arg(
        short,
        long,
        value_name = "N,...",
        value_delimiter = ',',
        conflicts_with = "group"
    )]
    partition: Vec<i32>,
    /// Where to start (and with e@ to stop): beginning, end, stored, N, -N, s@TIME, e@TIME
    #[arg(short, long, value_name = "OFFSET", allow_hyphen_values = true)]
    offset: Vec<String>,
    /// Stop after this many records
    #[arg(short, long, value_name = "N")]
    count: Option<usize>,
    /// Stop at the end
    #[arg(short = 'e', long)]
    exit: bool,
    /// How a record is printed
    #[arg(short, long, value_name = "FORMAT", conflicts_with_all = ["json_lines", "key_delimiter"])]
    format: Option<String>,
    /// Print key and value with this between them
    #[arg(
        short = 'K',
        long,
        value_name = "DELIMITER",
        conflicts_with = "json_lines"
    )]
    key_delimiter: Option<String>,
    /// Print a JSON object a line
    #[arg(short = 'J', long)]
    json_lines: bool,
    /// What null keys and values are printed as
    #[arg(short = 'Z', long, value_name = "TEXT", default_value = "")]
    null: String,
    /// The most bytes of a partition in one answer
    #[arg(long, value_name = "N", default_value_t = 1_048_576)]
    partition_bytes_max: i32,
    /// No progress and no summary
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) async fn run(io: Io, args: ConsumeArgs) -> anyhow::Result<()> {
    let format = Format::new(&args)?;
    let range = offsets::parse(&args.offset, args.group.is_some())?;
    let stop = StopSignal::catch(&io)?;
    let client = args.connect.client(io).await?;
    let mut source = open(client, &args, range).await?;
    let progress = progress(&args);
    let mut printed = 0;
    let result = print_all(
        &mut source,
        &args,
        &format,
        (&stop, &progress, &mut printed),
    )
    .await;
    progress.finish_and_clear();
    // What was printed is committed even when printing ends with an error, such as a closed pipe.
    source.close().await.map_err(explain)?;
    result?;
    if !args.quiet {
        output::note(&format!(
            "{printed} records read from {}",
            args.topics.join(", ")
        ));
    }
    Ok(())
}

async fn print_all(
    source: &mut Source,
    args: &ConsumeArgs,
    format: &Format,
    (stop, progress, printed): (&StopSignal, &ProgressBar, &mut usize),
) -> anyhow::Result<()> {
    let mut text = Vec::new();
    while !stop.has_come() && !source.is_done(args) {
        let left = args
            .count
            .map_or(POLL_RECORD_COUNT, |count| count - *printed);
        if left == 0 {
            break;
        }
        let records = source
            .poll(left.min(POLL_RECORD_COUNT))
            .await
            .map_err(explain)?;
        text.clear();
        for record in &records {
            format.write(record, &mut text);
        }
        let mut out = io::stdout().lock();
        out.write_all(&text)?;
        out.flush()?;
        *printed += records.len();
        progress.inc(u64::try_from(records.len()).unwrap_or(0));
    }
    Ok(())
}

fn progress(args: &ConsumeArgs) -> ProgressBar {
    // Records on the screen are progress enough.
    if args.quiet || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} records {per_sec}");
    ProgressBar::new_spinner().with_style(style.unwrap_or(ProgressStyle::default_spinner()))
}

/// Where records come from.
#[allow(
    clippy::large_enum_variant,
    reason = "one value for the life of the process"
)]
enum Source {
    Assigned {
        consumer: Consumer,
        ends: BTreeMap<(String, i32), i64>,
    },
    Group(GroupConsumer),
}

async fn open(client: Client, args: &ConsumeArgs, range: Range) -> anyhow::Result<Source> {
    if let Some(group) = &args.group {
        let options = GroupOptions {
            group_instance_id: args.group_instance_id.clone(),
            start: range.group_start(),
            ..GroupOptions::new(group.clone(), args.topics.clone())
        };
        for topic in &args.topics {
            client.topic(topic).await.map_err(explain)?;
        }
        return Ok(Source::Group(GroupConsumer::new(client, options)));
    }
    let mut places = Vec::new();
    for topic in &args.topics {
        let view = client.topic(topic).await.map_err(explain)?;
        for partition in &args.partition {
            client.leader(topic, *partition).await.map_err(explain)?;
        }
        let wanted = |index: &i32| args.partition.is_empty() || args.partition.contains(index);
        let indexes = view.partitions.into_keys().filter(wanted);
        places.extend(indexes.map(|index| (topic.clone(), index)));
    }
    let ends = range.ends(&client, &places).await.map_err(explain)?;
    let options = ConsumerOptions {
        partition_bytes_max: args.partition_bytes_max,
        reset: OffsetSpec::Earliest,
        ..ConsumerOptions::default()
    };
    let mut consumer = Consumer::new(client, options);
    let starts = places.into_iter().map(|place| (place, range.start));
    consumer.assign(starts.collect()).await.map_err(explain)?;
    Ok(Source::Assigned { consumer, ends })
}

impl Source {
    async fn poll(&mut self, records_max: usize) -> Result<Vec<ConsumedRecord>, ClientError> {
        match self {
            Self::Group(consumer) => consumer.poll(POLL_WAIT_MAX, records_max).await,
            Self::Assigned { consumer, ends } => {
                let mut records = consumer.poll(POLL_WAIT_MAX, records_max).await?;
                records.retain(|record| {
                    let place = (record.topic.to_string(), record.partition);
                    ends.get(&place).is_none_or(|end| record.offset < *end)
                });
                Ok(records)
            }
        }
    }

    fn is_done(&self, args: &ConsumeArgs) -> bool {
        match self {
            Self::Group(consumer) => args.exit && consumer.is_at_end(),
            Self::Assigned { consumer, ends } => {
                let positions = consumer.positions();
                let past = |(place, end): (_, &i64)| {
                    positions.get(place).is_none_or(|position| position >= end)
                };
                (args.exit && consumer.is_at_end()) || (!ends.is_empty() && ends.iter().all(past))
            }
        }
    }

    async fn close(self) -> Result<(), ClientError> {
        match self {
            Self::Group(consumer) => consumer.close().await,
            Self::Assigned { .. } => Ok(()),
        }
    }
}
