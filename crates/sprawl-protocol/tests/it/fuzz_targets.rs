//! Runs the bodies of the fuzz targets with the stable toolchain.
//!
//! Not a search: the seeds, and a fixed number of damaged copies of each, the same in every run.

use crate::corpus;

const GOLDEN: &str = include_str!("../golden/kafka-4.3.1.txt");

/// How many damaged copies of each seed are tried.
const DAMAGED_COPIES: u64 = 256;

/// Lengths that lie, in each of the encodings.
const LIES: [&[u8]; 6] = [
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xfe],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x00, 0x03, 0xff, 0xff],
    &[0x7f, 0xff],
    &[0x00, 0x00, 0x00, 0x00],
];

/// SplitMix64.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as usize
}

fn damage(seed: &[u8], state: &mut u64) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..=random(state) % 3 {
        let at = random(state) % data.len().max(1);
        match random(state) % 4 {
            0 => data.truncate(at),
            1 => {
                let lie = LIES[random(state) % LIES.len()];
                let end = data.len().min(at + lie.len());
                data.splice(at..end, lie.iter().copied());
            }
            2 => {
                let copy = data[at..].to_vec();
                data.extend_from_slice(&copy[..copy.len().min(64)]);
            }
            _ => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << (random(state) % 8);
                }
            }
        }
    }
    data
}

#[test]
fn every_target_survives_its_seeds_and_damaged_copies_of_them() {
    let targets = corpus::targets(GOLDEN);
    assert_eq!(targets.len(), 5, "a new target belongs here too");
    for target in targets {
        assert!(target.seeds.len() >= 6, "{} has seeds", target.name);
        for (number, seed) in target.seeds.iter().enumerate() {
            (target.body)(seed);
            for copy in 0..DAMAGED_COPIES {
                let mut state = (number as u64) << 32 | copy;
                (target.body)(&damage(seed, &mut state));
            }
        }
    }
}
