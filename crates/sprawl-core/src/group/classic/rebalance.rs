//! How does a group get from one generation to the next?
//!
//! ```text
//! Empty --join--> PreparingRebalance (initial delay)
//! PreparingRebalance --all joined or time up--> CompletingRebalance
//! Stable, CompletingRebalance --member change--> PreparingRebalance (rebalance timeout)
//! CompletingRebalance --leader's sync is durable--> Stable
//! PreparingRebalance --nobody left--> Empty
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;

use super::membership::{ClassicGroup, InitialDelay};
use super::records::group_record;
use super::state::ClassicState;
use crate::group::effect::TimerId;
use crate::group::error::GroupError;
use crate::group::request::{Response, Synced};
use crate::group::shard::{AfterAppend, Context};

impl ClassicGroup {
    pub(in crate::group) fn join_timer(&self) -> TimerId {
        TimerId::Join {
            group_id: self.group_id.clone(),
        }
    }

    pub(in crate::group) fn sync_timer(&self) -> TimerId {
        TimerId::Sync {
            group_id: self.group_id.clone(),
        }
    }

    pub(in crate::group) fn heartbeat_timer(&self, member_id: &str) -> TimerId {
        TimerId::Heartbeat {
            group_id: self.group_id.clone(),
            member_id: member_id.to_owned(),
        }
    }

    /// The log is replayed: the sessions of loaded members start.
    pub(in crate::group) fn on_loaded(&mut self, cx: &mut Context<'_>) {
        let member_ids: Vec<String> = self.members.keys().cloned().collect();
        for member_id in &member_ids {
            self.restart_session(cx, member_id);
        }
        if self.members.len() > cx.settings.size_max {
            // The limit was lowered: let the members commit and join again, up to the limit.
            self.prepare_rebalance(cx);
        }
    }

    /// Gives a member its full session again.
    pub(in crate::group) fn restart_session(&self, cx: &mut Context<'_>, member_id: &str) {
        if let Some(member) = self.members.get(member_id) {
            let timeout_ms = u64::try_from(member.session_timeout_ms).unwrap_or(0);
            cx.set_timer(self.heartbeat_timer(member_id), timeout_ms);
        }
    }

    /// Removes a member that leaves or failed, answering a join it has parked.
    pub(in crate::group) fn remove_member(&mut self, cx: &mut Context<'_>, member_id: &str) {
        cx.cancel_timer(self.heartbeat_timer(member_id));
        let Some(member) = self.remove(member_id) else {
            return;
        };
        if let Some(token) = member.awaiting_join {
            // An empty member id makes a client that is still there join afresh.
            cx.reply(
                token,
                Response::join_refused(GroupError::UnknownMemberId, ""),
            );
        }
        if let Some(token) = member.awaiting_sync {
            cx.reply(token, Response::Sync(Err(GroupError::UnknownMemberId)));
        }
    }

    /// Starts a rebalance if none is running; otherwise ends its join phase if everybody has
    /// joined.
    pub(in crate::group) fn rebalance_or_complete_join(&mut self, cx: &mut Context<'_>) {
        if self.state().may_rebalance() {
            self.prepare_rebalance(cx);
        } else {
            self.complete_join_if_all_joined(cx);
        }
    }

    /// Starts a rebalance.
    pub(in crate::group) fn prepare_rebalance(&mut self, cx: &mut Context<'_>) {
        if self.state() == ClassicState::CompletingRebalance {
            self.reset_assignments(cx, GroupError::RebalanceInProgress);
        }
        self.pending_sync.clear();
        cx.cancel_timer(self.sync_timer());
        let is_initial = self.state() == ClassicState::Empty;
        self.transition(cx.now, ClassicState::PreparingRebalance);
        if is_initial {
            let delay_ms = cx.settings.initial_rebalance_delay_ms;
            let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms);
            self.initial_delay = Some(InitialDelay {
                delay_ms,
                remaining_ms,
                member_added: false,
            });
            cx.set_timer(self.join_timer(), delay_ms);
        } else if self.all_members_joined() {
            self.complete_join(cx);
        } else {
            cx.set_timer(self.join_timer(), self.rebalance_timeout_ms());
        }
    }

    /// Ends the join phase if it is not an initial delay and everybody has joined.
    pub(in crate::group) fn complete_join_if_all_joined(&mut self, cx: &mut Context<'_>) {
        let is_rebalance = self.state() == ClassicState::PreparingRebalance
            && self.previous_state() != ClassicState::Empty;
        if is_rebalance && self.all_members_joined() {
            self.complete_join(cx);
        }
    }

    /// After a member is gone while the group prepares: nobody may be left to wait for.
    pub(in crate::group) fn complete_join_without_the_removed(&mut self, cx: &mut Context<'_>) {
        if self.state() == ClassicState::PreparingRebalance && self.all_members_joined() {
            self.complete_join(cx);
        }
    }

    /// The join timer is due: the initial delay, or the rebalance timeout.
    pub(in crate::group) fn on_join_timeout(&mut self, cx: &mut Context<'_>) {
        if self.state() != ClassicState::PreparingRebalance {
            return;
        }
        match self.initial_delay {
            Some(delay) if delay.member_added && delay.remaining_ms != 0 => {
                let delay_ms = cx
                    .settings
                    .initial_rebalance_delay_ms
                    .min(delay.remaining_ms);
                let remaining_ms = delay.remaining_ms.saturating_sub(delay.delay_ms);
                self.initial_delay = Some(InitialDelay {
                    delay_ms,
                    remaining_ms,
                    member_added: false,
                });
                cx.set_timer(self.join_timer(), delay_ms);
            }
            Some(_) | None => self.complete_join(cx),
        }
    }

    /// Ends the join phase: members that have not joined are out, except static ones.
    fn complete_join(&mut self, cx: &mut Context<'_>) {
        cx.cancel_timer(self.join_timer());
        self.initial_delay = None;
        let absent: Vec<String> = self
            .members
            .values()
            .filter(|member| member.awaiting_join.is_none() && member.group_instance_id.is_none())
            .map(|member| member.member_id.clone())
            .collect();
        for member_id in &absent {
            self.remove_member(cx, member_id);
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only absent static members are left: wait until they join or their sessions end.
            cx.set_timer(self.join_timer(), self.rebalance_timeout_ms());
            return;
        }
        self.begin_generation(cx.now);
        if self.state() == ClassicState::Empty {
            let record = group_record(self, &BTreeMap::new());
            cx.append(vec![record], Vec::new(), AfterAppend::Nothing);
        } else {
            self.announce_generation(cx);
        }
    }

    /// Answers every join of the new generation and waits for every sync.
    fn announce_generation(&mut self, cx: &mut Context<'_>) {
        let member_ids: Vec<String> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            if let Some(token) = self.take_join(&member_id) {
                cx.reply(token, Response::Join(Ok(self.joined(&member_id))));
            }
            self.restart_session(cx, &member_id);
            if let Some(member) = self.members.get_mut(&member_id) {
                member.is_new = false;
            }
            self.pending_sync.insert(member_id);
        }
        cx.set_timer(self.sync_timer(), self.rebalance_timeout_ms());
    }

    /// The sync timer is due: whoever has not synced is out, and the rest rebalances.
    pub(in crate::group) fn on_sync_timeout(&mut self, cx: &mut Context<'_>) {
        let waits = matches!(
            self.state(),
            ClassicState::CompletingRebalance | ClassicState::Stable
        );
        if !waits || self.pending_sync.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut self.pending_sync) {
            self.remove_member(cx, &member_id);
        }
        self.prepare_rebalance(cx);
    }

    /// Takes back all assignments and answers parked syncs with an error.
    pub(in crate::group) fn reset_assignments(&mut self, cx: &mut Context<'_>, error: GroupError) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        self.answer_syncs(cx, Some(error));
    }

    /// Answers parked syncs with each member's assignment, or with an error.
    pub(in crate::group) fn answer_syncs(
        &mut self,
        cx: &mut Context<'_>,
        error: Option<GroupError>,
    ) {
        let member_ids: Vec<String> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            let Some(token) = self.take_sync(&member_id) else {
                continue;
            };
            let outcome = match error {
                Some(error) => Err(error),
                None => Ok(self.synced(&member_id)),
            };
            cx.reply(token, Response::Sync(outcome));
            // Its session may have ended unnoticed while the sync was parked.
            self.restart_session(cx, &member_id);
        }
    }

    pub(in crate::group) fn synced(&self, member_id: &str) -> Synced {
        let member = self.members.get(member_id);
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment: member
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
        }
    }
}
