//! What happens when a member asks for, or the leader hands in, the assignment?

use std::collections::BTreeMap;

use bytes::Bytes;

use super::membership::ClassicGroup;
use super::records::group_record;
use super::state::ClassicState;
use crate::coordinator::Token;
use crate::group::any::Group;
use crate::group::consumer::on_classic_sync;
use crate::group::error::GroupError;
use crate::group::request::{Response, SyncRequest};
use crate::group::shard::{AfterAppend, Context, Groups, Stored};

/// An assignment that is being stored.
#[derive(Debug)]
pub(in crate::group) struct AssignmentStored {
    pub(in crate::group) group_id: String,
    generation: i32,
    assignments: BTreeMap<String, Bytes>,
}

pub(in crate::group) fn on_sync(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    request: SyncRequest,
) {
    if let Some(Group::Consumer(group)) = groups.get_mut(&request.group_id) {
        on_classic_sync(group, cx, token, &request);
        return;
    }
    if let Err(error) = sync(groups, cx, token, request) {
        cx.reply(token, Response::Sync(Err(error)));
    }
}

fn sync(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    request: SyncRequest,
) -> Result<(), GroupError> {
    if request.group_id.is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    let group = groups
        .get_mut(&request.group_id)
        .and_then(Group::as_classic_mut)
        .ok_or(GroupError::UnknownMemberId)?;
    validate(group, &request)?;
    match group.state() {
        ClassicState::Empty | ClassicState::Dead => Err(GroupError::UnknownMemberId),
        ClassicState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
        ClassicState::CompletingRebalance => {
            park_sync(group, cx, token, &request.member_id);
            if group.is_leader(&request.member_id) {
                store_assignment(group, cx, request.assignments);
            }
            Ok(())
        }
        ClassicState::Stable => {
            note_sync(group, cx, &request.member_id);
            cx.reply(token, Response::Sync(Ok(group.synced(&request.member_id))));
            Ok(())
        }
    }
}

fn validate(group: &ClassicGroup, request: &SyncRequest) -> Result<(), GroupError> {
    group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    if request.generation != group.generation {
        return Err(GroupError::IllegalGeneration);
    }
    if differs(&request.protocol_type, &group.protocol_type)
        || differs(&request.protocol_name, &group.protocol_name)
    {
        return Err(GroupError::InconsistentGroupProtocol);
    }
    Ok(())
}

/// Whether both sides name a protocol, and not the same one.
fn differs(said: &Option<String>, held: &Option<String>) -> bool {
    matches!((said, held), (Some(said), Some(held)) if said != held)
}

fn park_sync(group: &mut ClassicGroup, cx: &mut Context<'_>, token: Token, member_id: &str) {
    let member = group
        .members
        .get_mut(member_id)
        .expect("the member was validated");
    if let Some(replaced) = member.awaiting_sync.replace(token) {
        // The member syncs again on another connection; the first one is given up.
        cx.reply(
            replaced,
            Response::Sync(Err(GroupError::RebalanceInProgress)),
        );
    }
    note_sync(group, cx, member_id);
}

/// Notes that a member has synced; with the last one the sync phase is over.
fn note_sync(group: &mut ClassicGroup, cx: &mut Context<'_>, member_id: &str) {
    group.pending_sync.remove(member_id);
    if group.pending_sync.is_empty() {
        cx.cancel_timer(group.sync_timer());
    }
}

fn store_assignment(group: &ClassicGroup, cx: &mut Context<'_>, assigned: Vec<(String, Bytes)>) {
    let assignments: BTreeMap<String, Bytes> = assigned.into_iter().collect();
    let record = group_record(group, &assignments);
    let after = AfterAppend::Assignment(AssignmentStored {
        group_id: group.group_id.clone(),
        generation: group.generation,
        assignments,
    });
    cx.append(vec![record], Vec::new(), after);
}

/// The leader's assignment is stored, or could not be.
pub(in crate::group) fn on_assignment_appended(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    mut assignment: AssignmentStored,
    stored: Stored,
) {
    let is_current = group.state() == ClassicState::CompletingRebalance
        && group.generation == assignment.generation;
    if !is_current {
        // A member has joined or left meanwhile: the assignment is of the past.
        return;
    }
    match stored {
        Stored::Yes => {
            for (member_id, member) in &mut group.members {
                member.assignment = assignment.assignments.remove(member_id).unwrap_or_default();
            }
            group.answer_syncs(cx, None);
            group.transition(cx.now, ClassicState::Stable);
        }
        Stored::No(error) => {
            group.reset_assignments(cx, error);
            group.rebalance_or_complete_join(cx);
        }
    }
}
