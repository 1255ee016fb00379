//! `OffsetCommit` request, versions 2 to 10: a group's positions to keep.
//!
//! v10 names topics by id. Source: Kafka 4.3 message definitions, KIP-848.

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::wire::structure;

structure! {
    /// Asks the coordinator to keep positions of a group.
    OffsetCommitRequest {
        /// The group.
        group_id: GroupId, 2..=10;
        /// The classic group's generation or the member's epoch; -1 outside a group.
        generation_id_or_member_epoch: i32, 2..=10, default -1;
        /// The member's id, assigned by the coordinator.
        member_id: StrBytes, 2..=10;
        /// The static member's name.
        group_instance_id: Option<StrBytes>, 7..=10;
        /// How long to keep the positions in milliseconds; -1 is the broker's setting.
        retention_time_ms: i64, 2..=4, default -1;
        /// The positions, by topic.
        topics: Vec<OffsetCommitRequestTopic>, 2..=10;
    }
}

structure! {
    /// Positions in one topic.
    OffsetCommitRequestTopic {
        /// The topic's name; empty from v10.
        name: TopicName, 2..=9;
        /// The topic's id; nil below v10.
        topic_id: Uuid, 10..=10;
        /// The positions, by partition.
        partitions: Vec<OffsetCommitRequestPartition>, 2..=10;
    }
}

structure! {
    /// A position in one partition.
    OffsetCommitRequestPartition {
        /// The partition.
        partition_index: i32, 2..=10;
        /// The offset of the next record to read.
        committed_offset: i64, 2..=10;
        /// The leader epoch of the last record read; -1 where unknown.
        committed_leader_epoch: i32, 6..=10, default -1;
        /// The client's own note.
        committed_metadata: Option<StrBytes>, 2..=10, default Some(StrBytes::new());
    }
}
