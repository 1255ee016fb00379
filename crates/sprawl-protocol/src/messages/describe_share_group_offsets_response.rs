//! `DescribeShareGroupOffsets` response, versions 0 and 1: where share groups stand.
//!
//! v1 tells the lag. Source: Kafka 4.3 message definitions, KIP-932, KIP-1226.

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::wire::structure;

structure! {
    /// Where groups stand.
    DescribeShareGroupOffsetsResponse {
        /// How long the request was throttled, in milliseconds.
        throttle_time_ms: i32, 0..=1;
        /// By group.
        groups: Vec<DescribeShareGroupOffsetsResponseGroup>, 0..=1;
    }
}

structure! {
    /// Where one group stands.
    DescribeShareGroupOffsetsResponseGroup {
        /// The group.
        group_id: GroupId, 0..=1;
        /// By topic.
        topics: Vec<DescribeShareGroupOffsetsResponseTopic>, 0..=1;
        /// The error, 0 for none.
        error_code: i16, 0..=1;
        /// The error in words.
        error_message: Option<StrBytes>, 0..=1;
    }
}

structure! {
    /// Where a group stands in one topic.
    DescribeShareGroupOffsetsResponseTopic {
        /// The topic's name.
        topic_name: TopicName, 0..=1;
        /// The topic's id.
        topic_id: Uuid, 0..=1;
        /// By partition.
        partitions: Vec<DescribeShareGroupOffsetsResponsePartition>, 0..=1;
    }
}

structure! {
    /// Where a group stands in one partition.
    DescribeShareGroupOffsetsResponsePartition {
        /// The partition.
        partition_index: i32, 0..=1;
        /// The first offset that is not over; -1 where unknown.
        start_offset: i64, 0..=1;
        /// The partition's leader epoch.
        leader_epoch: i32, 0..=1;
        /// How many records are not over; -1 where unknown.
        lag: i64, 1..=1, default -1;
        /// The error, 0 for none.
        error_code: i16, 0..=1;
        /// The error in words.
        error_message: Option<StrBytes>, 0..=1;
    }
}
