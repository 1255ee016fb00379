//! `sprawl transaction`: transactional ids, the producers of partitions, transactions that hang.
//!
//! Source: Kafka's `kafka-transactions` tool; KIP-664, KIP-939.

mod hanging;
mod prepared;

use clap::{Args, Subcommand};
use serde::Serialize;
use sprawl_client::admin::{
    Admin, OpenTransaction, PreparedOutcome, ProducerDescription, TransactionFilter,
};
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain};
use crate::output::{self, Table};

#[derive(Debug, Args)]
pub(crate) struct TransactionArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: TransactionCommand,
}

#[derive(Debug, Subcommand)]
enum TransactionCommand {
    /// List transactional ids
    #[command(after_help = "\
Examples:
  sprawl transaction list
  sprawl transaction list --state Ongoing --older-than 60000
  sprawl transaction list --pattern 'billing-.*' --json | jq -r '.[].transactional_id'")]
    List {
        /// Only in this state (may be repeated)
        #[arg(long, value_name = "STATE")]
        state: Vec<String>,
        /// Only of this producer (may be repeated)
        #[arg(long, value_name = "ID")]
        producer_id: Vec<i64>,
        /// Only begun more than this long ago
        #[arg(long, value_name = "MS")]
        older_than: Option<i64>,
        /// Only ids that match a regular expression as a whole
        #[arg(long, value_name = "REGEX")]
        pattern: Option<String>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Show a transactional id's state, producer and partitions
    #[command(after_help = "\
Examples:
  sprawl transaction describe billing-0
  sprawl transaction describe billing-0 --json | jq .state")]
    Describe {
        /// The transactional id
        #[arg(value_name = "ID")]
        transactional_id: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Show the producers a partition knows
    #[command(after_help = "\
Examples:
  sprawl transaction describe-producers orders 0
  sprawl transaction describe-producers orders 0 --json | jq '.[] | select(.open_since)'")]
    DescribeProducers {
        /// The topic
        #[arg(value_name = "TOPIC")]
        topic: String,
        /// The partition
        #[arg(value_name = "PARTITION")]
        partition: i32,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Find transactions that no coordinator will end
    #[command(after_help = "\
Examples:
  sprawl transaction find-hanging
  sprawl transaction find-hanging --topic orders --max-transaction-timeout 60
  sprawl transaction find-hanging --json | jq length")]
    FindHanging(hanging::HangingArgs),
    /// Abort a transaction that hangs, in one partition
    #[command(after_help = "\
Examples:
  sprawl transaction abort orders 0 --start-offset 1234
  sprawl transaction abort orders 0 --producer-id 4000 --producer-epoch 3")]
    Abort {
        /// The topic
        #[arg(value_name = "TOPIC")]
        topic: String,
        /// The partition
        #[arg(value_name = "PARTITION")]
        partition: i32,
        /// Where the transaction begins
        #[arg(long, value_name = "OFFSET", conflicts_with = "producer_id")]
        #[arg(required_unless_present = "producer_id")]
        start_offset: Option<i64>,
        /// The producer
        #[arg(long, value_name = "ID", requires = "producer_epoch")]
        producer_id: Option<i64>,
        /// The producer's epoch
        #[arg(long, value_name = "EPOCH", requires = "producer_id")]
        producer_epoch: Option<i16>,
    },
    /// List transactions that stay open until somebody ends them (two-phase commit)
    #[command(after_help = "\
Examples:
  sprawl transaction list-prepared
  sprawl transaction list-prepared --json | jq -r '.[] | select(.duration_ms > 3600000)'")]
    ListPrepared {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Commit a prepared transaction in the place of its producer, which is fenced
    #[command(after_help = "\
Examples:
  sprawl transaction commit-prepared billing-0 4000:3
  sprawl transaction commit-prepared billing-0 4000:3 --yes")]
    CommitPrepared(prepared::EndArgs),
    /// Abort a prepared transaction in the place of its producer, which is fenced
    #[command(after_help = "\
Examples:
  sprawl transaction abort-prepared billing-0 4000:3
  sprawl transaction abort-prepared billing-0 4000:3 --yes")]
    AbortPrepared(prepared::EndArgs),
    /// Abort whatever transaction a transactional id has open, and fence its producer
    #[command(after_help = "\
Examples:
  sprawl transaction terminate billing-0
  sprawl transaction terminate billing-0 --yes")]
    Terminate(prepared::TerminateArgs),
}

pub(crate) async fn run(io: Io, args: TransactionArgs) -> anyhow::Result<()> {
    let now_ms = io.clock.wall_ms();
    let admin = args.connect.admin(io).await?;
    match args.command {
        TransactionCommand::List {
            state,
            producer_id,
            older_than,
            pattern,
            json,
        } => {
            let filter = TransactionFilter {
                states: state,
                producer_ids: producer_id,
                older_than_ms: older_than,
                pattern,
            };
            list(&admin, &filter, json).await
        }
        TransactionCommand::Describe {
            transactional_id,
            json,
        } => describe(&admin, &transactional_id, now_ms, json).await,
        TransactionCommand::DescribeProducers {
            topic,
            partition,
            json,
        } => describe_producers(&admin, &topic, partition, json).await,
        TransactionCommand::FindHanging(args) => hanging::run(&admin, &args, now_ms).await,
        TransactionCommand::Abort {
            topic,
            partition,
            start_offset,
            producer_id,
            producer_epoch,
        } => {
            let which = match (start_offset, producer_id, producer_epoch) {
                (Some(offset), ..) => Which::StartingAt(offset),
                (None, Some(producer_id), Some(epoch)) => Which::Of(producer_id, epoch),
                _ => anyhow::bail!("pass --start-offset, or --producer-id and --producer-epoch"),
            };
            abort(&admin, (&topic, partition), which).await
        }
        TransactionCommand::ListPrepared { json } => prepared::list(&admin, now_ms, json).await,
        TransactionCommand::CommitPrepared(args) => {
            prepared::end(&admin, &args, PreparedOutcome::Commit).await
        }
        TransactionCommand::AbortPrepared(args) => {
            prepared::end(&admin, &args, PreparedOutcome::Abort).await
        }
        TransactionCommand::Terminate(args) => prepared::terminate(&admin, &args).await,
    }
}

#[derive(Debug, Serialize)]
struct Row {
    transactional_id: String,
    coordinator: i32,
    producer_id: i64,
    state: String,
}

async fn list(admin: &Admin, filter: &TransactionFilter, json: bool) -> anyhow::Result<()> {
    let listed = admin.list_transactions(filter).await.map_err(explain)?;
    let rows = listed.into_iter().map(|listed| Row {
        transactional_id: listed.transactional_id,
        coordinator: listed.coordinator,
        producer_id: listed.producer_id,
        state: listed.state,
    });
    if json {
        return output::json(&rows.collect::<Vec<_>>());
    }
    let mut table = Table::new(&["TRANSACTIONAL-ID", "COORDINATOR", "PRODUCER-ID", "STATE"]);
    for row in rows {
        table.row(vec![
            row.transactional_id,
            row.coordinator.to_string(),
            row.producer_id.to_string(),
            row.state,
        ]);
    }
    table.print()?;
    Ok(())
}

#[derive(Debug, Serialize)]
struct Description {
    transactional_id: String,
    state: String,
    producer_id: i64,
    producer_epoch: i16,
    timeout_ms: i32,
    start_ms: Option<i64>,
    duration_ms: Option<i64>,
    partitions: Vec<String>,
}

async fn describe(
    admin: &Admin,
    transactional_id: &str,
    now_ms: i64,
    json: bool,
) -> anyhow::Result<()> {
    let described = admin.describe_transaction(transactional_id).await;
    let described = described.map_err(explain)?;
    let partitions = described.partitions.into_iter();
    let description = Description {
        transactional_id: described.transactional_id,
        state: described.state,
        producer_id: described.producer_id,
        producer_epoch: described.producer_epoch,
        timeout_ms: described.timeout_ms,
        start_ms: described.start_ms,
        duration_ms: described.start_ms.map(|start_ms| now_ms - start_ms),
        partitions: partitions
            .map(|(topic, partition)| format!("{topic}-{partition}"))
            .collect(),
    };
    if json {
        return output::json(&description);
    }
    let or_none = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    let mut table = Table::new(&["FIELD", "VALUE"]);
    for (field, value) in [
        ("transactional id", description.transactional_id.clone()),
        ("state", description.state.clone()),
        ("producer id", description.producer_id.to_string()),
        ("producer epoch", description.producer_epoch.to_string()),
        ("timeout ms", description.timeout_ms.to_string()),
        ("start ms", or_none(description.start_ms)),
        ("duration ms", or_none(description.duration_ms)),
        ("partitions", description.partitions.join(",")),
    ] {
        table.row(vec![field.to_owned(), value]);
    }
    table.print()?;
    Ok(())
}

#[derive(Debug, Serialize)]
struct Producer {
    producer_id: i64,
    producer_epoch: i32,
    coordinator_epoch: i32,
    last_sequence: i32,
    last_timestamp: i64,
    open_since: Option<i64>,
}

impl From<ProducerDescription> for Producer {
    fn from(producer: ProducerDescription) -> Self {
        Self {
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            coordinator_epoch: producer.coordinator_epoch,
            last_sequence: producer.last_sequence,
            last_timestamp: producer.last_timestamp,
            open_since: producer.open_since,
        }
    }
}

async fn describe_producers(
    admin: &Admin,
    topic: &str,
    partition: i32,
    json: bool,
) -> anyhow::Result<()> {
    let described = admin.describe_producers(topic, partition).await;
    let producers = described.map_err(explain)?.into_iter().map(Producer::from);
    if json {
        return output::json(&producers.collect::<Vec<_>>());
    }
    let mut table = Table::new(&[
        "PRODUCER-ID",
        "EPOCH",
        "COORDINATOR-EPOCH",
        "LAST-SEQUENCE",
        "LAST-TIMESTAMP",
        "OPEN-SINCE",
    ]);
    for producer in producers {
        let open_since = producer.open_since.map(|offset| offset.to_string());
        table.row(vec![
            producer.producer_id.to_string(),
            producer.producer_epoch.to_string(),
            producer.coordinator_epoch.to_string(),
            producer.last_sequence.to_string(),
            producer.last_timestamp.to_string(),
            open_since.unwrap_or("-".to_owned()),
        ]);
    }
    table.print()?;
    Ok(())
}

/// Which transaction of a partition is meant.
#[derive(Clone, Copy, Debug)]
enum Which {
    StartingAt(i64),
    Of(i64, i16),
}

async fn abort(admin: &Admin, (topic, partition): (&str, i32), which: Which) -> anyhow::Result<()> {
    let producers = admin.describe_producers(topic, partition).await;
    let producers = producers.map_err(explain)?;
    let is_meant = |producer: &&ProducerDescription| match which {
        Which::StartingAt(offset) => producer.open_since == Some(offset),
        Which::Of(producer_id, epoch) => {
            producer.producer_id == producer_id && producer.producer_epoch == i32::from(epoch)
        }
    };
    let Some(found) = producers
        .iter()
        .filter(|producer| producer.open_since.is_some())
        .find(is_meant)
    else {
        anyhow::bail!(
            "{topic}-{partition} has no such open transaction; \
             `sprawl transaction describe-producers {topic} {partition}` shows those there are"
        );
    };
    let open = OpenTransaction {
        topic: topic.to_owned(),
        partition,
        producer_id: found.producer_id,
        producer_epoch: i16::try_from(found.producer_epoch)?,
        coordinator_epoch: found.coordinator_epoch,
    };
    admin.abort_transaction(&open).await.map_err(explain)?;
    output::line(&format!(
        "transaction of producer {} in {topic}-{partition} aborted",
        open.producer_id
    ))?;
    Ok(())
}
