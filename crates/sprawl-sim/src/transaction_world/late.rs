//! Requests that come late, or a second time: whatever a network held back arrives after all, on
//! whichever connection (F14).

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use kafka_protocol::protocol::Request;
use sprawl_io::sim::{SimClock, SimNet};
use sprawl_io::time::sleep;
use sprawl_model::batch::TxnOutcome;
use sprawl_protocol::messages::WriteTxnMarkersRequest;
use sprawl_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use tokio::task::JoinSet;

use super::ledger::Ledger;
use super::record::Place;
use super::wire::{Producer, topic_name};
use crate::client::Client;

/// The longest that a request is held, ms.
const HOLD_MS_MAX: u64 = 3_000;
/// The longest that a marker is held, ms: about two transactions.
const HOLD_MARKER_MS_MAX: u64 = 500;
const WRITE_MARKERS_VERSION: i16 = 2;
/// The `transaction.version` whose markers name one transaction (KIP-1228).
const BUMPING_VERSION: i8 = 2;
const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What every client holds.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) ledger: Arc<Ledger>,
    pub(super) net: Arc<SimNet>,
    pub(super) clock: Arc<SimClock>,
    held: Arc<Mutex<JoinSet<()>>>,
}

impl Shared {
    pub(super) fn new(ledger: Arc<Ledger>, net: Arc<SimNet>, clock: Arc<SimClock>) -> Self {
        Self {
            ledger,
            net,
            clock,
            held: Arc::default(),
        }
    }

    /// Sends a request after a while. Nobody waits for the answer.
    pub(super) fn hold<R>(&self, version: i16, request: R)
    where
        R: Request + Send + Sync + 'static,
        R::Response: Send,
    {
        self.after_a_while(HOLD_MS_MAX, move |mut client| async move {
            client.call(version, &request).await.map(drop)
        });
    }

    /// Writes once more, after a while, the marker that ended a producer's last transaction, as a
    /// coordinator does that had no answer. `producer` is what the transaction ran as.
    pub(super) fn hold_marker(&self, producer: &Producer, outcome: TxnOutcome) {
        let mut topics: Vec<WritableTxnMarkerTopic> = Place::all()
            .map(|place| WritableTxnMarkerTopic {
                name: topic_name(place.topic()),
                partition_indexes: vec![place.partition()],
            })
            .collect();
        topics.push(WritableTxnMarkerTopic {
            name: topic_name(OFFSETS_TOPIC),
            partition_indexes: vec![0],
        });
        let mut marker = WritableTxnMarker {
            producer_id: kafka_protocol::messages::ProducerId(producer.id),
            producer_epoch: producer.epoch + 1,
            transaction_result: outcome == TxnOutcome::Commit,
            topics,
            coordinator_epoch: 0,
            transaction_version: BUMPING_VERSION,
        };
        let ledger = Arc::clone(&self.ledger);
        self.after_a_while(HOLD_MARKER_MS_MAX, move |mut client| async move {
            marker.coordinator_epoch = ledger.coordinator_epoch();
            let request = WriteTxnMarkersRequest {
                markers: vec![marker],
            };
            let request = sprawl_protocol::Request::WriteTxnMarkers(request);
            let encode = |correlation_id| {
                let (version, mut frame) = (WRITE_MARKERS_VERSION, BytesMut::new());
                sprawl_protocol::encode_request(
                    &request,
                    version,
                    correlation_id,
                    None,
                    &mut frame,
                )
                .map_err(io::Error::other)?;
                Ok(frame)
            };
            client.post(encode).await
        });
    }

    fn after_a_while<F>(&self, ms_max: u64, send: impl FnOnce(Client) -> F + Send + 'static)
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let delay = Duration::from_millis(self.ledger.random.below(ms_max));
        let client = Client::new(&self.net, "late");
        self.spawn(async move {
            sleep(delay).await;
            // One that meets no broker is lost for good.
            drop(send(client).await);
        });
    }

    /// Lets something go on by itself; the run waits for its end.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ledger = Arc::clone(&self.ledger);
        ledger.begin();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.spawn(async move {
            task.await;
            ledger.finished();
        });
        while held.try_join_next().is_some() {}
    }

    /// Ends everything that goes on by itself.
    pub(super) fn abort(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.abort_all();
    }
}
