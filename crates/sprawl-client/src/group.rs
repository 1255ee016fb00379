//! Reading topics together with others: a member of a consumer group (classic protocol, `range`).
//!
//! One task sends heartbeats; everything else happens inside [`GroupConsumer::poll`]. Before a
//! member gives up partitions it commits what it returned so far, so a record may come twice after
//! a crash and never goes missing (at least once).
//!
//! Source: Kafka's classic group protocol (JoinGroup, SyncGroup, Heartbeat, LeaveGroup; KIP-394
//! member ids). Left out: cooperative rebalancing, KIP-848.

mod membership;
mod range;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::{OffsetCommitRequest, OffsetFetchRequest};

use crate::admin::OffsetSpec;
use crate::client::{Client, topic_name};
use crate::consumer::{ConsumedRecord, Consumer, ConsumerOptions, StartOffset};
use crate::error::ClientError;
use membership::Member;
pub(crate) use wire::decode_assignment;

/// How a member behaves.
#[derive(Clone, Debug)]
pub struct GroupOptions {
    /// The group's id.
    pub group_id: String,
    /// What to read.
    pub topics: Vec<String>,
    /// The static name of this member, if it has one (KIP-345).
    pub group_instance_id: Option<String>,
    /// How long the coordinator waits for a heartbeat.
    pub session_wait_max: Duration,
    /// How long the coordinator waits for members to join again.
    pub rebalance_wait_max: Duration,
    /// The pause between heartbeats.
    pub heartbeat_pause: Duration,
    /// The pause between commits; `None` leaves committing to the caller.
    pub commit_pause: Option<Duration>,
    /// Where to start in partitions the group has not committed an offset of.
    pub start: OffsetSpec,
}

impl GroupOptions {
    /// Kafka's defaults.
    pub fn new(group_id: String, topics: Vec<String>) -> Self {
        Self {
            group_id,
            topics,
            group_instance_id: None,
            session_wait_max: Duration::from_secs(45),
            rebalance_wait_max: Duration::from_secs(60),
            heartbeat_pause: Duration::from_secs(3),
            commit_pause: Some(Duration::from_secs(5)),
            start: OffsetSpec::Latest,
        }
    }
}

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It has its partitions.
    Joined,
    /// The group is rebalancing; the next poll joins again.
    Rejoin,
    /// The coordinator has forgotten this member; the next poll joins as a new one.
    Lost,
}

/// A member of a group.
#[derive(Debug)]
pub struct GroupConsumer {
    client: Client,
    options: GroupOptions,
    consumer: Consumer,
    member: Member,
    committed: BTreeMap<(String, i32), i64>,
    committed_at: Duration,
}

impl GroupConsumer {
    /// Makes a member that joins on its first poll.
    pub fn new(client: Client, options: GroupOptions) -> Self {
        let consumer_options = ConsumerOptions {
            reset: options.start,
            ..Default::default()
        };
        Self {
            consumer: Consumer::new(client.clone(), consumer_options),
            member: Member::new(client.clone(), options.clone()),
            committed: BTreeMap::new(),
            committed_at: Duration::ZERO,
            client,
            options,
        }
    }

    /// Returns the partitions this member reads and the offset it reads next in each.
    pub fn positions(&self) -> BTreeMap<(String, i32), i64> {
        self.consumer.positions()
    }

    /// Returns where the member stands.
    pub fn membership(&self) -> Membership {
        self.member.membership()
    }

    /// Says whether every partition of this member has been read to its end.
    pub fn is_at_end(&self) -> bool {
        self.membership() == Membership::Joined && self.consumer.is_at_end()
    }

    /// Joins if needed, commits if due, and fetches once.
    ///
    /// Cancel: safe, as [`Consumer::poll`]; a join that was cut off is made again.
    pub async fn poll(
        &mut self,
        wait_max: Duration,
        records_max: usize,
    ) -> Result<Vec<ConsumedRecord>, ClientError> {
        if self.membership() != Membership::Joined {
            self.join().await?;
        }
        let now = self.client.io().clock.monotonic();
        let due = |pause| now.saturating_sub(self.committed_at) >= pause;
        if self.options.commit_pause.is_some_and(due) {
            self.committed_at = now;
            self.commit().await?;
        }
        self.consumer.poll(wait_max, records_max).await
    }

    async fn join(&mut self) -> Result<(), ClientError> {
        if self.membership() == Membership::Rejoin && self.options.commit_pause.is_some() {
            self.commit().await?;
        }
        let assignment = self.member.join().await?;
        let places = assignment.into_iter().flat_map(|(topic, indexes)| {
            indexes.into_iter().map(move |index| (topic.clone(), index))
        });
        let places: Vec<(String, i32)> = places.collect();
        tracing::info!(group = %self.options.group_id, partition_count = places.len(), "joined");
        self.committed = self.fetch_committed(&places).await?;
        let start = |place: (String, i32)| {
            let committed = self.committed.get(&place).copied();
            let start = StartOffset::Spec(self.options.start);
            (place, committed.map_or(start, StartOffset::Offset))
        };
        self.consumer
            .assign(places.into_iter().map(start).collect())
            .await
    }

    async fn fetch_committed(
        &self,
        places: &[(String, i32)],
    ) -> Result<BTreeMap<(String, i32), i64>, ClientError> {
        use sprawl_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for (topic, index) in places {
            topics.entry(topic).or_default().push(*index);
        }
        let topics = topics
            .into_iter()
            .map(|(name, partition_indexes)| OffsetFetchRequestTopic {
                name: topic_name(name),
                partition_indexes,
            });
        let request = OffsetFetchRequest {
            group_id: crate::admin::group_id(&self.options.group_id),
            topics: Some(topics.collect()),
            ..Default::default()
        };
        let id = &self.options.group_id;
        let retry = self.client.retry();
        let response = loop {
            let result = self.client.call_coordinator(id, request.clone()).await;
            let checked = result.and_then(|response| {
                ClientError::check(|| format!("offsets of group {id}"), response.error_code)?;
                Ok(response)
            });
            match checked {
                Ok(response) => break response,
                Err(error) => retry.pause(error).await?,
            }
        };
        let mut committed = BTreeMap::new();
        for topic in response.topics {
            for partition in topic.partitions {
                let place = (topic.name.to_string(), partition.partition_index);
                ClientError::check(|| format!("offset of group {id}"), partition.error_code)?;
                if partition.committed_offset >= 0 {
                    committed.insert(place, partition.committed_offset);
                }
            }
        }
        Ok(committed)
    }

    /// Commits the positions of every partition whose records were returned since the last commit.
    ///
    /// A commit that comes too late for its generation is dropped: whoever has the partitions now
    /// commits for itself.
    pub async fn commit(&mut self) -> Result<(), ClientError> {
        let positions = self.consumer.positions();
        let changed = positions
            .into_iter()
            .filter(|(place, next)| self.committed.get(place) != Some(next));
        let changed: BTreeMap<_, _> = changed.collect();
        if changed.is_empty() {
            return Ok(());
        }
        let id = self.options.group_id.clone();
        let (generation, member_id) = self.member.identity();
        let request = OffsetCommitRequest {
            group_id: crate::admin::group_id(&id),
            generation_id_or_member_epoch: generation,
            member_id,
            group_instance_id: self.member.instance_id(),
            topics: crate::admin::commit_topics(&changed),
            ..Default::default()
        };
        let retry = self.client.retry();
        let result = loop {
            let error = match self.commit_once(request.clone()).await {
                Ok(()) => break Ok(()),
                Err(error) => error,
            };
            if let Err(error) = retry.pause(error).await {
                break Err(error);
            }
        };
        match result {
            Ok(()) => self.committed.extend(changed),
            Err(error) => self.member.note_commit_error(error)?,
        }
        Ok(())
    }

    async fn commit_once(&self, request: OffsetCommitRequest) -> Result<(), ClientError> {
        let id = &self.options.group_id;
        let response = self.client.call_coordinator(id, request).await?;
        for topic in response.topics {
            for partition in topic.partitions {
                let what = || format!("commit of group {id} in {}", topic.name.as_str());
                ClientError::check(what, partition.error_code)?;
            }
        }
        Ok(())
    }

    /// Commits (unless the caller commits) and leaves the group, so that its other members get the
    /// partitions at once.
    pub async fn close(mut self) -> Result<(), ClientError> {
        if self.membership() == Membership::Joined && self.options.commit_pause.is_some() {
            self.commit().await?;
        }
        self.member.leave().await
    }
}

/// Says what a coordinator's error means for a member.
fn membership_after(code: ErrorCode) -> Option<Membership> {
    match code {
        ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => Some(Membership::Rejoin),
        ErrorCode::UnknownMemberId => Some(Membership::Lost),
        _ => None,
    }
}
