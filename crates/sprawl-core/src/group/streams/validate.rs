//! Which heartbeats are refused, whatever the group's state?
//!
//! Source: Kafka's `throwIfStreamsGroupHeartbeatRequestIsUsingUnsupportedFeatures` and
//! `throwIfStreamsGroupHeartbeatRequestIsInvalid`.

use super::member::{JOIN_EPOCH, STATIC_LEAVE_EPOCH};
use super::partitions::SUBTOPOLOGIES_MAX;
use super::request::StreamsHeartbeat;
use super::topology::Topology;
use crate::coordinator::wire::fits;
use crate::group::error::GroupError;

pub(super) fn validate(request: &StreamsHeartbeat) -> Result<(), GroupError> {
    validate_features(request)?;
    validate_form(request)?;
    if request.member_epoch == JOIN_EPOCH {
        validate_join(request)
    } else if request.topology.is_some() {
        invalid("Topology can only be provided when (re-)joining.")
    } else {
        Ok(())
    }
}

fn invalid(reason: &'static str) -> Result<(), GroupError> {
    Err(GroupError::InvalidRequest { reason })
}

/// What Kafka 4.3 has places for and does not serve either.
fn validate_features(request: &StreamsHeartbeat) -> Result<(), GroupError> {
    if request.instance_id.is_some() {
        return invalid("Static membership is not yet supported.");
    }
    let owned = request.owned.as_ref();
    if owned.is_some_and(|owned| !owned.warmup.is_empty()) {
        return invalid("WarmupTasks are not supported yet.");
    }
    let subtopologies = request.topology.iter();
    let mut subtopologies = subtopologies.flat_map(|topology| topology.subtopologies.values());
    if subtopologies.any(|one| !one.source_topic_regexes.is_empty()) {
        return invalid("Regular expressions for source topics are not supported yet.");
    }
    Ok(())
}

fn validate_form(request: &StreamsHeartbeat) -> Result<(), GroupError> {
    if request.member_id.trim().is_empty() {
        return invalid("MemberId can't be empty.");
    }
    if request.group_id.trim().is_empty() {
        return invalid("GroupId can't be empty.");
    }
    let rack_id = request.rack_id.as_ref();
    if rack_id.is_some_and(|rack_id| rack_id.trim().is_empty()) {
        return invalid("RackId can't be empty.");
    }
    if request.member_epoch == STATIC_LEAVE_EPOCH {
        return invalid("InstanceId can't be null.");
    }
    if request.member_epoch < STATIC_LEAVE_EPOCH {
        return invalid("MemberEpoch must be greater than or equal to -2.");
    }
    if !fits(&request.group_id) || !fits(&request.member_id) {
        return invalid("GroupId and MemberId can't be longer than 32767 bytes.");
    }
    Ok(())
}

fn validate_join(request: &StreamsHeartbeat) -> Result<(), GroupError> {
    if request.rebalance_timeout_ms.is_none() {
        return invalid("RebalanceTimeoutMs must be provided in first request.");
    }
    // A member that does not say what it has cannot be told from one that has something.
    if request.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
        return invalid("Tasks must be empty when (re-)joining.");
    }
    match &request.topology {
        None => invalid("Topology must be non-null when (re-)joining."),
        Some(topology) => validate_topology(topology),
    }
}

fn validate_topology(topology: &Topology) -> Result<(), GroupError> {
    let invalid = |reason| Err(GroupError::StreamsInvalidTopology { reason });
    if topology.epoch < 0 {
        return invalid("the topology epoch is negative");
    }
    if topology.subtopologies.len() > SUBTOPOLOGIES_MAX {
        return invalid("the topology has more than 1000 subtopologies");
    }
    let subtopologies = || topology.subtopologies.values();
    let mut changelogs = subtopologies().flat_map(|one| &one.changelogs);
    if changelogs.any(|topic| topic.partition_count != 0) {
        return invalid("Changelog topics must have an undefined partition count.");
    }
    let mut repartitioned = subtopologies().flat_map(|one| &one.repartition_sources);
    if repartitioned.any(|topic| topic.partition_count < 0) {
        return invalid("the partition count of a repartition topic is negative");
    }
    Ok(())
}
