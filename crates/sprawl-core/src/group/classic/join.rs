//! What happens when a member joins?
//!
//! Source: JoinGroup 0 to 9; KIP-394 (member id required), KIP-345 (static members).

use crate::coordinator::Token;
use crate::group::error::GroupError;
use std::collections::BTreeMap;

use super::member::Member;
use super::membership::ClassicGroup;
use super::records::group_record;
use super::state::ClassicState;
use super::static_member::rejoin_static_member;
use crate::coordinator::wire::fits;
use crate::group::any::Group;
use crate::group::consumer::on_classic_join;
use crate::group::request::{JoinRequest, MemberIdRule, Response};
use crate::group::revert::Revert;
use crate::group::shard::{AfterAppend, Context, Groups};

pub(in crate::group) fn on_join(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    request: JoinRequest,
) {
    if let Err(error) = validate(cx, &request) {
        cx.reply(token, Response::join_refused(error, request.member_id));
        return;
    }
    if let Some(Group::Consumer(group)) = groups.get(&request.group_id) {
        if !group.members.is_empty() {
            on_classic_join(groups, cx, token, &request);
            return;
        }
        if request.member_id.is_empty() {
            delete_empty_group(groups, cx, &request.group_id);
        }
    }
    if let Some(Group::Streams(group)) = groups.get(&request.group_id)
        && group.is_empty()
    {
        if !request.member_id.is_empty() {
            let refusal = Response::join_refused(GroupError::UnknownMemberId, request.member_id);
            return cx.reply(token, refusal);
        }
        delete_empty_group(groups, cx, &request.group_id);
    }
    let last_append = cx.last_append();
    let is_new_group = !groups.contains_key(&request.group_id);
    if is_new_group && !request.member_id.is_empty() {
        cx.reply(
            token,
            Response::join_refused(GroupError::UnknownMemberId, request.member_id),
        );
        return;
    }
    let group = groups
        .entry(request.group_id.clone())
        .or_insert_with(|| Group::simple(&request.group_id, Some(cx.now)));
    let Some(group) = group.as_classic_mut() else {
        let refusal = Response::join_refused(GroupError::InconsistentGroupProtocol, "");
        cx.reply(token, refusal);
        return;
    };
    if !has_room(group, cx, &request.member_id) {
        group.remove_member(cx, &request.member_id);
        cx.reply(
            token,
            Response::join_refused(GroupError::GroupMaxSizeReached, ""),
        );
    } else if request.member_id.is_empty() {
        join_new_member(group, cx, token, request);
    } else {
        join_existing_member(group, cx, token, request);
    }
    if is_new_group && cx.last_append() == last_append {
        append_new_group(group, cx);
    }
}

/// An empty group changes its type without a word.
fn delete_empty_group(groups: &mut Groups, cx: &mut Context<'_>, group_id: &str) {
    let Some(before) = groups.remove(group_id) else {
        return;
    };
    let revert = Revert::Group {
        group_id: group_id.to_owned(),
        before: Some(Box::new(before.clone())),
    };
    let after = AfterAppend::Revert(vec![revert]);
    before.cancel_timers(cx);
    cx.append(before.tombstones(), Vec::new(), after);
}

fn validate(cx: &Context<'_>, request: &JoinRequest) -> Result<(), GroupError> {
    let bounds = cx.settings.session_timeout_ms_min..=cx.settings.session_timeout_ms_max;
    if request.group_id.is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    if !bounds.contains(&request.session_timeout_ms) {
        return Err(GroupError::InvalidSessionTimeout);
    }
    let names = request
        .protocols
        .iter()
        .map(|protocol| protocol.name.as_str());
    let recorded = [
        request.group_id.as_str(),
        request.member_id.as_str(),
        request.new_member_id.as_str(),
        request.group_instance_id.as_deref().unwrap_or(""),
        request.client_id.as_str(),
        request.client_host.as_str(),
        request.protocol_type.as_str(),
    ];
    if recorded.into_iter().chain(names).all(fits) {
        Ok(())
    } else {
        Err(GroupError::UnknownServerError)
    }
}

/// Whether the group takes this member under `group.max.size`. While members join, those that have
/// joined are counted and not all members, so that a lowered limit drops the last to rejoin.
fn has_room(group: &ClassicGroup, cx: &Context<'_>, member_id: &str) -> bool {
    let member = group.members.get(member_id);
    match group.state() {
        ClassicState::Empty | ClassicState::Dead => true,
        ClassicState::PreparingRebalance => {
            member.is_some_and(|member| member.awaiting_join.is_some())
                || group.awaiting_join_count() < cx.settings.size_max
        }
        ClassicState::CompletingRebalance | ClassicState::Stable => {
            member.is_some() || group.members.len() < cx.settings.size_max
        }
    }
}

fn join_new_member(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    token: Token,
    request: JoinRequest,
) {
    if !group.supports(&request.protocol_type, &request.protocols) {
        cx.reply(
            token,
            Response::join_refused(GroupError::InconsistentGroupProtocol, ""),
        );
        return;
    }
    let new_member_id = request.new_member_id.clone();
    match &request.group_instance_id {
        Some(instance_id) => match group.static_member_id(instance_id).cloned() {
            Some(old_member_id) => {
                rejoin_static_member(group, cx, token, &request, &old_member_id);
            }
            None => add_member(group, cx, token, &request, new_member_id),
        },
        None => match request.member_id_rule {
            MemberIdRule::Required => {
                let patience_ms = u64::try_from(request.session_timeout_ms).unwrap_or(0);
                group.pending_join.insert(new_member_id.clone());
                cx.set_timer(group.heartbeat_timer(&new_member_id), patience_ms);
                let refusal = Response::join_refused(GroupError::MemberIdRequired, new_member_id);
                cx.reply(token, refusal);
            }
            MemberIdRule::Optional => add_member(group, cx, token, &request, new_member_id),
        },
    }
}

fn add_member(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    token: Token,
    request: &JoinRequest,
    member_id: String,
) {
    if let Some(delay) = &mut group.initial_delay {
        delay.member_added = true;
    }
    // The session does not count for a new member: it cannot send heartbeats before it is answered.
    // Instead its join may stay parked for a bounded time, after which a live client tries again.
    cx.set_timer(
        group.heartbeat_timer(&member_id),
        cx.settings.new_member_join_timeout_ms,
    );
    group.add(
        Member::joining(member_id, request),
        &request.protocol_type,
        token,
    );
    group.rebalance_or_complete_join(cx);
}

fn join_existing_member(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    token: Token,
    request: JoinRequest,
) {
    let member_id = request.member_id.clone();
    if !group.supports(&request.protocol_type, &request.protocols) {
        let refusal = Response::join_refused(GroupError::InconsistentGroupProtocol, member_id);
        cx.reply(token, refusal);
        return;
    }
    if group.pending_join.contains(&member_id) {
        if request.group_instance_id.is_some() {
            // Ids that wait for their join are only given to dynamic members.
            let refusal = Response::join_refused(GroupError::UnknownServerError, member_id);
            cx.reply(token, refusal);
        } else {
            add_member(group, cx, token, &request, member_id);
        }
        return;
    }
    if let Err(error) = group.validate_member(&member_id, request.group_instance_id.as_deref()) {
        cx.reply(token, Response::join_refused(error, member_id));
        return;
    }
    let is_unchanged = group
        .members
        .get(&member_id)
        .is_some_and(|member| member.protocols == request.protocols);
    match group.state() {
        // The join response was lost: give it again.
        ClassicState::CompletingRebalance if is_unchanged => {
            cx.reply(token, Response::Join(Ok(group.joined(&member_id))));
        }
        // A follower without news needs no rebalance. The leader may rejoin for what its metadata
        // does not show, such as new partitions.
        ClassicState::Stable if is_unchanged && !group.is_leader(&member_id) => {
            cx.reply(token, Response::Join(Ok(group.joined(&member_id))));
        }
        ClassicState::PreparingRebalance
        | ClassicState::CompletingRebalance
        | ClassicState::Stable => {
            update_member(group, cx, token, &request);
        }
        ClassicState::Empty | ClassicState::Dead => {
            cx.reply(
                token,
                Response::join_refused(GroupError::UnknownMemberId, member_id),
            );
        }
    }
}

fn update_member(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    token: Token,
    request: &JoinRequest,
) {
    park_join(group, cx, token, request, &request.member_id);
    group.rebalance_or_complete_join(cx);
}

impl ClassicGroup {
    /// Parks the join of a member of a group that has just become a classic one.
    pub(in crate::group) fn park_rejoin(
        &mut self,
        cx: &mut Context<'_>,
        token: Token,
        request: &JoinRequest,
        member_id: &str,
    ) {
        park_join(self, cx, token, request, member_id);
        self.complete_join_if_all_joined(cx);
    }
}

/// Parks a member's join under its new terms.
pub(in crate::group) fn park_join(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    token: Token,
    request: &JoinRequest,
    member_id: &str,
) {
    if let Some(replaced) = group.update_member(member_id, request, token) {
        // The same member has joined again on another connection; the first one is given up.
        cx.reply(
            replaced,
            Response::join_refused(GroupError::RebalanceInProgress, member_id),
        );
    }
}

/// Appends the record that makes an empty group known, without members or protocol.
fn append_new_group(group: &ClassicGroup, cx: &mut Context<'_>) {
    let empty = ClassicGroup::empty(&group.group_id, Some(cx.now));
    let record = group_record(&empty, &BTreeMap::new());
    cx.append(vec![record], Vec::new(), AfterAppend::Nothing);
}
