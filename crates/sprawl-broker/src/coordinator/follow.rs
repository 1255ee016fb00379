//! How do the coordinators start, and how do they hear of topics made and deleted?

use std::sync::Arc;

use crate::broker::Broker;
use crate::coordinator::{GroupCoordinator, ShareCoordinator, TransactionCoordinator};

/// Starts loading what partitions that are open already hold, and the tasks that drive timers and
/// follow the metadata until the broker stops.
pub(crate) fn start(broker: &Arc<Broker>) {
    TransactionCoordinator::attach(broker);
    follow_reached(broker);
    GroupCoordinator::start(broker);
    TransactionCoordinator::start(broker);
    ShareCoordinator::start(broker);
    crate::share::start(broker);
    let followed = broker.clone();
    broker
        .io
        .spawn
        .task(Box::pin(async move { follow_metadata(&followed).await }));
}

/// Has every coordinator follow the image that the partitions have reached.
pub(super) fn follow_reached(broker: &Broker) {
    broker.coordinator.follow_reached(&broker.partitions);
    broker.transactions.follow_reached(&broker.partitions);
    broker.share.coordinator.follow_reached(&broker.partitions);
    broker.share.follow(&broker.partitions);
}

/// Follows the metadata until the broker stops.
async fn follow_metadata(broker: &Arc<Broker>) {
    let mut images = broker.metadata.watch();
    loop {
        tokio::select! {
            biased;
            () = broker.stopping() => return,
            changed = images.changed() => if changed.is_err() { return },
        }
        images.mark_unchanged();
        // The shards need the partitions' logs to be open first.
        if let Err(error) = broker.follow_metadata().await {
            tracing::warn!(%error, "the coordinators cannot follow the metadata");
            continue;
        }
        follow_reached(broker);
    }
}
