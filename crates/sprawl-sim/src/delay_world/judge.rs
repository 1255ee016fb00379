//! Is what is read what was sent: once each, when it was due, in order?

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use sprawl_io::sim::SimNet;
use sprawl_io::time::sleep;
use sprawl_model::batch::{
    Batches, DELAYED_DUE, DELAYED_OFFSET, RecordRef, Records, payload, verify_crc,
};

use super::TOPIC;
use super::sender::{Fate, Ledger};
use crate::client::Client;
use crate::invariant::{Check, Violation};

const FETCH_VERSION: i16 = 12;
const FETCH_WAIT_MS: i32 = 500;
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How often in a row a fetch may fail once nothing fails any more.
const FAILURES_MAX: u32 = 100;
const RECORDS_BYTES_MAX: usize = 16 << 20;

/// A delayed record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    name: String,
    offset: i64,
    released_ms: i64,
    due_ms: i64,
    original: i64,
}

fn fail(detail: String) -> Violation {
    Violation {
        invariant: "D1",
        sentence: "a delayed record is seen once, when it is due, in order of due time",
        detail,
    }
}

/// Reads the whole partition, as a consumer does, and returns what was delayed.
pub(super) async fn read_all(net: &Arc<SimNet>) -> Result<Vec<Seen>, Violation> {
    let mut client = Client::new(net, "read-back");
    let (mut offset, mut seen, mut failure_count) = (0, Vec::new(), 0);
    loop {
        match fetch(&mut client, offset).await {
            Ok((bytes, high_watermark)) => {
                failure_count = 0;
                if offset >= high_watermark {
                    return Ok(seen);
                }
                offset = take(&bytes, offset, &mut seen)?;
            }
            Err(error) if failure_count == FAILURES_MAX => {
                return Err(fail(format!("cannot read from {offset}: {error}")));
            }
            Err(_) => {
                failure_count += 1;
                client.close();
                sleep(RETRY_PAUSE).await;
            }
        }
    }
}

async fn fetch(client: &mut Client, offset: i64) -> io::Result<(bytes::Bytes, i64)> {
    let wanted = FetchPartition::default()
        .with_partition(0)
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(16 << 10);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str(TOPIC)))
        .with_partitions(vec![wanted]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(FETCH_WAIT_MS)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    let response = client.call(FETCH_VERSION, &request).await?;
    let found = response
        .responses
        .first()
        .and_then(|topic| topic.partitions.first());
    match found {
        Some(found) if found.error_code == 0 => {
            let bytes = found.records.clone().unwrap_or_default();
            Ok((bytes, found.high_watermark))
        }
        found => Err(io::Error::other(format!(
            "error code {:?}",
            found.map(|found| found.error_code)
        ))),
    }
}

/// Takes batches in; returns the offset behind them.
fn take(bytes: &[u8], mut offset: i64, seen: &mut Vec<Seen>) -> Result<i64, Violation> {
    let from = offset;
    for one in Batches::new(bytes) {
        let Ok((header, batch)) = one else { break };
        let bad = |what: &str| fail(format!("the batch at {}: {what}", header.base_offset));
        verify_crc(batch).map_err(|error| bad(&error.to_string()))?;
        if header.attributes.holds_delayed() {
            return Err(bad("a reader got what waits"));
        }
        offset = header.next_offset().0;
        if header.attributes.is_control() {
            continue;
        }
        let records = payload(batch, RECORDS_BYTES_MAX).map_err(|error| bad(&error.to_string()))?;
        for record in Records::new(&header, &records) {
            let record = record.map_err(|error| bad(&error.to_string()))?;
            if record.value != Some(&b"plain"[..]) {
                seen.push(of(&record).ok_or_else(|| bad("no release has this form"))?);
            }
        }
    }
    if offset == from {
        return Err(fail(format!("nothing leads on from {from}")));
    }
    Ok(offset)
}

fn of(record: &RecordRef<'_>) -> Option<Seen> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let number = |name: &str| {
        let header = record
            .headers()
            .find(|header| header.key == name.as_bytes())?;
        text(header.value?)?.parse().ok()
    };
    Some(Seen {
        name: text(record.value?)?,
        offset: record.offset.0,
        released_ms: record.timestamp,
        due_ms: number(DELAYED_DUE)?,
        original: number(DELAYED_OFFSET)?,
    })
}

/// Holds what was read against what the senders know.
pub(super) fn judge(ledger: &Ledger, seen: &[Seen]) -> Check {
    let fates = ledger.fates();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for record in seen {
        *counts.entry(&record.name).or_default() += 1;
        if record.released_ms < record.due_ms {
            return Err(fail(format!("{record:?} came too early")));
        }
        if !fates.contains_key(&record.name) {
            return Err(fail(format!("{record:?} was never sent")));
        }
    }
    for (name, fate) in &fates {
        let count = counts.get(name.as_str()).copied().unwrap_or(0);
        let is_good = match fate {
            Fate::Acked => count == 1,
            Fate::Cancelled => count == 0,
            Fate::Unknown => count <= 1,
        };
        if !is_good {
            return Err(fail(format!("{name}, {fate:?}, was seen {count} times")));
        }
    }
    for pair in seen.windows(2) {
        let [before, after] = pair else { continue };
        // What was not in the log yet cannot have come before.
        let was_there = after.original < before.offset;
        if was_there && (after.due_ms, after.original) < (before.due_ms, before.original) {
            return Err(fail(format!("{after:?} came behind {before:?}")));
        }
    }
    Ok(())
}
