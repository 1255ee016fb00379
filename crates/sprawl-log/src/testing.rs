//! Batches for unit tests.

use bytes::Bytes;
use sprawl_model::batch::{BatchBuilder, BatchOptions};
use sprawl_model::{LeaderEpoch, Offset};

/// Builds a batch of `count` records with values of `size` bytes; timestamps follow the offsets.
pub(crate) fn batch(base_offset: i64, count: i64, size: usize) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset: Offset(base_offset),
        leader_epoch: LeaderEpoch(0),
        ..BatchOptions::default()
    });
    for n in 0..count {
        let value = vec![(base_offset + n) as u8; size];
        builder
            .push(1000 + base_offset + n, None, Some(&value), &[])
            .unwrap();
    }
    builder.build().freeze()
}
