//! Which open transactions will nobody end?
//!
//! A transaction that has been open for longer than any may be hangs if no transactional id has its
//! producer, or if the one that has does not know of the partition.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use sprawl_client::admin::{Admin, ProducerDescription, TransactionFilter};

use crate::client::explain;
use crate::output::{self, Table};

#[derive(Debug, Args)]
pub(crate) struct HangingArgs {
    /// Only in this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only in this partition of it
    #[arg(long, value_name = "PARTITION", requires = "topic")]
    partition: Option<i32>,
    /// The longest a transaction may be open, in minutes
    #[arg(long, value_name = "MINUTES", default_value = "15")]
    max_transaction_timeout: u32,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Hanging {
    topic: String,
    partition: i32,
    producer_id: i64,
    producer_epoch: i32,
    coordinator_epoch: i32,
    start_offset: Option<i64>,
    last_timestamp: i64,
    duration_minutes: i64,
}

/// An open transaction in a partition.
type Open = ((String, i32), ProducerDescription);

pub(super) async fn run(admin: &Admin, args: &HangingArgs, now_ms: i64) -> anyhow::Result<()> {
    let hanging = find(admin, args, now_ms).await?;
    let hanging = hanging
        .into_iter()
        .map(|((topic, partition), open)| Hanging {
            topic,
            partition,
            producer_id: open.producer_id,
            producer_epoch: open.producer_epoch,
            coordinator_epoch: open.coordinator_epoch,
            start_offset: open.open_since,
            last_timestamp: open.last_timestamp,
            duration_minutes: (now_ms - open.last_timestamp) / 60_000,
        });
    if args.json {
        return output::json(&hanging.collect::<Vec<_>>());
    }
    let mut table = Table::new(&[
        "TOPIC",
        "PARTITION",
        "PRODUCER-ID",
        "EPOCH",
        "COORDINATOR-EPOCH",
        "START-OFFSET",
        "LAST-TIMESTAMP",
        "MINUTES",
    ]);
    for each in hanging {
        table.row(vec![
            each.topic,
            each.partition.to_string(),
            each.producer_id.to_string(),
            each.producer_epoch.to_string(),
            each.coordinator_epoch.to_string(),
            each.start_offset
                .map_or("-".to_owned(), |offset| offset.to_string()),
            each.last_timestamp.to_string(),
            each.duration_minutes.to_string(),
        ]);
    }
    table.print()?;
    Ok(())
}

async fn find(admin: &Admin, args: &HangingArgs, now_ms: i64) -> anyhow::Result<Vec<Open>> {
    let mut old = Vec::new();
    let open_max_ms = i64::from(args.max_transaction_timeout) * 60_000;
    for place in places(admin, args).await? {
        let producers = admin.describe_producers(&place.0, place.1).await;
        let producers = producers.map_err(explain)?.into_iter();
        let is_old = |open: &ProducerDescription| {
            open.open_since.is_some() && now_ms - open.last_timestamp > open_max_ms
        };
        old.extend(producers.filter(is_old).map(|open| (place.clone(), open)));
    }
    if old.is_empty() {
        return Ok(old);
    }
    let known = known_partitions(admin, &old).await?;
    old.retain(|(place, open)| {
        let partitions = known.get(&open.producer_id);
        partitions.is_none_or(|partitions| !partitions.contains(place))
    });
    Ok(old)
}

/// The partitions to look into.
async fn places(admin: &Admin, args: &HangingArgs) -> anyhow::Result<Vec<(String, i32)>> {
    if let (Some(topic), Some(partition)) = (&args.topic, args.partition) {
        return Ok(vec![(topic.clone(), partition)]);
    }
    let only = args.topic.as_deref().map(|topic| [topic]);
    let wanted = only.as_ref().map(|topic| topic.as_slice());
    let cluster = admin.client().cluster(wanted).await.map_err(explain)?;
    let mut places = Vec::new();
    for (topic, view) in cluster.topics {
        if view.error_code != 0 && args.topic.is_some() {
            anyhow::bail!("there is no topic {topic}; `sprawl topic list` shows the topics");
        }
        let partitions = view.partitions.into_keys();
        places.extend(partitions.map(|partition| (topic.clone(), partition)));
    }
    Ok(places)
}

/// What the coordinators know of the producers: the partitions of their transactions.
async fn known_partitions(
    admin: &Admin,
    open: &[Open],
) -> anyhow::Result<BTreeMap<i64, Vec<(String, i32)>>> {
    let filter = TransactionFilter {
        producer_ids: open.iter().map(|(_, open)| open.producer_id).collect(),
        ..TransactionFilter::default()
    };
    let mut known = BTreeMap::new();
    for listed in admin.list_transactions(&filter).await.map_err(explain)? {
        let described = admin.describe_transaction(&listed.transactional_id).await;
        let described = described.map_err(explain)?;
        known.insert(described.producer_id, described.partitions);
    }
    Ok(known)
}
