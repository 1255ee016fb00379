//! Delayed delivery: records that stay hidden in their partition until they are due.
//!
//! A produced record that asks for it is appended like any other and has its offset, but readers
//! are led around it (`PartitionLog::read_visible`). When it is due the broker appends it again, in
//! order of due time, in a batch that names the originals. So the log alone tells what waits:
//! batches that hold delayed records add, cancelling records and releases take away. What the state
//! store has of it ([`pending`]) is that sum, applied batch by batch; a crash anywhere is made good
//! by applying the rest again. Each original is released at most once, since a release is decided
//! and appended under the partition's lock against the sum of the whole log before it.
//!
//! Invariants: no record waits in memory; nothing at or above the first waiting record is deleted;
//! one task serves all partitions, and one that never held a delayed record costs nothing.
//!
//! Source: no Kafka broker has this; `docs/adr/0008-delayed-delivery.md` gives the reasons.

mod agenda;
mod driver;
pub(crate) mod pending;
pub(crate) mod release;

pub(crate) use agenda::Agenda;
pub(crate) use driver::run;

/// Why nothing could be applied or released now. All are tried again later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DelayError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] sprawl_log::ReadError),
    /// The timers cannot be read or written.
    #[error(transparent)]
    Timers(#[from] sprawl_log::LogError),
    /// The log takes no release.
    #[error(transparent)]
    Append(#[from] sprawl_log::AppendError),
}
