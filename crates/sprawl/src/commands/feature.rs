//! `sprawl feature`: which features has the cluster, and at which levels?

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use sprawl_client::admin::{ChangeMode, FeatureChange};
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain, parse_assignment};
use crate::output::{self, Table};

#[derive(Debug, Args)]
pub(crate) struct FeatureArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: FeatureCommand,
}

#[derive(Debug, Subcommand)]
enum FeatureCommand {
    /// Show the features with the levels they may have and have
    #[command(after_help = "\
Examples:
  sprawl feature list
  sprawl feature list --json")]
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Bring features to higher levels
    #[command(after_help = "\
Examples:
  sprawl feature upgrade metadata.version=30
  sprawl feature upgrade metadata.version=30 --dry-run")]
    Upgrade {
        #[command(flatten)]
        levels: LevelArgs,
    },
    /// Bring features to lower levels; level 0 switches one off
    #[command(after_help = "\
Examples:
  sprawl feature downgrade metadata.version=26
  sprawl feature downgrade metadata.version=26 --unsafe")]
    Downgrade {
        #[command(flatten)]
        levels: LevelArgs,
        /// Also where metadata is lost
        #[arg(long = "unsafe")]
        is_unsafe: bool,
    },
}

#[derive(Debug, Args)]
struct LevelArgs {
    /// Features and the levels they get
    #[arg(required = true, value_name = "NAME=LEVEL", value_parser = parse_assignment)]
    levels: Vec<(String, String)>,
    /// Only check
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    supported_min: i16,
    supported_max: i16,
    finalized: Option<i16>,
}

pub(crate) async fn run(io: Io, args: FeatureArgs) -> anyhow::Result<()> {
    let admin = args.connect.admin(io).await?;
    let (levels, change) = match args.command {
        FeatureCommand::List { json } => {
            let features = admin.describe_features().await.map_err(explain)?;
            let shown = features.into_iter().map(|(name, feature)| Shown {
                name,
                supported_min: feature.supported_min,
                supported_max: feature.supported_max,
                finalized: feature.finalized,
            });
            let shown: Vec<Shown> = shown.collect();
            return if json {
                output::json(&shown)
            } else {
                print(&shown)
            };
        }
        FeatureCommand::Upgrade { levels } => (levels, FeatureChange::Upgrade),
        FeatureCommand::Downgrade { levels, is_unsafe } if is_unsafe => {
            (levels, FeatureChange::UnsafeDowngrade)
        }
        FeatureCommand::Downgrade { levels, .. } => (levels, FeatureChange::SafeDowngrade),
    };
    let (mode, done) = if levels.dry_run {
        (ChangeMode::ValidateOnly, "could be changed")
    } else {
        (ChangeMode::CarryOut, "changed")
    };
    let parsed = parse_levels(levels.levels)?;
    admin
        .update_features(&parsed, change, mode)
        .await
        .map_err(explain)?;
    let names: Vec<&str> = parsed.keys().map(String::as_str).collect();
    output::line(&format!("{} {done}", names.join(", ")))?;
    Ok(())
}

fn parse_levels(given: Vec<(String, String)>) -> anyhow::Result<BTreeMap<String, i16>> {
    let mut levels = BTreeMap::new();
    for (name, text) in given {
        let level = text
            .parse()
            .map_err(|_| anyhow::anyhow!("expected a level for {name}, found {text:?}"))?;
        levels.insert(name, level);
    }
    Ok(levels)
}

fn print(shown: &[Shown]) -> anyhow::Result<()> {
    let mut table = Table::new(&["FEATURE", "SUPPORTED", "FINALIZED"]);
    for one in shown {
        let finalized = one
            .finalized
            .map_or("-".to_owned(), |level| level.to_string());
        let supported = format!("{} to {}", one.supported_min, one.supported_max);
        table.row(vec![one.name.clone(), supported, finalized]);
    }
    table.print()?;
    Ok(())
}
