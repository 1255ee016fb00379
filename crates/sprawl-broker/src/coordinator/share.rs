//! Which share-partitions' states does this broker keep?
//!
//! The machine is `sprawl_core::share::coordinator`, one shard a partition of
//! `__share_group_state`; everything else is the [`Coordinator`] that all internal topics share.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use sprawl_core::config::BrokerSettings;
use sprawl_core::metadata::SHARE_STATE_TOPIC;
use sprawl_core::share::coordinator::{
    ShareState, ShareStateErrand, ShareStateError, ShareStateInput, ShareStateKey,
    ShareStateResponse, ShareStateSettings, ShareStateShard, ShareStateSummary, ShareStateWrite,
};
use sprawl_io::{Io, spawn, time};
use sprawl_protocol::ErrorCode;

use super::shard::{Errands, Shard};
use super::{Coordinator, CoordinatorError, of_coordinator};
use crate::broker::Broker;

/// How long a request for a state waits while the states are still being loaded.
const LOAD_WAIT_MAX: Duration = Duration::from_secs(5);

/// The pause between two looks whether they are loaded.
const LOAD_PAUSE: Duration = Duration::from_millis(10);

/// The states this broker keeps.
#[derive(Debug)]
pub(crate) struct ShareCoordinator {
    shards: Coordinator<ShareStateShard>,
    io: Io,
}

impl Deref for ShareCoordinator {
    type Target = Coordinator<ShareStateShard>;

    fn deref(&self) -> &Coordinator<ShareStateShard> {
        &self.shards
    }
}

/// Why a state is not told or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShareCoordinatorError {
    /// The shard cannot be asked.
    #[error(transparent)]
    Shard(#[from] CoordinatorError),
    /// The shard refuses.
    #[error(transparent)]
    Refused(#[from] ShareStateError),
}

/// Share coordinator: a state that is not told or changed. Codes as Kafka's share coordinator
/// answers.
pub(crate) fn of_share_coordinator(error: ShareCoordinatorError) -> ErrorCode {
    match error {
        ShareCoordinatorError::Shard(error) => of_coordinator(error),
        ShareCoordinatorError::Refused(error) => match error {
            // The partition has another leader.
            ShareStateError::FencedLeaderEpoch { .. } => ErrorCode::FencedLeaderEpoch,
            // The state was begun again.
            ShareStateError::FencedStateEpoch { .. } => ErrorCode::FencedStateEpoch,
            // Fatal: the request is no good.
            ShareStateError::InvalidBatches | ShareStateError::TooLarge => {
                ErrorCode::InvalidRequest
            }
            // Retriable.
            ShareStateError::NoRoom => ErrorCode::CoordinatorNotAvailable,
            // Retriable: the client looks for the coordinator again.
            ShareStateError::NotCoordinator => ErrorCode::NotCoordinator,
        },
    }
}

/// Deletes records of the log that no state needs.
#[derive(Debug)]
struct Prune;

impl Errands<ShareStateShard> for Prune {
    fn run(&self, shard: &Arc<Shard<ShareStateShard>>, errand: ShareStateErrand) {
        let ShareStateErrand::Prune { before } = errand;
        let (log, io) = (shard.log().clone(), shard.io().clone());
        let spawner = io.spawn.clone();
        io.spawn.task(Box::pin(async move {
            let name = log.name();
            let pruned = spawn::blocking(spawner.as_ref(), move || log.prune(before)).await;
            if let Some(Err(error)) = pruned {
                tracing::warn!(partition = %name, %error, "share states cannot be pruned");
            }
        }));
    }
}

impl ShareCoordinator {
    /// A coordinator without states.
    pub(crate) fn new(io: Io, settings: &BrokerSettings) -> Self {
        let settings = &settings.share_coordinator;
        let machine = ShareStateSettings {
            updates_per_snapshot: settings.updates_per_snapshot,
            prune_interval_ms: settings.prune_interval_ms,
            snapshot_interval_ms: settings.snapshot_interval_ms,
        };
        let shards = Coordinator::new(io.clone(), SHARE_STATE_TOPIC, machine, Arc::new(Prune));
        Self { shards, io }
    }

    /// Starts the task that drives timers until the broker stops.
    pub(super) fn start(broker: &Arc<Broker>) {
        let (driven, stopping) = (broker.share.coordinator.clone(), broker.clone());
        broker.io.spawn.task(Box::pin(async move {
            tokio::select! {
                biased;
                () = stopping.stopping() => driven.unload(),
                () = driven.drive(|_| {}) => {}
            }
        }));
    }

    /// Begins a share-partition, or begins it again.
    pub(crate) async fn initialize(
        &self,
        key: ShareStateKey,
        (state_epoch, start_offset): (i32, i64),
    ) -> Result<(), ShareCoordinatorError> {
        let id = key.to_string();
        let asked = self.submit(&id, |token| ShareStateInput::Initialize {
            token,
            key,
            state_epoch,
            start_offset,
        });
        done(asked.await?)
    }

    /// Reads a state for the leader of a partition; older leaders are fenced from then on.
    pub(crate) async fn read_state(
        &self,
        key: ShareStateKey,
        leader_epoch: i32,
    ) -> Result<Option<ShareState>, ShareCoordinatorError> {
        let id = key.to_string();
        let asked = self.submit(&id, |token| ShareStateInput::Read {
            token,
            key,
            leader_epoch,
        });
        match asked.await? {
            ShareStateResponse::State(state) => Ok(state),
            ShareStateResponse::Refused(error) => Err(error.into()),
            ShareStateResponse::Done => unreachable!("a read is answered with a state"),
        }
    }

    /// Has a change written.
    pub(crate) async fn write_state(
        &self,
        key: ShareStateKey,
        write: ShareStateWrite,
    ) -> Result<(), ShareCoordinatorError> {
        let id = key.to_string();
        let asked = self.submit(&id, |token| ShareStateInput::Write { token, key, write });
        done(asked.await?)
    }

    /// Forgets a share-partition.
    pub(crate) async fn delete_state(
        &self,
        key: ShareStateKey,
    ) -> Result<(), ShareCoordinatorError> {
        let id = key.to_string();
        let asked = self.submit(&id, |token| ShareStateInput::Delete { token, key });
        done(asked.await?)
    }

    /// Tells a state in short.
    pub(crate) fn summary(
        &self,
        key: &ShareStateKey,
    ) -> Result<Option<ShareStateSummary>, ShareCoordinatorError> {
        Ok(self
            .shards
            .read(&key.to_string(), |shard| shard.summary(key))?)
    }

    /// Waits until the shard of a share-partition is loaded, but not for long.
    pub(crate) async fn wait_until_loaded(&self, key: &ShareStateKey) {
        let deadline = self.io.clock.monotonic().saturating_add(LOAD_WAIT_MAX);
        while self.summary(key) == Err(CoordinatorError::Loading.into())
            && self.io.clock.monotonic() < deadline
        {
            time::sleep(LOAD_PAUSE).await;
        }
    }
}

fn done(response: ShareStateResponse) -> Result<(), ShareCoordinatorError> {
    match response {
        ShareStateResponse::Done => Ok(()),
        ShareStateResponse::Refused(error) => Err(error.into()),
        ShareStateResponse::State(_) => unreachable!("only a read is answered with a state"),
    }
}
