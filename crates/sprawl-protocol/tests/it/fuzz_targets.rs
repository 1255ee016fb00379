//! Runs the bodies of the fuzz targets with the stable toolchain.
//!
//! Not a search: the seeds, and a fixed number of damaged copies of each, the same in every run.

use crate::corpus;

const GOLDEN: &str = include_str!("../golden/kafka-4.3.1.txt");

/// How many damaged copies of each seed are tried.
const DAMAGED_COPIES: u64 = 256;

#[test]
fn every_target_survives_its_seeds_and_damaged_copies_of_them() {
    let targets = corpus::targets(GOLDEN);
    assert_eq!(targets.len(), 5, "a new target belongs here too");
    for target in targets {
        assert!(target.seeds.len() >= 6, "{} has seeds", target.name);
        for (number, seed) in target.seeds.iter().enumerate() {
            (target.body)(seed);
            for copy in 0..DAMAGED_COPIES {
                (target.body)(&corpus::damage(seed, (number as u64) << 32 | copy));
            }
        }
    }
}
