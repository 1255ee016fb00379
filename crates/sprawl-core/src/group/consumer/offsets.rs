//! Which commits and fetches of offsets does a consumer group allow?
//!
//! A member may commit in an older epoch of its own, as long as it had the partition in it already
//! (KIP-1251): a commit that crosses a heartbeat is no zombie's.

use sprawl_model::TenantId;

use super::group::ConsumerGroup;
use super::member::ConsumerMember;
use crate::group::error::GroupError;
use crate::group::request::{MissingGroup, OffsetCommitRequest};
use crate::group::shard::Context;

impl ConsumerGroup {
    /// Whether this commit is allowed.
    pub(in crate::group) fn check_commit(
        &self,
        cx: &Context<'_>,
        request: &OffsetCommitRequest,
    ) -> Result<(), GroupError> {
        if request.generation < 0 && self.members.is_empty() {
            // From outside the group, which is empty.
            return Ok(());
        }
        let is_transactional = request.transaction.is_some();
        let names_nobody = request.generation == -1
            && request.member_id.is_empty()
            && request.group_instance_id.is_none();
        if is_transactional && names_nobody {
            // A producer that does not say for whom it commits, before KIP-447.
            return Ok(());
        }
        let member = self.members.get(&request.member_id);
        let member = member.ok_or(GroupError::UnknownMemberId)?;
        let is_old_version = request.missing_group == MissingGroup::IllegalGeneration;
        if !is_transactional && !member.uses_classic_protocol() && is_old_version {
            return Err(GroupError::UnsupportedVersion);
        }
        if request.generation == member.current.epoch {
            return Ok(());
        }
        let stale = stale(member);
        if request.generation > member.current.epoch {
            return Err(stale);
        }
        let since = |topic: &str, partition| {
            let topic = cx.metadata.topic(TenantId::DEFAULT, topic)?;
            member.current.epoch_of(topic.id, partition)
        };
        let has_had = request.offsets.iter().all(|commit| {
            since(&commit.topic, commit.partition).is_some_and(|since| since <= request.generation)
        });
        if has_had { Ok(()) } else { Err(stale) }
    }

    /// Whether a member may fetch the group's offsets. Who names no member may.
    pub(in crate::group) fn check_fetch(
        &self,
        member_id: Option<&str>,
        member_epoch: i32,
    ) -> Result<(), GroupError> {
        let Some(member_id) = member_id else {
            return if member_epoch < 0 {
                Ok(())
            } else {
                Err(GroupError::UnknownMemberId)
            };
        };
        let member = self.members.get(member_id);
        let member = member.ok_or(GroupError::UnknownMemberId)?;
        if member_epoch == member.current.epoch {
            Ok(())
        } else {
            Err(stale(member))
        }
    }
}

fn stale(member: &ConsumerMember) -> GroupError {
    if member.uses_classic_protocol() {
        GroupError::IllegalGeneration
    } else {
        GroupError::StaleMemberEpoch
    }
}
