//! What happens to one run, decided from its seed before it starts: how many lives, what breaks in
//! each.

use std::time::Duration;

use sprawl_io::Random;
use sprawl_io::sim::{CrashKind, OpKind, SeededRandom};

/// The stream of the seed that plans draw from; the disk and the process have theirs.
const RANDOM_STREAM: u64 = 2;
/// Lives of the process before the last, quiet one.
const LIFE_COUNT_MAX: u64 = 5;

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lives, in order; after them comes one without faults that everything is read back in.
    pub lives: Vec<Life>,
}

/// One life of the process, from start to end.
#[derive(Clone, Debug)]
pub struct Life {
    /// How long it lives unless something ends it before.
    pub duration: Duration,
    /// How it ends.
    pub end: End,
    /// Delay before each step of a worker.
    pub step_latency: Duration,
    /// Operations that fail: kind, and which one of that kind.
    pub faults: Vec<(OpKind, u64)>,
    /// The disk takes this many bytes more, then it is full.
    pub free_bytes: Option<u64>,
    /// Bits that flip on the disk after the end, in files whose path contains the text.
    pub flips: Option<(&'static str, usize)>,
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The store is closed. Then the power may go as well.
    Close(Option<CrashKind>),
    /// A crash, in the middle of this changing disk operation counted from the start of the life,
    /// or at the end of its time.
    Crash(CrashKind, u64),
}

impl Plan {
    /// Draws the plan of `seed`.
    pub fn new(seed: u64) -> Self {
        let random = SeededRandom::new(seed, RANDOM_STREAM);
        // Damage relaxes what can be promised, so most runs are without.
        let is_damaged = random.chance(1, 8);
        let count = 2 + random.below(LIFE_COUNT_MAX - 1);
        Self {
            lives: (0..count).map(|_| Life::new(&random, is_damaged)).collect(),
        }
    }

    /// Says whether bits flip in this run.
    pub fn has_damage(&self) -> bool {
        self.lives.iter().any(|life| life.flips.is_some())
    }
}

impl Life {
    fn new(random: &SeededRandom, is_damaged: bool) -> Self {
        let kind = if random.chance(1, 2) {
            CrashKind::Kill
        } else {
            CrashKind::PowerCut
        };
        let end = match random.below(8) {
            0 => End::Close(random.chance(1, 2).then_some(kind)),
            // Some die young, in recovery; most among their appends.
            1 | 2 => End::Crash(kind, random.below(30)),
            _ => End::Crash(kind, random.below(600)),
        };
        let latency_us = [0, 0, 100, 2_000, 20_000][random.below(5) as usize];
        let mut life = Self {
            duration: Duration::from_millis(200 + random.below(1_500)),
            end,
            step_latency: Duration::from_micros(latency_us),
            faults: Vec::new(),
            free_bytes: None,
            flips: None,
        };
        match random.below(6) {
            0 => {
                let nth = 1 + random.below(60);
                life.faults.push((OpKind::Sync, nth));
                // After a failed sync readers see bytes that no later sync brings to the platter:
                // the process alone starts again and reads them, or the machine and does not. A
                // process that goes on all the same is often cut off soon after, before a
                // checkpoint covers up for it; a group is a write and a sync.
                let operation = match life.end {
                    _ if random.chance(1, 2) => nth * 2 + random.below(40),
                    End::Crash(_, operation) => operation,
                    End::Close(_) => 600,
                };
                life.end = End::Crash(kind, operation);
            }
            1 => life.faults.push((OpKind::Write, 1 + random.below(200))),
            2 => life.free_bytes = Some(random.below(512 * 1024)),
            3 => life.faults.push((OpKind::Read, 1 + random.below(40))),
            _ => {}
        }
        if is_damaged && random.chance(1, 2) {
            let part = if random.next_u64().is_multiple_of(2) {
                "journal"
            } else {
                ""
            };
            life.flips = Some((part, 1 + random.below(2) as usize));
        }
        life
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hundred_plans_hold_every_kind_of_fault_and_quiet_lives() {
        let plans: Vec<Plan> = (0..100).map(Plan::new).collect();
        let lives: Vec<&Life> = plans.iter().flat_map(|plan| &plan.lives).collect();
        let has = |what: &dyn Fn(&Life) -> bool| lives.iter().any(|life| what(life));
        assert!(has(&|life| matches!(life.end, End::Close(_))));
        assert!(has(&|life| matches!(
            life.end,
            End::Crash(CrashKind::Kill, 0..30)
        )));
        assert!(has(&|life| matches!(
            life.end,
            End::Crash(CrashKind::PowerCut, 30..)
        )));
        for kind in [OpKind::Sync, OpKind::Write, OpKind::Read] {
            assert!(has(&|life| life.faults.iter().any(|fault| fault.0 == kind)));
        }
        assert!(has(&|life| life.free_bytes.is_some()));
        assert!(has(&|life| life.flips.is_some()));
        let quiet = |life: &&&Life| life.faults.is_empty() && life.free_bytes.is_none();
        assert!(lives.iter().filter(quiet).count() * 4 > lives.len());
    }
}
