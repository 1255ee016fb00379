//! What happens when members leave, or an administrator removes them?
//!
//! Source: LeaveGroup 0 to 5; KIP-345 (batches, removal by group instance id).

use super::membership::ClassicGroup;
use super::state::ClassicState;
use crate::coordinator::Token;
use crate::group::any::Group;
use crate::group::consumer::on_classic_leave;
use crate::group::error::GroupError;
use crate::group::request::{LeaveRequest, LeavingMember, LeftMember, Response};
use crate::group::shard::{Context, Groups};

pub(in crate::group) fn on_leave(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    request: LeaveRequest,
) {
    if request.group_id.is_empty() {
        cx.reply(token, Response::Leave(Err(GroupError::InvalidGroupId)));
        return;
    }
    if let Some(Group::Consumer(_)) = groups.get(&request.group_id) {
        on_classic_leave(groups, cx, token, request);
        return;
    }
    let group = groups.get_mut(&request.group_id);
    let Some(group) = group.and_then(Group::as_classic_mut) else {
        let refuse = |member| LeftMember {
            member,
            outcome: Err(GroupError::UnknownMemberId),
        };
        let refused = request.members.into_iter().map(refuse).collect();
        cx.reply(token, Response::Leave(Ok(refused)));
        return;
    };
    let mut left = Vec::new();
    for member in request.members {
        let outcome = remove(group, cx, &member);
        left.push(LeftMember { member, outcome });
    }
    if left.iter().any(|member| member.outcome.is_ok()) {
        match group.state() {
            ClassicState::Stable | ClassicState::CompletingRebalance => {
                group.rebalance_or_complete_join(cx);
            }
            ClassicState::PreparingRebalance => group.complete_join_if_all_joined(cx),
            ClassicState::Empty | ClassicState::Dead => {}
        }
    }
    cx.reply_when_durable(token, Response::Leave(Ok(left)));
}

fn remove(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    member: &LeavingMember,
) -> Result<(), GroupError> {
    let instance_id = member.group_instance_id.as_deref();
    if member.member_id.is_empty() {
        let member_id = instance_id.and_then(|instance_id| group.static_member_id(instance_id));
        let member_id = member_id.cloned().ok_or(GroupError::UnknownMemberId)?;
        group.remove_member(cx, &member_id);
        return Ok(());
    }
    if !group.pending_join.contains(&member.member_id) {
        group.validate_member(&member.member_id, instance_id)?;
    }
    group.remove_member(cx, &member.member_id);
    Ok(())
}
