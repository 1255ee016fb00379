//! Metadata (key 3): brokers, topics, leaders; and topics made on first use.
//!
//! A topic that is made here is answered as it then is: one node needs no second round.
//!
//! Source: `KafkaApis.handleTopicMetadataRequest`; KIP-516 (ids), KIP-430 (operations), KIP-1102
//! (v13 error).

use std::collections::BTreeSet;
use std::sync::Arc;

use sprawl_core::config::ConfigMap;
use sprawl_core::metadata::{
    MetadataCommand, MetadataImage, NewTopic, Placement, Topic, TopicRef, check_topic_name,
    is_internal_topic,
};
use sprawl_model::{BrokerId, TenantId, TopicId};
use sprawl_protocol::messages::metadata_request::MetadataRequestTopic;
use sprawl_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use sprawl_protocol::messages::{self, MetadataRequest, MetadataResponse, TopicName};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::authorized_operations;
use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::quotas::Mutations;
use crate::start::random_uuid;
use crate::wire_error;

/// The most topics and partitions that one request makes: each topic is a synced write. Kafka's
/// controller takes ten times as many in one, and as here tells clients to ask again for the rest.
pub(crate) const AUTO_CREATE_RECORDS_MAX: usize = 1_000;

/// How much one request may still make.
struct AutoCreate<'a> {
    records_left: usize,
    mutations: Mutations<'a>,
}

impl<'a> AutoCreate<'a> {
    fn new(broker: &'a Broker, context: &'a RequestContext, request: &MetadataRequest) -> Self {
        let is_asked = context.version < 4 || request.allow_auto_topic_creation;
        let is_allowed = is_asked && broker.settings.topics.auto_create;
        Self {
            records_left: if is_allowed {
                AUTO_CREATE_RECORDS_MAX
            } else {
                0
            },
            // No version of this API knows of the quota: the client is throttled afterwards.
            mutations: Mutations::new(broker, context, i16::MAX),
        }
    }

    /// Takes what a topic with so many partitions costs. The first topic always fits.
    fn take(&mut self, partition_count: i32) -> Result<(), ErrorCode> {
        let cost = 1 + usize::try_from(partition_count).unwrap_or(0);
        let is_first = self.records_left == AUTO_CREATE_RECORDS_MAX;
        if self.records_left < cost && !is_first {
            // Retriable, and what Kafka answers about a topic that is still being made.
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        self.records_left = self.records_left.saturating_sub(cost);
        let charged = self.mutations.take(partition_count);
        charged.map_err(|failure| failure.code)
    }
}

/// What the client asked about one topic.
enum Asked {
    Name(TopicName),
    Id(TopicId),
}

/// Answers with brokers and topics.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: MetadataRequest,
) -> MetadataResponse {
    let operations = topic_operations(&request);
    let cluster_operations = if request.include_cluster_authorized_operations {
        authorized_operations::CLUSTER
    } else {
        authorized_operations::NOT_ASKED
    };
    let mut auto_create = AutoCreate::new(broker, context, &request);
    let topics = match asked(context, request.topics) {
        None => {
            let image = broker.image();
            let all = image.topics(TenantId::DEFAULT);
            all.map(|topic| describe(broker, topic, operations))
                .collect()
        }
        Some(asked) => {
            let mut topics = Vec::with_capacity(asked.len());
            for one in asked {
                topics.push(look_up(broker, one, &mut auto_create, operations).await);
            }
            topics
        }
    };
    let image = broker.image();
    MetadataResponse::default()
        .with_brokers(
            image
                .brokers()
                .filter_map(|broker| describe_broker(broker))
                .collect(),
        )
        .with_cluster_id(Some(StrBytes::from_string(image.cluster_id().to_owned())))
        .with_controller_id(messages::BrokerId(broker.broker_id().0))
        .with_topics(topics)
        .with_cluster_authorized_operations(cluster_operations)
}

fn topic_operations(request: &MetadataRequest) -> i32 {
    if request.include_topic_authorized_operations {
        authorized_operations::TOPIC
    } else {
        authorized_operations::NOT_ASKED
    }
}

/// The topics asked for, each once; `None` for all of them.
fn asked(
    context: &RequestContext,
    topics: Option<Vec<MetadataRequestTopic>>,
) -> Option<Vec<Asked>> {
    let topics = topics?;
    if topics.is_empty() && context.version == 0 {
        return None;
    }
    let mut seen = BTreeSet::new();
    let asked = topics.into_iter().filter_map(|topic| match topic.name {
        Some(name) if topic.topic_id.is_nil() => seen
            .insert((name.to_string(), TopicId::NONE))
            .then_some(Asked::Name(name)),
        _ => {
            let id = TopicId(topic.topic_id);
            seen.insert((String::new(), id)).then_some(Asked::Id(id))
        }
    });
    Some(asked.collect())
}

async fn look_up(
    broker: &Arc<Broker>,
    asked: Asked,
    auto_create: &mut AutoCreate<'_>,
    operations: i32,
) -> MetadataResponseTopic {
    match asked {
        Asked::Id(id) => match broker.find_topic("", id) {
            Ok(topic) => describe(broker, &topic, operations),
            Err(_) => MetadataResponseTopic::default()
                .with_error_code(ErrorCode::UnknownTopicId.number())
                .with_name(None)
                .with_topic_id(id.0)
                .with_topic_authorized_operations(operations),
        },
        Asked::Name(name) => match find_or_create(broker, &name, auto_create).await {
            Ok(topic) => describe(broker, &topic, operations),
            Err(error) => MetadataResponseTopic::default()
                .with_error_code(error.number())
                .with_is_internal(is_internal_topic(&name))
                .with_name(Some(name))
                .with_topic_authorized_operations(operations),
        },
    }
}

async fn find_or_create(
    broker: &Arc<Broker>,
    name: &str,
    auto_create: &mut AutoCreate<'_>,
) -> Result<Arc<Topic>, ErrorCode> {
    if let Ok(topic) = broker.find_topic(name, TopicId::NONE) {
        return Ok(topic);
    }
    check_topic_name(name).map_err(|_| ErrorCode::InvalidTopicException)?;
    auto_create.take(broker.settings.topics.partition_count)?;
    create(broker, name).await?;
    broker.find_topic(name, TopicId::NONE)
}

async fn create(broker: &Arc<Broker>, name: &str) -> Result<(), ErrorCode> {
    let defaults = &broker.settings.topics;
    let command = MetadataCommand::CreateTopic(NewTopic {
        topic: TopicRef {
            tenant: TenantId::DEFAULT,
            name: name.to_owned(),
        },
        topic_id: TopicId(random_uuid(broker.io())),
        placement: Placement::Spread {
            partition_count: defaults.partition_count,
            replication_factor: defaults.replication_factor,
        },
        configs: ConfigMap::new(),
    });
    match broker
        .propose(command)
        .await
        .map_err(|error| wire_error::of_change(&error))
    {
        // Somebody else was faster: just as good.
        Ok(_) | Err(ErrorCode::TopicAlreadyExists) => Ok(()),
        Err(error) => Err(error),
    }
}

fn describe_broker(
    registration: &sprawl_core::metadata::BrokerRegistration,
) -> Option<MetadataResponseBroker> {
    let endpoint = registration.endpoints.first()?;
    Some(
        MetadataResponseBroker::default()
            .with_node_id(messages::BrokerId(registration.id.0))
            .with_host(StrBytes::from_string(endpoint.host.clone()))
            .with_port(i32::from(endpoint.port))
            .with_rack(registration.rack.clone().map(StrBytes::from_string)),
    )
}

fn describe(broker: &Broker, topic: &Topic, operations: i32) -> MetadataResponseTopic {
    let image = broker.image();
    let partitions = topic.partition_ids().filter_map(|id| {
        let partition = topic.partition(id)?;
        let leader = partition.leader.map_or(-1, |leader| leader.0);
        let error = if leader < 0 {
            ErrorCode::LeaderNotAvailable
        } else {
            ErrorCode::None
        };
        Some(
            MetadataResponsePartition::default()
                .with_error_code(error.number())
                .with_partition_index(id.0)
                .with_leader_id(messages::BrokerId(leader))
                .with_leader_epoch(partition.leader_epoch.0)
                .with_replica_nodes(on_wire(&partition.replicas))
                .with_isr_nodes(on_wire(&partition.isr))
                .with_offline_replicas(offline(&image, &partition.replicas)),
        )
    });
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.clone()))))
        .with_topic_id(topic.id.0)
        .with_is_internal(topic.is_internal())
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(operations)
}

fn on_wire(brokers: &[BrokerId]) -> Vec<messages::BrokerId> {
    brokers
        .iter()
        .map(|broker| messages::BrokerId(broker.0))
        .collect()
}

fn offline(image: &MetadataImage, replicas: &[BrokerId]) -> Vec<messages::BrokerId> {
    let gone = replicas
        .iter()
        .filter(|replica| image.broker(**replica).is_none());
    gone.map(|replica| messages::BrokerId(replica.0)).collect()
}
