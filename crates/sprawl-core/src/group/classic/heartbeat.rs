//! Is a member still there?

use super::membership::ClassicGroup;
use super::state::ClassicState;
use crate::coordinator::Token;
use crate::group::any::Group;
use crate::group::consumer::classic_heartbeat;
use crate::group::error::GroupError;
use crate::group::request::{HeartbeatRequest, Response};
use crate::group::shard::{Context, Groups};

pub(in crate::group) fn on_heartbeat(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    request: &HeartbeatRequest,
) {
    let outcome = match groups.get_mut(&request.group_id) {
        Some(Group::Consumer(group)) => classic_heartbeat(group, cx, request),
        _ => heartbeat(groups, cx, request),
    };
    cx.reply(token, Response::Heartbeat(outcome));
}

fn heartbeat(
    groups: &Groups,
    cx: &mut Context<'_>,
    request: &HeartbeatRequest,
) -> Result<(), GroupError> {
    if request.group_id.is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    let group = groups
        .get(&request.group_id)
        .and_then(Group::as_classic)
        .ok_or(GroupError::UnknownMemberId)?;
    group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    if request.generation != group.generation {
        return Err(GroupError::IllegalGeneration);
    }
    match group.state() {
        ClassicState::Empty | ClassicState::Dead => Err(GroupError::UnknownMemberId),
        ClassicState::PreparingRebalance => {
            group.restart_session(cx, &request.member_id);
            Err(GroupError::RebalanceInProgress)
        }
        ClassicState::CompletingRebalance | ClassicState::Stable => {
            group.restart_session(cx, &request.member_id);
            Ok(())
        }
    }
}

/// A session is over, or the patience with a member that has yet to join.
pub(in crate::group) fn on_session_timeout(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    member_id: &str,
) {
    if group.pending_join.contains(member_id) {
        group.remove_member(cx, member_id);
        group.complete_join_without_the_removed(cx);
        return;
    }
    let Some(member) = group.members.get(member_id) else {
        return;
    };
    if member.satisfies_heartbeat() {
        return;
    }
    group.remove_member(cx, member_id);
    match group.state() {
        ClassicState::Stable | ClassicState::CompletingRebalance => {
            group.rebalance_or_complete_join(cx);
        }
        ClassicState::PreparingRebalance => group.complete_join_without_the_removed(cx),
        ClassicState::Empty | ClassicState::Dead => {}
    }
}
