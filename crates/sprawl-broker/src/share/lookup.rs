//! How does a broker come to serve a share-partition?
//!
//! The state is read from the share coordinator, once. A share-partition that has no start offset
//! yet begins where the group's settings say, and that is written before anything is given out: a
//! restart must not begin somewhere else.

use std::sync::Arc;

use sprawl_core::config::{OffsetReset, ShareGroupConfig};
use sprawl_core::share::coordinator::{ShareState, ShareStateKey, ShareStateWrite};
use sprawl_core::share::{DeadLetters, SharePartition, SharePartitionSettings};
use sprawl_io::spawn;
use sprawl_model::Offset;
use sprawl_protocol::ErrorCode;

use super::queue::Queue;
use super::{ShareGroups, group_config};
use crate::broker::Broker;
use crate::coordinator::{ensure_share_state_topic, of_share_coordinator};
use crate::partition::Partition;
use crate::replicated_log::ReplicatedLog;
use crate::wire_error;

impl ShareGroups {
    /// The queue of a share-partition, if it is served already.
    pub(super) fn served(&self, key: &ShareStateKey) -> Option<Arc<Queue>> {
        self.queues()
            .get(key)
            .filter(|queue| !queue.is_closed())
            .cloned()
    }
}

/// The queue of a share-partition; its state is read where it is not served yet.
///
/// Cancel: safe; a state that was read is dropped.
pub(super) async fn queue_of(
    broker: &Arc<Broker>,
    key: &ShareStateKey,
    partition: &Arc<Partition>,
) -> Result<Arc<Queue>, ErrorCode> {
    if let Some(queue) = broker.share.served(key)
        && queue.is_over(partition)
    {
        return Ok(queue);
    }
    let loaded = load(broker, key, partition).await?;
    let queue = Arc::new(Queue::new(key.clone(), partition.clone(), loaded));
    let mut queues = broker.share.queues();
    match queues.get(key) {
        // Somebody else was faster: there is one queue of a share-partition at a time.
        Some(held) if !held.is_closed() && held.is_over(partition) => Ok(held.clone()),
        _ => {
            queues.insert(key.clone(), queue.clone());
            drop(queues);
            broker.share.ring();
            Ok(queue)
        }
    }
}

async fn load(
    broker: &Arc<Broker>,
    key: &ShareStateKey,
    partition: &Arc<Partition>,
) -> Result<SharePartition, ErrorCode> {
    if let Err(error) = ensure_share_state_topic(broker).await {
        tracing::warn!(%error, "the topic of share states cannot be made");
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    let coordinator = &broker.share.coordinator;
    coordinator.wait_until_loaded(key).await;
    let leader_epoch = partition.leader_epoch().0;
    let read = coordinator.read_state(key.clone(), leader_epoch).await;
    let state = read.map_err(of_share_coordinator)?;
    let config = group_config(broker, &key.group_id);
    let (start_offset, state) = match state {
        Some(state) if state.start_offset >= 0 => (state.start_offset, Some(state)),
        state => (
            begin(broker, key, partition, (&config, &state)).await?,
            state,
        ),
    };
    let (state_epoch, batches) = match state {
        Some(state) => (state.state_epoch, state.batches),
        None => (0, Vec::new()),
    };
    let (settings, clock) = (settings(&config), clock(broker));
    let epochs = (state_epoch, leader_epoch);
    let loaded = SharePartition::load(settings, epochs, start_offset, &batches, clock);
    loaded.map_err(|error| {
        tracing::error!(share_partition = %key, %error, "stored share state is no state");
        ErrorCode::UnknownServerError
    })
}

/// Finds where a share-partition begins, and has it written.
async fn begin(
    broker: &Arc<Broker>,
    key: &ShareStateKey,
    partition: &Arc<Partition>,
    (config, state): (&ShareGroupConfig, &Option<ShareState>),
) -> Result<i64, ErrorCode> {
    let start_offset = reset_offset(broker, partition, config.offset_reset)
        .await?
        .0;
    let write = ShareStateWrite {
        state_epoch: state.as_ref().map_or(0, |state| state.state_epoch),
        leader_epoch: partition.leader_epoch().0,
        start_offset,
        delivery_complete_count: 0,
        batches: Vec::new(),
    };
    let written = broker
        .share
        .coordinator
        .write_state(key.clone(), write)
        .await;
    written.map_err(of_share_coordinator)?;
    Ok(start_offset)
}

async fn reset_offset(
    broker: &Arc<Broker>,
    partition: &Arc<Partition>,
    reset: OffsetReset,
) -> Result<Offset, ErrorCode> {
    let end = partition.high_watermark();
    match reset {
        OffsetReset::Earliest => Ok(partition.log_start()),
        OffsetReset::Latest => Ok(end),
        OffsetReset::ByDuration(age_ms) => {
            let now_ms = broker.io.clock.wall_ms();
            let since = now_ms.saturating_sub(i64::try_from(age_ms).unwrap_or(i64::MAX));
            let log = partition.log().clone();
            let look = move || log.offset_for_timestamp(since, end);
            let found = spawn::blocking(broker.io.spawn.as_ref(), look).await;
            let found = found.ok_or(ErrorCode::NotLeaderOrFollower)?;
            let found = found.map_err(|error| wire_error::of_read(&error))?;
            Ok(found.map_or(end, |found| found.offset))
        }
    }
}

/// What the state machine needs of the group's settings.
pub(super) fn settings(config: &ShareGroupConfig) -> SharePartitionSettings {
    SharePartitionSettings {
        record_lock_duration_ms: u64::try_from(config.record_lock_duration_ms).unwrap_or(0),
        delivery_count_limit: i16::try_from(config.delivery_count_limit).unwrap_or(i16::MAX),
        record_locks_max: u64::try_from(config.record_locks_max).unwrap_or(0),
        retry_delay: config.retry_delay,
        dead_letters: match &config.dead_letter_topic {
            Some(_) => DeadLetters::Moved,
            None => DeadLetters::Dropped,
        },
    }
}

/// The time in monotonic milliseconds, and a random number for jitter.
pub(super) fn clock(broker: &Broker) -> (u64, u32) {
    let jitter = u32::try_from(broker.io.random.next_u64() >> 32).unwrap_or(0);
    (now_ms(broker), jitter)
}

/// The time in monotonic milliseconds.
pub(super) fn now_ms(broker: &Broker) -> u64 {
    u64::try_from(broker.io.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
}
