//! Runs the targets with the stable toolchain on their seeds and on damaged copies.

use sprawl_fuzz::corpus::{Target, damage};

fn run(target: &Target, damaged_copies: u64) {
    assert!(!target.seeds.is_empty(), "{} has seeds", target.name);
    for (number, seed) in target.seeds.iter().enumerate() {
        (target.body)(seed);
        for copy in 0..damaged_copies {
            (target.body)(&damage(seed, (number as u64) << 32 | copy));
        }
    }
}

#[test]
fn an_undamaged_file_brings_its_records_back() {
    for target in sprawl_fuzz::disk::targets() {
        let counts = target
            .seeds
            .iter()
            .map(|seed| sprawl_fuzz::disk::records_in(&target, seed));
        let most = counts.flatten().max();
        assert!(most >= Some(6), "{}: {most:?} records of 8", target.name);
    }
}

#[test]
fn a_damaged_journal_opens_or_says_why_not() {
    run(&sprawl_fuzz::disk::targets()[0], 300);
}

#[test]
fn a_damaged_segment_opens_or_says_why_not() {
    run(&sprawl_fuzz::disk::targets()[1], 300);
}

#[test]
fn damaged_client_metrics_are_read_or_refused() {
    for target in sprawl_fuzz::telemetry::targets() {
        run(&target, 5_000);
    }
}
