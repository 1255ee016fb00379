//! The operating system's clock, randomness, files, sockets and threads.

mod disk;
mod net;
mod spawn;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::{Clock, Io, Random};

/// Builds the real thing.
pub(crate) fn io() -> Io {
    Io {
        clock: Arc::new(SystemClock(Instant::now())),
        random: Arc::new(OsRandom),
        disk: Arc::new(disk::RealDisk),
        net: Arc::new(net::RealNet),
        spawn: Arc::new(spawn::TokioSpawn::new()),
    }
}

/// The system's clocks; monotonic time counts from when this was made.
#[derive(Debug)]
struct SystemClock(Instant);

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        let (time, sign) = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => (after, 1),
            Err(error) => (error.duration(), -1),
        };
        i64::try_from(time.as_millis())
            .unwrap_or(i64::MAX)
            .saturating_mul(sign)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The kernel's random numbers.
#[derive(Debug)]
struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match getrandom(&mut *rest, GetRandomFlags::empty()) {
                Ok(filled) => rest = rest.get_mut(filled..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(error) => panic!("the kernel gives no random bytes: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_and_randomness_are_alive() {
        let io = io_on_no_runtime();
        assert!(io.clock.wall_ms() > 1_700_000_000_000);
        let earlier = io.clock.monotonic();
        assert!(io.clock.monotonic() >= earlier);
        assert_ne!(io.random.next_u64(), io.random.next_u64());
    }

    fn io_on_no_runtime() -> Io {
        Io::real()
    }
}
