//! Where does a partition start and end, and which offset belongs to a time?

use std::collections::BTreeMap;

use sprawl_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use sprawl_protocol::messages::{BrokerId, ListOffsetsRequest};

use super::Admin;
use crate::client::topic_name;
use crate::error::ClientError;

/// Which offset is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first that is still there.
    Earliest,
    /// The one the next record will get.
    Latest,
    /// That of the record with the largest timestamp (KIP-734).
    MaxTimestamp,
    /// The first whose timestamp is this or later, in ms since the Unix epoch.
    Timestamp(i64),
    /// No offset at all: how many delayed records wait, and as the timestamp when the next is due.
    /// Only this broker knows it.
    Delayed,
}

impl OffsetSpec {
    fn wire(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::Timestamp(timestamp) => timestamp.max(0),
            Self::Delayed => -1001,
        }
    }
}

/// An offset and the timestamp of its record, -1 where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// The offset; -1 where no record answers the question.
    pub offset: i64,
    /// Its record's timestamp.
    pub timestamp: i64,
}

impl Admin {
    /// Looks up one offset a partition. O(leaders) requests.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<(String, i32), OffsetSpec>,
    ) -> Result<BTreeMap<(String, i32), TimestampedOffset>, ClientError> {
        let retry = self.client.retry();
        loop {
            let error = match self.list_offsets_once(wanted).await {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            for (topic, _) in wanted.keys() {
                self.client.forget_topic(topic);
            }
            retry.pause(error).await?;
        }
    }

    async fn list_offsets_once(
        &self,
        wanted: &BTreeMap<(String, i32), OffsetSpec>,
    ) -> Result<BTreeMap<(String, i32), TimestampedOffset>, ClientError> {
        let mut by_leader: BTreeMap<i32, BTreeMap<&str, Vec<ListOffsetsPartition>>> =
            BTreeMap::new();
        for ((topic, partition), spec) in wanted {
            let leader = self.client.leader(topic, *partition).await?;
            let question = ListOffsetsPartition::default()
                .with_partition_index(*partition)
                .with_current_leader_epoch(leader.epoch)
                .with_timestamp(spec.wire());
            let topics = by_leader.entry(leader.broker_id).or_default();
            topics.entry(topic).or_default().push(question);
        }
        let mut found = BTreeMap::new();
        for (broker_id, topics) in by_leader {
            let topics = topics.into_iter().map(|(topic, partitions)| {
                ListOffsetsTopic::default()
                    .with_name(topic_name(topic))
                    .with_partitions(partitions)
            });
            let request = ListOffsetsRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_topics(topics.collect());
            let response = self.client.broker(broker_id).await?.call(request).await?;
            for topic in response.topics {
                let name = topic.name.to_string();
                for partition in topic.partitions {
                    let index = partition.partition_index;
                    ClientError::check(
                        || format!("offset in {name}-{index}"),
                        partition.error_code,
                    )?;
                    let offset = TimestampedOffset {
                        offset: partition.offset,
                        timestamp: partition.timestamp,
                    };
                    found.insert((name.clone(), index), offset);
                }
            }
        }
        Ok(found)
    }

    /// Looks up the same kind of offset for every partition of a topic.
    pub async fn topic_offsets(
        &self,
        topic: &str,
        spec: OffsetSpec,
    ) -> Result<BTreeMap<i32, TimestampedOffset>, ClientError> {
        let view = self.client.topic(topic).await?;
        let wanted = view
            .partitions
            .keys()
            .map(|index| ((topic.to_owned(), *index), spec));
        let found = self.list_offsets(&wanted.collect()).await?;
        Ok(found
            .into_iter()
            .map(|((_, index), offset)| (index, offset))
            .collect())
    }
}
