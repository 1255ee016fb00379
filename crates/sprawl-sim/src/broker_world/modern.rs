//! Two members of one consumer group of the new protocol (KIP-848), who beat, fall silent for
//! longer than their session, leave, and commit what is no longer theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, FindCoordinatorRequest,
};
use kafka_protocol::protocol::StrBytes;
use sprawl_io::sim::SimNet;
use sprawl_io::time::sleep;
use uuid::Uuid;

use super::ledger::Ledger;
use super::offsets::{Committer, committed, expect_good, group_id, topic_name};
use crate::client::Client;
use crate::error_code;
use crate::invariant::{i20_one_owner, i20_stale_commit_refused};

const GROUP: &str = "modern";
const FIND_COORDINATOR_VERSION: i16 = 3;
/// The first version whose clients choose their member id (KIP-1082).
const HEARTBEAT_VERSION: i16 = 1;
/// The first version for members with an epoch.
const COMMIT_VERSION: i16 = 9;
/// The epoch of who leaves.
const LEAVES: i32 = -1;
const REBALANCE_TIMEOUT_MS: i32 = 3_000;
/// Longer than the session that the broker gives.
const SILENCE: Duration = Duration::from_secs(5);
const SILENT_OF: u64 = 60;
const LEAVES_OF: u64 = 80;
/// The longest pause between two beats, ms.
const PAUSE_MS_MAX: u64 = 400;
/// The pause before what failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Whom the broker named last as the owner of each partition.
#[derive(Debug, Default)]
pub(super) struct Owners(Mutex<BTreeMap<i32, usize>>);

impl Owners {
    fn named(&self, number: usize, partitions: &BTreeSet<i32>) {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owners.extend(partitions.iter().map(|partition| (*partition, number)));
    }

    /// Which of these partitions belong to others.
    fn lost(&self, number: usize, partitions: &BTreeSet<i32>) -> BTreeSet<i32> {
        let owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_lost =
            |partition: &&i32| owners.get(partition).is_some_and(|owner| *owner != number);
        partitions.iter().filter(is_lost).copied().collect()
    }
}

struct Member {
    ledger: Arc<Ledger>,
    owners: Arc<Owners>,
    client: Client,
    number: usize,
    member_id: StrBytes,
    epoch: i32,
    topic_id: Uuid,
    /// The partitions it has, and how far it is in each.
    positions: BTreeMap<i32, i64>,
}

/// Is a member for ever.
pub(super) async fn run(ledger: Arc<Ledger>, net: Arc<SimNet>, owners: Arc<Owners>, number: usize) {
    let client = Client::new(&net, &format!("modern-{number}"));
    let mut member = Member {
        ledger,
        owners,
        client,
        number,
        member_id: StrBytes::default(),
        epoch: 0,
        topic_id: Uuid::nil(),
        positions: BTreeMap::new(),
    };
    member.become_new();
    loop {
        if member.take_part().await.is_err() {
            member.client.close();
            sleep(RETRY_PAUSE).await;
        }
    }
}

impl Member {
    fn become_new(&mut self) {
        let mut bytes = [0; 16];
        sprawl_io::Random::fill(&self.ledger.random, &mut bytes);
        self.member_id = StrBytes::from_string(Uuid::from_bytes(bytes).to_string());
        self.forget();
    }

    /// Starts over under the same name.
    fn forget(&mut self) {
        self.epoch = 0;
        self.positions.clear();
    }

    fn owned(&self) -> BTreeSet<i32> {
        self.positions.keys().copied().collect()
    }

    async fn take_part(&mut self) -> io::Result<()> {
        let request = FindCoordinatorRequest::default().with_key(StrBytes::from_static_str(GROUP));
        let response = self.client.call(FIND_COORDINATOR_VERSION, &request).await?;
        expect_good(response.error_code)?;
        loop {
            self.beat().await?;
            self.commit_all().await?;
            let pause = 50 + self.ledger.random.below(PAUSE_MS_MAX);
            sleep(Duration::from_millis(pause)).await;
            if self.ledger.random.chance(1, SILENT_OF) {
                sleep(SILENCE).await;
                self.commit_lost().await?;
            }
            if self.ledger.random.chance(1, LEAVES_OF) {
                // Whether it is heard or not: its session ends in any case.
                let left = self.call(LEAVES).await;
                self.become_new();
                left?;
            }
        }
    }

    /// Says that it lives and what it has; learns what it is to have.
    async fn beat(&mut self) -> io::Result<()> {
        let lost_before = self.owners.lost(self.number, &self.owned());
        let response = self.call(self.epoch).await?;
        match response.error_code {
            0 => {}
            error_code::UNKNOWN_MEMBER_ID | error_code::FENCED_MEMBER_EPOCH => {
                self.forget();
                return Ok(());
            }
            code => return expect_good(code),
        }
        self.epoch = response.member_epoch;
        if let Some(assignment) = response.assignment {
            let topics = &assignment.topic_partitions;
            if let Some(topic) = topics.first() {
                self.topic_id = topic.topic_id;
            }
            let assigned = topics
                .iter()
                .flat_map(|topic| topic.partitions.iter().copied());
            let assigned: BTreeSet<i32> = assigned.collect();
            self.positions
                .retain(|partition, _| assigned.contains(partition));
            let new: BTreeSet<i32> = assigned.difference(&self.owned()).copied().collect();
            self.owners.named(self.number, &new);
            for partition in new {
                let found = committed(&self.ledger, &mut self.client, GROUP, partition).await?;
                self.positions.insert(partition, found);
            }
        }
        // The broker has just confirmed what it had given to another before it was asked.
        let both: BTreeSet<i32> = lost_before.intersection(&self.owned()).copied().collect();
        self.ledger
            .report(i20_one_owner(GROUP, self.epoch, both.first().copied()));
        Ok(())
    }

    async fn call(&mut self, epoch: i32) -> io::Result<ConsumerGroupHeartbeatResponse> {
        let owned = TopicPartitions::default()
            .with_topic_id(self.topic_id)
            .with_partitions(self.positions.keys().copied().collect());
        let owned = if self.positions.is_empty() {
            Vec::new()
        } else {
            vec![owned]
        };
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group_id(GROUP))
            .with_member_id(self.member_id.clone())
            .with_member_epoch(epoch)
            .with_rebalance_timeout_ms(REBALANCE_TIMEOUT_MS)
            .with_subscribed_topic_names(Some(vec![topic_name()]))
            .with_topic_partitions(Some(owned));
        self.client.call(HEARTBEAT_VERSION, &request).await
    }

    fn committer(&self) -> Committer {
        Committer::new(GROUP, COMMIT_VERSION, self.epoch, self.member_id.clone())
    }

    /// Goes on in every partition that it has.
    async fn commit_all(&mut self) -> io::Result<()> {
        let committer = self.committer();
        for (partition, position) in &mut self.positions {
            let index = usize::try_from(*partition).unwrap_or(0);
            let ahead = u64::try_from(self.ledger.high_watermark(index) - *position).unwrap_or(0);
            let steps = self.ledger.random.below(ahead + 1);
            let next = *position + i64::try_from(steps).unwrap_or(0);
            let code = committer.commit(&mut self.client, *partition, next).await?;
            if code == 0 {
                *position = next;
                self.ledger.committed(GROUP, *partition, next);
            }
        }
        Ok(())
    }

    /// Commits what the broker has given to another meanwhile (I20).
    async fn commit_lost(&mut self) -> io::Result<()> {
        for partition in self.owners.lost(self.number, &self.owned()) {
            let committer = self.committer();
            let code = committer.commit(&mut self.client, partition, 0).await?;
            let check = i20_stale_commit_refused(GROUP, self.epoch, self.epoch + 1, code);
            self.ledger.report(check);
        }
        Ok(())
    }
}
