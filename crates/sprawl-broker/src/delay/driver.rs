//! The task that applies what was produced and releases what is due, for all partitions in turn.
//!
//! It sleeps until a partition changes or its next record is due, never longer than
//! [`PAUSE_MAX`] while records wait, since a wall clock may be set. A round gives each partition
//! one release, so that none waits for another's backlog, and ends when all of them are durable.

use std::sync::Arc;
use std::time::Duration;

use sprawl_io::{spawn, time};
use sprawl_model::PartitionKey;

use crate::broker::Broker;
use crate::partition::Delivered;

/// The longest sleep while records wait.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The pause before a round, in which more batches come together.
const GATHER: Duration = Duration::from_millis(2);

/// When a partition is tried again whose log or timers failed, in ms.
const RETRY_MS: i64 = 1_000;

/// Delivers delayed records until the broker stops.
pub(crate) async fn run(broker: &Arc<Broker>) {
    let agenda = broker.partitions.agenda();
    loop {
        let now_ms = broker.io.clock.wall_ms();
        let pause = agenda
            .next_due_ms()
            .map(|due_ms| Duration::from_millis(due_ms.saturating_sub(non_negative(now_ms))));
        tokio::select! {
            biased;
            () = broker.stopping() => return,
            () = agenda.rung() => {}
            () = sleep(pause) => {}
        }
        tokio::select! {
            biased;
            () = broker.stopping() => return,
            () = time::sleep(GATHER) => {}
        }
        round(broker).await;
    }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => time::sleep(pause.min(PAUSE_MAX)).await,
        None => std::future::pending().await,
    }
}

fn non_negative(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

async fn round(broker: &Arc<Broker>) {
    let agenda = broker.partitions.agenda();
    let now_ms = broker.io.clock.wall_ms();
    let keys = agenda.take(now_ms);
    if keys.is_empty() {
        return;
    }
    let delivering = broker.clone();
    let work = move || {
        keys.into_iter()
            .map(|key| (key, deliver(&delivering, key)))
            .collect::<Vec<_>>()
    };
    let delivered = spawn::blocking(broker.io.spawn.as_ref(), work).await;
    for (key, delivered) in delivered.unwrap_or_default() {
        let Some(delivered) = delivered else {
            agenda.forget(key);
            continue;
        };
        broker.metrics.delivered(&delivered);
        agenda.note(key, delivered.next_due_ms, delivered.waiting);
        if let Some(durable) = delivered.durable
            && let Err(error) = durable.await
        {
            tracing::warn!(partition = %key, %error, "a release of delayed records is not durable");
        }
    }
    broker.metrics.delayed_waiting(agenda.waiting());
}

/// Looks at one partition; `None` where it is gone.
fn deliver(broker: &Broker, key: PartitionKey) -> Option<Delivered> {
    let partition = broker.partitions.get(key.topic_id, key.partition)?;
    match partition.deliver_due() {
        Ok(delivered) => Some(delivered),
        Err(error) => {
            tracing::warn!(partition = %partition.name(), %error, "delayed records are not delivered yet");
            let retry_ms = broker.io.clock.wall_ms().saturating_add(RETRY_MS);
            Some(Delivered::later(retry_ms, partition.waiting_count()))
        }
    }
}
