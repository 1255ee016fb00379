//! `sprawl share-group reset-offsets`: where would the group start, and with `--execute`, make it
//! so. A group with members is refused by the broker.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use sprawl_client::admin::{Admin, OffsetSpec};

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
    /// A topic; may be repeated
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Every topic the group consumes
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
    /// To an offset, within what the log has
    #[arg(long, value_name = "OFFSET")]
    to_offset: Option<i64>,
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
    start_offset: Option<i64>,
    new_offset: i64,
}

pub(super) async fn run(admin: &Admin, args: ResetArgs) -> anyhow::Result<()> {
    let group = &args.group;
    let positions = admin.share_positions(group).await.map_err(explain)?;
    let mut places: Vec<Place> = Vec::new();
    if args.scope.all_topics {
        places.extend(positions.keys().cloned());
    }
    for topic in &args.scope.topics {
        let view = admin.client().topic(topic).await.map_err(explain)?;
        places.extend(view.partitions.keys().map(|index| (topic.clone(), *index)));
    }
    if places.is_empty() {
        anyhow::bail!("the group consumes nothing yet; name a topic with --topic");
    }
    let new = new_offsets(admin, &args.target, &places).await?;
    if args.execute {
        let altered = admin.alter_share_positions(group, &new).await;
        altered.map_err(explain)?;
    }
    let changes = new.into_iter().map(|((topic, partition), new_offset)| {
        let position = positions.get(&(topic.clone(), partition));
        Change {
            start_offset: position.and_then(|position| position.start_offset),
            topic,
            partition,
            new_offset,
        }
    });
    show(&args, &changes.collect::<Vec<Change>>())
}

async fn new_offsets(
    admin: &Admin,
    target: &Target,
    places: &[Place],
) -> anyhow::Result<BTreeMap<Place, i64>> {
    let ends = look_up(admin, places, OffsetSpec::Latest).await?;
    if target.to_latest {
        return Ok(ends);
    }
    let starts = look_up(admin, places, OffsetSpec::Earliest).await?;
    if target.to_earliest {
        return Ok(starts);
    }
    let wanted = match (target.to_offset, target.to_datetime) {
        (Some(offset), _) => places.iter().map(|place| (place.clone(), offset)).collect(),
        (None, Some(time)) => look_up(admin, places, OffsetSpec::Timestamp(time)).await?,
        (None, None) => starts.clone(),
    };
    let within = wanted.into_iter().map(|(place, offset)| {
        let end = ends.get(&place).copied().unwrap_or(0);
        let start = starts.get(&place).copied().unwrap_or(0);
        // No record is that late: the group starts at the end.
        let offset = if offset < 0 { end } else { offset };
        (place, offset.clamp(start, end.max(start)))
    });
    Ok(within.collect())
}

async fn look_up(
    admin: &Admin,
    places: &[Place],
    spec: OffsetSpec,
) -> anyhow::Result<BTreeMap<Place, i64>> {
    let wanted = places.iter().map(|place| (place.clone(), spec)).collect();
    let found = admin.list_offsets(&wanted).await.map_err(explain)?;
    Ok(found
        .into_iter()
        .map(|(place, found)| (place, found.offset))
        .collect())
}

fn show(args: &ResetArgs, changes: &[Change]) -> anyhow::Result<()> {
    if args.json {
        return output::json(&changes);
    }
    let mut table = Table::new(&["TOPIC", "PARTITION", "START", "NEW"]);
    for change in changes {
        let start = change
            .start_offset
            .map_or("-".to_owned(), |offset| offset.to_string());
        table.row(vec![
            change.topic.clone(),
            change.partition.to_string(),
            start,
            change.new_offset.to_string(),
        ]);
    }
    table.print()?;
    if !args.execute {
        output::note("nothing was changed; add --execute to do it");
    }
    Ok(())
}
