//! `StreamsGroupHeartbeat` request, version 0: a member of a streams group joins, stays or leaves.
//!
//! Source: Kafka 4.3 message definitions, KIP-1071.

use kafka_protocol::protocol::StrBytes;

use crate::wire::{nullable, structure};

nullable! { Topology, Endpoint }

structure! {
    /// Joins, stays in or leaves a streams group. Null is "as before".
    StreamsGroupHeartbeatRequest {
        /// The group.
        group_id: StrBytes, 0..=0;
        /// The member; made by the client.
        member_id: StrBytes, 0..=0;
        /// The member's epoch: 0 joins, -1 leaves, -2 leaves for a while.
        member_epoch: i32, 0..=0;
        /// The newest endpoint information that the member has.
        endpoint_information_epoch: i32, 0..=0;
        /// The static identity.
        instance_id: Option<StrBytes>, 0..=0;
        /// The rack.
        rack_id: Option<StrBytes>, 0..=0;
        /// How long the member may take to give up tasks; -1 is as before.
        rebalance_timeout_ms: i32, 0..=0, default -1;
        /// What the application consists of; with a join alone.
        topology: Option<Topology>, 0..=0;
        /// The active tasks the member has.
        active_tasks: Option<Vec<TaskIds>>, 0..=0;
        /// The standby tasks the member has.
        standby_tasks: Option<Vec<TaskIds>>, 0..=0;
        /// The warm-up tasks the member has.
        warmup_tasks: Option<Vec<TaskIds>>, 0..=0;
        /// The instance, which may have several members.
        process_id: Option<StrBytes>, 0..=0;
        /// Where the instance's state can be queried.
        user_endpoint: Option<Endpoint>, 0..=0;
        /// Tags for an assignment that knows of racks.
        client_tags: Option<Vec<KeyValue>>, 0..=0;
        /// How far tasks are.
        task_offsets: Option<Vec<TaskOffset>>, 0..=0;
        /// How far tasks could be.
        task_end_offsets: Option<Vec<TaskOffset>>, 0..=0;
        /// Whether every instance of the application is to stop.
        shutdown_application: bool, 0..=0;
    }
}

structure! {
    /// What an application consists of.
    Topology {
        /// Its epoch.
        epoch: i32, 0..=0;
        /// Its parts.
        subtopologies: Vec<Subtopology>, 0..=0;
    }
}

structure! {
    /// A part of an application whose tasks are assigned one by one.
    Subtopology {
        /// Its id.
        subtopology_id: StrBytes, 0..=0;
        /// The topics it reads.
        source_topics: Vec<StrBytes>, 0..=0;
        /// Patterns of topics it reads.
        source_topic_regex: Vec<StrBytes>, 0..=0;
        /// The changelogs of its stores.
        state_changelog_topics: Vec<TopicInfo>, 0..=0;
        /// The repartition topics it writes.
        repartition_sink_topics: Vec<StrBytes>, 0..=0;
        /// The repartition topics it reads.
        repartition_source_topics: Vec<TopicInfo>, 0..=0;
        /// Which of its topics need equal partition counts.
        copartition_groups: Vec<CopartitionGroup>, 0..=0;
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
    /// Topics that need equal partition counts, as places in the subtopology's lists.
    CopartitionGroup {
        /// Of the source topics.
        source_topics: Vec<i16>, 0..=0;
        /// Of the patterns.
        source_topic_regex: Vec<i16>, 0..=0;
        /// Of the repartition topics it reads.
        repartition_source_topics: Vec<i16>, 0..=0;
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
