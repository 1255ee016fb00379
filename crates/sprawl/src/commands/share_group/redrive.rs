//! `sprawl share-group redrive`: dead letters go back to where they came from, at a steady rate.
//!
//! A letter is written with key, value and its own headers; the headers that made it a letter are
//! left out. With `--resume` the place reached is committed for a consumer group of that name after
//! every batch of letters is written, so that an interrupted redrive goes on there: a letter may
//! then be written twice, and none is left out.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use sprawl_client::admin::{Admin, OffsetSpec};
use sprawl_client::{
    ConsumedRecord, Consumer, ConsumerOptions, Producer, ProducerOptions, Record, StartOffset,
};
use sprawl_io::time;

use crate::client::explain;
use crate::output;

/// The headers that a dead letter has beside those of its record begin so (KIP-1191).
const HEADER_PREFIX: &[u8] = b"__dlq.errors.";
const HEADER_TOPIC: &[u8] = b"__dlq.errors.topic";
const HEADER_GROUP: &[u8] = b"__dlq.errors.group";
const HEADER_MESSAGE: &[u8] = b"__dlq.errors.message";

/// How many letters are read, written and committed in one step.
const STEP_COUNT_MAX: usize = 500;

/// How long one look for letters waits.
const POLL_WAIT_MAX: Duration = Duration::from_millis(500);

/// The pause between two notes of progress.
const NOTE_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(super) struct RedriveArgs {
    /// The dead-letter topic
    #[arg(value_name = "TOPIC")]
    topic: String,
    /// Only letters of this share group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Only letters from this topic
    #[arg(long, value_name = "TOPIC")]
    source: Option<String>,
    /// Only letters whose reason has this in it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Write to this topic instead of where each letter came from
    #[arg(long, value_name = "TOPIC")]
    to: Option<String>,
    /// Letters a second at most
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Letters at most
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Remember under this consumer group how far it got, and go on there
    #[arg(long, value_name = "GROUP")]
    resume: Option<String>,
    /// Do it; without this only count what would be done
    #[arg(long)]
    execute: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What was done, or would be.
#[derive(Debug, Default, Serialize)]
struct Summary {
    executed: bool,
    read: u64,
    redriven: u64,
    /// Letters that the filters leave out.
    filtered: u64,
    /// Letters that do not say where they came from.
    without_origin: u64,
    /// By topic written to.
    by_topic: BTreeMap<String, u64>,
}

/// What becomes of a letter.
enum Choice {
    Redrive(Box<Record>),
    Filtered,
    WithoutOrigin,
}

pub(super) async fn run(admin: &Admin, args: RedriveArgs) -> anyhow::Result<()> {
    let ends = admin
        .topic_offsets(&args.topic, OffsetSpec::Latest)
        .await
        .map_err(explain)?;
    let ends: BTreeMap<i32, i64> = ends
        .into_iter()
        .map(|(index, found)| (index, found.offset))
        .collect();
    let mut consumer = Consumer::new(admin.client().clone(), ConsumerOptions::default());
    let starts = starts(admin, &args, &ends).await?;
    consumer.assign(starts).await.map_err(explain)?;
    let producer = Producer::new(admin.client().clone(), ProducerOptions::default());
    let producer = producer.map_err(explain)?;
    let mut summary = Summary {
        executed: args.execute,
        ..Summary::default()
    };
    let mut pace = Pace::new(admin, args.rate);
    // What is written to the topic from now on is for the next time.
    while !is_done(&consumer, &args.topic, &ends) && !is_full(&args, &summary) {
        let left = args.limit.map_or(STEP_COUNT_MAX, |limit| {
            usize::try_from(limit.saturating_sub(summary.redriven)).unwrap_or(usize::MAX)
        });
        let polled = consumer.poll(POLL_WAIT_MAX, left.min(STEP_COUNT_MAX)).await;
        let letters = polled.map_err(explain)?;
        step(&args, &producer, letters, (&ends, &mut summary, &mut pace)).await?;
        if args.execute
            && let Some(group) = &args.resume
        {
            let positions = consumer.positions();
            admin
                .commit_for_group(group, &positions)
                .await
                .map_err(explain)?;
        }
        pace.note(&summary);
    }
    show(&args, &summary)
}

async fn starts(
    admin: &Admin,
    args: &RedriveArgs,
    ends: &BTreeMap<i32, i64>,
) -> anyhow::Result<BTreeMap<(String, i32), StartOffset>> {
    let reached = match &args.resume {
        Some(group) => admin.committed(group).await.map_err(explain)?,
        None => BTreeMap::new(),
    };
    let starts = ends.keys().map(|index| {
        let place = (args.topic.clone(), *index);
        let start = reached
            .get(&place)
            .map_or(StartOffset::Spec(OffsetSpec::Earliest), |offset| {
                StartOffset::Offset(*offset)
            });
        (place, start)
    });
    Ok(starts.collect())
}

fn is_done(consumer: &Consumer, topic: &str, ends: &BTreeMap<i32, i64>) -> bool {
    let positions = consumer.positions();
    ends.iter().all(|(index, end)| {
        let place = (topic.to_owned(), *index);
        positions
            .get(&place)
            .is_some_and(|position| position >= end)
    })
}

fn is_full(args: &RedriveArgs, summary: &Summary) -> bool {
    args.limit.is_some_and(|limit| summary.redriven >= limit)
}

/// Writes the letters of one poll, and waits until all are written.
async fn step(
    args: &RedriveArgs,
    producer: &Producer,
    letters: Vec<ConsumedRecord>,
    (ends, summary, pace): (&BTreeMap<i32, i64>, &mut Summary, &mut Pace),
) -> anyhow::Result<()> {
    let mut deliveries = Vec::new();
    for letter in letters {
        if ends
            .get(&letter.partition)
            .is_some_and(|end| letter.offset >= *end)
        {
            continue;
        }
        summary.read += 1;
        match choose(args, letter) {
            Choice::Filtered => summary.filtered += 1,
            Choice::WithoutOrigin => summary.without_origin += 1,
            Choice::Redrive(record) => {
                summary.redriven += 1;
                *summary.by_topic.entry(record.topic.clone()).or_default() += 1;
                if args.execute {
                    pace.wait().await;
                    deliveries.push(producer.send(*record).await.map_err(explain)?);
                }
            }
        }
    }
    producer.flush().await.map_err(explain)?;
    for delivery in deliveries {
        delivery.await.map_err(explain)?;
    }
    Ok(())
}

fn choose(args: &RedriveArgs, letter: ConsumedRecord) -> Choice {
    let header = |name: &[u8]| {
        let headers = letter.headers.iter().rev();
        let mut found = headers.filter(|header| header.key == name);
        let value = found.next()?.value.as_ref()?;
        std::str::from_utf8(value).ok().map(str::to_owned)
    };
    let Some(source) = header(HEADER_TOPIC) else {
        return Choice::WithoutOrigin;
    };
    let group = header(HEADER_GROUP).unwrap_or_default();
    let reason = header(HEADER_MESSAGE).unwrap_or_default();
    let is_wanted = args.group.as_ref().is_none_or(|wanted| *wanted == group)
        && args.source.as_ref().is_none_or(|wanted| *wanted == source)
        && args
            .reason
            .as_ref()
            .is_none_or(|wanted| reason.contains(wanted));
    if !is_wanted {
        return Choice::Filtered;
    }
    let headers = letter.headers.into_iter();
    Choice::Redrive(Box::new(Record {
        topic: args.to.clone().unwrap_or(source),
        key: letter.key,
        value: letter.value,
        headers: headers
            .filter(|header| !header.key.starts_with(HEADER_PREFIX))
            .collect(),
        ..Record::default()
    }))
}

/// Holds the rate, and tells of the progress now and then.
struct Pace {
    io: sprawl_io::Io,
    interval: Option<Duration>,
    next: Duration,
    noted: Duration,
}

impl Pace {
    fn new(admin: &Admin, rate: Option<u32>) -> Self {
        let io = admin.client().io().clone();
        let now = io.clock.monotonic();
        Self {
            io,
            interval: rate.and_then(|rate| Duration::from_secs(1).checked_div(rate)),
            next: now,
            noted: now,
        }
    }

    async fn wait(&mut self) {
        let Some(interval) = self.interval else {
            return;
        };
        let now = self.io.clock.monotonic();
        if self.next > now {
            time::sleep(self.next - now).await;
        }
        self.next = self.next.max(now) + interval;
    }

    fn note(&mut self, summary: &Summary) {
        let now = self.io.clock.monotonic();
        if now >= self.noted + NOTE_INTERVAL {
            self.noted = now;
            output::note(&format!(
                "{} read, {} redriven",
                summary.read, summary.redriven
            ));
        }
    }
}

fn show(args: &RedriveArgs, summary: &Summary) -> anyhow::Result<()> {
    if args.json {
        return output::json(summary);
    }
    let done = if args.execute {
        "redriven"
    } else {
        "would be redriven"
    };
    output::line(&format!(
        "{} letters read, {} {done}, {} filtered, {} without an origin",
        summary.read, summary.redriven, summary.filtered, summary.without_origin
    ))?;
    for (topic, count) in &summary.by_topic {
        output::line(&format!("  {topic}: {count}"))?;
    }
    if !args.execute {
        output::note("nothing was written; add --execute to do it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use clap::Parser;
    use sprawl_client::Header;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: RedriveArgs,
    }

    fn args(line: &[&str]) -> RedriveArgs {
        Line::parse_from([&["redrive", "dlq.g"], line].concat()).args
    }

    fn letter(headers: &[(&'static str, &'static str)]) -> ConsumedRecord {
        let headers = headers.iter().map(|(key, value)| Header {
            key: Bytes::from_static(key.as_bytes()),
            value: Some(Bytes::from_static(value.as_bytes())),
        });
        ConsumedRecord {
            topic: Arc::from("dlq.g"),
            partition: 0,
            offset: 4,
            timestamp: 0,
            timestamp_type: sprawl_model::batch::TimestampType::CreateTime,
            key: Some(Bytes::from_static(b"k")),
            value: Some(Bytes::from_static(b"v")),
            headers: headers.collect(),
        }
    }

    const HEADERS: &[(&str, &str)] = &[
        ("own", "1"),
        ("__dlq.errors.topic", "orders"),
        ("__dlq.errors.group", "jobs"),
        ("__dlq.errors.message", "rejected by a consumer"),
    ];

    #[test]
    fn a_letter_goes_back_without_what_made_it_one() {
        let Choice::Redrive(record) = choose(&args(&[]), letter(HEADERS)) else {
            panic!("not redriven");
        };
        assert_eq!(record.topic, "orders");
        let keys: Vec<&[u8]> = record
            .headers
            .iter()
            .map(|header| &header.key[..])
            .collect();
        assert_eq!(keys, [b"own"]);
        assert_eq!(record.value.as_deref(), Some(&b"v"[..]));
    }

    #[test]
    fn filters_leave_letters_out_and_a_letter_without_an_origin_stays() {
        let is_filtered = |line: &[&str]| {
            let choice = choose(&args(line), letter(HEADERS));
            matches!(choice, Choice::Filtered)
        };
        assert!(is_filtered(&["--group", "mails"]));
        assert!(is_filtered(&["--source", "mails"]));
        assert!(is_filtered(&["--reason", "limit"]));
        assert!(!is_filtered(&[
            "--group", "jobs", "--source", "orders", "--reason", "rejected"
        ]));
        let bare = choose(&args(&[]), letter(&[("own", "1")]));
        assert!(matches!(bare, Choice::WithoutOrigin));
    }
}
