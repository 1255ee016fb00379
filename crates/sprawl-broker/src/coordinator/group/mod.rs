//! Which groups does this broker coordinate?
//!
//! The machine is `sprawl_core::group`, one shard a partition of `__consumer_offsets`; everything
//! else is the [`Coordinator`] that all internal topics share.

mod error;
mod metrics;
#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::Arc;

use sprawl_core::config::{BrokerSettings, ConsumerGroupLimits};
use sprawl_core::group::{
    ConsumerGroupSettings, GroupError, GroupSettings, GroupShard, Input, Response,
};
use sprawl_core::metadata::OFFSETS_TOPIC;
use sprawl_core::partition::EndTxn;
use sprawl_io::Io;
use sprawl_io::net::BoxFuture;
use sprawl_model::PartitionId;
use sprawl_protocol::ErrorCode;

use super::Coordinator;
use super::shard::NoErrands;
use crate::broker::Broker;
use metrics::GroupMetrics;

pub(crate) use error::of_group;

/// The groups this broker coordinates.
#[derive(Debug)]
pub(crate) struct GroupCoordinator {
    shards: Coordinator<GroupShard>,
    metrics: GroupMetrics,
}

impl Deref for GroupCoordinator {
    type Target = Coordinator<GroupShard>;

    fn deref(&self) -> &Coordinator<GroupShard> {
        &self.shards
    }
}

/// Kafka's limits of a group, from the broker's settings.
fn group_settings(settings: &BrokerSettings) -> GroupSettings {
    let whole_ms =
        |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    GroupSettings {
        session_timeout_ms_min: settings.groups.session_timeout_ms_min,
        session_timeout_ms_max: settings.groups.session_timeout_ms_max,
        initial_rebalance_delay_ms: u64::try_from(settings.groups.initial_rebalance_delay_ms)
            .unwrap_or(0),
        size_max: settings.groups.size_max,
        offset_metadata_size_max: settings.offsets.metadata_size_max,
        offsets_retention_ms: i64::try_from(whole_ms(settings.offsets.retention))
            .unwrap_or(i64::MAX),
        offsets_retention_check_interval_ms: whole_ms(settings.offsets.retention_check_interval),
        consumer: consumer_settings(&settings.groups.consumer),
        share: settings.share_groups.clone(),
        streams: settings.streams_groups.clone(),
        ..GroupSettings::default()
    }
}

fn consumer_settings(limits: &ConsumerGroupLimits) -> ConsumerGroupSettings {
    ConsumerGroupSettings {
        session_timeout_ms: limits.session_timeout_ms,
        session_timeout_ms_min: limits.session_timeout_ms_min,
        session_timeout_ms_max: limits.session_timeout_ms_max,
        heartbeat_interval_ms: limits.heartbeat_interval_ms,
        heartbeat_interval_ms_min: limits.heartbeat_interval_ms_min,
        heartbeat_interval_ms_max: limits.heartbeat_interval_ms_max,
        assignment_interval_ms: limits.assignment_interval_ms,
        assignment_interval_ms_min: limits.assignment_interval_ms_min,
        assignment_interval_ms_max: limits.assignment_interval_ms_max,
        size_max: limits.size_max,
        migration: limits.migration,
    }
}

impl GroupCoordinator {
    /// A coordinator without groups.
    pub(crate) fn new(io: Io, settings: &BrokerSettings) -> Self {
        Self::with_settings(io, group_settings(settings))
    }

    fn with_settings(io: Io, settings: GroupSettings) -> Self {
        Self {
            shards: Coordinator::new(io, OFFSETS_TOPIC, settings, Arc::new(NoErrands)),
            metrics: GroupMetrics::register(),
        }
    }

    /// Starts the task that drives timers until the broker stops.
    pub(super) fn start(broker: &Arc<Broker>) {
        let (driven, stopping) = (broker.coordinator.clone(), broker.clone());
        broker.io.spawn.task(Box::pin(async move {
            tokio::select! {
                biased;
                () = stopping.stopping() => driven.unload(),
                () = driven.drive_timers() => {}
            }
        }));
    }

    async fn drive_timers(&self) {
        self.drive(|shards| self.metrics.update(shards)).await;
    }

    /// Ends a producer's transaction in a partition of the offsets topic: writes its marker, now,
    /// and lets the offsets committed in it count or not. The future waits until that is durable.
    pub(crate) fn end_transaction(
        &self,
        partition: PartitionId,
        end: EndTxn,
    ) -> BoxFuture<'static, Result<(), ErrorCode>> {
        let asked = self.ask_partition(partition, |token| Input::EndTransaction(token, end));
        Box::pin(async move {
            match asked.await {
                Ok(Response::EndTransaction(Ok(()))) => Ok(()),
                // To transaction coordinators this is the leader of the partition.
                Ok(Response::EndTransaction(Err(
                    GroupError::NotCoordinator | GroupError::CoordinatorNotAvailable,
                )))
                | Err(_) => Err(ErrorCode::NotLeaderOrFollower),
                Ok(Response::EndTransaction(Err(error))) => Err(of_group(error)),
                Ok(_) => Err(ErrorCode::UnknownServerError),
            }
        })
    }

    /// Counts committed offsets, for the metrics.
    pub(crate) fn count_commits(&self, count: usize) {
        self.metrics.count_commits(count);
    }

    /// Draws the id of a new member.
    pub(crate) fn new_member_id(&self, prefix: &str) -> String {
        format!("{prefix}-{}", crate::start::random_uuid(&self.io))
    }

    /// Draws an id.
    pub(crate) fn new_uuid(&self) -> String {
        crate::start::random_uuid(&self.io).to_string()
    }
}
