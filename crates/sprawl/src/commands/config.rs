//! `sprawl config`: settings of topics, brokers, groups and client metrics.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use sprawl_client::admin::{Admin, ConfigEntry, ConfigOperation, ConfigResource};
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain, parse_assignment};
use crate::output::{self, Table};

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show settings, where they come from and what they do
    #[command(after_help = "\
Examples:
  sprawl config describe --topic orders
  sprawl config describe --broker 0 --changed
  sprawl config describe --topic orders --docs
  sprawl config describe --broker 0 --json")]
    Describe(DescribeArgs),
    /// Change settings
    #[command(after_help = "\
Examples:
  sprawl config alter --topic orders --set retention.ms=3600000
  sprawl config alter --topic orders --delete retention.ms
  sprawl config alter --topic orders --append cleanup.policy=compact
  sprawl config alter --group billing --set consumer.session.timeout.ms=60000
  sprawl config alter --client-metrics producers \\
      --set metrics=org.apache.kafka.producer. --set interval.ms=60000")]
    Alter(AlterArgs),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ResourceArgs {
    /// A topic's settings
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// A broker's settings
    #[arg(long, value_name = "ID")]
    broker: Option<i32>,
    /// A group's settings
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// A client metrics subscription's settings: what clients push (KIP-714)
    #[arg(long, value_name = "NAME")]
    client_metrics: Option<String>,
}

impl ResourceArgs {
    fn resource(&self) -> anyhow::Result<ConfigResource> {
        let topic = self.topic.clone().map(ConfigResource::Topic);
        let broker = self.broker.map(ConfigResource::Broker);
        let group = self.group.clone().map(ConfigResource::Group);
        let client_metrics = self
            .client_metrics
            .clone()
            .map(ConfigResource::ClientMetrics);
        topic
            .or(broker)
            .or(group)
            .or(client_metrics)
            .ok_or_else(|| {
                anyhow::anyhow!(
                    "pass --topic NAME, --broker ID, --group GROUP or --client-metrics NAME"
                )
            })
    }
}

#[derive(Debug, Args)]
struct DescribeArgs {
    #[command(flatten)]
    resource: ResourceArgs,
    /// Only what differs from the defaults
    #[arg(long)]
    changed: bool,
    /// With what each setting does
    #[arg(long)]
    docs: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
struct AlterArgs {
    #[command(flatten)]
    resource: ResourceArgs,
    /// Give a setting a value; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_assignment, group = "change")]
    set: Vec<(String, String)>,
    /// Return a setting to its default; may be repeated
    #[arg(long, value_name = "NAME", group = "change")]
    delete: Vec<String>,
    /// Add to a list; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_assignment, group = "change")]
    append: Vec<(String, String)>,
    /// Take from a list; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_assignment, group = "change")]
    subtract: Vec<(String, String)>,
}

/// A setting for programs.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    value: Option<String>,
    source: &'static str,
    read_only: bool,
    documentation: Option<String>,
}

pub(crate) async fn run(io: Io, args: ConfigArgs) -> anyhow::Result<()> {
    let admin = args.connect.admin(io).await?;
    match args.command {
        ConfigCommand::Describe(args) => describe(&admin, &args).await,
        ConfigCommand::Alter(args) => alter(&admin, args).await,
    }
}

async fn describe(admin: &Admin, args: &DescribeArgs) -> anyhow::Result<()> {
    let resource = args.resource.resource()?;
    let mut entries = admin.describe_configs(&resource).await.map_err(explain)?;
    if args.changed {
        entries.retain(|entry| entry.source != "DEFAULT_CONFIG");
    }
    if args.json {
        return output::json(&entries.into_iter().map(row).collect::<Vec<_>>());
    }
    let head = ["SETTING", "VALUE", "SOURCE", "READ ONLY", "WHAT IT DOES"];
    let shown = if args.docs { &head[..] } else { &head[..4] };
    let mut table = Table::new(shown);
    for entry in entries {
        let read_only = if entry.read_only { "yes" } else { "no" };
        let value = entry.value.unwrap_or_else(|| "-".to_owned());
        let mut cells = vec![
            entry.name,
            value,
            entry.source.to_owned(),
            read_only.to_owned(),
        ];
        if args.docs {
            cells.push(entry.documentation.unwrap_or_default());
        }
        table.row(cells);
    }
    table.print()?;
    Ok(())
}

fn row(entry: ConfigEntry) -> Row {
    let ConfigEntry {
        name,
        value,
        source,
        read_only,
        documentation,
    } = entry;
    Row {
        name,
        value,
        source,
        read_only,
        documentation,
    }
}

async fn alter(admin: &Admin, args: AlterArgs) -> anyhow::Result<()> {
    let resource = args.resource.resource()?;
    let mut changes = BTreeMap::new();
    let set = args
        .set
        .into_iter()
        .map(|(name, value)| (name, ConfigOperation::Set(value)));
    let delete = args
        .delete
        .into_iter()
        .map(|name| (name, ConfigOperation::Delete));
    let append = args
        .append
        .into_iter()
        .map(|(name, v)| (name, ConfigOperation::Append(v)));
    let subtract = args
        .subtract
        .into_iter()
        .map(|(name, v)| (name, ConfigOperation::Subtract(v)));
    for (name, operation) in set.chain(delete).chain(append).chain(subtract) {
        if changes.insert(name.clone(), operation).is_some() {
            anyhow::bail!("{name} is changed twice; change it once a call");
        }
    }
    admin
        .alter_configs(&resource, &changes)
        .await
        .map_err(explain)?;
    output::line(&format!("{resource}: {} settings changed", changes.len()))?;
    Ok(())
}
