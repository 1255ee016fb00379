//! What happens when a member of a streams group leaves, or is given up?
//!
//! Its tasks are free at once; the group epoch grows, and the next heartbeat of any member computes
//! the new target.

use super::draft::Draft;
use super::group::StreamsGroup;
use super::heartbeat::config;
use super::member::{MemberState, StreamsMember};
use super::records::StreamsRecord;
use super::request::{StreamsBeat, StreamsHeartbeat};
use crate::group::any::Group;
use crate::group::error::GroupError;
use crate::group::shard::{Context, Groups};

pub(super) fn leave(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    request: &StreamsHeartbeat,
) -> Result<StreamsBeat, GroupError> {
    let Some(Group::Streams(group)) = groups.get_mut(&request.group_id) else {
        return Err(GroupError::GroupIdNotFound);
    };
    if request.asks_for_shutdown && !group.is_empty() {
        group.note_shutdown(&request.member_id);
    }
    if !group.members.contains_key(&request.member_id) {
        return Err(GroupError::UnknownMemberId);
    }
    remove(group, cx, &request.member_id);
    Ok(StreamsBeat {
        member_id: request.member_id.clone(),
        member_epoch: request.member_epoch,
        ..StreamsBeat::default()
    })
}

fn remove(group: &mut StreamsGroup, cx: &mut Context<'_>, member_id: &str) {
    let timers = [
        group.session_timer(member_id),
        group.rebalance_timer(member_id),
    ];
    let epoch = group.epoch.clone();
    let mut draft = Draft::new(group);
    draft.put(StreamsRecord::Current(member_id.to_owned(), None));
    draft.put(StreamsRecord::Target(member_id.to_owned(), None));
    draft.put(StreamsRecord::Member(member_id.to_owned(), None));
    draft.bump_epoch(epoch);
    draft.append(cx);
    for timer in timers {
        cx.cancel_timer(timer);
    }
}

/// A member's session is over.
pub(in crate::group) fn on_streams_member_timeout(
    group: &mut StreamsGroup,
    cx: &mut Context<'_>,
    member_id: &str,
) {
    if group.members.contains_key(member_id) {
        remove(group, cx, member_id);
    }
}

/// The time to give up tasks is over.
pub(in crate::group) fn on_streams_rebalance_timeout(
    group: &mut StreamsGroup,
    cx: &mut Context<'_>,
    member_id: &str,
) {
    let member = group.members.get(member_id);
    if member.is_some_and(is_revoking) {
        remove(group, cx, member_id);
    }
}

fn is_revoking(member: &StreamsMember) -> bool {
    member.current.state == MemberState::UnrevokedTasks
}

/// The log is replayed: sessions start.
pub(in crate::group) fn start_sessions(group: &StreamsGroup, cx: &mut Context<'_>) {
    let session_ms = config(cx, &group.group_id).session_timeout_ms;
    for (member_id, member) in &group.members {
        let timer = group.session_timer(member_id);
        cx.set_timer(timer, u64::try_from(session_ms).unwrap_or(0));
        if is_revoking(member) {
            let timeout_ms = u64::try_from(member.metadata.rebalance_timeout_ms).unwrap_or(0);
            cx.set_timer(group.rebalance_timer(member_id), timeout_ms);
        }
    }
}
