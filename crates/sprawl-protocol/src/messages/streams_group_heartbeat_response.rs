//! `StreamsGroupHeartbeat` response, version 0: what a member has from now on.
//!
//! Source: Kafka 4.3 message definitions, KIP-1071.

use kafka_protocol::protocol::StrBytes;

use crate::wire::structure;

structure! {
    /// What a member has from now on. Null is "as before".
    StreamsGroupHeartbeatResponse {
        /// How long the request was throttled, in milliseconds.
        throttle_time_ms: i32, 0..=0;
        /// The error, 0 for none.
        error_code: i16, 0..=0;
        /// The error in words.
        error_message: Option<StrBytes>, 0..=0;
        /// The member.
        member_id: StrBytes, 0..=0;
        /// Its epoch.
        member_epoch: i32, 0..=0;
        /// When to beat again, in milliseconds.
        heartbeat_interval_ms: i32, 0..=0;
        /// How far behind a warm-up task counts as caught up.
        acceptable_recovery_lag: i32, 0..=0;
        /// How often to tell the offsets of tasks, in milliseconds.
        task_offset_interval_ms: i32, 0..=0;
        /// What the group waits for.
        status: Option<Vec<Status>>, 0..=0;
        /// The active tasks.
        active_tasks: Option<Vec<TaskIds>>, 0..=0;
        /// The standby tasks.
        standby_tasks: Option<Vec<TaskIds>>, 0..=0;
        /// The warm-up tasks.
        warmup_tasks: Option<Vec<TaskIds>>, 0..=0;
        /// The epoch of the endpoint information.
        endpoint_information_epoch: i32, 0..=0;
        /// Which partitions each endpoint has.
        partitions_by_user_endpoint: Option<Vec<EndpointToPartitions>>, 0..=0;
    }
}

structure! {
    /// Something the group waits for.
    Status {
        /// Its number.
        status_code: i8, 0..=0;
        /// In words.
        status_detail: StrBytes, 0..=0;
    }
}

structure! {
    /// Tasks of one subtopology.
    TaskIds {
        /// The subtopology.
        subtopology_id: StrBytes, 0..=0;
        /// The tasks, by partition.
        partitions: Vec<i32>, 0..=0;
    }
}

structure! {
    /// Which partitions an endpoint has.
    EndpointToPartitions {
        /// The endpoint.
        user_endpoint: Endpoint, 0..=0;
        /// Partitions of its active tasks.
        active_partitions: Vec<TopicPartition>, 0..=0;
        /// Partitions of its standby tasks.
        standby_partitions: Vec<TopicPartition>, 0..=0;
    }
}

structure! {
    /// Where the state of an instance can be queried.
    Endpoint {
        /// The host.
        host: StrBytes, 0..=0;
        /// The port.
        port: u16, 0..=0;
    }
}

structure! {
    /// Partitions of a topic.
    TopicPartition {
        /// The topic.
        topic: StrBytes, 0..=0;
        /// Its partitions.
        partitions: Vec<i32>, 0..=0;
    }
}
