//! What happens when a static member comes back under a new member id?
//!
//! Source: KIP-345; KIP-814 (the returning leader is told to skip the assignment).

use super::join::park_join;
use super::member::Member;
use super::membership::ClassicGroup;
use super::records::group_record;
use super::state::ClassicState;
use crate::coordinator::Token;
use crate::group::error::GroupError;
use crate::group::request::{JoinRequest, Response, SkipAssignment};
use crate::group::shard::{AfterAppend, Context, Stored};

/// A static member whose new id is being stored.
#[derive(Debug)]
pub(in crate::group) struct StaticReturn {
    pub(in crate::group) group_id: String,
    instance_id: String,
    old: Member,
    old_leader: Option<String>,
    new_member_id: String,
    skip_assignment: SkipAssignment,
}

/// Gives the place of `old_member_id` to the request's new member id.
pub(in crate::group) fn rejoin_static_member(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    token: Token,
    request: &JoinRequest,
    old_member_id: &str,
) {
    let instance_id = request.group_instance_id.clone().unwrap_or_default();
    let new_member_id = request.new_member_id.clone();
    let old_leader = group.leader.clone();
    let old = fence_and_replace(group, cx, &instance_id, (old_member_id, &new_member_id))
        .expect("a static member is a member");
    park_join(group, cx, token, request, &new_member_id);
    match group.state() {
        ClassicState::Stable if group.select_protocol() == group.protocol_name => {
            // The group keeps its generation: only the new id has to be stored.
            let record = group_record(group, &group.assignments());
            let group_id = group.group_id.clone();
            let skip_assignment = request.skip_assignment;
            let static_return = StaticReturn {
                group_id,
                instance_id,
                old,
                old_leader,
                new_member_id,
                skip_assignment,
            };
            cx.append(
                vec![record],
                Vec::new(),
                AfterAppend::StaticReturn(Box::new(static_return)),
            );
        }
        // With another protocol, or when the leader may be assigning to the old id right now, only
        // a rebalance keeps ids and assignments together.
        ClassicState::Stable | ClassicState::CompletingRebalance => group.prepare_rebalance(cx),
        ClassicState::PreparingRebalance => group.complete_join_if_all_joined(cx),
        ClassicState::Empty | ClassicState::Dead => unreachable!("such a group has no members"),
    }
}

fn fence_and_replace(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    instance_id: &str,
    (old_member_id, new_member_id): (&str, &str),
) -> Option<Member> {
    let old = group.replace_static_member(instance_id, old_member_id, new_member_id)?;
    if let Some(token) = old.awaiting_join {
        cx.reply(
            token,
            Response::join_refused(GroupError::FencedInstanceId, old_member_id),
        );
    }
    if let Some(token) = old.awaiting_sync {
        cx.reply(token, Response::Sync(Err(GroupError::FencedInstanceId)));
    }
    cx.cancel_timer(group.heartbeat_timer(old_member_id));
    group.restart_session(cx, new_member_id);
    Some(old)
}

/// The record with the new id is stored, or could not be.
pub(in crate::group) fn on_static_return_appended(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    static_return: StaticReturn,
    stored: Stored,
) {
    let new_member_id = static_return.new_member_id.as_str();
    if group.state() != ClassicState::Stable || !group.members.contains_key(new_member_id) {
        // A rebalance has begun meanwhile: it answers the parked join.
        return;
    }
    match stored {
        Stored::Yes => {
            let Some(token) = group.take_join(new_member_id) else {
                return;
            };
            let mut joined = group.joined(new_member_id);
            match static_return.skip_assignment {
                SkipAssignment::Supported => {
                    joined.skip_assignment = group.is_leader(new_member_id);
                }
                SkipAssignment::Unsupported => {
                    joined.leader = static_return.old_leader.unwrap_or_default();
                    joined.members.clear();
                }
            }
            cx.reply(token, Response::Join(Ok(joined)));
        }
        Stored::No(error) => revert(group, cx, static_return, error),
    }
}

fn revert(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    static_return: StaticReturn,
    error: GroupError,
) {
    let StaticReturn {
        instance_id,
        old,
        new_member_id,
        ..
    } = static_return;
    if let Some(token) = group.take_join(&new_member_id) {
        cx.reply(token, Response::join_refused(error, ""));
    }
    let (protocols, rebalance_ms) = (old.protocols, old.rebalance_timeout_ms);
    group.set_member_terms(
        &new_member_id,
        protocols,
        rebalance_ms,
        old.session_timeout_ms,
    );
    fence_and_replace(group, cx, &instance_id, (&new_member_id, &old.member_id));
}
