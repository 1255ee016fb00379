//! Which transactional ids does this broker coordinate?
//!
//! The machine is `sprawl_core::transaction`, one shard a partition of `__transaction_state`; it
//! asks for markers, which [`markers`] writes. Everything else is the [`Coordinator`] that all
//! internal topics share.

mod error;
mod markers;
mod metrics;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use sprawl_core::config::BrokerSettings;
use sprawl_core::coordinator::Token;
use sprawl_core::metadata::TRANSACTION_STATE_TOPIC;
use sprawl_core::transaction::{
    AddPartitionsRequest, EndTransactionRequest, InitProducerIdRequest, Input, Response,
    TransactionSettings, TransactionShard,
};
use sprawl_io::Io;
use sprawl_model::ProducerIdAndEpoch;
use sprawl_protocol::ErrorCode;

use super::{Coordinator, of_coordinator};
use crate::broker::Broker;
use markers::MarkerWriter;
use metrics::TransactionMetrics;

pub(crate) use error::of_transaction;

/// An initialised producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Initialised {
    /// The id and epoch to go on with.
    pub(crate) producer: ProducerIdAndEpoch,
    /// What the open transaction that was kept was begun with; `NONE` where none was.
    pub(crate) ongoing: ProducerIdAndEpoch,
}

/// The transactional ids this broker coordinates.
#[derive(Debug)]
pub(crate) struct TransactionCoordinator {
    shards: Coordinator<TransactionShard>,
    markers: Arc<MarkerWriter>,
    metrics: TransactionMetrics,
}

impl Deref for TransactionCoordinator {
    type Target = Coordinator<TransactionShard>;

    fn deref(&self) -> &Coordinator<TransactionShard> {
        &self.shards
    }
}

fn transaction_settings(settings: &BrokerSettings) -> TransactionSettings {
    let whole_ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let settings = &settings.transactions;
    TransactionSettings {
        timeout_ms_max: settings.timeout_ms_max,
        two_phase_commit: settings.two_phase_commit,
        id_expiration_ms: i64::from(settings.id_expiration_ms),
        abort_interval_ms: whole_ms(settings.abort_interval),
        expiry_interval_ms: whole_ms(settings.expiry_interval),
    }
}

impl TransactionCoordinator {
    /// A coordinator without transactional ids.
    pub(crate) fn new(io: Io, settings: &BrokerSettings) -> Self {
        let markers = Arc::new(MarkerWriter::default());
        let settings = transaction_settings(settings);
        Self {
            shards: Coordinator::new(io, TRANSACTION_STATE_TOPIC, settings, markers.clone()),
            markers,
            metrics: TransactionMetrics::register(),
        }
    }

    /// Lets markers be written. Before any shard is opened.
    pub(super) fn attach(broker: &Arc<Broker>) {
        broker.transactions.markers.attach(broker);
    }

    /// Starts the task that drives timers until the broker stops.
    pub(super) fn start(broker: &Arc<Broker>) {
        let (driven, stopping) = (broker.transactions.clone(), broker.clone());
        broker.io.spawn.task(Box::pin(async move {
            tokio::select! {
                biased;
                () = stopping.stopping() => driven.unload(),
                () = driven.drive(|shards| driven.metrics.update(shards)) => {}
            }
        }));
    }

    /// Gives a producer its id and epoch.
    pub(crate) async fn init_producer_id(
        &self,
        broker: &Broker,
        mut request: InitProducerIdRequest,
    ) -> Result<Initialised, ErrorCode> {
        let transactional_id = request.transactional_id.clone();
        loop {
            let asked = request.clone();
            let input = |token| Input::InitProducerId(token, asked);
            match self.ask(&transactional_id, input).await? {
                Response::Producer(producer) => {
                    return Ok(Initialised {
                        producer,
                        ongoing: ProducerIdAndEpoch::NONE,
                    });
                }
                Response::Kept { producer, ongoing } => {
                    return Ok(Initialised { producer, ongoing });
                }
                Response::NeedsProducerId if request.fresh_producer_id.is_none() => {
                    request.fresh_producer_id = Some(broker.producer_ids().next(broker).await?);
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Adds partitions to a transaction.
    pub(crate) async fn add_partitions(
        &self,
        request: AddPartitionsRequest,
    ) -> Result<(), ErrorCode> {
        let transactional_id = request.transactional_id.clone();
        let input = |token| Input::AddPartitions(token, request);
        match self.ask(&transactional_id, input).await? {
            Response::Added => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends a transaction; returns what the producer goes on with.
    pub(crate) async fn end(
        &self,
        broker: &Broker,
        mut request: EndTransactionRequest,
    ) -> Result<ProducerIdAndEpoch, ErrorCode> {
        let transactional_id = request.transactional_id.clone();
        loop {
            let asked = request.clone();
            let input = |token| Input::EndTransaction(token, asked);
            match self.ask(&transactional_id, input).await? {
                Response::Producer(producer) => {
                    self.metrics.count_end(request.outcome);
                    return Ok(producer);
                }
                Response::NeedsProducerId if request.fresh_producer_id.is_none() => {
                    request.fresh_producer_id = Some(broker.producer_ids().next(broker).await?);
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    async fn ask(
        &self,
        transactional_id: &str,
        input: impl FnOnce(Token) -> Input,
    ) -> Result<Response, ErrorCode> {
        match self.submit(transactional_id, input).await {
            Ok(Response::Refused(error)) => Err(of_transaction(error)),
            Ok(response) => Ok(response),
            Err(error) => Err(of_coordinator(error)),
        }
    }
}

/// An answer to another question: our own mistake.
fn unexpected(response: &Response) -> ErrorCode {
    tracing::error!(
        ?response,
        "unexpected answer of the transaction coordinator"
    );
    ErrorCode::UnknownServerError
}
