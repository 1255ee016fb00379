//! Joining, staying in and leaving a group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprawl_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use sprawl_protocol::messages::leave_group_request::MemberIdentity;
use sprawl_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use sprawl_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use sprawl_protocol::{ApiKey, ErrorCode, StrBytes};
use tokio::sync::{oneshot, watch};

use super::range::{Subscriber, assign};
use super::wire::{decode_assignment, decode_subscription, encode_assignment, encode_subscription};
use super::{GroupOptions, Membership, membership_after};
use crate::admin::group_id;
use crate::client::{AutoCreate, Client};
use crate::error::ClientError;

/// The name of the assignor on the wire.
const ASSIGNOR: StrBytes = StrBytes::from_static_str("range");
/// What kind of group this is on the wire.
const PROTOCOL_TYPE: StrBytes = StrBytes::from_static_str("consumer");

/// One member's standing with its coordinator.
#[derive(Debug)]
pub(super) struct Member {
    client: Client,
    options: GroupOptions,
    member_id: StrBytes,
    generation: i32,
    membership: Arc<watch::Sender<Membership>>,
    /// Dropping it ends the heartbeats.
    heartbeats: Option<oneshot::Sender<()>>,
}

impl Member {
    pub(super) fn new(client: Client, options: GroupOptions) -> Self {
        Self {
            client,
            options,
            member_id: StrBytes::default(),
            generation: -1,
            membership: Arc::new(watch::Sender::new(Membership::Lost)),
            heartbeats: None,
        }
    }

    pub(super) fn membership(&self) -> Membership {
        *self.membership.borrow()
    }

    /// Returns the generation and member id that fence this member's commits.
    pub(super) fn identity(&self) -> (i32, StrBytes) {
        (self.generation, self.member_id.clone())
    }

    pub(super) fn instance_id(&self) -> Option<StrBytes> {
        self.options
            .group_instance_id
            .clone()
            .map(StrBytes::from_string)
    }

    /// Turns an error that only means "join again" into that; returns every other one.
    pub(super) fn note_commit_error(&self, error: ClientError) -> Result<(), ClientError> {
        match error.code().and_then(membership_after) {
            // While a group rebalances this generation may still commit; joining again is due
            // anyway.
            Some(membership) => {
                tracing::info!(group = %self.options.group_id, %error, "commit came too late");
                self.membership.send_replace(membership);
                Ok(())
            }
            None => Err(error),
        }
    }

    /// Joins the group and returns the partitions this member gets.
    pub(super) async fn join(&mut self) -> Result<BTreeMap<String, Vec<i32>>, ClientError> {
        self.heartbeats = None;
        if self.membership() == Membership::Lost {
            self.member_id = StrBytes::default();
        }
        let clock = Arc::clone(&self.client.io().clock);
        let options = self.client.options();
        let wait_max = self.options.rebalance_wait_max + options.retry_wait_max;
        let pause = options.retry_pause;
        let start = clock.monotonic();
        loop {
            let error = match self.join_once().await {
                Ok(assignment) => {
                    self.membership.send_replace(Membership::Joined);
                    self.start_heartbeats();
                    return Ok(assignment);
                }
                Err(error) => error,
            };
            match error.code().map(|code| (code, membership_after(code))) {
                Some((ErrorCode::MemberIdRequired, _)) => continue,
                Some((_, Some(Membership::Lost))) => self.member_id = StrBytes::default(),
                Some((_, Some(_))) => {}
                _ if error.is_retriable() => {}
                _ => return Err(error),
            }
            if clock.monotonic().saturating_sub(start) >= wait_max {
                return Err(error);
            }
            sprawl_io::time::sleep(pause).await;
        }
    }

    async fn join_once(&mut self) -> Result<BTreeMap<String, Vec<i32>>, ClientError> {
        let joined = self.send_join().await?;
        self.generation = joined.generation_id;
        let leads = joined.leader == joined.member_id && !joined.skip_assignment;
        let assignments = if leads {
            self.assign_all(&joined).await?
        } else {
            Vec::new()
        };
        let assignment = self.send_sync(assignments).await?;
        decode_assignment(&assignment)
    }

    async fn send_join(&mut self) -> Result<JoinGroupResponse, ClientError> {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(ASSIGNOR)
            .with_metadata(encode_subscription(&self.options.topics));
        let request = JoinGroupRequest::default()
            .with_group_id(group_id(&self.options.group_id))
            .with_session_timeout_ms(millis(self.options.session_wait_max))
            .with_rebalance_timeout_ms(millis(self.options.rebalance_wait_max))
            .with_member_id(self.member_id.clone())
            .with_group_instance_id(self.instance_id())
            .with_protocol_type(PROTOCOL_TYPE)
            .with_protocols(vec![protocol]);
        // The coordinator answers when everybody has joined, at most that much later.
        let wait_max = self.options.rebalance_wait_max + self.client.options().request_wait_max;
        let address = self.client.coordinator(&self.options.group_id).await?;
        let connection = self.client.open_own(&address).await?;
        let response = connection.call_within(request, wait_max).await?;
        if !response.member_id.is_empty() {
            self.member_id = response.member_id.clone();
        }
        let what = || format!("joining group {}", self.options.group_id);
        ClientError::check(what, response.error_code)?;
        Ok(response)
    }

    /// Assigns everybody's partitions, as the coordinator chose this member to.
    async fn assign_all(
        &self,
        joined: &JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let mut subscribers = Vec::new();
        for member in &joined.members {
            subscribers.push(Subscriber {
                member_id: member.member_id.to_string(),
                group_instance_id: member.group_instance_id.as_ref().map(|id| id.to_string()),
                topics: decode_subscription(&member.metadata)?,
            });
        }
        let mut counts = BTreeMap::new();
        for topic in subscribers.iter().flat_map(|subscriber| &subscriber.topics) {
            if !counts.contains_key(topic) {
                let view = self.client.refresh_topic(topic, AutoCreate::Yes).await?;
                let count = i32::try_from(view.partitions.len()).unwrap_or(i32::MAX);
                counts.insert(topic.clone(), count);
            }
        }
        let assignments =
            assign(&subscribers, &counts)
                .into_iter()
                .map(|(member_id, partitions)| {
                    SyncGroupRequestAssignment::default()
                        .with_member_id(StrBytes::from_string(member_id))
                        .with_assignment(encode_assignment(&partitions))
                });
        Ok(assignments.collect())
    }

    async fn send_sync(
        &self,
        assignments: Vec<SyncGroupRequestAssignment>,
    ) -> Result<Bytes, ClientError> {
        let address = self.client.coordinator(&self.options.group_id).await?;
        let connection = self.client.open_own(&address).await?;
        let mut request = SyncGroupRequest::default()
            .with_group_id(group_id(&self.options.group_id))
            .with_generation_id(self.generation)
            .with_member_id(self.member_id.clone())
            .with_group_instance_id(self.instance_id())
            .with_assignments(assignments);
        if connection.version_of(ApiKey::SyncGroup)? >= 5 {
            request = request
                .with_protocol_type(Some(PROTOCOL_TYPE))
                .with_protocol_name(Some(ASSIGNOR));
        }
        let wait_max = self.options.rebalance_wait_max + self.client.options().request_wait_max;
        let response = connection.call_within(request, wait_max).await?;
        let what = || format!("syncing group {}", self.options.group_id);
        ClientError::check(what, response.error_code)?;
        Ok(response.assignment)
    }

    fn start_heartbeats(&mut self) {
        let (stop, stopped) = oneshot::channel();
        self.heartbeats = Some(stop);
        let request = HeartbeatRequest::default()
            .with_group_id(group_id(&self.options.group_id))
            .with_generation_id(self.generation)
            .with_member_id(self.member_id.clone())
            .with_group_instance_id(self.instance_id());
        let beat = beat(
            self.client.clone(),
            self.options.clone(),
            request,
            Arc::clone(&self.membership),
        );
        self.client.io().spawn.task(Box::pin(async move {
            tokio::select! {
                biased;
                _ = stopped => {}
                () = beat => {}
            }
        }));
    }

    /// Leaves the group; a static member stays on the list until its session ends, as in Kafka.
    pub(super) async fn leave(mut self) -> Result<(), ClientError> {
        self.heartbeats = None;
        if self.member_id.is_empty() || self.options.group_instance_id.is_some() {
            return Ok(());
        }
        let address = self.client.coordinator(&self.options.group_id).await?;
        let connection = self.client.connection(&address).await?;
        let mut request =
            LeaveGroupRequest::default().with_group_id(group_id(&self.options.group_id));
        if connection.version_of(ApiKey::LeaveGroup)? >= 3 {
            let member = MemberIdentity::default().with_member_id(self.member_id.clone());
            request.members = vec![member];
        } else {
            request.member_id = self.member_id.clone();
        }
        let response = connection.call(request).await?;
        ClientError::check(|| "leaving the group".to_owned(), response.error_code)
    }
}

/// Sends heartbeats until the coordinator says that the member has to join again.
async fn beat(
    client: Client,
    options: GroupOptions,
    request: HeartbeatRequest,
    membership: Arc<watch::Sender<Membership>>,
) {
    loop {
        sprawl_io::time::sleep(options.heartbeat_pause).await;
        let answer = client
            .call_coordinator(&options.group_id, request.clone())
            .await;
        let code = match answer {
            Ok(response) => ErrorCode::from_number(response.error_code),
            // The coordinator may be restarting; poll finds out if it stays away.
            Err(error) => {
                tracing::debug!(%error, "heartbeat failed");
                continue;
            }
        };
        match code {
            Some(ErrorCode::None) => {}
            Some(code) if code.is_retriable() => {}
            code => {
                let next = code.and_then(membership_after).unwrap_or(Membership::Lost);
                membership.send_replace(next);
                return;
            }
        }
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
