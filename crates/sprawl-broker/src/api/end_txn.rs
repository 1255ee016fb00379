//! EndTxn (key 26): a producer commits or aborts its transaction.
//!
//! The answer leaves when the decision is durable; the markers follow. From version 5 on it names
//! the producer id and epoch of the next transaction.
//!
//! Source: `KafkaApis.handleEndTxnRequest`; KIP-98, KIP-588 (v2), KIP-890 (v4, v5).

use sprawl_core::transaction::{EndTransactionRequest, Outcome, TransactionVersion};
use sprawl_model::{ProducerEpoch, ProducerId, ProducerIdAndEpoch};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::{EndTxnRequest, EndTxnResponse};

use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// The first version whose clients know `transaction.version` 2.
const EPOCH_BUMP_VERSION: i16 = 5;

/// The first version of AddPartitionsToTxn, AddOffsetsToTxn and EndTxn whose clients know
/// PRODUCER_FENCED.
const FENCED_VERSION: i16 = 2;

/// Ends the transaction.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: EndTxnRequest,
) -> EndTxnResponse {
    let (code, producer) = match end(broker, context, request).await {
        Ok(producer) => (ErrorCode::None, producer),
        Err(error) => (for_version(context, error), ProducerIdAndEpoch::NONE),
    };
    let response = EndTxnResponse::default().with_error_code(code.number());
    if context.version < EPOCH_BUMP_VERSION {
        return response;
    }
    response
        .with_producer_id(sprawl_protocol::messages::ProducerId(
            producer.producer_id.0,
        ))
        .with_producer_epoch(producer.producer_epoch.0)
}

async fn end(
    broker: &Broker,
    context: &RequestContext,
    request: EndTxnRequest,
) -> Result<ProducerIdAndEpoch, ErrorCode> {
    let client_version = if context.version >= EPOCH_BUMP_VERSION {
        TransactionVersion::V2
    } else {
        TransactionVersion::V0
    };
    if client_version > transaction_version(broker) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let request = EndTransactionRequest {
        transactional_id: request.transactional_id.to_string(),
        producer: ProducerIdAndEpoch {
            producer_id: ProducerId(request.producer_id.0),
            producer_epoch: ProducerEpoch(request.producer_epoch),
        },
        outcome: if request.committed {
            Outcome::Commit
        } else {
            Outcome::Abort
        },
        client_version,
        fresh_producer_id: None,
    };
    broker.transactions.end(broker, request).await
}

/// The cluster's `transaction.version`.
fn transaction_version(broker: &Broker) -> TransactionVersion {
    let image = broker.image();
    let level = image.features().get(TransactionVersion::FEATURE).copied();
    TransactionVersion(level.unwrap_or(0))
}

/// The error in a form that clients of the request's version understand.
pub(crate) fn for_version(context: &RequestContext, error: ErrorCode) -> ErrorCode {
    if context.version < FENCED_VERSION && error == ErrorCode::ProducerFenced {
        return ErrorCode::InvalidProducerEpoch;
    }
    error
}
