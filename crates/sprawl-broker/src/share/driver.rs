//! Who takes back what members held for too long, and sees to it that dead records are moved?
//!
//! One task for all queues. It sleeps until the earliest deadline of any queue.

use std::sync::Arc;
use std::time::Duration;

use sprawl_io::time;

use super::dead_letter;
use super::lookup::{clock, now_ms, settings};
use super::queue::Queue;
use super::{ShareGroups, config_in};
use crate::broker::Broker;

/// The shortest pause between two looks: many locks end in the same few milliseconds.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// The longest pause: changed settings of groups are taken over then at the latest.
const PAUSE_MAX: Duration = Duration::from_secs(1);

impl ShareGroups {
    /// Has the queues looked at soon.
    pub(super) fn ring(&self) {
        self.alarm.set(0);
    }

    /// Has the queues looked at when a deadline is reached.
    pub(super) fn ring_at(&self, deadline_ms: u64) {
        self.alarm.set(deadline_ms);
    }
}

/// Starts the task; it ends when the broker stops.
pub(crate) fn start(broker: &Arc<Broker>) {
    let driven = broker.clone();
    broker.io.spawn.task(Box::pin(async move {
        tokio::select! {
            biased;
            () = driven.stopping() => {}
            () = drive(&driven) => {}
        }
    }));
}

async fn drive(broker: &Arc<Broker>) {
    let share = &broker.share;
    loop {
        share.alarm.reset();
        let image = broker.image();
        for queue in share.all_queues() {
            let config = config_in(broker, &image, &queue.key().group_id);
            queue.state().set_settings(settings(&config));
            if let Some(deadline_ms) = look_after(broker, &queue) {
                share.alarm.note(deadline_ms);
            }
        }
        let pause = share.alarm.pause(broker.io.clock.monotonic());
        tokio::select! {
            biased;
            () = share.alarm.rung() => {}
            () = time::sleep(pause.clamp(PAUSE_MIN, PAUSE_MAX)) => {}
        }
        // A bell that rings all the time must not keep this task from sleeping at all.
        time::sleep(PAUSE_MIN).await;
    }
}

/// Does what is due in one queue; returns the next deadline.
fn look_after(broker: &Arc<Broker>, queue: &Arc<Queue>) -> Option<u64> {
    if queue.is_closed() {
        return None;
    }
    let (now, jitter) = clock(broker);
    let mut state = queue.state();
    let write = state.expire_locks((now, jitter));
    let letters = state.take_dead_letters(now);
    let may_give = state
        .fetch_offset(now)
        .is_some_and(|offset| offset < state.next_offset());
    let deadline = state.next_deadline_ms(now);
    drop(state);
    if let Some(write) = write {
        drop(queue.persist(broker, write));
    }
    if !letters.is_empty() {
        dead_letter::start_move(broker, queue, letters);
    }
    if may_give {
        queue.wake();
    }
    deadline.map(|deadline_ms| deadline_ms.max(now_ms(broker)))
}
