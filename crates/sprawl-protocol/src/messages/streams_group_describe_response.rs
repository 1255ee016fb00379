//! `StreamsGroupDescribe` response, version 0: epochs, topology, members and their tasks.
//!
//! Source: Kafka 4.3 message definitions, KIP-1071.

use kafka_protocol::protocol::StrBytes;

use crate::wire::{nullable, structure};

nullable! { Topology, Endpoint }

structure! {
    /// Describes streams groups.
    StreamsGroupDescribeResponse {
        /// How long the request was throttled, in milliseconds.
        throttle_time_ms: i32, 0..=0;
        /// By group.
        groups: Vec<DescribedGroup>, 0..=0;
    }
}

structure! {
    /// A group.
    DescribedGroup {
        /// The error, 0 for none.
        error_code: i16, 0..=0;
        /// The error in words.
        error_message: Option<StrBytes>, 0..=0;
        /// The group.
        group_id: StrBytes, 0..=0;
        /// Its state.
        group_state: StrBytes, 0..=0;
        /// Its epoch.
        group_epoch: i32, 0..=0;
        /// The epoch of its target assignment.
        assignment_epoch: i32, 0..=0;
        /// What the application consists of; null with an error.
        topology: Option<Topology>, 0..=0;
        /// Its members.
        members: Vec<Member>, 0..=0;
        /// What the client may do with it.
        authorized_operations: i32, 0..=0, default i32::MIN;
    }
}

structure! {
    /// What an application consists of.
    Topology {
        /// Its epoch.
        epoch: i32, 0..=0;
        /// Its parts.
        subtopologies: Option<Vec<Subtopology>>, 0..=0;
    }
}

structure! {
    /// A part of an application whose tasks are assigned one by one.
    Subtopology {
        /// Its id.
        subtopology_id: StrBytes, 0..=0;
        /// The topics it reads.
        source_topics: Vec<StrBytes>, 0..=0;
        /// The repartition topics it writes.
        repartition_sink_topics: Vec<StrBytes>, 0..=0;
        /// The changelogs of its stores.
        state_changelog_topics: Vec<TopicInfo>, 0..=0;
        /// The repartition topics it reads.
        repartition_source_topics: Vec<TopicInfo>, 0..=0;
    }
}

structure! {
    /// An internal topic.
    TopicInfo {
        /// The topic.
        name: StrBytes, 0..=0;
        /// How many partitions; 0 leaves it to the broker.
        partitions: i32, 0..=0;
        /// How many replicas; 0 leaves it to the broker.
        replication_factor: i16, 0..=0;
        /// Its settings.
        topic_configs: Vec<KeyValue>, 0..=0;
    }
}

structure! {
    /// A member.
    Member {
        /// The member.
        member_id: StrBytes, 0..=0;
        /// Its epoch.
        member_epoch: i32, 0..=0;
        /// Its static identity.
        instance_id: Option<StrBytes>, 0..=0;
        /// Its rack.
        rack_id: Option<StrBytes>, 0..=0;
        /// Its client id.
        client_id: StrBytes, 0..=0;
        /// Its address.
        client_host: StrBytes, 0..=0;
        /// The epoch of its topology.
        topology_epoch: i32, 0..=0;
        /// Its instance.
        process_id: StrBytes, 0..=0;
        /// Where its instance's state can be queried.
        user_endpoint: Option<Endpoint>, 0..=0;
        /// Its tags.
        client_tags: Vec<KeyValue>, 0..=0;
        /// How far its tasks are.
        task_offsets: Vec<TaskOffset>, 0..=0;
        /// How far its tasks could be.
        task_end_offsets: Vec<TaskOffset>, 0..=0;
        /// What it has.
        assignment: Assignment, 0..=0;
        /// What it should have.
        target_assignment: Assignment, 0..=0;
        /// Whether it speaks the classic protocol.
        is_classic: bool, 0..=0;
    }
}

structure! {
    /// The tasks of a member.
    Assignment {
        /// The active tasks.
        active_tasks: Vec<TaskIds>, 0..=0;
        /// The standby tasks.
        standby_tasks: Vec<TaskIds>, 0..=0;
        /// The warm-up tasks.
        warmup_tasks: Vec<TaskIds>, 0..=0;
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
    /// Where the state of an instance can be queried.
    Endpoint {
        /// The host.
        host: StrBytes, 0..=0;
        /// The port.
        port: u16, 0..=0;
    }
}

structure! {
    /// A key and its value.
    KeyValue {
        /// The key.
        key: StrBytes, 0..=0;
        /// The value.
        value: StrBytes, 0..=0;
    }
}

structure! {
    /// How far a task is in its changelogs.
    TaskOffset {
        /// The subtopology.
        subtopology_id: StrBytes, 0..=0;
        /// The partition.
        partition: i32, 0..=0;
        /// The sum of offsets.
        offset: i64, 0..=0;
    }
}
