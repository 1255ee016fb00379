//! Known bugs that the simulator must catch, switched on one at a time.
//!
//! Code that a mutant breaks asks [`active`] at the very line. Without the cargo feature `mutants`,
//! which only the simulator's own check turns on, the answer is `false` at compile time and the bug
//! is not in the binary.
//!
//! Source: `correctness` page, section 3, "Mutants".

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A batch is acknowledged before the journal is synced.
    AckBeforeSync,
    /// Producer sequences and the five-batch window are forgotten at a restart.
    DedupStateLostAtRestart,
    /// A member of an older generation commits offsets.
    ZombieCommitAccepted,
    /// A journal file is written again before the segments hold its batches durably.
    JournalRecycledBeforeSegmentSync,
    /// The index in the state store is believed at recovery, whatever the segments say.
    IndexTrustedWithoutRebuild,
    /// A torn tail is taken for records.
    TornTailNotCut,
    /// A failed sync is tried again on the same file, and the second result believed.
    FailedSyncRetried,
    /// Compaction takes tombstones before their time.
    TombstoneDroppedEarly,
    /// Compaction removes the old segments before the new one has its name for good.
    OldSegmentsRemovedFirst,
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Self; 9] = [
        Self::AckBeforeSync,
        Self::DedupStateLostAtRestart,
        Self::ZombieCommitAccepted,
        Self::JournalRecycledBeforeSegmentSync,
        Self::IndexTrustedWithoutRebuild,
        Self::TornTailNotCut,
        Self::FailedSyncRetried,
        Self::TombstoneDroppedEarly,
        Self::OldSegmentsRemovedFirst,
    ];

    /// Returns the name by which the simulator's command line knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AckBeforeSync => "ack-before-sync",
            Self::DedupStateLostAtRestart => "dedup-state-lost-at-restart",
            Self::ZombieCommitAccepted => "zombie-commit-accepted",
            Self::JournalRecycledBeforeSegmentSync => "journal-recycled-before-segment-sync",
            Self::IndexTrustedWithoutRebuild => "index-trusted-without-rebuild",
            Self::TornTailNotCut => "torn-tail-not-cut",
            Self::FailedSyncRetried => "failed-sync-retried",
            Self::TombstoneDroppedEarly => "tombstone-dropped-early",
            Self::OldSegmentsRemovedFirst => "old-segments-removed-first",
        }
    }
}

/// Says whether `mutant` is switched on in this thread.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn active(_mutant: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub use switched::{active, select};

#[cfg(feature = "mutants")]
mod switched {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static SELECTED: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Says whether `mutant` is switched on in this thread.
    pub fn active(mutant: Mutant) -> bool {
        SELECTED.get() == Some(mutant)
    }

    /// Switches one mutant on in this thread, or all off. A simulation runs on one thread.
    pub fn select(mutant: Option<Mutant>) {
        SELECTED.set(mutant);
    }
}
