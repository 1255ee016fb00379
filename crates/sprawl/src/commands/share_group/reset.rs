//! `sprawl share-group reset-offsets`: where would the group start, and with `--execute`, make it
//! so. A group with members is refused by the broker.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use sprawl_client::admin::{Admin, OffsetSpec};

use crate::client::explain;
use crate::commands::offsets::{self, Logs, Place, parse_time};
use crate::output;

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
    places.extend(offsets::places(admin, &args.scope.topics).await?);
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
    let logs = Logs::of(admin, places).await?;
    let at_time = match target.to_datetime {
        Some(ms) => offsets::look_up(admin, places, OffsetSpec::Timestamp(ms)).await?,
        None => BTreeMap::new(),
    };
    let new = places.iter().map(|place| {
        let wanted = if target.to_latest {
            logs.end(place)
        } else if let Some(offset) = target.to_offset {
            logs.within(place, offset)
        } else if target.to_datetime.is_some() {
            // No record is that late: the group starts at the end.
            at_time.get(place).copied().unwrap_or(logs.end(place))
        } else {
            logs.start(place)
        };
        (place.clone(), wanted)
    });
    Ok(new.collect())
}

fn show(args: &ResetArgs, changes: &[Change]) -> anyhow::Result<()> {
    if args.json {
        return output::json(&changes);
    }
    let rows = changes.iter().map(|change| {
        let place = (change.topic.clone(), change.partition);
        (place, change.start_offset, change.new_offset)
    });
    offsets::print_changes(["START", "NEW"], rows)?;
    if !args.execute {
        offsets::note_dry_run();
    }
    Ok(())
}
