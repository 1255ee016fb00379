//! `sprawl group`: groups of consumers and of Kafka Streams, their lag and their offsets.

mod reset;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use sprawl_client::ClientError;
use sprawl_client::admin::{Admin, GroupDescription, OffsetSpec};
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain};
use crate::output::{self, Table};

#[derive(Debug, Args)]
pub(crate) struct GroupArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: GroupCommand,
}

#[derive(Debug, Subcommand)]
enum GroupCommand {
    /// List groups
    #[command(after_help = "\
Examples:
  sprawl group list
  sprawl group list --json | jq -r '.[].group'")]
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Show a group's members, offsets and lag
    #[command(after_help = "\
Examples:
  sprawl group describe billing
  sprawl group describe billing --json | jq '[.partitions[].lag] | add'")]
    Describe {
        /// The group
        #[arg(value_name = "GROUP")]
        group: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Move a group's offsets; without --execute only shows where to
    #[command(after_help = "\
Examples:
  sprawl group reset-offsets billing --topic orders --to-earliest
  sprawl group reset-offsets billing --topic orders:0,2 --to-offset 1000 --execute
  sprawl group reset-offsets billing --all-topics --to-datetime 2026-11-24T08:00 --execute
  sprawl group reset-offsets billing --all-topics --shift-by -100 --execute")]
    ResetOffsets(reset::ResetArgs),
    /// Delete groups with their offsets
    #[command(after_help = "\
Examples:
  sprawl group delete billing
  sprawl group delete billing audit")]
    Delete {
        /// The groups
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
    },
}

pub(crate) async fn run(io: Io, args: GroupArgs) -> anyhow::Result<()> {
    let admin = args.connect.admin(io).await?;
    match args.command {
        GroupCommand::List { json: true } => list_json(&admin).await,
        GroupCommand::List { json: false } => list_table(&admin).await,
        GroupCommand::Describe { group, json } => {
            let lag = lag(&admin, &group).await.map_err(explain)?;
            if json {
                output::json(&lag)
            } else {
                print(&lag)
            }
        }
        GroupCommand::ResetOffsets(args) => reset::run(&admin, args).await,
        GroupCommand::Delete { groups } => {
            for group in groups {
                admin.delete_group(&group).await.map_err(explain)?;
                output::line(&format!("group {group} deleted"))?;
            }
            Ok(())
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    group: String,
    state: String,
    group_type: String,
    protocol_type: String,
    coordinator: i32,
}

async fn rows(admin: &Admin) -> anyhow::Result<Vec<Row>> {
    let groups = admin.list_groups().await.map_err(explain)?.into_iter();
    let rows = groups.map(|group| Row {
        group: group.group_id,
        state: group.state,
        group_type: group.group_type,
        protocol_type: group.protocol_type,
        coordinator: group.coordinator,
    });
    Ok(rows.collect())
}

async fn list_json(admin: &Admin) -> anyhow::Result<()> {
    output::json(&rows(admin).await?)
}

async fn list_table(admin: &Admin) -> anyhow::Result<()> {
    let mut table = Table::new(&["GROUP", "STATE", "TYPE", "PROTOCOL", "COORDINATOR"]);
    for row in rows(admin).await? {
        let coordinator = row.coordinator.to_string();
        table.row(vec![
            row.group,
            row.state,
            row.group_type,
            row.protocol_type,
            coordinator,
        ]);
    }
    table.print()?;
    Ok(())
}

/// A group with the lag of each partition.
#[derive(Debug, Serialize)]
struct Lag {
    group: String,
    group_type: &'static str,
    state: String,
    /// Of a consumer or streams group.
    group_epoch: Option<i32>,
    /// Of a consumer or streams group: the epoch of the target assignment.
    assignment_epoch: Option<i32>,
    assignor: String,
    member_count: usize,
    total_lag: i64,
    partitions: Vec<PartitionLag>,
    /// Of a consumer or streams group.
    members: Vec<MemberEpoch>,
}

/// Where a member of a consumer group stands on its way to its target, in partitions by topic; of a
/// streams group in tasks by subtopology.
#[derive(Debug, Serialize)]
struct MemberEpoch {
    member: String,
    epoch: i32,
    assignment: BTreeMap<String, Vec<i32>>,
    target: BTreeMap<String, Vec<i32>>,
}

#[derive(Debug, Serialize)]
struct PartitionLag {
    topic: String,
    partition: i32,
    committed_offset: Option<i64>,
    log_end_offset: i64,
    lag: Option<i64>,
    member: Option<String>,
    client_id: Option<String>,
    host: Option<String>,
}

async fn lag(admin: &Admin, group: &str) -> Result<Lag, ClientError> {
    let description = admin.describe_group(group).await?;
    let committed = admin.committed(group).await?;
    if description.state == "Dead" && committed.is_empty() {
        return Err(ClientError::Invalid(format!(
            "there is no group {group}; `sprawl group list` shows the groups"
        )));
    }
    let owners = owners(&description);
    let places = committed.keys().chain(owners.keys()).cloned();
    let wanted: BTreeMap<_, _> = places.map(|place| (place, OffsetSpec::Latest)).collect();
    let ends = admin.list_offsets(&wanted).await?;
    let partitions = wanted.into_keys().map(|place| {
        let owner = owners.get(&place).map(|index| &description.members[*index]);
        let committed_offset = committed.get(&place).copied();
        let log_end_offset = ends.get(&place).map_or(-1, |end| end.offset);
        PartitionLag {
            topic: place.0,
            partition: place.1,
            committed_offset,
            log_end_offset,
            lag: committed_offset.map(|offset| (log_end_offset - offset).max(0)),
            member: owner.map(|member| member.member_id.clone()),
            client_id: owner.map(|member| member.client_id.clone()),
            host: owner.map(|member| member.host.clone()),
        }
    });
    let partitions: Vec<PartitionLag> = partitions.collect();
    let members = description.members.iter().filter_map(|member| {
        let (assignment, target) = match &member.tasks {
            Some(tasks) => (&tasks.has, &tasks.target),
            None => (&member.assignment, member.target.as_ref()?),
        };
        Some(MemberEpoch {
            member: member.member_id.clone(),
            epoch: member.epoch?,
            assignment: assignment.clone(),
            target: target.clone(),
        })
    });
    let members = members.collect();
    Ok(Lag {
        group: group.to_owned(),
        group_type: description.group_type,
        state: description.state,
        group_epoch: description.epochs.map(|epochs| epochs.group),
        assignment_epoch: description.epochs.map(|epochs| epochs.assignment),
        members,
        assignor: description.assignor,
        member_count: description.members.len(),
        total_lag: partitions
            .iter()
            .filter_map(|partition| partition.lag)
            .sum(),
        partitions,
    })
}

/// Finds the member, by its index, that reads each partition.
fn owners(description: &GroupDescription) -> BTreeMap<(String, i32), usize> {
    let mut owners = BTreeMap::new();
    for (index, member) in description.members.iter().enumerate() {
        for (topic, partitions) in &member.assignment {
            owners.extend(
                partitions
                    .iter()
                    .map(|partition| ((topic.clone(), *partition), index)),
            );
        }
    }
    owners
}

fn print(lag: &Lag) -> anyhow::Result<()> {
    let Lag {
        group,
        group_type,
        state,
        member_count,
        total_lag,
        ..
    } = lag;
    output::line(&format!(
        "group {group}  type {group_type}  state {state}  members {member_count}  lag {total_lag}"
    ))?;
    let head = [
        "TOPIC",
        "PARTITION",
        "COMMITTED",
        "END",
        "LAG",
        "MEMBER",
        "HOST",
    ];
    let mut table = Table::new(&head);
    let number = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for partition in &lag.partitions {
        table.row(vec![
            partition.topic.clone(),
            partition.partition.to_string(),
            number(partition.committed_offset),
            partition.log_end_offset.to_string(),
            number(partition.lag),
            text(&partition.member),
            text(&partition.host),
        ]);
    }
    table.print()?;
    print_epochs(lag)
}

/// Shows how far the members of a consumer or streams group are from their targets.
fn print_epochs(lag: &Lag) -> anyhow::Result<()> {
    let (Some(group), Some(assignment)) = (lag.group_epoch, lag.assignment_epoch) else {
        return Ok(());
    };
    output::line(&format!(
        "\ngroup epoch {group}  assignment epoch {assignment}  assignor {}",
        lag.assignor
    ))?;
    let mut table = Table::new(&["MEMBER", "EPOCH", "HAS", "SHOULD HAVE"]);
    for member in &lag.members {
        table.row(vec![
            member.member.clone(),
            member.epoch.to_string(),
            in_words(&member.assignment),
            in_words(&member.target),
        ]);
    }
    table.print()?;
    Ok(())
}

fn in_words(assignment: &BTreeMap<String, Vec<i32>>) -> String {
    let topics = assignment.iter().map(|(topic, partitions)| {
        let partitions: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        format!("{topic}:{}", partitions.join(","))
    });
    let words: Vec<String> = topics.collect();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(" ")
    }
}
