//! `WriteShareGroupState` request, versions 0 and 1: the leader of a partition has the state of a
//! share-partition kept.
//!
//! v1 counts what is over. Source: Kafka 4.3 message definitions, KIP-932, KIP-1226.

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::wire::structure;

structure! {
    /// Has changes of share-partitions kept.
    WriteShareGroupStateRequest {
        /// The group.
        group_id: StrBytes, 0..=1;
        /// By topic.
        topics: Vec<WriteStateData>, 0..=1;
    }
}

structure! {
    /// Changes of one topic's.
    WriteStateData {
        /// The topic.
        topic_id: Uuid, 0..=1;
        /// By partition.
        partitions: Vec<PartitionData>, 0..=1;
    }
}

structure! {
    /// Changes of one share-partition.
    PartitionData {
        /// The partition.
        partition: i32, 0..=1;
        /// The epoch of the state that was read.
        state_epoch: i32, 0..=1;
        /// The partition's leader epoch.
        leader_epoch: i32, 0..=1;
        /// The first offset that is not over; -1 leaves it as it is.
        start_offset: i64, 0..=1;
        /// How many offsets from there on are over; -1 where unknown.
        delivery_complete_count: i32, 1..=1, default -1;
        /// What changes.
        state_batches: Vec<StateBatch>, 0..=1;
    }
}

structure! {
    /// The state of a run of offsets.
    StateBatch {
        /// The first offset.
        first_offset: i64, 0..=1;
        /// The last offset.
        last_offset: i64, 0..=1;
        /// 0 available, 2 acknowledged, 4 archived.
        delivery_state: i8, 0..=1;
        /// How often it was delivered.
        delivery_count: i16, 0..=1;
    }
}
