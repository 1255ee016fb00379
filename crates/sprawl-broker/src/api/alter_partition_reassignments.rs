//! AlterPartitionReassignments (key 45): moves partitions between brokers. With one broker there is
//! nowhere to move to: what is valid is in place already.
//!
//! Source: `ReplicationControlManager.alterPartitionReassignment`; KIP-455, KIP-860.

use std::collections::BTreeSet;
use std::sync::Arc;

use sprawl_core::metadata::MetadataImage;
use sprawl_model::{BrokerId, PartitionId, TenantId};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use sprawl_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use sprawl_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};

use super::admin::{Failure, code_and_message};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Whether a partition may get another number of replicas.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReplicationFactor {
    MayChange,
    Stays,
}

/// Checks each partition's new replicas.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let image = broker.image();
    let factor = if request.allow_replication_factor_change {
        ReplicationFactor::MayChange
    } else {
        ReplicationFactor::Stays
    };
    let responses = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let (code, message) = code_and_message(&check(&image, &topic.name, asked, factor));
            ReassignablePartitionResponse::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(code)
                .with_error_message(message)
        });
        let partitions = partitions.collect();
        ReassignableTopicResponse::default()
            .with_name(topic.name)
            .with_partitions(partitions)
    });
    AlterPartitionReassignmentsResponse::default()
        .with_error_message(None)
        .with_allow_replication_factor_change(request.allow_replication_factor_change)
        .with_responses(responses.collect())
}

fn check(
    image: &MetadataImage,
    topic: &str,
    asked: &ReassignablePartition,
    factor: ReplicationFactor,
) -> Result<(), Failure> {
    let known = image.topic(TenantId::DEFAULT, topic).ok_or_else(|| {
        let message = format!("unable to find a topic named {topic}");
        Failure::new(ErrorCode::UnknownTopicOrPartition, message)
    })?;
    let id = PartitionId(asked.partition_index);
    let partition = known.partition(id).ok_or_else(|| {
        let message = format!("unable to find partition {topic}:{id}");
        Failure::new(ErrorCode::UnknownTopicOrPartition, message)
    })?;
    let Some(replicas) = &asked.replicas else {
        // Cancelling: nothing is ever on its way.
        return Err(Failure::of(ErrorCode::NoReassignmentInProgress));
    };
    let target: Vec<BrokerId> = replicas.iter().map(|id| BrokerId(id.0)).collect();
    check_replicas(image, &target)?;
    if factor == ReplicationFactor::Stays && target.len() != partition.replicas.len() {
        let (current, found) = (partition.replicas.len(), target.len());
        let message = format!("expected the replication factor to stay {current}, found {found}");
        return Err(Failure::new(ErrorCode::InvalidReplicationFactor, message));
    }
    if target != partition.replicas {
        let message = "expected the replicas as they are: this release moves none";
        return Err(Failure::new(ErrorCode::InvalidReplicaAssignment, message));
    }
    Ok(())
}

fn check_replicas(image: &MetadataImage, target: &[BrokerId]) -> Result<(), Failure> {
    let invalid = |message: String| Failure::new(ErrorCode::InvalidReplicaAssignment, message);
    if target.is_empty() {
        return Err(invalid("expected replicas, found none".to_owned()));
    }
    let mut seen = BTreeSet::new();
    for id in target {
        if image.broker(*id).is_none() {
            return Err(invalid(format!("expected registered brokers, found {id}")));
        }
        if !seen.insert(id) {
            return Err(invalid(format!(
                "expected broker {id} once, found it twice"
            )));
        }
    }
    Ok(())
}
