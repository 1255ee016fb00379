//! AlterReplicaLogDirs (key 34): moves replicas between a broker's directories. There is one
//! directory: a replica that is to move there is there already.
//!
//! Source: `ReplicaManager.alterReplicaLogDirs`; KIP-113.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprawl_model::{PartitionId, TopicId};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use sprawl_protocol::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, TopicName,
};

use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Answers for each partition; one that is named twice goes where the last mention says.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    let mut moves: BTreeMap<TopicName, BTreeMap<i32, ErrorCode>> = BTreeMap::new();
    for directory in request.dirs {
        for topic in directory.topics {
            let results = moves.entry(topic.name.clone()).or_default();
            for partition in topic.partitions {
                let code = check(broker, &directory.path, &topic.name, partition);
                results.insert(partition, code);
            }
        }
    }
    let results = moves.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, code)| {
            AlterReplicaLogDirPartitionResult::default()
                .with_partition_index(index)
                .with_error_code(code.number())
        });
        AlterReplicaLogDirTopicResult::default()
            .with_topic_name(name)
            .with_partitions(partitions.collect())
    });
    AlterReplicaLogDirsResponse::default().with_results(results.collect())
}

fn check(broker: &Broker, path: &str, topic: &str, partition: i32) -> ErrorCode {
    if broker.data_dir.as_os_str() != path {
        return ErrorCode::LogDirNotFound;
    }
    if broker.store.status().offline.is_some() {
        return ErrorCode::KafkaStorageError;
    }
    // Kafka keeps this code for clients that know no better (KIP-320).
    match broker.find_partition(topic, TopicId::NONE, PartitionId(partition)) {
        Ok(_) => ErrorCode::None,
        Err(_) => ErrorCode::ReplicaNotAvailable,
    }
}
