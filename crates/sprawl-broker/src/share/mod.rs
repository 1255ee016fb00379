//! How are share groups served here, beside their membership?
//!
//! [`queue::Queue`] is one partition as one group consumes it: the pure state machine of
//! `sprawl_core::share` behind a short lock, its state kept by the share coordinator. [`session`]
//! remembers what each member consumes. [`fetch`] reads and gives out records, [`dead_letter`]
//! moves those that died. One task looks after locks, rests and moves of all queues.
//!
//! Invariants: an answer is confirmed only when the share coordinator has it durable (I5); a record
//! whose end is durable is never given out again (I22); no lock is held across an await.

pub(crate) mod acknowledge;
mod dead_letter;
mod driver;
pub(crate) mod fetch;
mod lookup;
pub(crate) mod membership;
mod metrics;
mod queue;
mod read;
pub(crate) mod session;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sprawl_core::config::{BrokerSettings, GroupConfigs, ShareGroupConfig};
use sprawl_core::metadata::MetadataImage;
use sprawl_core::share::coordinator::ShareStateKey;
use sprawl_io::Io;

use crate::broker::Broker;
use crate::coordinator::{ShareCoordinator, TimerAlarm};
use crate::partitions::Partitions;
use metrics::ShareMetrics;
use queue::Queue;
use session::ShareSessions;

pub(crate) use driver::start;

/// Everything this broker does for share groups.
#[derive(Debug)]
pub(crate) struct ShareGroups {
    /// Where the states of share-partitions are kept.
    pub(crate) coordinator: Arc<ShareCoordinator>,
    /// What members consume.
    pub(crate) sessions: ShareSessions,
    metrics: ShareMetrics,
    queues: Mutex<BTreeMap<ShareStateKey, Arc<Queue>>>,
    alarm: TimerAlarm,
}

impl ShareGroups {
    pub(crate) fn new(io: &Io, settings: &BrokerSettings) -> Self {
        Self {
            coordinator: Arc::new(ShareCoordinator::new(io.clone(), settings)),
            sessions: ShareSessions::new(settings.share_groups.sessions_max),
            metrics: ShareMetrics::register(),
            queues: Mutex::default(),
            alarm: TimerAlarm::default(),
        }
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<ShareStateKey, Arc<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all_queues(&self) -> Vec<Arc<Queue>> {
        self.queues().values().cloned().collect()
    }

    /// Lets go of a queue: the next fetch reads its state again.
    fn drop_queue(&self, queue: &Arc<Queue>) {
        let mut queues = self.queues();
        if queues
            .get(queue.key())
            .is_some_and(|held| Arc::ptr_eq(held, queue))
        {
            queues.remove(queue.key());
        }
        drop(queues);
        queue.close();
    }

    /// Lets go of a share-partition whose state was changed from outside.
    pub(crate) fn forget(&self, key: &ShareStateKey) {
        let queue = self.queues().get(key).cloned();
        if let Some(queue) = queue {
            self.drop_queue(&queue);
        }
    }

    /// Lets go of queues whose partition this broker leads no longer, or leads anew.
    pub(crate) fn follow(&self, partitions: &Partitions) {
        for queue in self.all_queues() {
            let key = queue.key();
            let held = partitions.get(key.topic_id, sprawl_model::PartitionId(key.partition));
            if !held.is_some_and(|partition| queue.is_over(&partition)) {
                self.drop_queue(&queue);
            }
        }
    }
}

/// The settings of a share group right now.
pub(crate) fn group_config(broker: &Broker, group_id: &str) -> ShareGroupConfig {
    config_in(broker, &broker.image(), group_id)
}

fn config_in(broker: &Broker, image: &MetadataImage, group_id: &str) -> ShareGroupConfig {
    let configs = GroupConfigs::new(image.group_configs(group_id));
    configs.share(&broker.settings.share_groups)
}
