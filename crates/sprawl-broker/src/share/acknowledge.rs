//! How do a member's answers reach the queues, and how is it told what came of them?
//!
//! Answers take effect at once and are confirmed when they are durable; in between the member's
//! next records may be read already.

use std::sync::Arc;

use sprawl_core::share::coordinator::ShareStateKey;
use sprawl_core::share::{AckBatch, AckError, AckType};
use sprawl_model::PartitionId;
use sprawl_protocol::ErrorCode;

use super::group_config;
use super::lookup::{clock, queue_of};
use super::queue::Written;
use super::session::{PartitionRef, SessionKey};
use crate::broker::Broker;
use crate::partition::Partition;

/// Answers for one partition, as they came.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    /// Which partition.
    pub(crate) partition: PartitionRef,
    /// First offset, last offset, types.
    pub(crate) batches: Vec<(i64, i64, Vec<i8>)>,
}

/// Whether a request may renew locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// It says that it does.
    Announced,
    /// It does not.
    None,
}

/// An answer that may have to be waited for.
#[derive(Debug)]
pub(crate) enum Pending {
    /// It is known what came of it.
    Known(Result<(), ErrorCode>),
    /// It is being written.
    Writing(Written),
}

impl Pending {
    /// Waits for what comes of it.
    pub(crate) async fn outcome(self) -> Result<(), ErrorCode> {
        match self {
            Self::Known(outcome) => outcome,
            // The task that writes is gone only with the broker.
            Self::Writing(written) => written.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower)),
        }
    }
}

/// Finds a partition that this broker leads.
pub(super) fn partition_of(
    broker: &Broker,
    (topic_id, partition): PartitionRef,
) -> Result<Arc<Partition>, ErrorCode> {
    broker.find_partition("", topic_id, PartitionId(partition))
}

pub(super) fn state_key(group_id: &str, (topic_id, partition): PartitionRef) -> ShareStateKey {
    ShareStateKey {
        group_id: group_id.to_owned(),
        topic_id,
        partition,
    }
}

/// Carries out the answers for one partition.
pub(crate) async fn acknowledge(
    broker: &Arc<Broker>,
    key: &SessionKey,
    answers: &Answers,
    renewal: Renewal,
) -> Pending {
    match try_acknowledge(broker, key, answers, renewal).await {
        Ok(Some(written)) => Pending::Writing(written),
        Ok(None) => Pending::Known(Ok(())),
        Err(error) => Pending::Known(Err(error)),
    }
}

async fn try_acknowledge(
    broker: &Arc<Broker>,
    key: &SessionKey,
    answers: &Answers,
    renewal: Renewal,
) -> Result<Option<Written>, ErrorCode> {
    let batches = parse(broker, key, answers, renewal)?;
    if batches.is_empty() {
        return Ok(None);
    }
    let partition = partition_of(broker, answers.partition)?;
    let state_key = state_key(&key.group_id, answers.partition);
    let queue = queue_of(broker, &state_key, &partition).await?;
    let clock = clock(broker);
    let answered = queue.state().acknowledge(clock, &key.member_id, &batches);
    let write = answered.map_err(of_answer)?;
    broker.share.metrics.count_answers(&batches);
    Ok(write.map(|write| queue.persist(broker, write)))
}

fn parse(
    broker: &Broker,
    key: &SessionKey,
    answers: &Answers,
    renewal: Renewal,
) -> Result<Vec<AckBatch>, ErrorCode> {
    let mut batches = Vec::with_capacity(answers.batches.len());
    let mut renews = false;
    for (first, last, numbers) in &answers.batches {
        let types = numbers.iter().map(|number| AckType::from_number(*number));
        let types: Option<Vec<AckType>> = types.collect();
        let types = types.ok_or(ErrorCode::InvalidRequest)?;
        renews |= types.contains(&AckType::Renew);
        let (first, last) = (*first, *last);
        batches.push(AckBatch { first, last, types });
    }
    let is_allowed =
        || renewal == Renewal::Announced && group_config(broker, &key.group_id).renewal_enabled;
    if renews && !is_allowed() {
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(batches)
}

/// Share groups: an answer that does not fit.
fn of_answer(error: AckError) -> ErrorCode {
    match error {
        // Fatal: the client is broken.
        AckError::Malformed { .. } => ErrorCode::InvalidRequest,
        // The record is with somebody else by now.
        AckError::NotHeld { .. } => ErrorCode::InvalidRecordState,
    }
}

/// Takes back what a member holds in these partitions.
pub(crate) fn release(broker: &Arc<Broker>, key: &SessionKey, partitions: &[PartitionRef]) {
    for partition in partitions {
        let Some(queue) = broker.share.served(&state_key(&key.group_id, *partition)) else {
            continue;
        };
        let write = queue.state().release_member(&key.member_id);
        if let Some(write) = write {
            drop(queue.persist(broker, write));
        }
    }
}

/// Ends the sessions of a connection that is closed, and takes back what their members hold.
pub(crate) fn release_connection(broker: &Arc<Broker>, peer: std::net::SocketAddr) {
    for (key, partitions) in broker.share.sessions.end_of(peer) {
        release(broker, &key, &partitions);
    }
}
