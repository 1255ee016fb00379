//! `OffsetFetch` request, versions 1 to 10: the positions a group has committed.
//!
//! Up to v7 one group in the top fields, from v8 several in `groups`; v10 names topics by id.
//! Source: Kafka 4.3 message definitions, KIP-709, KIP-848.

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::wire::structure;

structure! {
    /// Asks for committed positions.
    OffsetFetchRequest {
        /// The group, up to v7.
        group_id: GroupId, 1..=7;
        /// The topics up to v7; `None` is all of them (v2 and later).
        topics: Option<Vec<OffsetFetchRequestTopic>>, 1..=7, default Some(Vec::new());
        /// The groups, from v8.
        groups: Vec<OffsetFetchRequestGroup>, 8..=10;
        /// Whether positions of open transactions are an error instead of being left out.
        require_stable: bool, 7..=10;
    }
}

structure! {
    /// A topic, up to v7.
    OffsetFetchRequestTopic {
        /// The topic's name.
        name: TopicName, 1..=7;
        /// The partitions.
        partition_indexes: Vec<i32>, 1..=7;
    }
}

structure! {
    /// A group, from v8.
    OffsetFetchRequestGroup {
        /// The group.
        group_id: GroupId, 8..=10;
        /// The member that asks, in groups of the consumer protocol.
        member_id: Option<StrBytes>, 9..=10;
        /// That member's epoch; -1 for none.
        member_epoch: i32, 9..=10, default -1;
        /// The topics; `None` is all of them.
        topics: Option<Vec<OffsetFetchRequestTopics>>, 8..=10, default Some(Vec::new());
    }
}

structure! {
    /// A topic of a group, from v8.
    OffsetFetchRequestTopics {
        /// The topic's name; empty from v10.
        name: TopicName, 8..=9;
        /// The topic's id; nil below v10.
        topic_id: Uuid, 10..=10;
        /// The partitions.
        partition_indexes: Vec<i32>, 8..=10;
    }
}
