//! What does a heartbeat of a streams group carry, and what does it get back?

use std::collections::{BTreeMap, BTreeSet};

use super::tasks::Tasks;
use super::topology::{InternalTopic, Topology};

/// Where the state of an instance can be queried: host and port.
pub type UserEndpoint = (String, u16);

/// A StreamsGroupHeartbeat request. `None` is "as before" where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsHeartbeat {
    /// The group.
    pub group_id: String,
    /// The member.
    pub member_id: String,
    /// 0 joins, -1 leaves.
    pub member_epoch: i32,
    /// The newest endpoint information that the member has.
    pub endpoint_epoch: i32,
    /// The static identity; none is accepted.
    pub instance_id: Option<String>,
    /// The client's rack.
    pub rack_id: Option<String>,
    /// The client id of the request header.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
    /// How long the member may take to give up tasks.
    pub rebalance_timeout_ms: Option<i32>,
    /// What the application consists of; with a join, and never else.
    pub topology: Option<Topology>,
    /// The tasks it has.
    pub owned: Option<Tasks>,
    /// The instance of the application that the member is a thread of.
    pub process_id: Option<String>,
    /// Where the instance's state can be queried.
    pub user_endpoint: Option<UserEndpoint>,
    /// Tags for an assignment that knows of racks.
    pub client_tags: Option<BTreeMap<String, String>>,
    /// Whether every instance of the application is to stop.
    pub asks_for_shutdown: bool,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsBeat {
    /// The member.
    pub member_id: String,
    /// Its epoch.
    pub member_epoch: i32,
    /// When to beat again.
    pub heartbeat_interval_ms: i32,
    /// What the group waits for.
    pub statuses: Vec<StreamsStatus>,
    /// What the member has from now on; `None` where that did not change.
    pub tasks: Option<Tasks>,
    /// The epoch of the endpoint information.
    pub endpoint_epoch: i32,
    /// Which partitions each endpoint has; `None` where the member knows.
    pub endpoints: Option<Vec<EndpointPartitions>>,
    /// Internal topics that are to be made before tasks are given.
    pub missing_topics: Vec<InternalTopic>,
}

/// Something a member should know of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsStatus {
    /// What it is.
    pub code: StreamsStatusCode,
    /// In words.
    pub detail: String,
}

/// What a member should know of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamsStatusCode {
    /// The member's topology is older than the group's.
    StaleTopology,
    /// Topics that the application reads are not there.
    MissingSourceTopics,
    /// Topics that need equal partition counts have other ones.
    IncorrectlyPartitionedTopics,
    /// Topics that belong to the application are not there yet.
    MissingInternalTopics,
    /// A member asked every instance to stop.
    ShutdownApplication,
    /// Tasks are given later.
    AssignmentDelayed,
}

impl StreamsStatusCode {
    /// The number on the wire.
    pub fn number(self) -> i8 {
        match self {
            Self::StaleTopology => 0,
            Self::MissingSourceTopics => 1,
            Self::IncorrectlyPartitionedTopics => 2,
            Self::MissingInternalTopics => 3,
            Self::ShutdownApplication => 4,
            Self::AssignmentDelayed => 5,
        }
    }

    pub(super) fn with(self, detail: impl Into<String>) -> StreamsStatus {
        StreamsStatus {
            code: self,
            detail: detail.into(),
        }
    }
}

/// Which partitions an endpoint has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPartitions {
    /// The endpoint.
    pub endpoint: UserEndpoint,
    /// Partitions of its active tasks, by topic.
    pub active: Vec<(String, BTreeSet<i32>)>,
    /// Partitions of its standby tasks, by topic.
    pub standby: Vec<(String, BTreeSet<i32>)>,
}
