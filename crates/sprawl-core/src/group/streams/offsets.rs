//! Which commits and fetches of offsets does a streams group allow?
//!
//! A member may commit in an older epoch of its own, as long as it had the task that reads the
//! partition in it already (KIP-1251): a commit that crosses a heartbeat is no zombie's.

use std::collections::BTreeMap;

use super::group::StreamsGroup;
use super::member::StreamsMember;
use crate::group::error::GroupError;
use crate::group::request::{MissingGroup, OffsetCommitRequest};

impl StreamsGroup {
    /// Whether this commit is allowed.
    pub(in crate::group) fn check_commit(
        &self,
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
        if !is_transactional && is_old_version {
            return Err(GroupError::UnsupportedVersion);
        }
        let epoch = member.current.epoch;
        if request.generation == epoch
            || (request.generation < epoch && self.had_all(member, request))
        {
            Ok(())
        } else {
            Err(GroupError::StaleMemberEpoch)
        }
    }

    /// Whether the member had all it commits for when it was in the request's epoch.
    fn had_all(&self, member: &StreamsMember, request: &OffsetCommitRequest) -> bool {
        let Some(topology) = &self.topology else {
            return false;
        };
        let subtopologies = topology.subtopologies.iter();
        let readers: BTreeMap<&str, &str> = subtopologies
            .flat_map(|(id, one)| one.read_topics().map(move |topic| (topic, id.as_str())))
            .collect();
        request.offsets.iter().all(|commit| {
            let reader = readers.get(commit.topic.as_str());
            let since =
                reader.and_then(|reader| member.current.active_since(reader, commit.partition));
            since.is_some_and(|since| since <= request.generation)
        })
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
            Err(GroupError::StaleMemberEpoch)
        }
    }
}
