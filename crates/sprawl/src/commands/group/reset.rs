//! `sprawl group reset-offsets`: where would the group go on, and with `--execute`, make it so.
//!
//! A group with members is refused: they would overwrite what is committed here. New offsets are
//! kept within what the log has.

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
    if !scope.all_topics {
        return offsets::places(admin, &scope.topics).await;
    }
    if committed.is_empty() {
        anyhow::bail!("the group has no committed offsets; name a topic with --topic");
    }
    Ok(committed.keys().cloned().collect())
}

async fn changes(
    admin: &Admin,
    target: &Target,
    committed: &BTreeMap<Place, i64>,
    places: Vec<Place>,
) -> anyhow::Result<Vec<Change>> {
    let logs = Logs::of(admin, &places).await?;
    let at_time = match target.to_datetime {
        Some(ms) => offsets::look_up(admin, &places, OffsetSpec::Timestamp(ms)).await?,
        None => BTreeMap::new(),
    };
    let mut changes = Vec::new();
    for place in places {
        let current = committed.get(&place).copied();
        let needs_current = || {
            let (topic, partition) = &place;
            anyhow::anyhow!("the group has no committed offset in {topic}-{partition}")
        };
        let wanted = if target.to_earliest {
            logs.start(&place)
        } else if target.to_latest {
            logs.end(&place)
        } else if let Some(offset) = target.to_offset {
            offset
        } else if let Some(count) = target.shift_by {
            current.ok_or_else(needs_current)?.saturating_add(count)
        } else if target.to_datetime.is_some() {
            // No record is that late: the group goes on with what is written next.
            at_time.get(&place).copied().unwrap_or(logs.end(&place))
        } else {
            current.ok_or_else(needs_current)?
        };
        let new_offset = logs.within(&place, wanted);
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

fn show(args: &ResetArgs, changes: &[Change]) -> anyhow::Result<()> {
    if args.json {
        return output::json(&changes);
    }
    let rows = changes.iter().map(|change| {
        let place = (change.topic.clone(), change.partition);
        (place, change.committed_offset, change.new_offset)
    });
    offsets::print_changes(["COMMITTED", "NEW OFFSET"], rows)?;
    if !args.execute {
        offsets::note_dry_run();
    }
    Ok(())
}
