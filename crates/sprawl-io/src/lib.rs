//! The only door to clocks, randomness, files, sockets and tasks.
//!
//! Every component takes an [`Io`] in its constructor. The binary passes [`Io::real`]; the
//! simulator passes one made from a seed, in which the same code meets crashes, torn writes and
//! full disks.

#![allow(
    clippy::disallowed_methods,
    reason = "this crate is the door the bans point to"
)]

pub mod clock;
pub mod disk;
pub mod net;
pub mod process;
pub mod random;
mod real;
pub mod sim;
pub mod spawn;
pub mod time;

use std::sync::Arc;

pub use clock::Clock;
pub use disk::{AlignedBuffer, Disk, File};
pub use net::{Listener, Net, ReadHalf, Stream, WriteHalf};
pub use random::Random;
pub use spawn::{Spawn, Step, Wake, Worker};

/// Everything outside the process, as one cheap handle to clone.
#[derive(Clone, Debug)]
pub struct Io {
    /// Wall and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Sockets.
    pub net: Arc<dyn Net>,
    /// Tasks, blocking calls and long-lived workers.
    pub spawn: Arc<dyn Spawn>,
}

impl Io {
    /// Returns the operating system's clock, randomness, files, sockets and threads.
    ///
    /// Made on a tokio runtime, its worker threads may start tasks there.
    pub fn real() -> Self {
        real::io()
    }

    /// Returns a simulated world made from `seed`, and the handles that age, break and watch it.
    ///
    /// Must be called, and used, on a current-thread tokio runtime whose time is paused.
    pub fn simulated(seed: u64) -> (Self, sim::SimHandles) {
        sim::io(seed)
    }
}
