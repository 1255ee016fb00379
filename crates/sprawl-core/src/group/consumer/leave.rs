//! What happens when a member of a consumer group leaves, or is given up?
//!
//! Its partitions are free at once; the group epoch grows, and the next heartbeat of any member
//! computes the new target. A static member that leaves for a while (-2) keeps its place and its
//! partitions until its session ends.

use super::convert::downgrade_if_classic;
use super::draft::Draft;
use super::group::ConsumerGroup;
use super::member::{Current, MemberState, Owned, STATIC_LEAVE_EPOCH};
use super::records::ConsumerRecord;
use super::request::{ConsumerBeat, ConsumerHeartbeat};
use crate::group::any::Group;
use crate::group::error::GroupError;
use crate::group::shard::{Context, Groups};

pub(super) fn leave(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    request: &ConsumerHeartbeat,
) -> Result<ConsumerBeat, GroupError> {
    let Some(Group::Consumer(group)) = groups.get_mut(&request.group_id) else {
        return Err(GroupError::GroupIdNotFound);
    };
    let member_id = leaving_member(group, request)?;
    if request.instance_id.is_some() && request.member_epoch == STATIC_LEAVE_EPOCH {
        leave_for_a_while(group, cx, &member_id);
    } else {
        remove_members(groups, cx, &request.group_id, &[member_id]);
    }
    Ok(ConsumerBeat {
        member_id: request.member_id.clone(),
        member_epoch: request.member_epoch,
        heartbeat_interval_ms: 0,
        assignment: None,
    })
}

fn leaving_member(
    group: &ConsumerGroup,
    request: &ConsumerHeartbeat,
) -> Result<String, GroupError> {
    let holder_id = match &request.instance_id {
        None => &request.member_id,
        Some(instance_id) => group
            .static_member_id(instance_id)
            .ok_or(GroupError::UnknownMemberId)?,
    };
    if *holder_id != request.member_id {
        return Err(GroupError::FencedInstanceId);
    }
    if group.members.contains_key(holder_id) {
        Ok(holder_id.clone())
    } else {
        Err(GroupError::UnknownMemberId)
    }
}

fn leave_for_a_while(group: &mut ConsumerGroup, cx: &mut Context<'_>, member_id: &str) {
    let Some(member) = group.members.get(member_id) else {
        return;
    };
    let away = Current {
        epoch: STATIC_LEAVE_EPOCH,
        revoking: Owned::default(),
        ..member.current.clone()
    };
    let mut draft = Draft::new(group);
    draft.put(ConsumerRecord::Current(member_id.to_owned(), Some(away)));
    draft.append(cx);
    cx.cancel_timer(group.rebalance_timer(member_id));
}

/// Removes members that leave or failed. A group whose last members all speak the classic protocol
/// becomes a classic group, where the settings allow it.
pub(in crate::group) fn remove_members(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    group_id: &str,
    member_ids: &[String],
) {
    let Some(Group::Consumer(group)) = groups.get_mut(group_id) else {
        return;
    };
    let mut draft = Draft::new(group);
    for member_id in member_ids {
        for timer in draft.group.timers(member_id) {
            cx.cancel_timer(timer);
        }
        draft.group.awaiting_rejoin.remove(member_id);
        draft.remove_member(member_id);
    }
    draft.follow_removal(cx);
    let parts = draft.into_parts();
    downgrade_if_classic(groups, cx, group_id, parts);
}

/// A session is over, or the time to join or to sync.
pub(in crate::group) fn on_member_timeout(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    group_id: &str,
    member_id: &str,
) {
    if let Some(Group::Consumer(group)) = groups.get(group_id)
        && group.members.contains_key(member_id)
    {
        remove_members(groups, cx, group_id, &[member_id.to_owned()]);
    }
}

/// The time to give up partitions is over.
pub(in crate::group) fn on_rebalance_timeout(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    group_id: &str,
    member_id: &str,
) {
    let Some(Group::Consumer(group)) = groups.get(group_id) else {
        return;
    };
    let member = group.members.get(member_id);
    let revokes = |state| state == MemberState::UnrevokedPartitions;
    if member.is_some_and(|member| revokes(member.current.state)) {
        remove_members(groups, cx, group_id, &[member_id.to_owned()]);
    }
}
