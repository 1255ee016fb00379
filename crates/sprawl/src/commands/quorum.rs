//! `sprawl quorum`: who votes on the metadata?

use clap::{Args, Subcommand};
use serde::Serialize;
use sprawl_client::admin::Quorum;
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain};
use crate::output::{self, Table};

#[derive(Debug, Args)]
pub(crate) struct QuorumArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: QuorumCommand,
}

#[derive(Debug, Subcommand)]
enum QuorumCommand {
    /// Show the leader, the voters and how far each is
    #[command(after_help = "\
Examples:
  sprawl quorum describe
  sprawl quorum describe --json")]
    Describe {
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Serialize)]
struct Shown {
    leader_id: i32,
    leader_epoch: i32,
    high_watermark: i64,
    nodes: Vec<Node>,
}

#[derive(Debug, Serialize)]
struct Node {
    id: i32,
    role: &'static str,
    log_end_offset: i64,
}

pub(crate) async fn run(io: Io, args: QuorumArgs) -> anyhow::Result<()> {
    let QuorumCommand::Describe { json } = args.command;
    let admin = args.connect.admin(io).await?;
    let shown = shown(&admin.describe_quorum().await.map_err(explain)?);
    if json {
        output::json(&shown)
    } else {
        print(&shown)
    }
}

fn shown(quorum: &Quorum) -> Shown {
    let node = |role: &'static str| {
        move |(id, end): (&i32, &i64)| Node {
            id: *id,
            role,
            log_end_offset: *end,
        }
    };
    let voters = quorum.voters.iter().map(node("voter"));
    let observers = quorum.observers.iter().map(node("observer"));
    Shown {
        leader_id: quorum.leader_id,
        leader_epoch: quorum.leader_epoch,
        high_watermark: quorum.high_watermark,
        nodes: voters.chain(observers).collect(),
    }
}

fn print(shown: &Shown) -> anyhow::Result<()> {
    output::line(&format!(
        "leader {}  epoch {}  committed up to {}",
        shown.leader_id, shown.leader_epoch, shown.high_watermark
    ))?;
    let mut table = Table::new(&["NODE", "ROLE", "LOG END"]);
    for node in &shown.nodes {
        let cells = [
            node.id.to_string(),
            node.role.to_owned(),
            node.log_end_offset.to_string(),
        ];
        table.row(cells.into());
    }
    table.print()?;
    Ok(())
}
