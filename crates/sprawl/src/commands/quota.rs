//! `sprawl quota`: who may use how much?

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use sprawl_client::admin::QuotaEntity;
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain, parse_assignment};
use crate::output::{self, Table};

/// What stands for all that have no quota of their own.
const DEFAULT: &str = "<default>";

#[derive(Debug, Args)]
pub(crate) struct QuotaArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: QuotaCommand,
}

#[derive(Debug, Subcommand)]
enum QuotaCommand {
    /// Show every quota
    #[command(after_help = "\
Examples:
  sprawl quota list
  sprawl quota list --json")]
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Set or take away quotas of a user, a client id or an address
    #[command(after_help = "\
Examples:
  sprawl quota alter --client-id etl --set producer_byte_rate=1048576
  sprawl quota alter --user '<default>' --set request_percentage=50
  sprawl quota alter --ip 10.0.0.7 --set connection_creation_rate=5
  sprawl quota alter --client-id etl --delete producer_byte_rate")]
    Alter {
        #[command(flatten)]
        entity: EntityArgs,
        /// A quota and how much a second
        #[arg(long, value_name = "NAME=VALUE", value_parser = parse_assignment)]
        set: Vec<(String, String)>,
        /// A quota to take away
        #[arg(long, value_name = "NAME")]
        delete: Vec<String>,
    },
}

/// Whom the quotas bind.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct EntityArgs {
    /// A user, or `<default>`
    #[arg(long)]
    user: Option<String>,
    /// A client id, or `<default>`
    #[arg(long)]
    client_id: Option<String>,
    /// An address, or `<default>`
    #[arg(long, conflicts_with_all = ["user", "client_id"])]
    ip: Option<String>,
}

#[derive(Debug, Serialize)]
struct Shown {
    entity: QuotaEntity,
    quotas: BTreeMap<String, f64>,
}

pub(crate) async fn run(io: Io, args: QuotaArgs) -> anyhow::Result<()> {
    let admin = args.connect.admin(io).await?;
    match args.command {
        QuotaCommand::List { json } => {
            let found = admin.describe_quotas().await.map_err(explain)?;
            let shown = found.into_iter().map(|one| Shown {
                entity: one.entity,
                quotas: one.quotas,
            });
            let shown: Vec<Shown> = shown.collect();
            if json {
                output::json(&shown)
            } else {
                print(&shown)
            }
        }
        QuotaCommand::Alter {
            entity,
            set,
            delete,
        } => {
            let changes = changes(set, delete)?;
            let entity = entity.named();
            admin
                .alter_quotas(&entity, &changes)
                .await
                .map_err(explain)?;
            output::line(&format!("quotas of {} changed", name(&entity)))?;
            Ok(())
        }
    }
}

impl EntityArgs {
    fn named(self) -> QuotaEntity {
        let parts = [
            ("user", self.user),
            ("client-id", self.client_id),
            ("ip", self.ip),
        ];
        let given = parts.into_iter().filter_map(|(kind, name)| {
            let name = name?;
            Some((kind.to_owned(), (name != DEFAULT).then_some(name)))
        });
        given.collect()
    }
}

fn changes(
    set: Vec<(String, String)>,
    delete: Vec<String>,
) -> anyhow::Result<BTreeMap<String, Option<f64>>> {
    let mut changes = BTreeMap::new();
    for (name, text) in set {
        let value = text
            .parse()
            .map_err(|_| anyhow::anyhow!("expected a number for {name}, found {text:?}"))?;
        changes.insert(name, Some(value));
    }
    changes.extend(delete.into_iter().map(|name| (name, None)));
    if changes.is_empty() {
        anyhow::bail!("nothing to change; give --set NAME=VALUE or --delete NAME");
    }
    Ok(changes)
}

fn name(entity: &QuotaEntity) -> String {
    let part = |(kind, name): (&String, &Option<String>)| {
        format!("{kind} {}", name.as_deref().unwrap_or(DEFAULT))
    };
    entity.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn print(shown: &[Shown]) -> anyhow::Result<()> {
    let mut table = Table::new(&["ENTITY", "QUOTA", "VALUE"]);
    for one in shown {
        for (quota, value) in &one.quotas {
            table.row(vec![name(&one.entity), quota.clone(), value.to_string()]);
        }
    }
    table.print()?;
    Ok(())
}
