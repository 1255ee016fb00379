//! InitProducerId (key 22): an id for an idempotent producer (KIP-98).
//!
//! Ids are handed out from a block that the metadata gave to this broker, so an id is never given
//! twice, not even after a crash. Transactional ids need a transaction coordinator, which this
//! broker does not have.

use sprawl_model::ProducerEpoch;
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Answers with a fresh producer id in epoch 0.
pub(crate) async fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    match allocate(broker, &request).await {
        Ok(producer_id) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(producer_id.0))
            .with_producer_epoch(0),
        Err(error) => InitProducerIdResponse::default()
            .with_error_code(error.number())
            .with_producer_id(ProducerId(sprawl_model::ProducerId::NONE.0))
            .with_producer_epoch(ProducerEpoch::NONE.0),
    }
}

async fn allocate(
    broker: &Broker,
    request: &InitProducerIdRequest,
) -> Result<sprawl_model::ProducerId, ErrorCode> {
    match &request.transactional_id {
        // A transactional id without a coordinator: the client is told to look for one.
        Some(id) if !id.is_empty() => Err(ErrorCode::NotCoordinator),
        Some(_) => Err(ErrorCode::InvalidRequest),
        None => broker.producer_ids().next(broker).await,
    }
}
