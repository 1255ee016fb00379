//! Known bugs that simulator and drills must catch, switched on one at a time.
//!
//! Code that a mutant breaks asks [`active`] at the very line. Without the cargo feature `mutants`,
//! which only the checks of our own checkers turn on, the answer is `false` at compile time and the
//! bug is not in the binary.
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
    /// Consumers of committed records are shown all that is durable.
    StableOffsetIgnored,
    /// Which transactions were aborted is forgotten at a restart.
    AbortedIndexLostAtRestart,
    /// A marker of the transaction before ends the one that is open, whose epoch is not smaller.
    SameEpochMarkerAccepted,
    /// Batches of a fenced producer epoch are taken, by partitions and by the coordinator.
    FencedEpochAccepted,
    /// A transaction begins in a partition of which its coordinator does not know.
    VerificationSkipped,
    /// The end of a transaction is confirmed before it is durable.
    EndAnsweredBeforeDurable,
    /// A request that ends an earlier transaction ends the one that is open.
    LateEndAccepted,
    /// A decided transaction's markers are not written after a restart.
    MarkersForgottenAtRestart,
    /// A transaction stays open beyond its timeout.
    TimeoutsNeverAbort,
    /// Offsets committed in a transaction count before it is decided.
    PendingOffsetsCount,
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Self; 19] = [
        Self::AckBeforeSync,
        Self::DedupStateLostAtRestart,
        Self::ZombieCommitAccepted,
        Self::JournalRecycledBeforeSegmentSync,
        Self::IndexTrustedWithoutRebuild,
        Self::TornTailNotCut,
        Self::FailedSyncRetried,
        Self::TombstoneDroppedEarly,
        Self::OldSegmentsRemovedFirst,
        Self::StableOffsetIgnored,
        Self::AbortedIndexLostAtRestart,
        Self::SameEpochMarkerAccepted,
        Self::FencedEpochAccepted,
        Self::VerificationSkipped,
        Self::EndAnsweredBeforeDurable,
        Self::LateEndAccepted,
        Self::MarkersForgottenAtRestart,
        Self::TimeoutsNeverAbort,
        Self::PendingOffsetsCount,
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
            Self::StableOffsetIgnored => "stable-offset-ignored",
            Self::AbortedIndexLostAtRestart => "aborted-index-lost-at-restart",
            Self::SameEpochMarkerAccepted => "same-epoch-marker-accepted",
            Self::FencedEpochAccepted => "fenced-epoch-accepted",
            Self::VerificationSkipped => "verification-skipped",
            Self::EndAnsweredBeforeDurable => "end-answered-before-durable",
            Self::LateEndAccepted => "late-end-accepted",
            Self::MarkersForgottenAtRestart => "markers-forgotten-at-restart",
            Self::TimeoutsNeverAbort => "timeouts-never-abort",
            Self::PendingOffsetsCount => "pending-offsets-count",
        }
    }

    /// Returns the mutant of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mutant| mutant.name() == name)
    }
}

/// Says whether `mutant` is switched on in this thread.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn active(_mutant: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub use switched::{active, select, select_everywhere};

#[cfg(feature = "mutants")]
mod switched {
    use std::cell::Cell;
    use std::sync::OnceLock;

    use super::Mutant;

    thread_local! {
        static SELECTED: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    static EVERYWHERE: OnceLock<Mutant> = OnceLock::new();

    /// Says whether `mutant` is switched on in this thread, or in the process.
    pub fn active(mutant: Mutant) -> bool {
        SELECTED.get() == Some(mutant) || EVERYWHERE.get() == Some(&mutant)
    }

    /// Switches one mutant on in this thread, or all off. A simulation runs on one thread.
    pub fn select(mutant: Option<Mutant>) {
        SELECTED.set(mutant);
    }

    /// Switches one mutant on in the whole process, for good. The first call counts.
    pub fn select_everywhere(mutant: Mutant) {
        EVERYWHERE.get_or_init(|| mutant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_has_a_name_of_its_own() {
        for mutant in Mutant::ALL {
            assert_eq!(Mutant::from_name(mutant.name()), Some(mutant));
        }
        assert_eq!(Mutant::from_name("no-such-bug"), None);
    }
}
