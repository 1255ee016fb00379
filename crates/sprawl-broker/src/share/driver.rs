//! Who takes back what members held for too long, and sees to it that dead records are moved?
//!
//! One task for all queues. It sleeps until the earliest deadline of any queue.

use std::sync::Arc;
use std::time::Duration;

use sprawl_core::metadata::MetadataImage;
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
    let mut followed = Followed::default();
    loop {
        share.alarm.reset();
        let changed = followed.look(broker);
        let mut in_flight = 0;
        for queue in share.all_queues() {
            if let Some(image) = &changed {
                let config = config_in(broker, image, &queue.key().group_id);
                queue.state().set_settings(settings(&config));
            }
            if let Some(deadline_ms) = look_after(broker, &queue) {
                share.alarm.note(deadline_ms);
            }
            in_flight += queue.state().counts().held;
        }
        share.metrics.set_in_flight(in_flight);
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

/// Whose settings the queues have.
#[derive(Default)]
struct Followed {
    /// The metadata's last change, and when it was looked at.
    last: Option<(u64, Duration)>,
}

impl Followed {
    /// The metadata, where it has changed or was not looked at for so long that a queue may have
    /// been made from an older one.
    fn look(&mut self, broker: &Broker) -> Option<Arc<MetadataImage>> {
        let (image, now) = (broker.image(), broker.io.clock.monotonic());
        let index = image.applied_index();
        if let Some((last, at)) = self.last
            && last == index
            && now < at.saturating_add(PAUSE_MAX)
        {
            return None;
        }
        self.last = Some((index, now));
        Some(image)
    }
}

/// Does what is due in one queue; returns the next deadline.
fn look_after(broker: &Arc<Broker>, queue: &Arc<Queue>) -> Option<u64> {
    if queue.is_closed() {
        return None;
    }
    let (now, jitter) = clock(broker);
    let mut state = queue.state();
    let timeouts = state.lock_timeouts();
    let write = state.expire_locks((now, jitter));
    let timeouts = state.lock_timeouts() - timeouts;
    let letters = state.take_dead_letters(now);
    let may_give = state
        .fetch_offset(now)
        .is_some_and(|offset| offset < state.next_offset());
    let deadline = state.next_deadline_ms(now);
    drop(state);
    broker.share.metrics.count_timeouts(timeouts);
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
