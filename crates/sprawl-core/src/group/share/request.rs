//! What does a heartbeat of a share group carry, what does it get back, and what can be read?

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TopicId;

use crate::group::modern::Assignment;
use crate::group::state::GroupState;

/// Partitions by topic, with the topic's name.
pub type StatePartitions = BTreeMap<TopicId, (String, BTreeSet<i32>)>;

/// A ShareGroupHeartbeat request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareHeartbeat {
    /// The group.
    pub group_id: String,
    /// The member.
    pub member_id: String,
    /// 0 joins, -1 leaves.
    pub member_epoch: i32,
    /// The client's rack.
    pub rack_id: Option<String>,
    /// The client id of the request header.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
    /// The topics it subscribes to; `None` is as before.
    pub topics: Option<BTreeSet<String>>,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareBeat {
    /// The member.
    pub member_id: String,
    /// Its epoch.
    pub member_epoch: i32,
    /// When to beat again.
    pub heartbeat_interval_ms: i32,
    /// What the member has from now on; `None` where that did not change.
    pub assignment: Option<Assignment>,
    /// The group's epoch.
    pub group_epoch: i32,
    /// Partitions whose state is to be begun before anybody gets them.
    pub to_begin: StatePartitions,
}

/// What became of the states of partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShareStates {
    /// They were begun.
    Begun(StatePartitions),
    /// They were deleted.
    Deleted(BTreeSet<TopicId>),
}

/// A share group, as tools see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedShareGroup {
    /// Its state.
    pub state: GroupState,
    /// Its epoch.
    pub group_epoch: i32,
    /// The epoch of the target assignment.
    pub assignment_epoch: i32,
    /// The assignor.
    pub assignor: &'static str,
    /// The members, by id.
    pub members: Vec<DescribedShareMember>,
    /// The partitions whose state was begun.
    pub states: StatePartitions,
}

/// A member of a share group, as tools see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedShareMember {
    /// Its id.
    pub member_id: String,
    /// Its rack.
    pub rack_id: Option<String>,
    /// Its epoch.
    pub member_epoch: i32,
    /// Its client id.
    pub client_id: String,
    /// Its address.
    pub client_host: String,
    /// What it subscribes to.
    pub topics: BTreeSet<String>,
    /// What it has.
    pub assignment: Assignment,
}
