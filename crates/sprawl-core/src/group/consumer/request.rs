//! What does a heartbeat of a consumer group carry, and what does it get back?

use std::collections::BTreeSet;

use crate::group::modern::Assignment;

/// Who may make up the id of a new member (ConsumerGroupHeartbeat v1, KIP-1082).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberIdOrigin {
    /// The client always brings its id.
    Client,
    /// A client without an id gets one.
    Coordinator,
}

/// A ConsumerGroupHeartbeat request. `None` is "as before" where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeat {
    /// The group.
    pub group_id: String,
    /// The member; may be empty under [`MemberIdOrigin::Coordinator`].
    pub member_id: String,
    /// The id to give to a member without one; drawn by the caller.
    pub new_member_id: String,
    /// Set by the request's version.
    pub member_id_origin: MemberIdOrigin,
    /// 0 joins, -1 leaves, -2 leaves for a while.
    pub member_epoch: i32,
    /// The static identity, if any.
    pub instance_id: Option<String>,
    /// The client's rack.
    pub rack_id: Option<String>,
    /// The client id of the request header.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
    /// How long the member may take to give up partitions.
    pub rebalance_timeout_ms: Option<i32>,
    /// The topics it subscribes to by name.
    pub topics: Option<BTreeSet<String>>,
    /// The pattern it subscribes by; empty is none.
    pub regex: Option<String>,
    /// The assignor it asks for.
    pub server_assignor: Option<String>,
    /// What it has.
    pub owned: Option<Assignment>,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerBeat {
    /// The member.
    pub member_id: String,
    /// Its epoch.
    pub member_epoch: i32,
    /// When to beat again.
    pub heartbeat_interval_ms: i32,
    /// What the member has from now on; `None` where that did not change.
    pub assignment: Option<Assignment>,
}
