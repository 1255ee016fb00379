//! What time is it?

use std::fmt::Debug;
use std::time::Duration;

/// Wall and monotonic time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns the wall clock in milliseconds since the Unix epoch. It may jump.
    fn wall_ms(&self) -> i64;

    /// Returns the time since this clock was made. It never goes backwards.
    fn monotonic(&self) -> Duration;
}
