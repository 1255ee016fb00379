//! Known bugs, switched on one at a time: seeds that do not catch them would not catch the next
//! one.

use sprawl_model::mutant::Mutant;

use crate::run::{World, run_once};

/// A bug and the seed that caught it.
#[derive(Clone, Debug)]
pub struct Caught {
    /// The bug.
    pub mutant: Mutant,
    /// World and seed of the first run that noticed, or `None`.
    pub caught_by: Option<(World, u64)>,
}

/// Runs up to `count` seeds from `from` on for each bug, in every world that can show it, until one
/// notices.
pub fn catch_all(from: u64, count: u64, say: &dyn Fn(&str)) -> Vec<Caught> {
    Mutant::ALL
        .into_iter()
        .map(|mutant| {
            let caught_by = catch(mutant, from, count);
            let name = mutant.name();
            match &caught_by {
                Some((world, seed, what)) => {
                    say(&format!(
                        "{name}: caught by seed {seed} of the {} world: {what}",
                        world.name()
                    ));
                }
                None => say(&format!(
                    "{name}: NOT caught by {count} seeds from {from} on"
                )),
            }
            Caught {
                mutant,
                caught_by: caught_by.map(|(world, seed, _)| (world, seed)),
            }
        })
        .collect()
}

fn catch(mutant: Mutant, from: u64, count: u64) -> Option<(World, u64, String)> {
    let seeds = from..from.saturating_add(count);
    seeds
        .flat_map(|seed| worlds(mutant).iter().map(move |world| (*world, seed)))
        .find_map(|(world, seed)| {
            let outcome = run_once(world, seed, Some(mutant));
            let panic = outcome.panics.first().cloned();
            let what = outcome
                .violation
                .map(|violation| violation.to_string())
                .or(panic)?;
            Some((world, seed, what))
        })
}

/// Where a bug can show itself.
fn worlds(mutant: Mutant) -> &'static [World] {
    match mutant {
        Mutant::DedupStateLostAtRestart | Mutant::ZombieCommitAccepted => &[World::Broker],
        Mutant::TombstoneDroppedEarly | Mutant::OldSegmentsRemovedFirst => &[World::Compaction],
        Mutant::AckBeforeSync
        | Mutant::JournalRecycledBeforeSegmentSync
        | Mutant::IndexTrustedWithoutRebuild
        | Mutant::TornTailNotCut
        | Mutant::FailedSyncRetried => &[World::Log],
        Mutant::StableOffsetIgnored
        | Mutant::AbortedIndexLostAtRestart
        | Mutant::SameEpochMarkerAccepted
        | Mutant::FencedEpochAccepted
        | Mutant::VerificationSkipped
        | Mutant::EndAnsweredBeforeDurable
        | Mutant::LateEndAccepted
        | Mutant::MarkersForgottenAtRestart
        | Mutant::TimeoutsNeverAbort
        | Mutant::PendingOffsetsCount => &[World::Transactions],
    }
}
