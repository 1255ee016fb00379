//! What happens when a member of a streams group beats?
//!
//! One request does everything: it joins, brings the topology, says what the member has given up,
//! leaves; and the answer tells the member what it has from now on.
//!
//! A heartbeat is looked through before anything changes ([`look_through`]): what it is refused
//! for leaves no trace.
//!
//! Source: KIP-1071; Kafka's `GroupMetadataManager.streamsGroupHeartbeat`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::configure::Configured;
use super::draft::{Draft, Parts};
use super::group::StreamsGroup;
use super::leave::leave;
use super::member::{
    Current, JOIN_EPOCH, LEAVE_EPOCH, MemberMetadata, MemberState, STATIC_LEAVE_EPOCH,
    StreamsMember,
};
use super::reconcile::{Goal, next_step};
use super::records::{GroupEpoch, StreamsRecord};
use super::request::{StreamsBeat, StreamsHeartbeat, StreamsStatus, StreamsStatusCode};
use super::target::STANDBY_REPLICAS;
use super::tasks::{Tasks, is_within, without_epochs};
use super::topology::Topology;
use super::validate::validate;
use crate::config::{GroupConfigs, StreamsGroupConfig};
use crate::coordinator::Token;
use crate::group::any::Group;
use crate::group::classic::ClassicState;
use crate::group::error::GroupError;
use crate::group::modern::metadata_hash;
use crate::group::request::Response;
use crate::group::revert::Revert;
use crate::group::shard::{Context, Groups};

/// The settings in effect for a group.
pub(super) fn config(cx: &Context<'_>, group_id: &str) -> StreamsGroupConfig {
    GroupConfigs::new(cx.metadata.group_configs(group_id)).streams(&cx.settings.streams)
}

pub(in crate::group) fn on_streams_heartbeat(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    request: StreamsHeartbeat,
) {
    let outcome = validate(&request).and_then(|()| match request.member_epoch {
        LEAVE_EPOCH | STATIC_LEAVE_EPOCH => leave(groups, cx, &request),
        _ => beat(groups, cx, &request),
    });
    let is_refused = outcome.is_err();
    let response = Response::StreamsHeartbeat(outcome);
    if is_refused {
        cx.reply(token, response);
    } else {
        cx.reply_when_settled(token, response);
    }
}

fn beat(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    request: &StreamsHeartbeat,
) -> Result<StreamsBeat, GroupError> {
    let config = config(cx, &request.group_id);
    let existing = existing_group(groups, request)?;
    let is_new = existing.is_none();
    let seen = look_through(existing, cx, request)?;
    let parts = group_to_join(groups, cx, &request.group_id);
    let Some(Group::Streams(group)) = groups.get_mut(&request.group_id) else {
        return Err(GroupError::GroupIdNotFound);
    };
    let before = group.members.get(&request.member_id).cloned();
    let before = before.map(|member| member.current).unwrap_or_default();
    group.wait_for_members(cx, config.initial_rebalance_delay_ms);
    let mut draft = Draft::after(group, parts);
    let is_changed = draft.update_member(request);
    draft.follow_topology(seen, is_changed, &config);
    let mut statuses: Vec<_> = draft.group.stale_topology(&request.member_id).collect();
    statuses.extend(draft.follow_epoch(cx.now, config.assignment_interval_ms));
    draft.reconcile(cx, request);
    if request.asks_for_shutdown {
        draft.group.note_shutdown(&request.member_id);
    }
    let beat = draft.answer(cx, request, (&before, statuses), &config);
    if is_new {
        // What a group's first heartbeat tells of endpoints is told again, as Kafka does.
        draft.group.endpoint_epoch = 0;
    }
    let timer = draft.group.session_timer(&request.member_id);
    draft.append(cx);
    cx.set_timer(timer, u64::try_from(config.session_timeout_ms).unwrap_or(0));
    Ok(StreamsBeat {
        endpoint_epoch: if is_new { 0 } else { beat.endpoint_epoch },
        ..beat
    })
}

/// The group that a member beats for; none where one that joins makes it, perhaps of a classic
/// group without members.
fn existing_group<'a>(
    groups: &'a Groups,
    request: &StreamsHeartbeat,
) -> Result<Option<&'a StreamsGroup>, GroupError> {
    let joins = request.member_epoch == JOIN_EPOCH;
    match groups.get(&request.group_id) {
        Some(Group::Streams(group)) => Ok(Some(group)),
        None if joins => Ok(None),
        Some(Group::Classic(classic)) if joins && classic.state() == ClassicState::Empty => {
            Ok(None)
        }
        Some(_) | None => Err(GroupError::GroupIdNotFound),
    }
}

/// What is known of a heartbeat that may be carried out.
struct Seen {
    /// The topology, if it is new to the group.
    topology: Option<Topology>,
    metadata_hash: i64,
    metadata_version: u64,
    configured: Arc<Configured>,
}

/// Whether this heartbeat is allowed, and what the topology comes to; nothing has changed yet.
fn look_through(
    group: Option<&StreamsGroup>,
    cx: &Context<'_>,
    request: &StreamsHeartbeat,
) -> Result<Seen, GroupError> {
    admit(group, cx, request)?;
    let known = group.and_then(|group| group.topology.as_ref());
    let topology = topology_in_effect(known, request.topology.as_ref())?;
    let version = cx.metadata.applied_index();
    let kept = group.filter(|group| group.metadata_seen == Some(version));
    let hash = match kept {
        Some(group) => group.epoch.metadata_hash,
        None => metadata_hash(cx.metadata, topology.required_topics().into_iter()),
    };
    let is_same = known.is_some() && group.is_some_and(|group| group.epoch.metadata_hash == hash);
    let kept = group.filter(|_| is_same);
    let configured = match kept.and_then(|group| group.configured.clone()) {
        Some(configured) => configured,
        None => Arc::new(Configured::new(topology, cx.metadata)?),
    };
    if let Some(owned) = &request.owned {
        configured.check_tasks(&owned.active)?;
        configured.check_tasks(&owned.standby)?;
    }
    Ok(Seen {
        topology: known.is_none().then(|| topology.clone()),
        metadata_hash: hash,
        metadata_version: version,
        configured,
    })
}

/// The group's topology, or the one that a member brings to a group without one.
fn topology_in_effect<'a>(
    known: Option<&'a Topology>,
    brought: Option<&'a Topology>,
) -> Result<&'a Topology, GroupError> {
    match (known, brought) {
        (Some(known), None) => Ok(known),
        (Some(known), Some(brought)) if known.epoch > brought.epoch || known == brought => {
            Ok(known)
        }
        (Some(_), Some(_)) => Err(GroupError::InvalidRequest {
            reason: "Topology updates are not supported yet.",
        }),
        (None, Some(brought)) => Ok(brought),
        // Only a log that was cut has a group without one.
        (None, None) => Err(GroupError::UnknownServerError),
    }
}

fn admit(
    group: Option<&StreamsGroup>,
    cx: &Context<'_>,
    request: &StreamsHeartbeat,
) -> Result<(), GroupError> {
    let joins = request.member_epoch == JOIN_EPOCH;
    let member_count = group.map_or(0, |group| group.members.len());
    // Members that come back are counted too, as in Kafka.
    if joins && member_count >= cx.settings.streams.size_max {
        return Err(GroupError::GroupMaxSizeReached);
    }
    let member = group.and_then(|group| group.members.get(&request.member_id));
    match member {
        Some(member) => check_epoch(member, request),
        None if joins => Ok(()),
        None => Err(GroupError::UnknownMemberId),
    }
}

/// A member may be one epoch behind if the answer that told it may be lost; it then has no more
/// than it was given.
fn check_epoch(member: &StreamsMember, request: &StreamsHeartbeat) -> Result<(), GroupError> {
    let (epoch, current) = (request.member_epoch, &member.current);
    let owned = request.owned.as_ref();
    let is_unknown = current.state == MemberState::Unknown;
    if is_unknown && owned.is_none_or(|owned| !owned.is_empty()) {
        // Written by a later release: only a member without tasks can start over.
        return Err(GroupError::FencedMemberEpoch);
    }
    if epoch == JOIN_EPOCH || epoch == current.epoch {
        return Ok(());
    }
    let is_within_assigned = |owned: &Tasks| {
        is_within(&owned.active, &without_epochs(&current.assigned.active))
            && is_within(&owned.standby, &current.assigned.standby)
            && is_within(&owned.warmup, &current.assigned.warmup)
    };
    if epoch < current.epoch
        && epoch == current.previous_epoch
        && owned.is_some_and(is_within_assigned)
    {
        return Ok(());
    }
    Err(GroupError::FencedMemberEpoch)
}

/// Makes sure that there is a streams group of this id, and returns what that writes.
fn group_to_join(groups: &mut Groups, cx: &mut Context<'_>, group_id: &str) -> Parts {
    if let Some(Group::Streams(_)) = groups.get(group_id) {
        return Parts::default();
    }
    let new = Group::Streams(StreamsGroup::new(group_id));
    let before = groups.insert(group_id.to_owned(), new);
    let mut records = Vec::new();
    if let Some(before) = &before {
        before.cancel_timers(cx);
        records.extend(before.tombstones());
    }
    let revert = Revert::Group {
        group_id: group_id.to_owned(),
        before: before.map(Box::new),
    };
    (records, vec![revert])
}

impl StreamsGroup {
    /// An empty group that a member joins waits for more before the first assignment.
    fn wait_for_members(&mut self, cx: &mut Context<'_>, delay_ms: i32) {
        if self.is_empty() && delay_ms > 0 && !self.waits_for_members {
            self.waits_for_members = true;
            cx.set_timer(self.initial_timer(), u64::try_from(delay_ms).unwrap_or(0));
        }
    }

    pub(super) fn note_shutdown(&mut self, member_id: &str) {
        self.shutdown_member
            .get_or_insert_with(|| member_id.to_owned());
    }

    /// Whether a member's topology is older than the group's.
    fn stale_topology(&self, member_id: &str) -> impl Iterator<Item = StreamsStatus> + use<> {
        let member = self.members.get(member_id);
        let behind = self
            .topology
            .as_ref()
            .zip(member)
            .filter(|(group, member)| member.metadata.topology_epoch < group.epoch);
        let status = behind.map(|(group, member)| {
            StreamsStatusCode::StaleTopology.with(format!(
                "The member's topology epoch {} is behind the group's topology epoch {}.",
                member.metadata.topology_epoch, group.epoch
            ))
        });
        status.into_iter()
    }
}

impl Draft<'_> {
    /// Takes over what the member says about itself; says whether that is new.
    fn update_member(&mut self, request: &StreamsHeartbeat) -> bool {
        let member = self.group.members.get(&request.member_id);
        let known = member.map(|member| &member.metadata);
        let old = known.cloned().unwrap_or_default();
        let topology_epoch = request.topology.as_ref().map(|topology| topology.epoch);
        let new = MemberMetadata {
            instance_id: old.instance_id,
            rack_id: request.rack_id.clone().or(old.rack_id),
            client_id: request.client_id.clone(),
            client_host: request.client_host.clone(),
            rebalance_timeout_ms: request
                .rebalance_timeout_ms
                .unwrap_or(old.rebalance_timeout_ms),
            topology_epoch: topology_epoch.unwrap_or(old.topology_epoch),
            process_id: request.process_id.clone().unwrap_or(old.process_id),
            user_endpoint: request.user_endpoint.clone().or(old.user_endpoint),
            client_tags: request.client_tags.clone().unwrap_or(old.client_tags),
        };
        if known == Some(&new) {
            return false;
        }
        let member_id = request.member_id.clone();
        self.put(StreamsRecord::Member(member_id, Some(new)));
        true
    }

    /// Takes over the topology and what it comes to. Any change is a new group epoch.
    fn follow_topology(
        &mut self,
        seen: Seen,
        is_member_changed: bool,
        config: &StreamsGroupConfig,
    ) {
        if let Some(topology) = seen.topology {
            self.put(StreamsRecord::Topology(Some(topology)));
        }
        let topology = self.group.topology.as_ref();
        let is_ready = seen.configured.ready().is_some();
        let validated = topology.filter(|_| is_ready).map(|topology| topology.epoch);
        let replicas = config.standby_replica_count.to_string();
        let next = GroupEpoch {
            epoch: self.group.epoch.epoch,
            metadata_hash: seen.metadata_hash,
            validated_topology_epoch: validated.unwrap_or(-1),
            assignment_configs: BTreeMap::from([(STANDBY_REPLICAS.to_owned(), replicas)]),
        };
        self.group.configured = Some(seen.configured);
        self.group.metadata_seen = Some(seen.metadata_version);
        if is_member_changed || next != self.group.epoch {
            self.bump_epoch(next);
        }
    }

    /// Leads the member one step on, and watches how long it takes to give tasks up.
    fn reconcile(&mut self, cx: &mut Context<'_>, request: &StreamsHeartbeat) {
        let member_id = &request.member_id;
        let nothing = Tasks::default();
        // While the first assignment waits, nobody has anything.
        let target = self.group.targets.get(member_id);
        let target = target.filter(|_| !self.group.waits_for_members);
        let goal = Goal {
            epoch: self.group.target_epoch.epoch,
            tasks: target.unwrap_or(&nothing),
        };
        let next = next_step(self.group, member_id, goal, request.owned.as_ref());
        let Some(next) = next else {
            return;
        };
        let is_revoking = next.state == MemberState::UnrevokedTasks;
        self.put(StreamsRecord::Current(member_id.clone(), Some(next)));
        let timer = self.group.rebalance_timer(member_id);
        let member = self.group.members.get(member_id).filter(|_| is_revoking);
        match member {
            Some(member) => {
                let timeout_ms = u64::try_from(member.metadata.rebalance_timeout_ms).unwrap_or(0);
                cx.set_timer(timer, timeout_ms);
            }
            None => cx.cancel_timer(timer),
        }
    }

    /// Tasks go along when the member joins, or when they have changed; also when it says that it
    /// has other ones, as the answer that told it may be lost. (Kafka 4.3 leaves that member
    /// without them until the next assignment.)
    fn answer(
        &mut self,
        cx: &Context<'_>,
        request: &StreamsHeartbeat,
        (before, mut statuses): (&Current, Vec<StreamsStatus>),
        config: &StreamsGroupConfig,
    ) -> StreamsBeat {
        let member = self.group.members.get(&request.member_id).cloned();
        let StreamsMember { metadata, current } = member.unwrap_or_default();
        let joins = request.member_epoch == JOIN_EPOCH;
        let is_changed = current.assigned != before.assigned;
        let assigned = current.assigned.without_epochs();
        let has_others = (request.owned.as_ref()).is_some_and(|owned| *owned != assigned);
        if (joins || is_changed) && metadata.user_endpoint.is_some() {
            self.group.endpoint_epoch = self.group.endpoint_epoch.wrapping_add(1);
        }
        let endpoint_epoch = self.group.endpoint_epoch;
        let is_told = endpoint_epoch == request.endpoint_epoch;
        let configured = self.group.configured.as_ref();
        let problem = configured.and_then(|configured| configured.problem.clone());
        statuses.extend(problem);
        statuses.extend(self.group.shutdown_member.as_ref().map(|member_id| {
            StreamsStatusCode::ShutdownApplication.with(format!(
                "Streams group member {member_id} encountered a fatal error and requested a \
                 shutdown for the entire application."
            ))
        }));
        StreamsBeat {
            member_id: request.member_id.clone(),
            member_epoch: current.epoch,
            heartbeat_interval_ms: config.heartbeat_interval_ms,
            statuses,
            tasks: (joins || is_changed || has_others).then_some(assigned),
            endpoint_epoch,
            endpoints: (!is_told).then(|| self.group.endpoints(cx.metadata)),
            missing_topics: configured.map_or_else(Vec::new, |one| one.missing.clone()),
        }
    }
}

/// Enough members have joined, or it took too long: the first assignment is made.
pub(in crate::group) fn on_initial_delay_over(group: &mut StreamsGroup, cx: &mut Context<'_>) {
    group.waits_for_members = false;
    // Without members there is nobody to assign to, and without a look at the topics nothing: the
    // next heartbeat does it.
    if group.is_empty() || group.configured.is_none() {
        return;
    }
    let interval_ms = config(cx, &group.group_id).assignment_interval_ms;
    let mut draft = Draft::new(group);
    draft.follow_epoch(cx.now, interval_ms);
    draft.append(cx);
}
