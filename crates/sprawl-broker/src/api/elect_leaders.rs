//! ElectLeaders (key 43): elects the preferred leader, or any. With one broker every partition has
//! the only leader it can have.
//!
//! Source: `ReplicationControlManager.electLeaders`; KIP-183, KIP-460.

use std::sync::Arc;

use sprawl_core::metadata::{MetadataImage, Partition};
use sprawl_model::{PartitionId, TenantId};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::elect_leaders_request::TopicPartitions;
use sprawl_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use sprawl_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};

use super::admin::Failure;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// The numbers of Kafka's `ElectionType`.
#[derive(Clone, Copy)]
enum Election {
    Preferred,
    Unclean,
}

/// Answers for each partition asked for, or for all that need an election.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    let election = match request.election_type {
        0 => Election::Preferred,
        1 => Election::Unclean,
        other => {
            let message = format!("expected election type 0 or 1, found {other}");
            return refuse(context, &request, &Failure::invalid_request(message));
        }
    };
    let image = broker.image();
    let results = match &request.topic_partitions {
        Some(topics) => asked(topics, |topic, id| elect(&image, topic, id, election)),
        None => all_that_need_it(&image, election),
    };
    ElectLeadersResponse::default().with_replica_election_results(results)
}

/// Answers the whole request, and each of its partitions, with one failure. Version 0 has no field
/// for the whole.
fn refuse(
    context: &RequestContext,
    request: &ElectLeadersRequest,
    failure: &Failure,
) -> ElectLeadersResponse {
    let topics = request.topic_partitions.as_deref().unwrap_or_default();
    let results = asked(topics, |_, _| Err(failure.clone()));
    let response = ElectLeadersResponse::default().with_replica_election_results(results);
    if context.version == 0 {
        return response;
    }
    response.with_error_code(failure.code.number())
}

fn asked(
    topics: &[TopicPartitions],
    answer: impl Fn(&str, PartitionId) -> Result<(), Failure>,
) -> Vec<ReplicaElectionResult> {
    let results = topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|id| on_wire(*id, answer(&topic.topic, PartitionId(*id))));
        ReplicaElectionResult::default()
            .with_topic(topic.topic.clone())
            .with_partition_result(partitions.collect())
    });
    results.collect()
}

/// Every topic, with those of its partitions for which there was something to do.
fn all_that_need_it(image: &MetadataImage, election: Election) -> Vec<ReplicaElectionResult> {
    let results =
        image.topics(TenantId::DEFAULT).map(|topic| {
            let partitions = topic.partition_ids().filter_map(|id| {
            let elected = topic.partition(id).map(|found| elect_one(found, election))?;
            let is_needed =
                !matches!(&elected, Err(failure) if failure.code == ErrorCode::ElectionNotNeeded);
            is_needed.then(|| on_wire(id.0, elected))
        });
            ReplicaElectionResult::default()
                .with_topic(TopicName(topic.name.clone().into()))
                .with_partition_result(partitions.collect())
        });
    results.collect()
}

fn elect(
    image: &MetadataImage,
    topic: &str,
    id: PartitionId,
    election: Election,
) -> Result<(), Failure> {
    let known = image.topic(TenantId::DEFAULT, topic);
    let partition = known.and_then(|topic| topic.partition(id)).ok_or_else(|| {
        let message = format!("no such partition as {topic}-{id}");
        Failure::new(ErrorCode::UnknownTopicOrPartition, message)
    })?;
    elect_one(partition, election)
}

fn elect_one(partition: &Partition, election: Election) -> Result<(), Failure> {
    let preferred = partition.replicas.first().copied();
    let (has_leader, otherwise) = match election {
        Election::Preferred => (
            partition.leader.is_some() && partition.leader == preferred,
            ErrorCode::PreferredLeaderNotAvailable,
        ),
        Election::Unclean => (
            partition.leader.is_some(),
            ErrorCode::EligibleLeadersNotAvailable,
        ),
    };
    Err(Failure::of(if has_leader {
        ErrorCode::ElectionNotNeeded
    } else {
        otherwise
    }))
}

fn on_wire(id: i32, elected: Result<(), Failure>) -> PartitionResult {
    let (code, message) = super::admin::code_and_message(&elected);
    PartitionResult::default()
        .with_partition_id(id)
        .with_error_code(code)
        .with_error_message(message)
}
