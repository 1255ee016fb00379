//! `sprawl cluster`: who is in it, and how full are the disks?

use clap::{Args, Subcommand};
use serde::Serialize;
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain};
use crate::output::{self, Table};

#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Show the cluster's id, its brokers and their disks
    #[command(after_help = "\
Examples:
  sprawl cluster info
  sprawl cluster info -b broker.example.com:9092 --json")]
    Info {
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Serialize)]
struct Info {
    cluster_id: String,
    controller: i32,
    topic_count: usize,
    partition_count: usize,
    brokers: Vec<Broker>,
}

#[derive(Debug, Serialize)]
struct Broker {
    id: i32,
    address: String,
    log_dirs: Vec<LogDir>,
}

#[derive(Debug, Serialize)]
struct LogDir {
    path: String,
    partition_count: usize,
    partition_bytes: i64,
    disk_bytes: i64,
    disk_free_bytes: i64,
}

pub(crate) async fn run(io: Io, args: ClusterArgs) -> anyhow::Result<()> {
    let ClusterCommand::Info { json } = args.command;
    let admin = args.connect.admin(io).await?;
    let cluster = admin.client().cluster(None).await.map_err(explain)?;
    let dirs = admin.log_dirs().await.map_err(explain)?;
    let brokers = cluster.brokers.iter().map(|(id, address)| Broker {
        id: *id,
        address: address.clone(),
        log_dirs: dirs
            .iter()
            .filter(|dir| dir.broker_id == *id)
            .map(log_dir)
            .collect(),
    });
    let info = Info {
        brokers: brokers.collect(),
        cluster_id: cluster.cluster_id,
        controller: cluster.controller_id,
        topic_count: cluster.topics.len(),
        partition_count: cluster
            .topics
            .values()
            .map(|topic| topic.partitions.len())
            .sum(),
    };
    if json {
        output::json(&info)
    } else {
        print(&info)
    }
}

fn log_dir(dir: &sprawl_client::admin::BrokerLogDir) -> LogDir {
    LogDir {
        path: dir.path.clone(),
        partition_count: dir.partitions.len(),
        partition_bytes: dir.partitions.values().map(|found| found.size_bytes).sum(),
        disk_bytes: dir.total_bytes,
        disk_free_bytes: dir.usable_bytes,
    }
}

fn print(info: &Info) -> anyhow::Result<()> {
    output::line(&format!(
        "cluster {}  controller {}  topics {}  partitions {}",
        info.cluster_id, info.controller, info.topic_count, info.partition_count
    ))?;
    let head = [
        "BROKER",
        "ADDRESS",
        "LOG DIRECTORY",
        "PARTITIONS",
        "SIZE",
        "DISK",
        "FREE",
    ];
    let mut table = Table::new(&head);
    for broker in &info.brokers {
        for dir in &broker.log_dirs {
            table.row(vec![
                broker.id.to_string(),
                broker.address.clone(),
                dir.path.clone(),
                dir.partition_count.to_string(),
                output::bytes(dir.partition_bytes),
                output::bytes(dir.disk_bytes),
                output::bytes(dir.disk_free_bytes),
            ]);
        }
    }
    table.print()?;
    Ok(())
}
