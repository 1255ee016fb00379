//! CreatePartitions (key 37): more partitions for topics, or only the check.
//!
//! Every topic asked about is answered, once: the Java client fails a future it finds no answer
//! for.
//!
//! Source: `ControllerApis.createPartitions`, `ReplicationControlManager.createPartitions`;
//! KIP-195.

use std::sync::Arc;

use sprawl_core::metadata::{MetadataCommand, NewPartitions, plan_create_partitions};
use sprawl_model::BrokerId;
use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use sprawl_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use sprawl_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse, TopicName};

use super::admin::{Failure, code_and_message, duplicates, topic_ref};
use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::quotas::Mutations;

/// The first version in which clients know THROTTLING_QUOTA_EXCEEDED.
const QUOTA_VERSION: i16 = 3;

/// Adds or checks each topic's partitions.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let twice = duplicates(request.topics.iter().map(|topic| topic.name.as_str()));
    let mutations = Mutations::new(broker, context, QUOTA_VERSION);
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request
        .topics
        .iter()
        .filter(|topic| !twice.contains(&topic.name.as_str()))
    {
        let charged = check(broker, topic).and_then(|added| mutations.take(added));
        let added = match charged {
            Ok(()) if !request.validate_only => add(broker, topic).await,
            other => other,
        };
        results.push(result(topic.name.clone(), &added));
    }
    let duplicate = Failure::invalid_request("expected each topic once, found this one twice");
    for name in twice {
        let name = TopicName(StrBytes::from_string(name.to_owned()));
        results.push(result(name, &Err(duplicate.clone())));
    }
    CreatePartitionsResponse::default().with_results(results)
}

/// Returns how many partitions there would be more.
fn check(broker: &Broker, topic: &CreatePartitionsTopic) -> Result<i32, Failure> {
    let (image, new) = (broker.image(), new_partitions(topic));
    plan_create_partitions(&image, &new)?;
    let known = image.topic(new.topic.tenant, &new.topic.name);
    let count = known.map_or(0, |topic| topic.partition_count());
    Ok(new.count.saturating_sub(count))
}

async fn add(broker: &Broker, topic: &CreatePartitionsTopic) -> Result<(), Failure> {
    let command = MetadataCommand::CreatePartitions(new_partitions(topic));
    broker.propose(command).await?;
    Ok(())
}

fn new_partitions(topic: &CreatePartitionsTopic) -> NewPartitions {
    let assignments = topic.assignments.as_ref().map(|assignments| {
        assignments
            .iter()
            .map(|one| replicas(&one.broker_ids))
            .collect()
    });
    NewPartitions {
        topic: topic_ref(&topic.name),
        count: topic.count,
        assignments,
    }
}

fn replicas(ids: &[sprawl_protocol::BrokerId]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId(id.0)).collect()
}

fn result(name: TopicName, added: &Result<(), Failure>) -> CreatePartitionsTopicResult {
    let (code, message) = code_and_message(added);
    CreatePartitionsTopicResult::default()
        .with_name(name)
        .with_error_code(code)
        .with_error_message(message)
}
