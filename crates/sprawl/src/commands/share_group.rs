//! `sprawl share-group`: share groups, where they stand, and their dead letters.

mod redrive;
mod reset;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use sprawl_client::ClientError;
use sprawl_client::admin::Admin;
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain};
use crate::output::{self, Table};

#[derive(Debug, Args)]
pub(crate) struct ShareGroupArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: ShareGroupCommand,
}

#[derive(Debug, Subcommand)]
enum ShareGroupCommand {
    /// List share groups
    #[command(after_help = "\
Examples:
  sprawl share-group list
  sprawl share-group list --json | jq -r '.[].group'")]
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Show a share group's members, and where it stands
    #[command(after_help = "\
Examples:
  sprawl share-group describe jobs
  sprawl share-group describe jobs --json | jq '[.partitions[].lag] | add'")]
    Describe {
        /// The group
        #[arg(value_name = "GROUP")]
        group: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Move where a share group starts; without --execute only shows where to
    #[command(after_help = "\
Examples:
  sprawl share-group reset-offsets jobs --all-topics --to-earliest
  sprawl share-group reset-offsets jobs --topic orders --to-latest --execute
  sprawl share-group reset-offsets jobs --topic orders --to-offset 1000 --execute")]
    ResetOffsets(reset::ResetArgs),
    /// Delete share groups with their state
    #[command(after_help = "\
Examples:
  sprawl share-group delete jobs
  sprawl share-group delete jobs mails")]
    Delete {
        /// The groups
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Write dead letters back to where they came from; without --execute only counts them
    #[command(after_help = "\
Examples:
  sprawl share-group redrive dlq.jobs
  sprawl share-group redrive dlq.jobs --execute --rate 100 --resume redrive-jobs
  sprawl share-group redrive dlq.jobs --group jobs --source orders --execute
  sprawl share-group redrive dlq.jobs --to orders.again --limit 10 --execute")]
    Redrive(redrive::RedriveArgs),
}

pub(crate) async fn run(io: Io, args: ShareGroupArgs) -> anyhow::Result<()> {
    let admin = args.connect.admin(io).await?;
    match args.command {
        ShareGroupCommand::List { json } => list(&admin, json).await,
        ShareGroupCommand::Describe { group, json } => {
            let described = describe(&admin, &group).await.map_err(explain)?;
            if json {
                output::json(&described)
            } else {
                print(&described)
            }
        }
        ShareGroupCommand::ResetOffsets(args) => reset::run(&admin, args).await,
        ShareGroupCommand::Delete { groups } => {
            for group in groups {
                admin.delete_group(&group).await.map_err(explain)?;
                output::line(&format!("share group {group} deleted"))?;
            }
            Ok(())
        }
        ShareGroupCommand::Redrive(args) => redrive::run(&admin, args).await,
    }
}

#[derive(Debug, Serialize)]
struct Row {
    group: String,
    state: String,
    coordinator: i32,
}

async fn list(admin: &Admin, json: bool) -> anyhow::Result<()> {
    let groups = admin
        .list_share_groups()
        .await
        .map_err(explain)?
        .into_iter();
    let rows = groups.map(|group| Row {
        group: group.group_id,
        state: group.state,
        coordinator: group.coordinator,
    });
    let rows: Vec<Row> = rows.collect();
    if json {
        return output::json(&rows);
    }
    let mut table = Table::new(&["GROUP", "STATE", "COORDINATOR"]);
    for row in rows {
        table.row(vec![row.group, row.state, row.coordinator.to_string()]);
    }
    table.print()?;
    Ok(())
}

/// A share group with where it stands in each partition.
#[derive(Debug, Serialize)]
struct Described {
    group: String,
    state: String,
    assignor: String,
    members: Vec<DescribedMember>,
    total_lag: i64,
    partitions: Vec<Standing>,
}

#[derive(Debug, Serialize)]
struct DescribedMember {
    member: String,
    client_id: String,
    host: String,
    assignment: BTreeMap<String, Vec<i32>>,
}

#[derive(Debug, Serialize)]
struct Standing {
    topic: String,
    partition: i32,
    start_offset: Option<i64>,
    lag: Option<i64>,
}

async fn describe(admin: &Admin, group: &str) -> Result<Described, ClientError> {
    let description = admin.describe_share_group(group).await?;
    let positions = admin.share_positions(group).await?;
    let members = description
        .members
        .into_iter()
        .map(|member| DescribedMember {
            member: member.member_id,
            client_id: member.client_id,
            host: member.host,
            assignment: member.assignment,
        });
    let partitions = positions
        .into_iter()
        .map(|((topic, partition), position)| Standing {
            topic,
            partition,
            start_offset: position.start_offset,
            lag: position.lag,
        });
    let partitions: Vec<Standing> = partitions.collect();
    Ok(Described {
        group: description.group_id,
        state: description.state,
        assignor: description.assignor,
        members: members.collect(),
        total_lag: partitions.iter().filter_map(|one| one.lag).sum(),
        partitions,
    })
}

fn print(described: &Described) -> anyhow::Result<()> {
    let Described {
        group,
        state,
        members,
        total_lag,
        ..
    } = described;
    let count = members.len();
    output::line(&format!(
        "share group {group}  state {state}  members {count}  lag {total_lag}"
    ))?;
    let number = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    let mut table = Table::new(&["TOPIC", "PARTITION", "START", "LAG"]);
    for one in &described.partitions {
        table.row(vec![
            one.topic.clone(),
            one.partition.to_string(),
            number(one.start_offset),
            number(one.lag),
        ]);
    }
    table.print()?;
    let mut table = Table::new(&["MEMBER", "CLIENT", "HOST", "PARTITIONS"]);
    for member in members {
        let topics = member.assignment.iter().map(|(topic, numbers)| {
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            format!("{topic}:{}", numbers.join(","))
        });
        table.row(vec![
            member.member.clone(),
            member.client_id.clone(),
            member.host.clone(),
            topics.collect::<Vec<String>>().join(" "),
        ]);
    }
    table.print()?;
    Ok(())
}
