//! What does a classic group say about the offsets committed for it?
//!
//! Source: OffsetCommit 2 to 10, OffsetDelete 0 (KIP-496), KIP-211 (retention).

use sprawl_model::mutant::{Mutant, active};

use super::membership::ClassicGroup;
use super::state::ClassicState;
use crate::group::error::GroupError;
use crate::group::offsets::CommittedOffset;
use crate::group::request::OffsetCommitRequest;
use crate::group::shard::Context;

impl ClassicGroup {
    /// Whether a commit comes from a member of this generation, or from outside an empty group.
    pub(in crate::group) fn check_commit(
        &self,
        cx: &mut Context<'_>,
        request: &OffsetCommitRequest,
    ) -> Result<(), GroupError> {
        self.check_committer(request)?;
        if request.transaction.is_some() {
            return Ok(());
        }
        // A commit is a sign of life, except between join and sync, where Kafka refuses it.
        if matches!(
            self.state(),
            ClassicState::Stable | ClassicState::PreparingRebalance
        ) {
            self.restart_session(cx, &request.member_id);
        }
        Ok(())
    }

    fn check_committer(&self, request: &OffsetCommitRequest) -> Result<(), GroupError> {
        let is_empty = self.state() == ClassicState::Empty;
        if request.generation < 0 && is_empty {
            return Ok(());
        }
        let names_member = !request.member_id.is_empty() || request.group_instance_id.is_some();
        if request.generation >= 0 || names_member {
            self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
            if request.generation != self.generation && !active(Mutant::ZombieCommitAccepted) {
                return Err(GroupError::IllegalGeneration);
            }
        } else if !is_empty && request.transaction.is_none() {
            // The first versions of TxnOffsetCommit name no member.
            return Err(GroupError::UnknownMemberId);
        }
        let is_rebalancing = self.state() == ClassicState::CompletingRebalance;
        if is_rebalancing && request.transaction.is_none() {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    /// Whether the group may be deleted.
    pub(in crate::group) fn check_delete(&self) -> Result<(), GroupError> {
        match self.state() {
            ClassicState::Empty => Ok(()),
            ClassicState::Dead => Err(GroupError::GroupIdNotFound),
            ClassicState::Stable
            | ClassicState::PreparingRebalance
            | ClassicState::CompletingRebalance => Err(GroupError::NonEmptyGroup),
        }
    }

    /// Whether single offsets may be deleted.
    pub(in crate::group) fn check_offset_delete(&self) -> Result<(), GroupError> {
        match self.state() {
            // Only consumers tell the coordinator which topics they use.
            ClassicState::Stable
            | ClassicState::PreparingRebalance
            | ClassicState::CompletingRebalance
                if !self.uses_consumer_protocol() =>
            {
                Err(GroupError::NonEmptyGroup)
            }
            ClassicState::Stable
            | ClassicState::PreparingRebalance
            | ClassicState::CompletingRebalance
            | ClassicState::Empty => Ok(()),
            ClassicState::Dead => Err(GroupError::GroupIdNotFound),
        }
    }

    /// When the retention of an offset began; `None` while the group may still need it.
    pub(in crate::group) fn retained_since_ms(&self, committed: &CommittedOffset) -> Option<i64> {
        if self.protocol_type.is_none() {
            return Some(committed.commit_timestamp_ms);
        }
        match self.state() {
            ClassicState::Empty => Some(
                self.state_timestamp_ms
                    .unwrap_or(committed.commit_timestamp_ms),
            ),
            ClassicState::Stable
                if self.uses_consumer_protocol() && self.subscribed_topics.is_some() =>
            {
                Some(committed.commit_timestamp_ms)
            }
            ClassicState::Stable
            | ClassicState::PreparingRebalance
            | ClassicState::CompletingRebalance
            | ClassicState::Dead => None,
        }
    }
}
