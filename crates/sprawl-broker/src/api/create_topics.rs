//! CreateTopics (key 19): new topics, placed and configured, or only checked.
//!
//! Each topic succeeds or fails alone. A request that only validates runs the same commands on a
//! copy of the image, so that topics of one request see each other there too.
//!
//! Source: `ControllerApis.createTopics`, `ReplicationControlManager.createTopics`; KIP-464
//! (defaults), KIP-525 (settings in the answer), KIP-516 (ids).

use std::sync::Arc;

use sprawl_core::config::{ConfigEntry, ConfigMap, TopicConfig, describe_topic};
use sprawl_core::metadata::{MetadataCommand, MetadataImage, NewTopic, Placement, Topic, apply};
use sprawl_model::{BrokerId, PartitionId, TenantId, TopicId};
use sprawl_protocol::messages::create_topics_request::CreatableTopic;
use sprawl_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use sprawl_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::admin::{Failure, duplicates, topic_ref};
use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::quotas::Mutations;
use crate::start::random_uuid;

/// Kafka keeps its own metadata under this name; no client may have a topic of that name there.
const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";

/// The first version in which clients know THROTTLING_QUOTA_EXCEEDED.
const QUOTA_VERSION: i16 = 6;

/// Creates or checks each topic.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let twice: Vec<TopicName> = duplicates(request.topics.iter().map(|topic| topic.name.as_str()))
        .into_iter()
        .map(|name| TopicName(StrBytes::from_string(name.to_owned())))
        .collect();
    let mut rehearsal = request
        .validate_only
        .then(|| MetadataImage::clone(&broker.image()));
    let mutations = Mutations::new(broker, context, QUOTA_VERSION);
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request
        .topics
        .iter()
        .filter(|topic| !twice.contains(&topic.name))
    {
        let created = create(broker, &mutations, rehearsal.as_mut(), topic).await;
        results.push(created.unwrap_or_else(|failure| refused(topic.name.clone(), &failure)));
    }
    let duplicate = Failure::invalid_request("expected each topic once, found this one twice");
    results.extend(twice.into_iter().map(|name| refused(name, &duplicate)));
    CreateTopicsResponse::default().with_topics(results)
}

async fn create(
    broker: &Arc<Broker>,
    mutations: &Mutations<'_>,
    rehearsal: Option<&mut MetadataImage>,
    topic: &CreatableTopic,
) -> Result<CreatableTopicResult, Failure> {
    let new = new_topic(broker, topic)?;
    let id = new.topic_id;
    mutations.take(partition_count(&new.placement))?;
    let command = MetadataCommand::CreateTopic(new);
    match rehearsal {
        Some(image) => {
            apply(image, image.applied_index().saturating_add(1), &command)?;
            describe(broker, image, id)
        }
        None => {
            broker.propose(command).await?;
            describe(broker, &broker.image(), id)
        }
    }
}

fn partition_count(placement: &Placement) -> i32 {
    match placement {
        Placement::Spread {
            partition_count, ..
        } => *partition_count,
        Placement::Manual(partitions) => i32::try_from(partitions.len()).unwrap_or(i32::MAX),
    }
}

/// Reads a request's topic, with this broker's defaults where the client left the choice.
fn new_topic(broker: &Broker, topic: &CreatableTopic) -> Result<NewTopic, Failure> {
    if topic.name.as_str() == CLUSTER_METADATA_TOPIC {
        let message = format!("{CLUSTER_METADATA_TOPIC} is reserved for the cluster");
        return Err(Failure::invalid_request(message));
    }
    let configs = configs(topic)?;
    let new = NewTopic {
        topic: topic_ref(&topic.name),
        topic_id: TopicId(random_uuid(broker.io())),
        placement: placement(broker, topic)?,
        configs,
    };
    check_settings(broker, &new)?;
    Ok(new)
}

fn configs(topic: &CreatableTopic) -> Result<ConfigMap, Failure> {
    let mut configs = ConfigMap::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let message = format!("expected a value for {}, found null", config.name.as_str());
            return Err(Failure::new(ErrorCode::InvalidConfig, message));
        };
        configs.insert(config.name.to_string(), value.to_string());
    }
    Ok(configs)
}

/// The metadata rules check a name before its settings; so what only this broker can check, its own
/// start settings against the topic's, comes after a new name at the earliest.
fn check_settings(broker: &Broker, new: &NewTopic) -> Result<(), Failure> {
    let image = broker.image();
    if image.topic(TenantId::DEFAULT, &new.topic.name).is_some() {
        return Ok(());
    }
    let layers = image.layers(broker.broker_id(), &broker.settings.statics);
    TopicConfig::resolve(&new.configs, &layers)?;
    Ok(())
}

fn placement(broker: &Broker, topic: &CreatableTopic) -> Result<Placement, Failure> {
    let defaults = &broker.settings.topics;
    if topic.assignments.is_empty() {
        return Ok(Placement::Spread {
            partition_count: or_default(topic.num_partitions, defaults.partition_count),
            replication_factor: or_default(topic.replication_factor, defaults.replication_factor),
        });
    }
    if topic.replication_factor != -1 || topic.num_partitions != -1 {
        let message = "expected -1 partitions and replicas beside an assignment, found numbers";
        return Err(Failure::invalid_request(message));
    }
    let assignments = topic.assignments.iter().map(|assignment| {
        let replicas = assignment
            .broker_ids
            .iter()
            .map(|id| BrokerId(id.0))
            .collect();
        (PartitionId(assignment.partition_index), replicas)
    });
    Ok(Placement::Manual(assignments.collect()))
}

fn or_default<T: PartialEq + From<i8>>(asked: T, default: T) -> T {
    if asked == T::from(-1) { default } else { asked }
}

fn describe(
    broker: &Broker,
    image: &MetadataImage,
    id: TopicId,
) -> Result<CreatableTopicResult, Failure> {
    // Deleted by somebody else since.
    let topic = image
        .topic_by_id(id)
        .ok_or(Failure::of(ErrorCode::UnknownTopicId))?;
    let layers = image.layers(broker.broker_id(), &broker.settings.statics);
    let entries = describe_topic(&topic.configs, &layers)?;
    Ok(CreatableTopicResult::default()
        .with_name(TopicName(StrBytes::from_string(topic.name.clone())))
        .with_topic_id(id.0)
        .with_num_partitions(topic.partition_count())
        .with_replication_factor(replication_factor(topic))
        .with_configs(Some(entries.iter().map(describe_config).collect())))
}

fn replication_factor(topic: &Topic) -> i16 {
    let replicas = topic
        .partitions
        .first()
        .map_or(0, |partition| partition.replicas.len());
    i16::try_from(replicas).unwrap_or(i16::MAX)
}

fn describe_config(entry: &ConfigEntry) -> CreatableTopicConfigs {
    CreatableTopicConfigs::default()
        .with_name(StrBytes::from_static_str(entry.name))
        .with_value(entry.value.clone().map(StrBytes::from_string))
        .with_read_only(entry.read_only)
        .with_config_source(entry.source.wire_id())
        .with_is_sensitive(false)
}

fn refused(name: TopicName, failure: &Failure) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(name)
        .with_error_code(failure.code.number())
        .with_error_message(failure.wire_message())
}
