//! `sprawl topic`: create, list, describe, alter, delete, and what waits for its delivery.

mod delayed;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use sprawl_client::ClientError;
use sprawl_client::admin::{
    Admin, ConfigOperation, ConfigResource, NewTopic, OffsetSpec, TimestampedOffset,
};
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain, parse_assignment};
use crate::output::{self, Table};

#[derive(Debug, Args)]
pub(crate) struct TopicArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: TopicCommand,
}

#[derive(Debug, Subcommand)]
enum TopicCommand {
    /// Create topics
    #[command(after_help = "\
Examples:
  sprawl topic create orders
  sprawl topic create orders -p 12 --config retention.ms=86400000
  sprawl topic create profiles -p 3 --config cleanup.policy=compact
  sprawl topic create orders --validate-only")]
    Create(CreateArgs),
    /// List topics
    #[command(after_help = "\
Examples:
  sprawl topic list
  sprawl topic list --internal
  sprawl topic list --json | jq -r '.[].name'")]
    List(ListArgs),
    /// Show partitions, offsets and changed settings of topics
    #[command(after_help = "\
Examples:
  sprawl topic describe orders
  sprawl topic describe orders payments --json")]
    Describe(DescribeArgs),
    /// Add partitions or change settings
    #[command(after_help = "\
Examples:
  sprawl topic alter orders --partitions 24
  sprawl topic alter orders --config retention.ms=3600000
  sprawl topic alter orders --delete-config retention.ms")]
    Alter(AlterArgs),
    /// Delete topics with everything in them
    #[command(after_help = "\
Examples:
  sprawl topic delete orders
  sprawl topic delete orders payments")]
    Delete(DeleteArgs),
    /// Show how many records wait for their delivery, and take back those of a key
    #[command(after_help = "\
Examples:
  sprawl topic delayed reminders
  sprawl topic delayed reminders --json | jq '[.[].pending] | add'
  sprawl topic delayed reminders --cancel order-17")]
    Delayed(delayed::DelayedArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
    /// Partitions [default: the broker's num.partitions]
    #[arg(short, long, value_name = "N")]
    partitions: Option<i32>,
    /// Replicas [default: the broker's default.replication.factor]
    #[arg(short, long, value_name = "N")]
    replication_factor: Option<i16>,
    /// A setting; may be repeated
    #[arg(long = "config", value_name = "NAME=VALUE", value_parser = parse_assignment)]
    configs: Vec<(String, String)>,
    /// Create what is missing and leave existing topics alone
    #[arg(long)]
    if_not_exists: bool,
    /// Only say whether it could be created
    #[arg(long)]
    validate_only: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// With the cluster's own topics
    #[arg(long)]
    internal: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DescribeArgs {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
struct AlterArgs {
    /// The topic
    #[arg(value_name = "TOPIC")]
    name: String,
    /// How many partitions it has then
    #[arg(short, long, value_name = "N", group = "change")]
    partitions: Option<i32>,
    /// A setting; may be repeated
    #[arg(long = "config", value_name = "NAME=VALUE", value_parser = parse_assignment, group = "change")]
    configs: Vec<(String, String)>,
    /// A setting to return to its default; may be repeated
    #[arg(long = "delete-config", value_name = "NAME", group = "change")]
    delete_configs: Vec<String>,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
}

pub(crate) async fn run(io: Io, args: TopicArgs) -> anyhow::Result<()> {
    let admin = args.connect.admin(io).await?;
    match args.command {
        TopicCommand::Create(args) => create(&admin, args).await,
        TopicCommand::List(args) => list(&admin, &args).await,
        TopicCommand::Describe(args) => describe(&admin, args).await,
        TopicCommand::Alter(args) => alter(&admin, args).await,
        TopicCommand::Delete(args) => delete(&admin, args).await,
        TopicCommand::Delayed(args) => delayed::run(&admin, args).await,
    }
}

async fn create(admin: &Admin, args: CreateArgs) -> anyhow::Result<()> {
    let configs: BTreeMap<String, String> = args.configs.into_iter().collect();
    for name in args.names {
        let topic = NewTopic {
            name: name.clone(),
            partition_count: args.partitions,
            replication_factor: args.replication_factor,
            configs: configs.clone(),
        };
        let (result, done) = if args.validate_only {
            (admin.validate_topic(&topic).await, "can be created")
        } else {
            (admin.create_topic(&topic).await, "created")
        };
        match result {
            Ok(()) => output::line(&format!("topic {name} {done}"))?,
            Err(error) if args.if_not_exists && exists(&error) => {
                output::line(&format!("topic {name} exists"))?;
            }
            Err(error) => return Err(explain(error)),
        }
    }
    Ok(())
}

fn exists(error: &ClientError) -> bool {
    error.code() == Some(sprawl_client::ErrorCode::TopicAlreadyExists)
}

/// A topic in a list.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    topic_id: String,
    partition_count: usize,
    replication_factor: usize,
    internal: bool,
}

async fn list(admin: &Admin, args: &ListArgs) -> anyhow::Result<()> {
    let cluster = admin.client().cluster(None).await.map_err(explain)?;
    let rows = cluster
        .topics
        .into_iter()
        .filter(|(_, view)| args.internal || !view.is_internal);
    let rows = rows.map(|(name, view)| Row {
        name,
        topic_id: view.topic_id.to_string(),
        partition_count: view.partitions.len(),
        replication_factor: view
            .partitions
            .values()
            .map(|p| p.replicas.len())
            .max()
            .unwrap_or(0),
        internal: view.is_internal,
    });
    let rows: Vec<Row> = rows.collect();
    if args.json {
        return output::json(&rows);
    }
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "REPLICAS", "ID"]);
    for row in rows {
        let (partitions, replicas) = (row.partition_count, row.replication_factor);
        table.row(vec![
            row.name,
            partitions.to_string(),
            replicas.to_string(),
            row.topic_id,
        ]);
    }
    table.print()?;
    Ok(())
}

/// A topic in full.
#[derive(Debug, Serialize)]
struct Description {
    name: String,
    topic_id: String,
    internal: bool,
    configs: BTreeMap<String, Option<String>>,
    partitions: Vec<PartitionDescription>,
}

#[derive(Debug, Serialize)]
struct PartitionDescription {
    partition: i32,
    leader: i32,
    leader_epoch: i32,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    log_start_offset: i64,
    log_end_offset: i64,
    size_bytes: i64,
}

async fn describe(admin: &Admin, args: DescribeArgs) -> anyhow::Result<()> {
    let mut descriptions = Vec::new();
    for name in &args.names {
        descriptions.push(describe_one(admin, name).await.map_err(explain)?);
    }
    if args.json {
        return output::json(&descriptions);
    }
    for description in descriptions {
        print_description(&description)?;
    }
    Ok(())
}

async fn describe_one(admin: &Admin, name: &str) -> Result<Description, ClientError> {
    let auto_create = sprawl_client::AutoCreate::No;
    let view = admin.client().refresh_topic(name, auto_create).await?;
    let starts = admin.topic_offsets(name, OffsetSpec::Earliest).await?;
    let ends = admin.topic_offsets(name, OffsetSpec::Latest).await?;
    let sizes: BTreeMap<(String, i32), i64> = admin
        .log_dirs()
        .await?
        .into_iter()
        .flat_map(|dir| dir.partitions)
        .map(|(partition, found)| (partition, found.size_bytes))
        .collect();
    let configs = admin
        .describe_configs(&ConfigResource::Topic(name.to_owned()))
        .await?;
    let changed = configs
        .into_iter()
        .filter(|entry| entry.source == "DYNAMIC_TOPIC_CONFIG");
    let offset = |offsets: &BTreeMap<i32, TimestampedOffset>, index: &i32| {
        offsets.get(index).map_or(-1, |found| found.offset)
    };
    let partitions = view
        .partitions
        .iter()
        .map(|(index, partition)| PartitionDescription {
            partition: *index,
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            log_start_offset: offset(&starts, index),
            log_end_offset: offset(&ends, index),
            size_bytes: sizes.get(&(name.to_owned(), *index)).copied().unwrap_or(-1),
        });
    Ok(Description {
        name: name.to_owned(),
        topic_id: view.topic_id.to_string(),
        internal: view.is_internal,
        configs: changed.map(|entry| (entry.name, entry.value)).collect(),
        partitions: partitions.collect(),
    })
}

fn print_description(description: &Description) -> anyhow::Result<()> {
    let Description { name, topic_id, .. } = description;
    let settings = description
        .configs
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("-")));
    let settings: Vec<String> = settings.collect();
    let settings = if settings.is_empty() {
        "defaults".to_owned()
    } else {
        settings.join(" ")
    };
    output::line(&format!("{name}  id {topic_id}  settings: {settings}"))?;
    let head = [
        "PARTITION",
        "LEADER",
        "EPOCH",
        "REPLICAS",
        "IN SYNC",
        "START",
        "END",
        "SIZE",
    ];
    let mut table = Table::new(&head);
    for partition in &description.partitions {
        table.row(vec![
            partition.partition.to_string(),
            partition.leader.to_string(),
            partition.leader_epoch.to_string(),
            ids(&partition.replicas),
            ids(&partition.isr),
            partition.log_start_offset.to_string(),
            partition.log_end_offset.to_string(),
            output::bytes(partition.size_bytes),
        ]);
    }
    table.print()?;
    Ok(())
}

fn ids(ids: &[i32]) -> String {
    ids.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

async fn alter(admin: &Admin, args: AlterArgs) -> anyhow::Result<()> {
    let name = args.name;
    if let Some(count) = args.partitions {
        admin
            .create_partitions(&name, count)
            .await
            .map_err(explain)?;
        output::line(&format!("topic {name} has {count} partitions"))?;
    }
    let set = args
        .configs
        .into_iter()
        .map(|(name, value)| (name, ConfigOperation::Set(value)));
    let delete = args
        .delete_configs
        .into_iter()
        .map(|name| (name, ConfigOperation::Delete));
    let changes: BTreeMap<String, ConfigOperation> = set.chain(delete).collect();
    if !changes.is_empty() {
        let resource = ConfigResource::Topic(name.clone());
        admin
            .alter_configs(&resource, &changes)
            .await
            .map_err(explain)?;
        output::line(&format!("topic {name}: {} settings changed", changes.len()))?;
    }
    Ok(())
}

async fn delete(admin: &Admin, args: DeleteArgs) -> anyhow::Result<()> {
    for name in args.names {
        admin.delete_topic(&name).await.map_err(explain)?;
        output::line(&format!("topic {name} deleted"))?;
    }
    Ok(())
}
