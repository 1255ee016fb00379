//! The only door to clocks, randomness, files, sockets and tasks.
//!
//! Every component takes an [`Io`] in its constructor. The binary passes [`Io::real`]; the simulator
//! passes one made from a seed, in which the same code meets crashes, torn writes and full disks.

pub mod clock;
pub mod disk;
pub mod net;
pub mod random;
pub mod spawn;
pub mod time;

use std::sync::Arc;

pub use clock::Clock;
pub use disk::{Disk, File};
pub use net::{Listener, Net, Stream};
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
