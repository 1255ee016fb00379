//! Which timers of a shard are set, and which are due?

use std::collections::{BTreeMap, BTreeSet};

/// The timers of a shard, by id and by deadline. Deadlines are milliseconds of the monotonic clock.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    deadlines: BTreeMap<T, u64>,
    order: BTreeSet<(u64, T)>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            deadlines: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<T: Clone + Ord> Timers<T> {
    /// Sets a timer, in place of an earlier setting. O(log timers).
    pub(crate) fn set(&mut self, timer: T, deadline_ms: u64) {
        if let Some(replaced) = self.deadlines.insert(timer.clone(), deadline_ms) {
            self.order.remove(&(replaced, timer.clone()));
        }
        self.order.insert((deadline_ms, timer));
    }

    /// Forgets a timer, if it is set.
    pub(crate) fn cancel(&mut self, timer: T) {
        if let Some(deadline_ms) = self.deadlines.remove(&timer) {
            self.order.remove(&(deadline_ms, timer));
        }
    }

    /// Takes the first timer that is due.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Option<T> {
        if self.next_deadline_ms()? > now_ms {
            return None;
        }
        let (_, timer) = self.order.pop_first()?;
        self.deadlines.remove(&timer);
        Some(timer)
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.order.first().map(|(deadline_ms, _)| *deadline_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_and_a_later_setting_replaces_an_earlier() {
        let mut timers = Timers::default();
        timers.set("a", 10);
        timers.set("b", 5);
        timers.set("c", 7);
        timers.set("b", 20);
        timers.cancel("c");
        assert_eq!(timers.next_deadline_ms(), Some(10));
        assert_eq!(timers.take_due(9), None);
        assert_eq!(timers.take_due(20), Some("a"));
        assert_eq!(timers.take_due(20), Some("b"));
        assert_eq!(timers.take_due(20), None);
        assert_eq!(timers.next_deadline_ms(), None);
    }
}
