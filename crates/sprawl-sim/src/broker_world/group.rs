//! Two members of one classic group, who now and then join again, and commit with a generation that
//! is over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;
use sprawl_io::sim::SimNet;
use sprawl_io::time::sleep;

use super::PARTITION_COUNT;
use super::ledger::Ledger;
use super::offsets::{Committer, committed, expect_good};
use crate::client::Client;
use crate::error_code;
use crate::invariant::i20_stale_commit_refused;

const GROUP: &str = "readers";
const FIND_COORDINATOR_VERSION: i16 = 3;
const JOIN_VERSION: i16 = 5;
const SYNC_VERSION: i16 = 3;
const HEARTBEAT_VERSION: i16 = 3;
const COMMIT_VERSION: i16 = 7;
const SESSION_TIMEOUT_MS: i32 = 6_000;
/// The pause before what failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

struct Member {
    ledger: Arc<Ledger>,
    client: Client,
    member_id: StrBytes,
    generation: i32,
}

/// Is a member for ever.
pub(super) async fn run(ledger: Arc<Ledger>, net: Arc<SimNet>, number: usize) {
    let client = Client::new(&net, &format!("member-{number}"));
    let member_id = StrBytes::from_static_str("");
    let mut member = Member {
        ledger,
        client,
        member_id,
        generation: -1,
    };
    loop {
        if member.take_part().await.is_err() {
            member.client.close();
            sleep(RETRY_PAUSE).await;
        }
    }
}

fn group_id() -> GroupId {
    GroupId(StrBytes::from_static_str(GROUP))
}

impl Member {
    /// Joins, gets its partitions, and commits for a while.
    async fn take_part(&mut self) -> io::Result<()> {
        self.find_coordinator().await?;
        let before = (self.generation, self.member_id.clone());
        let joined = self.join().await?;
        let partitions = self.sync(&joined).await?;
        if before.0 >= 0 && before.0 < self.generation {
            self.commit_stale(before.0, before.1).await?;
        }
        let mut positions = Vec::new();
        for partition in partitions {
            positions.push((partition, self.committed(partition).await?));
        }
        for _ in 0..3 + self.ledger.random.below(20) {
            sleep(Duration::from_millis(50 + self.ledger.random.below(400))).await;
            if !self.heartbeat().await? {
                return Ok(());
            }
            for (partition, position) in &mut positions {
                let high_watermark = self.high_watermark(*partition);
                let ahead = u64::try_from(high_watermark - *position).unwrap_or(0);
                *position += i64::try_from(self.ledger.random.below(ahead + 1)).unwrap_or(0);
                self.commit(*partition, *position).await?;
            }
        }
        Ok(())
    }

    fn high_watermark(&self, partition: i32) -> i64 {
        let index = usize::try_from(partition).unwrap_or(0);
        self.ledger.high_watermark(index)
    }

    async fn find_coordinator(&mut self) -> io::Result<()> {
        let request = FindCoordinatorRequest::default().with_key(StrBytes::from_static_str(GROUP));
        let response = self.client.call(FIND_COORDINATOR_VERSION, &request).await?;
        expect_good(response.error_code)
    }

    async fn join(&mut self) -> io::Result<JoinGroupResponse> {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("range"))
            .with_metadata(Bytes::from_static(b"any"));
        let request = JoinGroupRequest::default()
            .with_group_id(group_id())
            .with_session_timeout_ms(SESSION_TIMEOUT_MS)
            .with_rebalance_timeout_ms(SESSION_TIMEOUT_MS)
            .with_member_id(self.member_id.clone())
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![protocol]);
        let response = self.client.call(JOIN_VERSION, &request).await?;
        match response.error_code {
            0 => {
                self.member_id = response.member_id.clone();
                self.generation = response.generation_id;
                return Ok(response);
            }
            error_code::MEMBER_ID_REQUIRED => self.member_id = response.member_id,
            error_code::UNKNOWN_MEMBER_ID => self.forget(),
            _ => {}
        }
        Err(io::Error::other("join again"))
    }

    fn forget(&mut self) {
        self.member_id = StrBytes::from_static_str("");
        self.generation = -1;
    }

    /// Gets this member's partitions; the leader hands them out in turn.
    async fn sync(&mut self, joined: &JoinGroupResponse) -> io::Result<Vec<i32>> {
        let members = &joined.members;
        let assignments = members.iter().enumerate().map(|(place, member)| {
            let own = (0..PARTITION_COUNT).filter(|partition| partition % members.len() == place);
            let bytes: Vec<u8> = own.map(|partition| partition as u8).collect();
            SyncGroupRequestAssignment::default()
                .with_member_id(member.member_id.clone())
                .with_assignment(bytes.into())
        });
        let request = SyncGroupRequest::default()
            .with_group_id(group_id())
            .with_generation_id(self.generation)
            .with_member_id(self.member_id.clone())
            .with_assignments(assignments.collect());
        let response = self.client.call(SYNC_VERSION, &request).await?;
        if response.error_code == error_code::UNKNOWN_MEMBER_ID {
            self.forget();
        }
        expect_good(response.error_code)?;
        Ok(response
            .assignment
            .iter()
            .map(|partition| i32::from(*partition))
            .collect())
    }

    /// Says whether the group is still as it was.
    async fn heartbeat(&mut self) -> io::Result<bool> {
        let request = HeartbeatRequest::default()
            .with_group_id(group_id())
            .with_generation_id(self.generation)
            .with_member_id(self.member_id.clone());
        let response = self.client.call(HEARTBEAT_VERSION, &request).await?;
        match response.error_code {
            0 => Ok(true),
            error_code::REBALANCE_IN_PROGRESS | error_code::ILLEGAL_GENERATION => Ok(false),
            error_code::UNKNOWN_MEMBER_ID => {
                self.forget();
                Ok(false)
            }
            code => expect_good(code).map(|()| false),
        }
    }

    async fn commit(&mut self, partition: i32, offset: i64) -> io::Result<()> {
        let (generation, member_id) = (self.generation, self.member_id.clone());
        let committer = Committer::new(GROUP, COMMIT_VERSION, generation, member_id);
        let code = committer
            .commit(&mut self.client, partition, offset)
            .await?;
        if code == 0 {
            self.ledger.committed(GROUP, partition, offset);
        }
        expect_good(code)
    }

    /// Commits as this member was before it joined again, as one does that was suspended meanwhile
    /// (I20).
    async fn commit_stale(&mut self, generation: i32, member_id: StrBytes) -> io::Result<()> {
        let committer = Committer::new(GROUP, COMMIT_VERSION, generation, member_id);
        let code = committer.commit(&mut self.client, 0, 0).await?;
        let current = self.generation;
        self.ledger
            .report(i20_stale_commit_refused(GROUP, generation, current, code));
        Ok(())
    }

    async fn committed(&mut self, partition: i32) -> io::Result<i64> {
        committed(&self.ledger, &mut self.client, GROUP, partition).await
    }
}
