//! `OffsetFetch` response, versions 1 to 10.
//!
//! Up to v7 one group in the top fields, from v8 several in `groups`; v10 names topics by id.
//! Source: Kafka 4.3 message definitions, KIP-709, KIP-848.

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::wire::structure;

structure! {
    /// The committed positions.
    OffsetFetchResponse {
        /// How long the request was throttled, in milliseconds.
        throttle_time_ms: i32, 3..=10;
        /// The positions by topic, up to v7.
        topics: Vec<OffsetFetchResponseTopic>, 1..=7;
        /// The error of the whole group, v2 to v7; 0 for none.
        error_code: i16, 2..=7;
        /// The groups, from v8.
        groups: Vec<OffsetFetchResponseGroup>, 8..=10;
    }
}

structure! {
    /// Positions in one topic, up to v7.
    OffsetFetchResponseTopic {
        /// The topic's name.
        name: TopicName, 1..=7;
        /// The positions, by partition.
        partitions: Vec<OffsetFetchResponsePartition>, 1..=7;
    }
}

structure! {
    /// A position in one partition, up to v7.
    OffsetFetchResponsePartition {
        /// The partition.
        partition_index: i32, 1..=7;
        /// The committed offset; -1 where there is none.
        committed_offset: i64, 1..=7;
        /// The leader epoch committed with it; -1 where unknown.
        committed_leader_epoch: i32, 5..=7, default -1;
        /// The client's own note.
        metadata: Option<StrBytes>, 1..=7, default Some(StrBytes::new());
        /// The error, 0 for none.
        error_code: i16, 1..=7;
    }
}

structure! {
    /// A group's positions, from v8.
    OffsetFetchResponseGroup {
        /// The group.
        group_id: GroupId, 8..=10;
        /// The positions, by topic.
        topics: Vec<OffsetFetchResponseTopics>, 8..=10;
        /// The error of the group, 0 for none.
        error_code: i16, 8..=10;
    }
}

structure! {
    /// Positions in one topic, from v8.
    OffsetFetchResponseTopics {
        /// The topic's name; not sent from v10.
        name: TopicName, 8..=9;
        /// The topic's id; not sent below v10.
        topic_id: Uuid, 10..=10;
        /// The positions, by partition.
        partitions: Vec<OffsetFetchResponsePartitions>, 8..=10;
    }
}

structure! {
    /// A position in one partition, from v8.
    OffsetFetchResponsePartitions {
        /// The partition.
        partition_index: i32, 8..=10;
        /// The committed offset; -1 where there is none.
        committed_offset: i64, 8..=10;
        /// The leader epoch committed with it; -1 where unknown.
        committed_leader_epoch: i32, 8..=10, default -1;
        /// The client's own note.
        metadata: Option<StrBytes>, 8..=10, default Some(StrBytes::new());
        /// The error, 0 for none.
        error_code: i16, 8..=10;
    }
}
