//! AddOffsetsToTxn (key 25): the offsets of a group join a transaction.
//!
//! What joins is the group's partition of `__consumer_offsets`; the offsets come with
//! TxnOffsetCommit.
//!
//! Source: `KafkaApis.handleAddOffsetsToTxnRequest`; KIP-98, KIP-588 (v2), KIP-890 (v4).

use std::sync::Arc;

use sprawl_core::metadata::OFFSETS_TOPIC;
use sprawl_core::transaction::{AddPartitionsRequest, TransactionVersion};
use sprawl_model::{ProducerEpoch, ProducerId, ProducerIdAndEpoch, TopicPartition};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use crate::api::end_txn::for_version;
use crate::broker::Broker;
use crate::coordinator::ensure_offsets_topic;
use crate::dispatch::RequestContext;

/// Adds the group's partition to the transaction.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let code = match add(broker, request).await {
        Ok(()) => ErrorCode::None,
        Err(error) => for_version(context, error),
    };
    AddOffsetsToTxnResponse::default().with_error_code(code.number())
}

async fn add(broker: &Arc<Broker>, request: AddOffsetsToTxnRequest) -> Result<(), ErrorCode> {
    if let Err(error) = ensure_offsets_topic(broker).await {
        tracing::warn!(%error, "the offsets topic cannot be made");
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    let partition = broker
        .coordinator
        .partition_for(&request.group_id)
        .ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let partition = TopicPartition {
        topic: OFFSETS_TOPIC.to_owned(),
        partition,
    };
    let request = AddPartitionsRequest {
        transactional_id: request.transactional_id.to_string(),
        producer: ProducerIdAndEpoch {
            producer_id: ProducerId(request.producer_id.0),
            producer_epoch: ProducerEpoch(request.producer_epoch),
        },
        partitions: [partition].into(),
        client_version: TransactionVersion::V0,
    };
    broker.transactions.add_partitions(request).await
}
