//! `StreamsGroupDescribe` request, version 0: names the streams groups to describe.
//!
//! Source: Kafka 4.3 message definitions, KIP-1071.

use kafka_protocol::protocol::StrBytes;

use crate::wire::structure;

structure! {
    /// Names the groups to describe.
    StreamsGroupDescribeRequest {
        /// The groups.
        group_ids: Vec<StrBytes>, 0..=0;
        /// Whether to tell what the client may do with them.
        include_authorized_operations: bool, 0..=0;
    }
}
