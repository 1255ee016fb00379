//! DescribeLogDirs (key 35): the data directory, how full its disk is, and what is in it.
//!
//! There is one directory. Topics without a partition here are not listed.
//!
//! Source: `ReplicaManager.describeLogDirs`; KIP-113, KIP-827 (volume sizes).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprawl_io::spawn;
use sprawl_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use sprawl_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// The partitions asked about; `None` for all.
type Asked = Option<BTreeSet<(String, i32)>>;

/// Describes the data directory.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let asked = asked(request);
    let path = broker.data_dir.display().to_string();
    let directory = DescribeLogDirsResult {
        log_dir: StrBytes::from_string(path),
        ..unknown_size()
    };
    let result = if broker.store.status().offline.is_some() {
        DescribeLogDirsResult {
            error_code: ErrorCode::KafkaStorageError.number(),
            ..directory
        }
    } else {
        with_space(
            broker,
            DescribeLogDirsResult {
                topics: topics(broker, &asked),
                ..directory
            },
        )
        .await
    };
    DescribeLogDirsResponse {
        results: vec![result],
        ..DescribeLogDirsResponse::default()
    }
}

fn unknown_size() -> DescribeLogDirsResult {
    DescribeLogDirsResult {
        total_bytes: -1,
        usable_bytes: -1,
        ..DescribeLogDirsResult::default()
    }
}

fn asked(request: DescribeLogDirsRequest) -> Asked {
    let topics = request.topics?;
    let pairs = topics.into_iter().flat_map(|topic| {
        let name = topic.topic.to_string();
        topic
            .partitions
            .into_iter()
            .map(move |partition| (name.clone(), partition))
    });
    Some(pairs.collect())
}

fn topics(broker: &Broker, asked: &Asked) -> Vec<DescribeLogDirsTopic> {
    let mut by_topic: BTreeMap<String, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for partition in broker.partitions.all() {
        let name = partition.name();
        let key = (name.topic.clone(), name.partition.0);
        if asked.as_ref().is_some_and(|asked| !asked.contains(&key)) {
            continue;
        }
        let size = partition.log().size_bytes();
        by_topic
            .entry(key.0)
            .or_default()
            .push(DescribeLogDirsPartition {
                partition_index: key.1,
                partition_size: i64::try_from(size).unwrap_or(i64::MAX),
                offset_lag: 0,
                is_future_key: false,
            });
    }
    let topic = |(name, partitions)| DescribeLogDirsTopic {
        name: TopicName(StrBytes::from_string(name)),
        partitions,
    };
    by_topic.into_iter().map(topic).collect()
}

async fn with_space(broker: &Broker, result: DescribeLogDirsResult) -> DescribeLogDirsResult {
    let (disk, path) = (broker.io().disk.clone(), broker.data_dir.clone());
    let space = spawn::blocking(broker.io().spawn.as_ref(), move || disk.space(&path)).await;
    match space {
        Some(Ok(space)) => DescribeLogDirsResult {
            total_bytes: i64::try_from(space.total_bytes).unwrap_or(i64::MAX),
            usable_bytes: i64::try_from(space.available_bytes).unwrap_or(i64::MAX),
            ..result
        },
        _ => DescribeLogDirsResult {
            error_code: ErrorCode::KafkaStorageError.number(),
            ..result
        },
    }
}
