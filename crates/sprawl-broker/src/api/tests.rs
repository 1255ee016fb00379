//! The APIs over the wire, against a whole broker on a simulated disk and network.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use sprawl_core::config::{BrokerSettings, ConfigMap};
use sprawl_io::Io;
use sprawl_io::sim::{CrashKind, SimHandles};
use sprawl_log::NoObserver;
use sprawl_protocol::messages::alter_configs_request::AlterConfigsResource as ReplaceResource;
use sprawl_protocol::messages::alter_configs_request::AlterableConfig as ReplacedConfig;
use sprawl_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use sprawl_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use sprawl_protocol::messages::create_topics_response::CreatableTopicResult;
use sprawl_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use sprawl_protocol::messages::delete_topics_request::DeleteTopicState;
use sprawl_protocol::messages::describe_configs_request::DescribeConfigsResource;
use sprawl_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use sprawl_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use sprawl_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use sprawl_protocol::messages::*;
use sprawl_protocol::{ErrorCode, Request, Response, StrBytes, decode_response, encode_request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use super::admin::resource_type;
use crate::{BrokerOptions, RunningBroker};

mod admin;
mod cluster;
mod compaction;
mod data;
mod delayed;
mod disk_full;
mod fetch;
mod groups;
mod hostile;
mod metadata;
mod offsets;
mod produce;
mod quotas;
mod settings;
mod share;
mod streams;
mod telemetry;
mod throttle;
mod topics;
mod transaction_coordinator;
mod transactions;
mod two_phase_commit;

const NONE: i16 = 0;

/// A broker and one connection to it.
struct Node {
    broker: RunningBroker,
    stream: sprawl_io::Stream,
    io: Io,
    handles: SimHandles,
    options: BrokerOptions,
}

impl Node {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let (io, handles) = Io::simulated(3);
        // The simulated disk holds the whole journal in memory: a small one starts quickly.
        let small = [
            ("sprawl.journal.file.bytes", "8388608"),
            ("sprawl.journal.bytes.max", "134217728"),
            ("sprawl.disk.ballast.bytes", "0"),
        ];
        let settings: ConfigMap = small
            .iter()
            .chain(settings)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let options = BrokerOptions {
            data_dir: PathBuf::from("/data"),
            kafka_address: "127.0.0.1:9092".parse().unwrap(),
            settings: BrokerSettings::from_map(&settings).unwrap(),
            hot_bytes_max: 64 << 20,
            state_store: None,
        };
        Self::open(io, handles, options).await
    }

    async fn open(io: Io, handles: SimHandles, options: BrokerOptions) -> Self {
        let broker = RunningBroker::start(io.clone(), options.clone(), Arc::new(NoObserver))
            .await
            .unwrap();
        let address = broker.local_address().to_string();
        let stream = io.net.connect(&address).await.unwrap();
        Self {
            broker,
            stream,
            io,
            handles,
            options,
        }
    }

    /// Kills the process where it stands and starts the next one on what is on disk.
    async fn kill_and_restart(self) -> Self {
        let (mut handles, options) = (self.handles, self.options);
        handles.crash(CrashKind::Kill);
        drop(self.broker);
        let io = handles.restart();
        Self::open(io, handles, options).await
    }

    /// Opens another connection.
    async fn connect(&self) -> sprawl_io::Stream {
        let address = self.broker.local_address().to_string();
        self.io.net.connect(&address).await.unwrap()
    }

    async fn call(&mut self, version: i16, request: impl Into<Request>) -> Response {
        let request = request.into();
        let mut frame = BytesMut::new();
        encode_request(&request, version, 1, Some("test"), &mut frame).unwrap();
        self.stream.write_all(&frame).await.unwrap();
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).await.unwrap();
        let mut body = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
        self.stream.read_exact(&mut body).await.unwrap();
        let body = Bytes::from(body);
        assert_eq!(body.clone().get_i32(), 1, "the correlation id");
        decode_response(request.api_key(), version, body.clone())
            .unwrap_or_else(|e| panic!("{e} {body:?}"))
    }

    async fn create(&mut self, topics: Vec<CreatableTopic>) -> Vec<CreatableTopicResult> {
        let request = CreateTopicsRequest::default().with_topics(topics);
        match self.call(7, request).await {
            Response::CreateTopics(response) => response.topics,
            other => panic!("{other:?}"),
        }
    }

    async fn create_one(&mut self, topic: CreatableTopic) -> CreatableTopicResult {
        self.create(vec![topic]).await.remove(0)
    }

    async fn delete(&mut self, version: i16, request: DeleteTopicsRequest) -> Vec<i16> {
        match self.call(version, request).await {
            Response::DeleteTopics(response) => response
                .responses
                .iter()
                .map(|result| result.error_code)
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    async fn describe(&mut self, version: i16, kind: i8, name: &str) -> DescribeConfigsResult {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default()
            .with_resources(vec![resource])
            .with_include_synonyms(true)
            .with_include_documentation(version >= 3);
        match self.call(version, request).await {
            Response::DescribeConfigs(mut response) => response.results.remove(0),
            other => panic!("{other:?}"),
        }
    }

    async fn config(&mut self, kind: i8, name: &str, key: &str) -> DescribeConfigsResourceResult {
        let described = self.describe(4, kind, name).await;
        let mut configs = described.configs.into_iter();
        configs.find(|config| config.name.as_str() == key).unwrap()
    }

    async fn alter(&mut self, kind: i8, name: &str, op: (&str, i8, Option<&str>)) -> i16 {
        self.alter_or_check(kind, name, &[op], false).await
    }

    async fn alter_or_check(
        &mut self,
        kind: i8,
        name: &str,
        ops: &[(&str, i8, Option<&str>)],
        validate_only: bool,
    ) -> i16 {
        let configs = ops.iter().map(|(key, operation, value)| {
            AlterableConfig::default()
                .with_name(text(key))
                .with_config_operation(*operation)
                .with_value(value.map(text))
        });
        let resource = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configs(configs.collect());
        let request = IncrementalAlterConfigsRequest::default()
            .with_resources(vec![resource])
            .with_validate_only(validate_only);
        match self.call(1, request).await {
            Response::IncrementalAlterConfigs(response) => response.responses[0].error_code,
            other => panic!("{other:?}"),
        }
    }

    async fn replace(&mut self, name: &str, configs: &[(&str, &str)]) -> i16 {
        let configs = configs.iter().map(|(key, value)| {
            ReplacedConfig::default()
                .with_name(text(key))
                .with_value(Some(text(value)))
        });
        let resource = ReplaceResource::default()
            .with_resource_type(resource_type::TOPIC)
            .with_resource_name(text(name))
            .with_configs(configs.collect());
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        match self.call(2, request).await {
            Response::AlterConfigs(response) => response.responses[0].error_code,
            other => panic!("{other:?}"),
        }
    }

    async fn page(
        &mut self,
        names: &[&str],
        limit: i32,
        cursor: Option<(&str, i32)>,
    ) -> DescribeTopicPartitionsResponse {
        let topics = names
            .iter()
            .map(|name| TopicRequest::default().with_name(topic_name(name)));
        let cursor = cursor.map(|(name, partition)| {
            Cursor::default()
                .with_topic_name(topic_name(name))
                .with_partition_index(partition)
        });
        let request = DescribeTopicPartitionsRequest::default()
            .with_topics(topics.collect())
            .with_response_partition_limit(limit)
            .with_cursor(cursor);
        match self.call(0, request).await {
            Response::DescribeTopicPartitions(response) => response,
            other => panic!("{other:?}"),
        }
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

fn topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(replicas)
}

fn with_config(topic: CreatableTopic, key: &str, value: Option<&str>) -> CreatableTopic {
    let config = CreatableTopicConfig::default()
        .with_name(text(key))
        .with_value(value.map(text));
    topic.with_configs(vec![config])
}

fn simulate<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test);
}
