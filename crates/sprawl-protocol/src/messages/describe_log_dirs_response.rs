//! `DescribeLogDirs` response, versions 1 to 5.
//!
//! v5 says which directories are cordoned. Source: Kafka 4.3 message definitions, KIP-113,
//! KIP-827.

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

use crate::wire::structure;

structure! {
    /// The log directories and what is in them.
    DescribeLogDirsResponse {
        /// How long the request was throttled, in milliseconds.
        throttle_time_ms: i32, 1..=5;
        /// The error of the whole request, 0 for none.
        error_code: i16, 3..=5;
        /// The directories.
        results: Vec<DescribeLogDirsResult>, 1..=5;
    }
}

structure! {
    /// One log directory.
    DescribeLogDirsResult {
        /// The error, 0 for none.
        error_code: i16, 1..=5;
        /// The directory's absolute path.
        log_dir: StrBytes, 1..=5;
        /// What is in it, by topic.
        topics: Vec<DescribeLogDirsTopic>, 1..=5;
        /// The volume's size in bytes; -1 where unknown.
        total_bytes: i64, 4..=5, default -1;
        /// What is usable of it in bytes; -1 where unknown.
        usable_bytes: i64, 4..=5, default -1;
        /// Whether no new partitions are placed here.
        is_cordoned: bool, 5..=5;
    }
}

structure! {
    /// One topic in a directory.
    DescribeLogDirsTopic {
        /// The topic's name.
        name: TopicName, 1..=5;
        /// Its partitions.
        partitions: Vec<DescribeLogDirsPartition>, 1..=5;
    }
}

structure! {
    /// One partition in a directory.
    DescribeLogDirsPartition {
        /// The partition.
        partition_index: i32, 1..=5;
        /// The size of its segments in bytes.
        partition_size: i64, 1..=5;
        /// How many records it is behind.
        offset_lag: i64, 1..=5;
        /// Whether it will replace the partition's current log.
        is_future_key: bool, 1..=5;
    }
}
