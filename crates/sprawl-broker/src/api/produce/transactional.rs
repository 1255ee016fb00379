//! Produce in a transaction: nothing is appended of which the transaction coordinator knows
//! nothing.
//!
//! The first batch of a transaction in a partition is admitted by the coordinator: clients from v12
//! on join the partition to the transaction by this very request, older ones must have asked before
//! and are looked up. Later batches are known by the partition itself and wait for nobody.
//!
//! Source: KIP-890; `ReplicaManager.handleProduceAppend` and `AddPartitionsToTxnManager` of
//! Kafka 4.3 for the order of checks and for what each client version is told.

use std::sync::Arc;
use std::time::Duration;

use sprawl_core::partition::{Asking, EpochBump, Verification};
use sprawl_model::{ProducerIdAndEpoch, TopicPartition};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::ProduceRequest;
use sprawl_protocol::messages::TopicName;

use super::{
    Acks, Begun, PendingPartition, PendingProduce, PendingTopic, Refusal, append_valid, parse_acks,
    validate_batch,
};
use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::partition::Partition;
use crate::quotas::Stopwatch;
use crate::transaction::{self, Admission};
use crate::validate::{RawBatch, ValidBatch};
use crate::wire_error;

/// The first version whose clients join partitions to their transaction by producing
/// (`transaction.version` 2).
const IMPLICIT_ADD_VERSION: i16 = 12;

/// The first version whose clients know TRANSACTION_ABORTABLE.
const ABORTABLE_VERSION: i16 = 11;

/// A request whose batches are valid or refused, none appended.
struct Prepared {
    /// The processor time that it took so far.
    spent: Duration,
    acks: Result<Acks, ErrorCode>,
    topics: Vec<PreparedTopic>,
}

struct PreparedTopic {
    name: TopicName,
    topic_id: uuid::Uuid,
    partitions: Vec<(i32, Result<PreparedBatch, Refusal>)>,
}

struct PreparedBatch {
    partition: Arc<Partition>,
    batch: ValidBatch,
    /// The coordinator is to be asked first.
    verification: Option<Verification>,
}

/// Checks every batch, asks the coordinator where that is needed, and appends.
pub(super) fn begin(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ProduceRequest,
) -> Begun {
    let Some(transactional_id) = request.transactional_id.clone() else {
        return Begun::Appended(super::append(broker, context, request));
    };
    let watch = Stopwatch::start(broker);
    let mut prepared = prepare(broker, context, request);
    prepared.spent = watch.spent(broker);
    prepared.refuse_several_producers();
    let Some((producer, asked)) = prepared.unknown_partitions() else {
        return Begun::Appended(prepared.append(broker, context.version, Vec::new()));
    };
    let version = context.version;
    if version < IMPLICIT_ADD_VERSION {
        let answers = transaction::verify(broker, &transactional_id, producer, &asked);
        return Begun::Appended(prepared.append(broker, version, answers));
    }
    let broker = broker.clone();
    Begun::Admitting(Box::pin(async move {
        let id = transactional_id.as_str();
        let admitted = transaction::admit(&broker, id, producer, &asked, Admission::Add).await;
        let answers = admitted.into_iter().map(|(_, answer)| answer);
        prepared.append(&broker, version, answers.collect())
    }))
}

fn prepare(broker: &Broker, context: &RequestContext, request: ProduceRequest) -> Prepared {
    let acks = parse_acks(request.acks);
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|one| {
            let raw = RawBatch(one.records.unwrap_or_default());
            let prepared = acks.map_err(Refusal::from).and_then(|_| {
                let found =
                    broker.find_for_produce(context, &topic.name, topic.topic_id, one.index);
                prepare_batch(broker, context, found.map_err(Refusal::from)?, raw)
            });
            (one.index, prepared)
        });
        PreparedTopic {
            partitions: partitions.collect(),
            topic_id: topic.topic_id,
            name: topic.name,
        }
    });
    Prepared {
        spent: Duration::ZERO,
        topics: topics.collect(),
        acks,
    }
}

fn prepare_batch(
    broker: &Broker,
    context: &RequestContext,
    partition: Arc<Partition>,
    raw: RawBatch,
) -> Result<PreparedBatch, Refusal> {
    let batch = validate_batch(broker, context, &partition, raw)?;
    let bump = if context.version < IMPLICIT_ADD_VERSION {
        EpochBump::AtInit
    } else {
        EpochBump::PerTransaction
    };
    let verification = if batch.header().attributes.is_transactional() {
        let asking = Asking {
            producer: producer_of(&batch),
            base_sequence: batch.header().base_sequence,
            bump,
        };
        partition
            .begin_verification(asking)
            .map_err(|error| Refusal::new(wire_error::of_sequence(&error), &error))?
    } else {
        None
    };
    Ok(PreparedBatch {
        partition,
        batch,
        verification,
    })
}

impl Prepared {
    fn batches(&mut self) -> impl Iterator<Item = &mut Result<PreparedBatch, Refusal>> {
        let partitions = self
            .topics
            .iter_mut()
            .flat_map(|topic| &mut topic.partitions);
        partitions.map(|(_, batch)| batch)
    }

    /// Refuses all transactional batches where they name more than one producer.
    fn refuse_several_producers(&mut self) {
        let mut first = None;
        let mut is_mixed = false;
        for batch in self.batches().filter_map(|batch| batch.as_ref().ok()) {
            if let Some(producer) = batch.transactional_producer() {
                is_mixed |= *first.get_or_insert(producer) != producer;
            }
        }
        if !is_mixed {
            return;
        }
        for batch in self.batches() {
            let is_transactional = |batch: &PreparedBatch| batch.transactional_producer().is_some();
            if batch.as_ref().is_ok_and(is_transactional) {
                *batch = Err(ErrorCode::InvalidProducerIdMapping.into());
            }
        }
    }

    /// The partitions in which the producer's transaction is not known to be open.
    fn unknown_partitions(&mut self) -> Option<(ProducerIdAndEpoch, Vec<TopicPartition>)> {
        let mut unknown = Vec::new();
        let mut producer = None;
        for batch in self.batches().filter_map(|batch| batch.as_ref().ok()) {
            if batch.verification.is_some() {
                producer = batch.transactional_producer();
                unknown.push(batch.partition.name().clone());
            }
        }
        Some((producer?, unknown))
    }

    /// Appends in the request's order. `answers` are the coordinator's, one for each partition that
    /// was asked about.
    fn append(
        self,
        broker: &Broker,
        version: i16,
        answers: Vec<Result<(), ErrorCode>>,
    ) -> PendingProduce {
        let watch = Stopwatch::start(broker);
        let mut answers = answers.into_iter();
        let topics = self.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(|(index, prepared)| {
                let pending = prepared.and_then(|batch| {
                    if batch.verification.is_some() {
                        let answer = answers.next().expect("one answer for each partition asked");
                        answer.map_err(|code| Refusal::from(for_version(code, version)))?;
                    }
                    append_valid(&batch.partition, batch.batch.verified(batch.verification))
                });
                (index, pending.unwrap_or_else(PendingPartition::Refused))
            });
            PendingTopic {
                partitions: partitions.collect(),
                name: topic.name,
                topic_id: topic.topic_id,
            }
        });
        let topics = topics.collect();
        PendingProduce {
            spent: self.spent.saturating_add(watch.spent(broker)),
            topics,
            acks: self.acks,
        }
    }
}

impl PreparedBatch {
    fn transactional_producer(&self) -> Option<ProducerIdAndEpoch> {
        let is_transactional = self.batch.header().attributes.is_transactional();
        is_transactional.then(|| producer_of(&self.batch))
    }
}

fn producer_of(batch: &ValidBatch) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch {
        producer_id: batch.header().producer_id,
        producer_epoch: batch.header().producer_epoch,
    }
}

/// What a client of this produce version can make of the coordinator's refusal.
fn for_version(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        // The producer learns of its fencing from partitions under this name.
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if version < ABORTABLE_VERSION => {
            ErrorCode::InvalidTxnState
        }
        // Retriable, but not known to be so by producers; this one is, and asks for no new
        // metadata.
        ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => ErrorCode::NotEnoughReplicas,
        ErrorCode::ConcurrentTransactions if version < IMPLICIT_ADD_VERSION => {
            ErrorCode::NotEnoughReplicas
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinators_refusals_are_told_as_each_version_knows_them() {
        use ErrorCode::*;
        for (code, v10, v11, v12) in [
            (
                ProducerFenced,
                InvalidProducerEpoch,
                InvalidProducerEpoch,
                InvalidProducerEpoch,
            ),
            (
                TransactionAbortable,
                InvalidTxnState,
                TransactionAbortable,
                TransactionAbortable,
            ),
            (
                NotCoordinator,
                NotEnoughReplicas,
                NotEnoughReplicas,
                NotEnoughReplicas,
            ),
            (
                ConcurrentTransactions,
                NotEnoughReplicas,
                NotEnoughReplicas,
                ConcurrentTransactions,
            ),
            (
                InvalidTxnState,
                InvalidTxnState,
                InvalidTxnState,
                InvalidTxnState,
            ),
        ] {
            let told = [10, 11, 12].map(|version| for_version(code, version));
            assert_eq!(told, [v10, v11, v12], "{code:?}");
        }
    }
}
