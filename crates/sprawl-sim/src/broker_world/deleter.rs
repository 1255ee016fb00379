//! Moves log starts with DeleteRecords, and asks for them with ListOffsets.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use kafka_protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use sprawl_io::sim::SimNet;
use sprawl_io::time::sleep;

use super::ledger::Ledger;
use super::{PARTITION_COUNT, TOPIC};
use crate::client::Client;

const DELETE_RECORDS_VERSION: i16 = 1;
const LIST_OFFSETS_VERSION: i16 = 5;
/// ListOffsets' timestamp that means the log start.
const EARLIEST: i64 = -2;
const DELETE_TIMEOUT_MS: i32 = 10_000;
/// The longest pause between two deletions, ms.
const PAUSE_MS_MAX: u64 = 3_000;

/// Deletes some of the oldest records now and then, for ever.
pub(super) async fn run(ledger: Arc<Ledger>, net: Arc<SimNet>) {
    let mut client = Client::new(&net, "deleter");
    loop {
        sleep(Duration::from_millis(ledger.random.below(PAUSE_MS_MAX))).await;
        let partition = ledger.random.below(PARTITION_COUNT as u64) as usize;
        if delete(&ledger, &mut client, partition).await.is_err() {
            client.close();
        }
    }
}

async fn delete(ledger: &Ledger, client: &mut Client, partition: usize) -> io::Result<()> {
    let (start, end) = (
        ledger.log_start(partition),
        ledger.high_watermark(partition),
    );
    let span = u64::try_from(end - start).unwrap_or(0);
    // Mostly a little; the offset need not begin a batch.
    let wanted = ledger.random.below(span / 4 + 1);
    let before = start + i64::try_from(wanted).unwrap_or(0);
    let wanted = DeleteRecordsPartition::default()
        .with_partition_index(i32::try_from(partition).unwrap_or(0))
        .with_offset(before);
    let topic = DeleteRecordsTopic::default()
        .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
        .with_partitions(vec![wanted]);
    let request = DeleteRecordsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(DELETE_TIMEOUT_MS);
    let response = client.call(DELETE_RECORDS_VERSION, &request).await?;
    let answer = response
        .topics
        .first()
        .and_then(|topic| topic.partitions.first())
        .ok_or_else(|| io::Error::other("no such partition in the answer"))?;
    if answer.error_code == 0 {
        ledger.report(ledger.saw_log_start(partition, answer.low_watermark.max(before)));
    }
    Ok(())
}

/// Asks for the log start of a partition.
pub(super) async fn earliest(client: &mut Client, partition: usize) -> io::Result<i64> {
    let wanted = ListOffsetsPartition::default()
        .with_partition_index(i32::try_from(partition).unwrap_or(0))
        .with_current_leader_epoch(-1)
        .with_timestamp(EARLIEST);
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
        .with_partitions(vec![wanted]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![topic]);
    let response = client.call(LIST_OFFSETS_VERSION, &request).await?;
    let answer = response
        .topics
        .first()
        .and_then(|topic| topic.partitions.first());
    match answer {
        Some(answer) if answer.error_code == 0 => Ok(answer.offset),
        _ => Err(io::Error::other("not yet")),
    }
}
