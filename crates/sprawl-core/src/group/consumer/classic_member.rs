//! How are members of the classic protocol served in a consumer group?
//!
//! They join and sync as ever, but nobody waits for anybody: a join is answered at once with the
//! member's epoch as its generation, and no leader; a sync hands out what the coordinator has
//! assigned. A heartbeat tells the member to join again whenever there is a step to take.
//!
//! Source: KIP-848, "Online migration"; Kafka's `classicGroupJoinToConsumerGroup` and its siblings.

use super::convert::downgrade_if_classic;
use super::draft::Draft;
use super::group::ConsumerGroup;
use super::leave::remove_members;
use super::member::{ClassicMetadata, ConsumerMember, MemberMetadata, MemberState, without_epochs};
use super::protocol::{Subscription, assignment_bytes, subscription};
use super::reconcile::waits_for_others;
use super::target::target_is_due;
use crate::coordinator::Token;
use crate::group::any::Group;
use crate::group::classic::subscription::CONSUMER_PROTOCOL_TYPE;
use crate::group::error::GroupError;
use crate::group::request::{
    HeartbeatRequest, JoinRequest, Joined, LeaveRequest, LeavingMember, LeftMember, MemberIdRule,
    Response, SyncRequest, Synced,
};
use crate::group::shard::{Context, Groups};

/// Joins a classic member to a consumer group that has members.
pub(in crate::group) fn on_classic_join(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    request: &JoinRequest,
) {
    let is_new = request.member_id.is_empty();
    let member_id = if is_new {
        &request.new_member_id
    } else {
        &request.member_id
    };
    let Some(Group::Consumer(group)) = groups.get_mut(&request.group_id) else {
        return;
    };
    let subscribed = match admit(group, cx, request, member_id) {
        Ok(subscribed) => subscribed,
        Err(error) => {
            cx.reply(token, Response::join_refused(error, member_id.as_str()));
            return;
        }
    };
    let is_dynamic = request.group_instance_id.is_none();
    if is_new && is_dynamic && request.member_id_rule == MemberIdRule::Required {
        let refusal = Response::join_refused(GroupError::MemberIdRequired, member_id.as_str());
        cx.reply(token, refusal);
        return;
    }
    let mut draft = Draft::new(group);
    draft.join(cx, request, (member_id, &subscribed));
    if draft.group.classic_member_count() == draft.group.members.len()
        && cx.settings.consumer.migration.allows_downgrade()
    {
        // The last member that spoke the consumer protocol has come back as a classic one.
        let (member_id, parts) = (member_id.clone(), draft.into_parts());
        downgrade_if_classic(groups, cx, &request.group_id, parts);
        if let Some(Group::Classic(classic)) = groups.get_mut(&request.group_id) {
            classic.park_rejoin(cx, token, request, &member_id);
            return;
        }
        if let Some(Group::Consumer(group)) = groups.get_mut(&request.group_id) {
            answer_join(group, cx, token, (request, &member_id));
        }
        return;
    }
    let member_id = member_id.clone();
    draft.append(cx);
    answer_join(group, cx, token, (request, &member_id));
}

fn answer_join(
    group: &mut ConsumerGroup,
    cx: &mut Context<'_>,
    token: Token,
    (request, member_id): (&JoinRequest, &str),
) {
    group.awaiting_rejoin.remove(member_id);
    cx.cancel_timer(group.rejoin_timer(member_id));
    let ms = |ms: i32| u64::try_from(ms).unwrap_or(0);
    cx.set_timer(
        group.session_timer(member_id),
        ms(request.session_timeout_ms),
    );
    cx.set_timer(
        group.sync_timer(member_id),
        ms(request.rebalance_timeout_ms),
    );
    let epoch = group
        .members
        .get(member_id)
        .map(|member| member.current.epoch);
    let joined = Joined {
        generation: epoch.unwrap_or(0),
        protocol_type: Some(CONSUMER_PROTOCOL_TYPE.to_owned()),
        protocol_name: request.protocols.first().map(|first| first.name.clone()),
        leader: String::new(),
        skip_assignment: false,
        member_id: member_id.to_owned(),
        members: Vec::new(),
    };
    cx.reply_when_settled(token, Response::Join(Ok(joined)));
}

fn admit(
    group: &ConsumerGroup,
    cx: &Context<'_>,
    request: &JoinRequest,
    member_id: &str,
) -> Result<Subscription, GroupError> {
    let is_member = group.members.contains_key(member_id);
    if group.members.len() >= cx.settings.consumer.size_max && !is_member {
        return Err(GroupError::GroupMaxSizeReached);
    }
    if !supports(group, request) {
        return Err(GroupError::InconsistentGroupProtocol);
    }
    if let Some(instance_id) = &request.group_instance_id
        && !request.member_id.is_empty()
    {
        let holder_id = group
            .static_member_id(instance_id)
            .ok_or(GroupError::UnknownMemberId)?;
        if *holder_id != request.member_id {
            return Err(GroupError::FencedInstanceId);
        }
    }
    let first = request.protocols.first();
    let first = first.ok_or(GroupError::InconsistentGroupProtocol)?;
    subscription(&first.metadata).map_err(|_| GroupError::InconsistentGroupProtocol)
}

/// Whether one of the protocols is offered by every other classic member.
fn supports(group: &ConsumerGroup, request: &JoinRequest) -> bool {
    let classic = || {
        let each = group.members.values();
        each.filter_map(|member| member.metadata.classic.as_ref())
    };
    let offered_by_all = |name: &str| {
        classic().all(|member| member.protocols.iter().any(|known| known.name == name))
    };
    request.protocol_type == CONSUMER_PROTOCOL_TYPE
        && request
            .protocols
            .iter()
            .any(|each| offered_by_all(&each.name))
}

impl Draft<'_> {
    fn join(
        &mut self,
        cx: &mut Context<'_>,
        request: &JoinRequest,
        (member_id, subscribed): (&str, &Subscription),
    ) {
        let instance_id = request.group_instance_id.as_ref();
        let holder_id = instance_id.and_then(|id| self.group.static_member_id(id));
        if let Some(holder_id) = holder_id.filter(|id| *id != member_id).cloned() {
            self.replace_member(&holder_id, member_id);
            for timer in self.group.timers(&holder_id) {
                cx.cancel_timer(timer);
            }
        }
        let known = self.group.members.get(member_id);
        let known = known.map(|member| member.metadata.clone());
        let old = known.clone().unwrap_or_default();
        let new = MemberMetadata {
            instance_id: request.group_instance_id.clone().or(old.instance_id),
            rack_id: subscribed.rack_id.clone().or(old.rack_id),
            client_id: request.client_id.clone(),
            client_host: request.client_host.clone(),
            topics: subscribed.topics.clone(),
            regex: None,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            server_assignor: old.server_assignor,
            classic: Some(ClassicMetadata {
                session_timeout_ms: request.session_timeout_ms,
                protocols: request.protocols.clone(),
            }),
        };
        let change = self.put_metadata(member_id, known.as_ref(), new);
        self.follow_subscriptions(cx, change);
        self.follow_epoch(cx);
        self.reconcile(cx, member_id, Some(&subscribed.owned(cx.metadata)));
    }
}

/// Finds the classic member of a request.
fn classic_member<'a>(
    group: &'a ConsumerGroup,
    member_id: &str,
    instance_id: Option<&str>,
) -> Result<(&'a ConsumerMember, &'a ClassicMetadata), GroupError> {
    if let Some(instance_id) = instance_id {
        let holder_id = group
            .static_member_id(instance_id)
            .ok_or(GroupError::UnknownMemberId)?;
        if holder_id != member_id {
            return Err(GroupError::FencedInstanceId);
        }
    }
    let member = group.members.get(member_id);
    let member: &ConsumerMember = member.ok_or(GroupError::UnknownMemberId)?;
    let classic = member.metadata.classic.as_ref();
    Ok((member, classic.ok_or(GroupError::UnknownMemberId)?))
}

/// Hands a classic member its assignment.
pub(in crate::group) fn on_classic_sync(
    group: &mut ConsumerGroup,
    cx: &mut Context<'_>,
    token: Token,
    request: &SyncRequest,
) {
    match sync(group, cx, request) {
        Ok(synced) => cx.reply_when_settled(token, Response::Sync(Ok(synced))),
        Err(error) => cx.reply(token, Response::Sync(Err(error))),
    }
}

fn sync(
    group: &mut ConsumerGroup,
    cx: &mut Context<'_>,
    request: &SyncRequest,
) -> Result<Synced, GroupError> {
    let instance_id = request.group_instance_id.as_deref();
    let (member, classic) = classic_member(group, &request.member_id, instance_id)?;
    if request.generation != member.current.epoch {
        return Err(GroupError::IllegalGeneration);
    }
    let name = classic.protocols.first().map(|first| first.name.as_str());
    let differs = |said: &Option<String>, held: Option<&str>| {
        said.as_deref().is_some_and(|said| Some(said) != held)
    };
    if differs(&request.protocol_type, Some(CONSUMER_PROTOCOL_TYPE))
        || differs(&request.protocol_name, name)
    {
        return Err(GroupError::InconsistentGroupProtocol);
    }
    let is_revoking = member.current.state == MemberState::UnrevokedPartitions;
    let is_behind = group.target_epoch.epoch > member.current.epoch && !is_revoking;
    let assignment = assignment_bytes(
        classic,
        &without_epochs(&member.current.assigned),
        cx.metadata,
    );
    let session_ms = u64::try_from(classic.session_timeout_ms).unwrap_or(0);
    if is_behind {
        ask_to_rejoin(group, cx, &request.member_id);
        return Err(GroupError::RebalanceInProgress);
    }
    cx.cancel_timer(group.sync_timer(&request.member_id));
    cx.set_timer(group.session_timer(&request.member_id), session_ms);
    Ok(Synced {
        protocol_type: request.protocol_type.clone(),
        protocol_name: request.protocol_name.clone(),
        assignment,
    })
}

/// Gives a member that is about to be told so a bounded time to join again.
fn ask_to_rejoin(group: &mut ConsumerGroup, cx: &mut Context<'_>, member_id: &str) {
    let timeout_ms = group
        .members
        .get(member_id)
        .map_or(0, |member| member.metadata.rebalance_timeout_ms);
    if group.awaiting_rejoin.insert(member_id.to_owned()) {
        let timeout_ms = u64::try_from(timeout_ms).unwrap_or(0);
        cx.set_timer(group.rejoin_timer(member_id), timeout_ms);
    }
}

/// Notes a sign of life of a classic member; says whether there is a step to take.
pub(in crate::group) fn classic_heartbeat(
    group: &mut ConsumerGroup,
    cx: &mut Context<'_>,
    request: &HeartbeatRequest,
) -> Result<(), GroupError> {
    let instance_id = request.group_instance_id.as_deref();
    let member_id = request.member_id.as_str();
    let (member, classic) = classic_member(group, member_id, instance_id)?;
    if request.generation != member.current.epoch {
        return Err(GroupError::IllegalGeneration);
    }
    let session_ms = u64::try_from(classic.session_timeout_ms).unwrap_or(0);
    // A member that joins again computes a target that is due: where nobody beats, it is its only
    // way to one.
    let must_rejoin = member.current.epoch < group.target_epoch.epoch
        || target_is_due(group, cx)
        || match member.current.state {
            MemberState::UnrevokedPartitions => true,
            MemberState::UnreleasedPartitions => !waits_for_others(group, member_id),
            MemberState::Stable | MemberState::Unknown => false,
        };
    cx.set_timer(group.session_timer(member_id), session_ms);
    if must_rejoin {
        ask_to_rejoin(group, cx, member_id);
        return Err(GroupError::RebalanceInProgress);
    }
    Ok(())
}

/// Classic members leave a consumer group, or an administrator removes members of either protocol.
///
/// Source: `GroupMetadataManager.classicGroupLeaveToConsumerGroup`. A member that is named twice
/// leaves once.
pub(in crate::group) fn on_classic_leave(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    request: LeaveRequest,
) {
    let Some(Group::Consumer(group)) = groups.get(&request.group_id) else {
        return;
    };
    let (mut left, mut leaving) = (Vec::new(), Vec::new());
    for member in request.members {
        let outcome = leaving_member(group, &member).map(|member_id| {
            if !leaving.contains(&member_id) {
                leaving.push(member_id);
            }
        });
        left.push(LeftMember { member, outcome });
    }
    if !leaving.is_empty() {
        remove_members(groups, cx, &request.group_id, &leaving);
    }
    cx.reply_when_settled(token, Response::Leave(Ok(left)));
}

fn leaving_member(group: &ConsumerGroup, member: &LeavingMember) -> Result<String, GroupError> {
    let Some(instance_id) = &member.group_instance_id else {
        let is_there = group.members.contains_key(&member.member_id);
        return is_there
            .then(|| member.member_id.clone())
            .ok_or(GroupError::UnknownMemberId);
    };
    let holder_id = group
        .static_member_id(instance_id)
        .ok_or(GroupError::UnknownMemberId)?;
    // An administrator removes whoever holds the instance id, and names no member.
    if !member.member_id.is_empty() && *holder_id != member.member_id {
        return Err(GroupError::FencedInstanceId);
    }
    Ok(holder_id.clone())
}
