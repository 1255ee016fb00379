//! Produce (key 0): validate, sequence, append, wait until durable, answer.
//!
//! Invariants: the answer carries the true base offset (I4) and leaves only after the batch is
//! durable (I5); one partition's failure never touches another's. acks=1 and acks=all are one path
//! on a single node: the leader is the whole in-sync set.
//!
//! Source: `KafkaApis.handleProduceRequest`, `ReplicaManager.appendRecords`; KIP-467 (record
//! errors), KIP-516.

mod transactional;

use std::sync::Arc;
use std::time::Duration;

use sprawl_io::net::BoxFuture;
use sprawl_log::{Durable, FlushError, Pressure};
use sprawl_model::Offset;
use sprawl_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use sprawl_protocol::messages::{ProduceResponse, TopicName};
use sprawl_protocol::produce::{ProducePartition, ProduceTopic};
use sprawl_protocol::{ErrorCode, ProduceRequest, StrBytes};

use crate::broker::Broker;
use crate::dispatch::{BadRequest, RequestContext};
use crate::partition::Partition;
use crate::quotas::{self, Stopwatch};
use crate::replicated_log::{Appended, ReplicatedLog};
use crate::validate::{self, InvalidBatch, RawBatch, RecordError, Rules, ValidBatch};
use crate::wire_error;

/// "No timestamp": the topic keeps the producer's.
const NO_TIMESTAMP: i64 = -1;

/// What producers are asked to pause when memory or disk is filling up, in milliseconds. Short,
/// since segments are written in runs of a second at the most.
const PRESSURE_THROTTLE_MS: i32 = 50;

/// How many acknowledgements a producer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acks {
    None,
    Leader,
    All,
}

/// What became of a request that has arrived.
pub(crate) enum Begun {
    /// Every batch is appended or refused.
    Appended(PendingProduce),
    /// The transaction coordinator is asked; the batches are appended when the future ends.
    Admitting(BoxFuture<'static, PendingProduce>),
}

/// Appended batches whose durability is awaited.
pub(crate) struct PendingProduce {
    spent: Duration,
    acks: Result<Acks, ErrorCode>,
    topics: Vec<PendingTopic>,
}

struct PendingTopic {
    name: TopicName,
    topic_id: uuid::Uuid,
    partitions: Vec<(i32, PendingPartition)>,
}

enum PendingPartition {
    Appended {
        base_offset: Offset,
        log_append_time: Option<i64>,
        log_start: Offset,
        durable: BoxFuture<'static, Result<Durable<Offset>, FlushError>>,
    },
    Refused(Refusal),
}

/// Why a partition's batch was not appended.
#[derive(Debug)]
struct Refusal {
    code: ErrorCode,
    message: Option<String>,
    records: Vec<RecordError>,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
            records: Vec::new(),
        }
    }
}

impl Refusal {
    fn new(code: ErrorCode, error: &dyn std::fmt::Display) -> Self {
        Self {
            message: Some(error.to_string()),
            ..Self::from(code)
        }
    }
}

impl From<InvalidBatch> for Refusal {
    fn from(error: InvalidBatch) -> Self {
        let (code, message) = (
            wire_error::of_invalid_batch(&error),
            Some(error.to_string()),
        );
        let records = match error {
            InvalidBatch::Records(records) | InvalidBatch::Timestamps(records) => records,
            _ => Vec::new(),
        };
        Self {
            code,
            message,
            records,
        }
    }
}

/// Appends every batch of the request, in its order: now, unless the transaction coordinator has to
/// be asked first.
pub(crate) fn begin(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ProduceRequest,
) -> Begun {
    if request.transactional_id.is_none() {
        return Begun::Appended(append(broker, context, request));
    }
    transactional::begin(broker, context, request)
}

/// Appends every batch of a request without a transaction and returns the waits.
fn append(broker: &Broker, context: &RequestContext, request: ProduceRequest) -> PendingProduce {
    let watch = Stopwatch::start(broker);
    let acks = parse_acks(request.acks);
    let refused = acks.err();
    let topics = request
        .topics
        .into_iter()
        .map(|topic| append_topic(broker, context, topic, refused))
        .collect();
    PendingProduce {
        spent: watch.spent(broker),
        acks,
        topics,
    }
}

fn parse_acks(acks: i16) -> Result<Acks, ErrorCode> {
    match acks {
        0 => Ok(Acks::None),
        1 => Ok(Acks::Leader),
        -1 => Ok(Acks::All),
        _ => Err(ErrorCode::InvalidRequiredAcks),
    }
}

fn append_topic(
    broker: &Broker,
    context: &RequestContext,
    topic: ProduceTopic,
    refused: Option<ErrorCode>,
) -> PendingTopic {
    let ProduceTopic {
        name,
        topic_id,
        partitions,
    } = topic;
    let partitions = partitions
        .into_iter()
        .map(|ProducePartition { index, records }| {
            let pending = match refused {
                Some(code) => Err(Refusal::from(code)),
                None => broker
                    .find_for_produce(context, &name, topic_id, index)
                    .map_err(Refusal::from)
                    .and_then(|partition| {
                        append_batch(
                            broker,
                            context,
                            &partition,
                            RawBatch(records.unwrap_or_default()),
                        )
                    }),
            };
            (index, pending.unwrap_or_else(PendingPartition::Refused))
        })
        .collect();
    PendingTopic {
        name,
        topic_id,
        partitions,
    }
}

fn append_batch(
    broker: &Broker,
    context: &RequestContext,
    partition: &Arc<Partition>,
    raw: RawBatch,
) -> Result<PendingPartition, Refusal> {
    let batch = validate_batch(broker, context, partition, raw)?;
    if batch.header().attributes.is_transactional() {
        // A transaction without a name: nobody may write under it.
        return Err(ErrorCode::TransactionalIdAuthorizationFailed.into());
    }
    append_valid(partition, batch)
}

fn validate_batch(
    broker: &Broker,
    context: &RequestContext,
    partition: &Partition,
    raw: RawBatch,
) -> Result<ValidBatch, Refusal> {
    let topic = partition.config();
    let rules = Rules {
        topic: &topic,
        now_ms: broker.io().clock.wall_ms(),
        produce_version: context.version,
    };
    Ok(validate::validate(raw, &rules)?)
}

fn append_valid(partition: &Partition, batch: ValidBatch) -> Result<PendingPartition, Refusal> {
    let Appended {
        base_offset,
        log_append_time,
        durable,
    } = partition
        .append(batch)
        .map_err(|error| Refusal::new(wire_error::of_append(&error), &error))?;
    let log_start = partition.log_start();
    Ok(PendingPartition::Appended {
        base_offset,
        log_append_time,
        log_start,
        durable,
    })
}

impl PendingProduce {
    /// Waits until every appended batch is durable and builds the answer; `None` for acks=0.
    pub(crate) async fn wait(
        self,
        broker: &Broker,
        context: &RequestContext,
    ) -> Result<Option<ProduceResponse>, BadRequest> {
        if self.acks == Ok(Acks::None) {
            // With acks=0 nobody waits; a failure shows itself by the closed connection, as in
            // Kafka.
            quotas::charge_produce(broker, context);
            return if self.has_refusal() {
                Err(BadRequest::UnacknowledgedProduce)
            } else {
                Ok(None)
            };
        }
        let mut responses = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for (index, pending) in topic.partitions {
                partitions.push(answer(broker, context, index, pending).await);
            }
            responses.push(
                TopicProduceResponse::default()
                    .with_name(topic.name)
                    .with_topic_id(topic.topic_id)
                    .with_partition_responses(partitions),
            );
        }
        quotas::charge_time(broker, context, self.spent);
        quotas::charge_produce(broker, context);
        let throttle_time_ms = quotas::throttle_time_ms(broker, context).max(throttle_ms(broker));
        let response = ProduceResponse::default().with_responses(responses);
        Ok(Some(response.with_throttle_time_ms(throttle_time_ms)))
    }

    fn has_refusal(&self) -> bool {
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        partitions
            .into_iter()
            .any(|(_, pending)| matches!(pending, PendingPartition::Refused(_)))
    }
}

/// How long the client is asked to hold back: while the hot queue is filling faster than it drains.
fn throttle_ms(broker: &Broker) -> i32 {
    match broker.store.pressure() {
        Pressure::None => 0,
        Pressure::Throttle | Pressure::StopReading => PRESSURE_THROTTLE_MS,
    }
}

async fn answer(
    broker: &Broker,
    context: &RequestContext,
    index: i32,
    pending: PendingPartition,
) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match pending {
        PendingPartition::Appended {
            base_offset,
            log_append_time,
            log_start,
            durable,
        } => match durable.await {
            Ok(durable) => {
                assert!(
                    *durable == base_offset,
                    "the durable batch is the one appended"
                );
                response
                    .with_base_offset(base_offset.0)
                    .with_log_append_time_ms(log_append_time.unwrap_or(NO_TIMESTAMP))
                    .with_log_start_offset(log_start.0)
            }
            Err(error) => refuse(response, wire_error::of_flush(&error).into()),
        },
        PendingPartition::Refused(refusal) => {
            broker.metrics().batches_refused.increment(1);
            tracing::debug!(
                partition = index, client = ?context.client_id, code = refusal.code.name(),
                message = refusal.message, "record batch refused"
            );
            refuse(response, refusal)
        }
    }
}

fn refuse(response: PartitionProduceResponse, refusal: Refusal) -> PartitionProduceResponse {
    let records = refusal
        .records
        .into_iter()
        .map(|error| {
            BatchIndexAndErrorMessage::default()
                .with_batch_index(error.index)
                .with_batch_index_error_message(Some(StrBytes::from_static_str(error.message)))
        })
        .collect();
    response
        .with_error_code(refusal.code.number())
        .with_base_offset(Offset::NONE.0)
        .with_log_append_time_ms(NO_TIMESTAMP)
        .with_log_start_offset(Offset::NONE.0)
        .with_record_errors(records)
        .with_error_message(refusal.message.map(StrBytes::from_string))
}
