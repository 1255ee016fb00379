//! A world made from a seed: its disk loses what was not synced, its sockets break, its clock
//! jumps.
//!
//! Everything runs on one thread. Each operation goes into a [`Trace`]; two runs from one seed have
//! the same trace or something in the code under test is not deterministic.

pub mod clock;
pub mod disk;
pub mod net;
pub mod random;
pub mod spawn;
pub mod trace;

use std::sync::Arc;

pub use clock::SimClock;
pub use disk::{CrashKind, OpKind, SimDisk};
pub use net::SimNet;
pub use random::SeededRandom;
pub use spawn::SimSpawn;
pub use trace::Trace;

use crate::Io;

/// What a simulator holds to age, break and watch the world that the code under test lives in.
#[derive(Clone, Debug)]
pub struct SimHandles {
    /// Every operation so far, as one number.
    pub trace: Arc<Trace>,
    /// Sets the wall clock wrong.
    pub clock: Arc<SimClock>,
    /// The source of all randomness of the process.
    pub random: Arc<SeededRandom>,
    /// Crashes, fills, breaks.
    pub disk: Arc<SimDisk>,
    /// Resets connections.
    pub net: Arc<SimNet>,
    /// Tasks and workers of the process that runs now.
    pub spawn: Arc<SimSpawn>,
}

impl SimHandles {
    /// Ends the running process: its tasks stop, its sockets close, its disk handles fail for good,
    /// and the disk keeps what `kind` lets it keep. [`Self::restart`] starts the next.
    pub fn crash(&self, kind: CrashKind) {
        self.spawn.kill_all();
        self.net.reset_all();
        self.disk.crash(kind);
    }

    /// Starts a process on what the last one left and returns its world.
    pub fn restart(&mut self) -> Io {
        self.spawn = Arc::new(SimSpawn::new(&self.trace));
        Io {
            clock: Arc::clone(&self.clock) as _,
            random: Arc::clone(&self.random) as _,
            disk: self.disk.restart(),
            net: Arc::clone(&self.net) as _,
            spawn: Arc::clone(&self.spawn) as _,
        }
    }
}

/// Builds a world from `seed`. Disk faults draw from a stream of their own, so that one more random
/// number in the process does not change them.
pub(crate) fn io(seed: u64) -> (Io, SimHandles) {
    let trace = Arc::new(Trace::default());
    let mut handles = SimHandles {
        clock: Arc::new(SimClock::new()),
        random: Arc::new(SeededRandom::new(seed, 0)),
        disk: Arc::new(SimDisk::new(seed, &trace)),
        net: Arc::new(SimNet::new(&trace)),
        spawn: Arc::new(SimSpawn::new(&trace)),
        trace,
    };
    (handles.restart(), handles)
}
