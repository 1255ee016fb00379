//! `sprawl group reset-offsets`: where would the group go on, and with `--execute`, make it so.
//!
//! A group with members is refused: they would overwrite what is committed here. New offsets are
//! kept within what the log has.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use sprawl_client::admin::{Admin, OffsetSpec, TimestampedOffset};

use crate::client::explain;
use crate::datetime;
use crate::output::{self, Table};

type Place = (String, i32);

#[derive(Debug, Args)]
pub(super) struct ResetArgs {
    /// The group
    #[arg(value_name = "GROUP")]
    group: String,
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    target: Target,
    /// Do it; without this only show what would be done
    #[arg(long)]
    execute: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Scope {
    /// A topic, or some of its partitions; may be repeated
    #[arg(long = "topic", value_name = "TOPIC[:PARTITION,...]")]
    topics: Vec<String>,
    /// Every topic the group has committed offsets of
    #[arg(long)]
    all_topics: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// To the first record
    #[arg(long)]
    to_earliest: bool,
    /// To the end
    #[arg(long)]
    to_latest: bool,
    /// To where the group is now, within what the log has
    #[arg(long)]
    to_current: bool,
    /// To an offset
    #[arg(long, value_name = "OFFSET")]
    to_offset: Option<i64>,
    /// Forward, or with a negative number back
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    shift_by: Option<i64>,
    /// To the first record at or after a time, in UTC unless it has an offset
    #[arg(long, value_name = "YYYY-MM-DDTHH:MM:SS", value_parser = parse_time)]
    to_datetime: Option<i64>,
}

fn parse_time(text: &str) -> Result<i64, String> {
    datetime::parse(text)
        .ok_or_else(|| format!("expected a time such as 2026-11-24T08:00:00, found {text:?}"))
}

/// What happens to one partition.
#[derive(Debug, Serialize)]
struct Change {
    topic: String,
    partition: i32,
    committed_offset: Option<i64>,
    new_offset: i64,
}

pub(super) async fn run(admin: &Admin, args: ResetArgs) -> anyhow::Result<()> {
    let group = &args.group;
    let description = admin.describe_group(group).await.map_err(explain)?;
    if args.execute && !description.members.is_empty() {
        let count = description.members.len();
        anyhow::bail!("group {group} has {count} members; stop them first, then reset its offsets");
    }
    let committed = admin.committed(group).await.map_err(explain)?;
    let places = places(admin, &args.scope, &committed).await?;
    let changes = changes(admin, &args.target, &committed, places).await?;
    if args.execute {
        let offsets = changes
            .iter()
            .map(|change| ((change.topic.clone(), change.partition), change.new_offset));
        admin
            .commit_for_group(group, &offsets.collect())
            .await
            .map_err(explain)?;
    }
    show(&args, &changes)
}

async fn places(
    admin: &Admin,
    scope: &Scope,
    committed: &BTreeMap<Place, i64>,
) -> anyhow::Result<Vec<Place>> {
    if scope.all_topics {
        if committed.is_empty() {
            anyhow::bail!("the group has no committed offsets; name a topic with --topic");
        }
        return Ok(committed.keys().cloned().collect());
    }
    let mut places = Vec::new();
    for text in &scope.topics {
        let (topic, partitions) = match text.split_once(':') {
            Some((topic, list)) => (topic, Some(list)),
            None => (text.as_str(), None),
        };
        let view = admin
            .client()
            .refresh_topic(topic, sprawl_client::AutoCreate::No)
            .await
            .map_err(explain)?;
        let Some(list) = partitions else {
            places.extend(
                view.partitions
                    .keys()
                    .map(|index| (topic.to_owned(), *index)),
            );
            continue;
        };
        for number in list.split(',') {
            let known = number
                .trim()
                .parse()
                .ok()
                .filter(|n| view.partitions.contains_key(n));
            let Some(index) = known else {
                let count = view.partitions.len();
                anyhow::bail!(
                    "topic {topic} has partitions 0 to {}, not {number:?}",
                    count - 1
                );
            };
            places.push((topic.to_owned(), index));
        }
    }
    Ok(places)
}

async fn changes(
    admin: &Admin,
    target: &Target,
    committed: &BTreeMap<Place, i64>,
    places: Vec<Place>,
) -> anyhow::Result<Vec<Change>> {
    let starts = look_up(admin, &places, OffsetSpec::Earliest).await?;
    let ends = look_up(admin, &places, OffsetSpec::Latest).await?;
    let at_time = match target.to_datetime {
        Some(ms) => look_up(admin, &places, OffsetSpec::Timestamp(ms)).await?,
        None => BTreeMap::new(),
    };
    let offset = |offsets: &BTreeMap<Place, TimestampedOffset>, place: &Place| {
        offsets
            .get(place)
            .map(|found| found.offset)
            .filter(|offset| *offset >= 0)
    };
    let mut changes = Vec::new();
    for place in places {
        let (start, end) = (
            offset(&starts, &place).unwrap_or(0),
            offset(&ends, &place).unwrap_or(0),
        );
        let current = committed.get(&place).copied();
        let needs_current = || {
            let (topic, partition) = &place;
            anyhow::anyhow!("the group has no committed offset in {topic}-{partition}")
        };
        let wanted = if target.to_earliest {
            start
        } else if target.to_latest {
            end
        } else if let Some(offset) = target.to_offset {
            offset
        } else if let Some(count) = target.shift_by {
            current.ok_or_else(needs_current)?.saturating_add(count)
        } else if target.to_datetime.is_some() {
            // No record is that late: the group goes on with what is written next.
            offset(&at_time, &place).unwrap_or(end)
        } else {
            current.ok_or_else(needs_current)?
        };
        let new_offset = wanted.clamp(start, end.max(start));
        let (topic, partition) = place;
        changes.push(Change {
            topic,
            partition,
            committed_offset: current,
            new_offset,
        });
    }
    Ok(changes)
}

async fn look_up(
    admin: &Admin,
    places: &[Place],
    spec: OffsetSpec,
) -> anyhow::Result<BTreeMap<Place, TimestampedOffset>> {
    let wanted = places.iter().map(|place| (place.clone(), spec)).collect();
    admin.list_offsets(&wanted).await.map_err(explain)
}

fn show(args: &ResetArgs, changes: &[Change]) -> anyhow::Result<()> {
    if args.json {
        return output::json(&changes);
    }
    let mut table = Table::new(&["TOPIC", "PARTITION", "COMMITTED", "NEW OFFSET"]);
    for change in changes {
        let committed = change
            .committed_offset
            .map_or("-".to_owned(), |o| o.to_string());
        let (partition, new_offset) = (change.partition.to_string(), change.new_offset.to_string());
        table.row(vec![change.topic.clone(), partition, committed, new_offset]);
    }
    table.print()?;
    if !args.execute {
        output::note("dry run: nothing was changed; pass --execute to change it");
    }
    Ok(())
}
