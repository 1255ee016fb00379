//! Does the judge find what is broken? The drill against builds of the broker that have a known bug
//! each: a promise must be seen broken every time, or a clean verdict on the sound broker says
//! nothing.
//!
//! Bugs that need a lost write, or a crash within the milliseconds between two writes, are not
//! among these; the simulator's seeds find all of them (`sprawl-sim mutants`).

use anyhow::{Result, bail};
use sprawl_model::mutant::Mutant;

use super::Drill;
use super::judge::Promise;
use crate::crash::DrillOptions;
use crate::run::Peer;

/// Bugs that clients can notice while processes are killed and requests held and doubled.
pub const MUTANTS: [Mutant; 6] = [
    Mutant::StableOffsetIgnored,
    Mutant::AbortedIndexLostAtRestart,
    Mutant::DedupStateLostAtRestart,
    Mutant::PendingOffsetsCount,
    Mutant::TimeoutsNeverAbort,
    Mutant::LateEndAccepted,
];

/// Drills until a bug is noticed, at most; what is killed and held, and when, is chance.
const DRILL_COUNT_MAX: u64 = 3;

/// What came of the drills against one bug.
#[derive(Debug)]
pub struct Finding {
    /// The bug.
    pub mutant: Mutant,
    /// Which promises were seen broken, an example of each; none if the bug went unnoticed.
    pub broken: Vec<(Promise, String)>,
    /// How many drills there were.
    pub drills: u64,
}

/// Drills the binary of `options`, which has known bugs, with one after the other switched on;
/// tells `tell` of each round.
pub fn find_all(
    options: &DrillOptions<'_>,
    mutants: &[Mutant],
    tell: &dyn Fn(&str),
) -> Result<Vec<Finding>> {
    let found = mutants.iter().map(|mutant| {
        tell(&format!("{}:", mutant.name()));
        find(options, *mutant, tell)
    });
    found.collect()
}

fn find(options: &DrillOptions<'_>, mutant: Mutant, tell: &dyn Fn(&str)) -> Result<Finding> {
    let Peer::Sprawl(binary) = &options.peer else {
        bail!("known bugs are in builds of Sprawl alone");
    };
    let mut finding = Finding {
        mutant,
        broken: Vec::new(),
        drills: 0,
    };
    while finding.broken.is_empty() && finding.drills < DRILL_COUNT_MAX {
        let options = DrillOptions {
            peer: Peer::Broken(binary.clone(), mutant),
            seed: options.seed + finding.drills,
            ..options.clone()
        };
        finding.drills += 1;
        let drill = super::drill(&options, tell)?;
        tell(&format!("{}: {}", mutant.name(), drill.verdict));
        finding.broken = broken(&drill);
    }
    Ok(finding)
}

fn broken(drill: &Drill) -> Vec<(Promise, String)> {
    let examples = Promise::ALL.into_iter().filter_map(|promise| {
        let example = drill.verdict.breaches(promise).into_iter().next()?;
        Some((promise, example))
    });
    examples.collect()
}
