//! What does an assignor look at?

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TopicId;

use super::assignment::Assignment;

/// A member, as an assignor sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct MemberSpec {
    /// Its static identity, if any.
    pub(in crate::group) instance_id: Option<String>,
    /// The topics it subscribes to, of those that exist.
    pub(in crate::group) topics: BTreeSet<TopicId>,
    /// Its target assignment until now.
    pub(in crate::group) assigned: Assignment,
}

/// A group, as an assignor sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct GroupSpec {
    /// The members, by id.
    pub(in crate::group) members: BTreeMap<String, MemberSpec>,
    /// The partition count of every topic that a member subscribes to.
    pub(in crate::group) partition_counts: BTreeMap<TopicId, i32>,
}

impl GroupSpec {
    /// Whether all members subscribe to the same topics.
    pub(in crate::group) fn is_homogeneous(&self) -> bool {
        let mut members = self.members.values();
        let first = members.next();
        first.is_none_or(|first| members.all(|member| member.topics == first.topics))
    }
}
