//! `sprawl topic delayed`: what waits for its delivery, and taking it back.

use clap::Args;
use serde::Serialize;
use sprawl_client::admin::{Admin, OffsetSpec};
use sprawl_client::{Header, Producer, ProducerOptions, Record};
use sprawl_model::batch::DELIVER_CANCEL;

use crate::client::explain;
use crate::output::{self, Table};

#[derive(Debug, Args)]
pub(super) struct DelayedArgs {
    /// The topic
    #[arg(value_name = "TOPIC")]
    name: String,
    /// Take back every record that waits under this key
    #[arg(long, value_name = "KEY", conflicts_with = "json")]
    cancel: Option<String>,
    /// Where the key's records are, if not where its hash puts them
    #[arg(long, value_name = "N", requires = "cancel")]
    partition: Option<i32>,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(admin: &Admin, args: DelayedArgs) -> anyhow::Result<()> {
    match &args.cancel {
        None => list(admin, &args).await,
        Some(key) => cancel(admin, &args, key).await,
    }
}

/// What waits in a partition.
#[derive(Debug, Serialize)]
struct Row {
    partition: i32,
    pending: i64,
    /// ms since the Unix epoch.
    next_due: Option<i64>,
    next_due_in_ms: Option<i64>,
}

async fn list(admin: &Admin, args: &DelayedArgs) -> anyhow::Result<()> {
    let found = admin.topic_offsets(&args.name, OffsetSpec::Delayed).await;
    let now_ms = admin.client().io().clock.wall_ms();
    let rows = found
        .map_err(explain)?
        .into_iter()
        .map(|(partition, found)| {
            let next_due = Some(found.timestamp).filter(|due| *due >= 0);
            Row {
                partition,
                pending: found.offset,
                next_due,
                next_due_in_ms: next_due.map(|due| due.saturating_sub(now_ms)),
            }
        });
    let rows: Vec<Row> = rows.collect();
    if args.json {
        return output::json(&rows);
    }
    let mut table = Table::new(&["PARTITION", "PENDING", "NEXT DUE (MS)", "IN (MS)"]);
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    for row in rows {
        table.row(vec![
            row.partition.to_string(),
            row.pending.to_string(),
            number(row.next_due),
            number(row.next_due_in_ms),
        ]);
    }
    table.print()?;
    Ok(())
}

async fn cancel(admin: &Admin, args: &DelayedArgs, key: &str) -> anyhow::Result<()> {
    let client = admin.client().clone();
    // Where the topic does not delay, the record would be one of the topic's: a tombstone.
    let resource = sprawl_client::admin::ConfigResource::Topic(args.name.clone());
    let configs = admin.describe_configs(&resource).await.map_err(explain)?;
    let is_on = configs.iter().any(|entry| {
        entry.name == "sprawl.delayed.delivery" && entry.value.as_deref() == Some("true")
    });
    anyhow::ensure!(
        is_on,
        "topic {} has sprawl.delayed.delivery=false: nothing can be cancelled; set it with \
         `sprawl topic alter {} --config sprawl.delayed.delivery=true`",
        args.name,
        args.name
    );
    let producer = Producer::new(client, ProducerOptions::default()).map_err(explain)?;
    let record = Record {
        topic: args.name.clone(),
        partition: args.partition,
        key: Some(key.to_owned().into()),
        headers: vec![Header {
            key: DELIVER_CANCEL.into(),
            value: None,
        }],
        ..Record::default()
    };
    let delivery = producer.send(record).await.map_err(explain)?;
    let delivered = delivery.await.map_err(explain)?;
    output::line(&format!(
        "what waits under key {key} in {}-{} is cancelled",
        args.name, delivered.partition
    ))?;
    Ok(())
}
