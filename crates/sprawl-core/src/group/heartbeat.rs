//! Is a member still there?

use super::effect::Token;
use super::error::GroupError;
use super::membership::Group;
use super::request::{HeartbeatRequest, Response};
use super::shard::{Context, Groups};
use super::state::GroupState;

pub(super) fn on_heartbeat(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    request: &HeartbeatRequest,
) {
    let outcome = heartbeat(groups, cx, request);
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
        .ok_or(GroupError::UnknownMemberId)?;
    group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    if request.generation != group.generation {
        return Err(GroupError::IllegalGeneration);
    }
    match group.state() {
        GroupState::Empty | GroupState::Dead => Err(GroupError::UnknownMemberId),
        GroupState::PreparingRebalance => {
            group.restart_session(cx, &request.member_id);
            Err(GroupError::RebalanceInProgress)
        }
        GroupState::CompletingRebalance | GroupState::Stable => {
            group.restart_session(cx, &request.member_id);
            Ok(())
        }
    }
}

/// A session is over, or the patience with a member that has yet to join.
pub(super) fn on_session_timeout(group: &mut Group, cx: &mut Context<'_>, member_id: &str) {
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
        GroupState::Stable | GroupState::CompletingRebalance => {
            group.rebalance_or_complete_join(cx);
        }
        GroupState::PreparingRebalance => group.complete_join_without_the_removed(cx),
        GroupState::Empty | GroupState::Dead => {}
    }
}
