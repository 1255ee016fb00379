//! InitProducerId (key 22): an id and epoch for an idempotent or transactional producer.
//!
//! Ids are handed out from a block that the metadata gave to this broker, so an id is never given
//! twice, not even after a crash. Producers with a transactional id get theirs from its
//! coordinator.
//!
//! Source: `KafkaApis.handleInitProducerIdRequest`; KIP-98, KIP-360 (v3), KIP-588 (v4), KIP-939
//! (v6). Without an authorizer everybody has the TWO_PHASE_COMMIT right on every transactional id;
//! `transaction.two.phase.commit.enable` decides.

use sprawl_core::transaction::{InitProducerIdRequest as Init, OpenTransaction};
use sprawl_model::{ProducerEpoch, ProducerId, ProducerIdAndEpoch};
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::{self, InitProducerIdRequest, InitProducerIdResponse};

use crate::broker::Broker;
use crate::coordinator::Initialised;
use crate::dispatch::RequestContext;

/// The first version whose clients know PRODUCER_FENCED.
const FENCED_VERSION: i16 = 4;

/// Answers with a producer id and epoch.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let nothing = Initialised {
        producer: ProducerIdAndEpoch::NONE,
        ongoing: ProducerIdAndEpoch::NONE,
    };
    let (code, Initialised { producer, ongoing }) = match allocate(broker, &request).await {
        Ok(initialised) => (ErrorCode::None, initialised),
        Err(error) => (for_version(context, error), nothing),
    };
    InitProducerIdResponse {
        error_code: code.number(),
        producer_id: messages::ProducerId(producer.producer_id.0),
        producer_epoch: producer.producer_epoch.0,
        ongoing_txn_producer_id: messages::ProducerId(ongoing.producer_id.0),
        ongoing_txn_producer_epoch: ongoing.producer_epoch.0,
        ..Default::default()
    }
}

async fn allocate(
    broker: &Broker,
    request: &InitProducerIdRequest,
) -> Result<Initialised, ErrorCode> {
    let expected = expected(request)?;
    match &request.transactional_id {
        Some(transactional_id) => {
            let init = Init {
                transactional_id: transactional_id.to_string(),
                timeout_ms: request.transaction_timeout_ms,
                two_phase_commit: request.enable_2_pc,
                open_transaction: if request.keep_prepared_txn {
                    OpenTransaction::Keep
                } else {
                    OpenTransaction::Abort
                },
                expected,
                fresh_producer_id: None,
            };
            broker.transactions.init_producer_id(broker, init).await
        }
        None => Ok(Initialised {
            producer: ProducerIdAndEpoch {
                producer_id: broker.producer_ids().next(broker).await?,
                producer_epoch: ProducerEpoch(0),
            },
            ongoing: ProducerIdAndEpoch::NONE,
        }),
    }
}

/// What the producer believes it is: all of it, or nothing.
fn expected(request: &InitProducerIdRequest) -> Result<Option<ProducerIdAndEpoch>, ErrorCode> {
    let expected = ProducerIdAndEpoch {
        producer_id: ProducerId(request.producer_id.0),
        producer_epoch: ProducerEpoch(request.producer_epoch),
    };
    if expected == ProducerIdAndEpoch::NONE {
        return Ok(None);
    }
    let is_half =
        expected.producer_id == ProducerId::NONE || expected.producer_epoch == ProducerEpoch::NONE;
    if is_half {
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(Some(expected))
}

fn for_version(context: &RequestContext, error: ErrorCode) -> ErrorCode {
    if context.version < FENCED_VERSION && error == ErrorCode::ProducerFenced {
        return ErrorCode::InvalidProducerEpoch;
    }
    error
}
