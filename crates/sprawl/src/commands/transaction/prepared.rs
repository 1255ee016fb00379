//! `sprawl transaction list-prepared`, `commit-prepared`, `abort-prepared`, `terminate`: ending by
//! hand what nobody else ends.
//!
//! Which outcome is right, only the other participants of the two-phase commit know; so a person is
//! asked again, and names the transaction by what its producer has noted of it.
//!
//! Source: KIP-939; Kafka's `kafka-transactions forceTerminateTransaction`.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Args;
use serde::Serialize;
use sprawl_client::admin::{Admin, PreparedOutcome, PreparedTransaction, TransactionDescription};

use crate::client::explain;
use crate::output::{self, Table};

/// Which prepared transaction is ended.
#[derive(Debug, Args)]
pub(super) struct EndArgs {
    /// The transactional id
    #[arg(value_name = "ID")]
    transactional_id: String,
    /// What its producer has noted of it, as `list-prepared` shows it
    #[arg(value_name = "PRODUCER-ID:EPOCH")]
    prepared: PreparedTransaction,
    #[command(flatten)]
    consent: Consent,
}

/// Whose transaction is terminated.
#[derive(Debug, Args)]
pub(super) struct TerminateArgs {
    /// The transactional id
    #[arg(value_name = "ID")]
    transactional_id: String,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Debug, Args)]
struct Consent {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Consent {
    /// Asks whether to go on, at a terminal; the answer is the transactional id.
    fn ask(&self, what: &str, transactional_id: &str) -> anyhow::Result<()> {
        if self.yes {
            return Ok(());
        }
        let input = io::stdin();
        if !input.is_terminal() {
            anyhow::bail!("{what} cannot be undone: pass --yes");
        }
        output::note(&format!(
            "{what} cannot be undone. Type the transactional id to go on:"
        ));
        let mut answer = String::new();
        input.lock().read_line(&mut answer)?;
        if answer.trim() != transactional_id {
            anyhow::bail!("nothing was done: the answer is not {transactional_id}");
        }
        Ok(())
    }
}

#[derive(Debug, Serialize)]
struct Row {
    transactional_id: String,
    prepared: String,
    start_ms: Option<i64>,
    duration_ms: Option<i64>,
    partitions: Vec<String>,
}

pub(super) async fn list(admin: &Admin, now_ms: i64, json: bool) -> anyhow::Result<()> {
    let prepared = admin.prepared_transactions().await.map_err(explain)?;
    let rows = prepared.into_iter().map(|described| Row {
        prepared: described.prepared().to_string(),
        start_ms: described.start_ms,
        duration_ms: described.start_ms.map(|start_ms| now_ms - start_ms),
        partitions: partitions(&described),
        transactional_id: described.transactional_id,
    });
    if json {
        return output::json(&rows.collect::<Vec<_>>());
    }
    let mut table = Table::new(&["TRANSACTIONAL-ID", "PREPARED", "OPEN-MS", "PARTITIONS"]);
    for row in rows {
        table.row(vec![
            row.transactional_id,
            row.prepared,
            row.duration_ms
                .map_or("-".to_owned(), |duration_ms| duration_ms.to_string()),
            row.partitions.join(","),
        ]);
    }
    table.print()?;
    Ok(())
}

fn partitions(described: &TransactionDescription) -> Vec<String> {
    let partitions = described.partitions.iter();
    partitions
        .map(|(topic, partition)| format!("{topic}-{partition}"))
        .collect()
}

pub(super) async fn end(
    admin: &Admin,
    args: &EndArgs,
    outcome: PreparedOutcome,
) -> anyhow::Result<()> {
    let (id, prepared) = (&args.transactional_id, args.prepared);
    let (verb, done) = match outcome {
        PreparedOutcome::Commit => ("committing", "committed"),
        PreparedOutcome::Abort => ("aborting", "aborted"),
    };
    let what = format!("{verb} transaction {prepared} of {id}");
    args.consent.ask(&what, id)?;
    let ended = admin.end_prepared_transaction(id, prepared, outcome).await;
    ended.map_err(explain)?;
    output::line(&format!("transaction {prepared} of {id} {done}"))?;
    Ok(())
}

pub(super) async fn terminate(admin: &Admin, args: &TerminateArgs) -> anyhow::Result<()> {
    let id = &args.transactional_id;
    let what = format!("aborting the open transaction of {id} and fencing its producer");
    args.consent.ask(&what, id)?;
    admin.terminate_transaction(id).await.map_err(explain)?;
    output::line(&format!(
        "{id} has no open transaction any more, and its producer is fenced"
    ))?;
    Ok(())
}
