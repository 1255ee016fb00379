//! What happened, as one number to compare and a short tail to read.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// FNV-1a's constants over words instead of bytes: short, and the same everywhere. It tells runs
/// apart; nobody attacks it.
const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// The operations of a run.
#[derive(Debug)]
pub struct Trace(Mutex<State>);

#[derive(Debug)]
struct State {
    hash: u64,
    count: u64,
    recent: VecDeque<String>,
    recent_max: usize,
}

impl Default for Trace {
    fn default() -> Self {
        let (recent, recent_max) = (VecDeque::new(), 0);
        Self(Mutex::new(State {
            hash: OFFSET_BASIS,
            count: 0,
            recent,
            recent_max,
        }))
    }
}

impl Trace {
    /// Adds an event: what it was, and the bytes and numbers that tell it from others.
    pub fn record(&self, event: &str, numbers: &[u64], bytes: &[u8]) {
        let mut state = self.state();
        let mut hash = state.hash;
        let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        event.bytes().for_each(&mut add);
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .for_each(&mut add);
        bytes.iter().copied().for_each(&mut add);
        state.hash = hash;
        state.count += 1;
        if state.recent_max > 0 {
            if state.recent.len() == state.recent_max {
                state.recent.pop_front();
            }
            let line = format!("{} {event} {numbers:?} {} bytes", state.count, bytes.len());
            state.recent.push_back(line);
        }
    }

    /// Returns the number that stands for all events so far.
    pub fn hash(&self) -> u64 {
        self.state().hash
    }

    /// Returns how many events there were.
    pub fn count(&self) -> u64 {
        self.state().count
    }

    /// Keeps the last `count_max` events as text from now on.
    pub fn keep_recent(&self, count_max: usize) {
        self.state().recent_max = count_max;
    }

    /// Returns the last events, oldest first.
    pub fn recent(&self) -> Vec<String> {
        self.state().recent.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_difference_changes_the_hash() {
        let hash = |event: &str, numbers: &[u64], bytes: &[u8]| {
            let trace = Trace::default();
            trace.record(event, numbers, bytes);
            trace.hash()
        };
        let base = hash("write", &[1], b"a");
        assert_eq!(hash("write", &[1], b"a"), base);
        for other in [
            hash("read", &[1], b"a"),
            hash("write", &[2], b"a"),
            hash("write", &[1], b"b"),
        ] {
            assert_ne!(other, base);
        }
    }

    #[test]
    fn tail_is_bounded() {
        let trace = Trace::default();
        trace.record("before", &[], &[]);
        trace.keep_recent(2);
        for number in 0..5 {
            trace.record("write", &[number], &[0; 9]);
        }
        assert_eq!(
            trace.recent(),
            ["5 write [3] 9 bytes", "6 write [4] 9 bytes"]
        );
        assert_eq!(trace.count(), 6);
    }
}
