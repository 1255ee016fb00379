//! `sprawl log-dir`: where do brokers keep partitions, and how large are they?
//!
//! A broker here has one directory, so that nothing can be moved between two.

use clap::{Args, Subcommand};
use serde::Serialize;
use sprawl_client::admin::BrokerLogDir;
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain};
use crate::output::{self, Table};

#[derive(Debug, Args)]
pub(crate) struct LogDirArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: LogDirCommand,
}

#[derive(Debug, Subcommand)]
enum LogDirCommand {
    /// Show the log directories of brokers, and the partitions in them
    #[command(after_help = "\
Examples:
  sprawl log-dir describe
  sprawl log-dir describe --topic orders --topic payments
  sprawl log-dir describe --broker 0 --json")]
    Describe(DescribeArgs),
}

#[derive(Debug, Args)]
struct DescribeArgs {
    /// Only this broker's; may be repeated
    #[arg(long, value_name = "ID")]
    broker: Vec<i32>,
    /// Only this topic's partitions; may be repeated
    #[arg(long, value_name = "NAME")]
    topic: Vec<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct LogDir {
    broker: i32,
    path: String,
    disk_bytes: i64,
    disk_free_bytes: i64,
    is_cordoned: bool,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
struct Partition {
    topic: String,
    partition: i32,
    size_bytes: i64,
    offset_lag: i64,
    is_future: bool,
}

pub(crate) async fn run(io: Io, args: LogDirArgs) -> anyhow::Result<()> {
    let LogDirCommand::Describe(wanted) = args.command;
    let admin = args.connect.admin(io).await?;
    let mut dirs = admin.log_dirs().await.map_err(explain)?;
    for id in &wanted.broker {
        if !dirs.iter().any(|dir| dir.broker_id == *id) {
            anyhow::bail!("there is no broker {id}; `sprawl cluster info` shows the brokers");
        }
    }
    dirs.retain(|dir| wanted.broker.is_empty() || wanted.broker.contains(&dir.broker_id));
    let shown: Vec<LogDir> = dirs.into_iter().map(|dir| shown(dir, &wanted)).collect();
    for topic in &wanted.topic {
        let mut partitions = shown.iter().flat_map(|dir| &dir.partitions);
        if !partitions.any(|partition| partition.topic == *topic) {
            anyhow::bail!("no partition of {topic} is there; `sprawl topic list` shows the topics");
        }
    }
    if wanted.json {
        output::json(&shown)
    } else {
        print(&shown)
    }
}

fn shown(dir: BrokerLogDir, wanted: &DescribeArgs) -> LogDir {
    let is_wanted = |topic: &String| wanted.topic.is_empty() || wanted.topic.contains(topic);
    let partitions = dir.partitions.into_iter();
    let partitions = partitions.filter(|((topic, _), _)| is_wanted(topic));
    LogDir {
        broker: dir.broker_id,
        path: dir.path,
        disk_bytes: dir.total_bytes,
        disk_free_bytes: dir.usable_bytes,
        is_cordoned: dir.is_cordoned,
        partitions: partitions
            .map(|((topic, partition), found)| Partition {
                topic,
                partition,
                size_bytes: found.size_bytes,
                offset_lag: found.offset_lag,
                is_future: found.is_future,
            })
            .collect(),
    }
}

fn print(dirs: &[LogDir]) -> anyhow::Result<()> {
    for dir in dirs {
        let (disk, free) = (
            output::bytes(dir.disk_bytes),
            output::bytes(dir.disk_free_bytes),
        );
        let cordoned = if dir.is_cordoned { "  cordoned" } else { "" };
        output::line(&format!(
            "broker {}  {}  disk {disk}  free {free}{cordoned}",
            dir.broker, dir.path
        ))?;
    }
    let head = ["BROKER", "TOPIC", "PARTITION", "SIZE", "LAG", "FUTURE"];
    let mut table = Table::new(&head);
    for dir in dirs {
        for partition in &dir.partitions {
            table.row(vec![
                dir.broker.to_string(),
                partition.topic.clone(),
                partition.partition.to_string(),
                output::bytes(partition.size_bytes),
                partition.offset_lag.to_string(),
                if partition.is_future { "yes" } else { "no" }.to_owned(),
            ]);
        }
    }
    table.print()?;
    Ok(())
}
