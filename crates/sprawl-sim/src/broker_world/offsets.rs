//! Committed positions of a group, whichever protocol its members speak.

use std::io;

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::TOPIC;
use super::ledger::Ledger;
use crate::client::Client;
use crate::invariant::i21_commit_survives;

const OFFSET_FETCH_VERSION: i16 = 5;

/// As whom a member commits.
#[derive(Clone, Debug)]
pub(super) struct Committer {
    group: &'static str,
    version: i16,
    /// The generation, or the member's epoch.
    generation: i32,
    member_id: StrBytes,
}

impl Committer {
    pub(super) fn new(
        group: &'static str,
        version: i16,
        generation: i32,
        member_id: StrBytes,
    ) -> Self {
        Self {
            group,
            version,
            generation,
            member_id,
        }
    }

    /// Commits; returns the error code.
    pub(super) async fn commit(
        &self,
        client: &mut Client,
        partition: i32,
        offset: i64,
    ) -> io::Result<i16> {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1);
        let topic = OffsetCommitRequestTopic::default()
            .with_name(topic_name())
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(self.group))
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(self.member_id.clone())
            .with_topics(vec![topic]);
        let response = client.call(self.version, &request).await?;
        let topic = response.topics.first();
        let answer = topic.and_then(|topic| topic.partitions.first());
        let answer = answer.ok_or_else(|| io::Error::other("an empty answer"))?;
        Ok(answer.error_code)
    }
}

/// Returns the committed offset, which is not below what was acknowledged to any member (I21).
pub(super) async fn committed(
    ledger: &Ledger,
    client: &mut Client,
    group: &'static str,
    partition: i32,
) -> io::Result<i64> {
    let acked = ledger.commit_acked(group, partition);
    let topic = OffsetFetchRequestTopic::default()
        .with_name(topic_name())
        .with_partition_indexes(vec![partition]);
    let request = OffsetFetchRequest::default()
        .with_group_id(group_id(group))
        .with_topics(Some(vec![topic]));
    let response = client.call(OFFSET_FETCH_VERSION, &request).await?;
    expect_good(response.error_code)?;
    let topic = response.topics.first();
    let answer = topic.and_then(|topic| topic.partitions.first());
    let answer = answer.ok_or_else(|| io::Error::other("an empty answer"))?;
    expect_good(answer.error_code)?;
    let found = answer.committed_offset.max(0);
    let index = usize::try_from(partition).unwrap_or(0);
    let log_end = ledger.high_watermark(index).max(acked);
    ledger.report(i21_commit_survives(group, acked, found, log_end));
    Ok(found)
}

/// Turns an error code into an error that makes the member start over.
pub(super) fn expect_good(code: i16) -> io::Result<()> {
    match code {
        0 => Ok(()),
        code => Err(io::Error::other(format!("error code {code}"))),
    }
}

pub(super) fn group_id(group: &'static str) -> GroupId {
    GroupId(StrBytes::from_static_str(group))
}

pub(super) fn topic_name() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}
