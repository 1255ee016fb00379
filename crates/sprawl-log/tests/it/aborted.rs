//! The index of aborted transactions: found by range, kept over crashes, trimmed with the log.

use std::sync::Arc;

use sprawl_io::sim::CrashKind;
use sprawl_log::state::ColumnFamily;
use sprawl_log::{AbortedTxn, FlushMode, PartitionLog, StateStore};
use sprawl_model::{Offset, ProducerId};

use crate::world::{World, config, fill, key};

fn entry(first: i64, last: i64, stable: i64) -> AbortedTxn {
    AbortedTxn {
        producer_id: ProducerId(7),
        first_offset: Offset(first),
        last_offset: Offset(last),
        last_stable_offset: Offset(stable),
    }
}

fn found(log: &PartitionLog, from: i64, to: i64) -> Vec<i64> {
    let found = log.aborted_transactions(Offset(from), Offset(to)).unwrap();
    found.iter().map(|entry| entry.last_offset.0).collect()
}

fn stored(world: &World) -> usize {
    world.state.scan(ColumnFamily::Aborted, &[]).unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn aborted_transactions_are_found_by_the_records_they_may_have() {
    let world = World::new(1);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    assert_eq!(found(&log, 0, 100), []);
    // One inside another, then one alone.
    for entry in [entry(4, 6, 2), entry(2, 9, 10), entry(20, 25, 26)] {
        log.note_aborted(entry);
        log.note_aborted(entry);
    }
    assert_eq!(found(&log, 0, 100), [6, 9, 25]);
    assert_eq!(found(&log, 0, 2), [], "both begin later");
    assert_eq!(found(&log, 0, 3), [9]);
    assert_eq!(found(&log, 6, 7), [6, 9]);
    assert_eq!(found(&log, 7, 20), [9]);
    assert_eq!(found(&log, 10, 20), []);
    assert_eq!(found(&log, 25, 26), [25]);
    assert_eq!(found(&log, 26, 100), []);
}

#[tokio::test(start_paused = true)]
async fn aborted_transactions_below_synced_segments_survive_a_crash() {
    let mut world = World::new(2);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 10, 100).await;
    log.note_aborted(entry(2, 9, 10));
    // Its marker is not written yet: the layer above replays it if the crash leaves it.
    log.note_aborted(entry(10, 11, 12));
    store.checkpoint().unwrap();
    store.abandon();
    world.crash(CrashKind::Kill);
    assert_eq!(stored(&world), 1);
    let (store, _) = world.open();
    let log = store.partition(key(0)).unwrap();
    assert_eq!(found(&log, 0, 100), [9]);
    log.note_aborted(entry(2, 9, 10));
    assert_eq!(found(&log, 0, 100), [9], "known from before");
}

async fn many(world: &World, count: i64) -> (sprawl_log::LogStore, Arc<PartitionLog>) {
    let (store, _) = world.open();
    let mut config = config(0, FlushMode::Fsync);
    config.segment_bytes = 8 << 10;
    let log = store.open_partition(key(0), config).unwrap();
    fill(&log, usize::try_from(count).unwrap(), 20).await;
    for offset in 0..count / 2 {
        let last = offset * 2 + 1;
        log.note_aborted(entry(last - 1, last, last + 1));
    }
    store.checkpoint().unwrap();
    (store, log)
}

#[tokio::test(start_paused = true)]
async fn old_entries_are_read_from_the_state_store() {
    let mut world = World::new(3);
    let (store, log) = many(&world, 3_000).await;
    assert_eq!(stored(&world), 1_500);
    let expected: Vec<i64> = (0..1_500).map(|n| n * 2 + 1).collect();
    assert_eq!(found(&log, 0, 3_000), expected);
    assert_eq!(found(&log, 100, 104), [101, 103]);
    assert_eq!(found(&log, 900, 2_000).len(), 550);
    store.close().unwrap();
    world.crash(CrashKind::Kill);
    let (store, _) = world.open();
    let log = store.partition(key(0)).unwrap();
    assert_eq!(found(&log, 0, 3_000), expected);
    log.note_aborted(entry(98, 99, 100));
    assert_eq!(
        found(&log, 0, 3_000),
        expected,
        "known, though not in memory"
    );
}

#[tokio::test(start_paused = true)]
async fn entries_below_the_log_start_are_dropped() {
    let world = World::new(4);
    let (store, log) = many(&world, 3_000).await;
    log.delete_records(Offset(100)).unwrap();
    store.checkpoint().unwrap();
    assert_eq!(stored(&world), 1_450);
    assert_eq!(found(&log, 0, 105), [101, 103, 105]);
    log.delete_records(Offset(2_999)).unwrap();
    store.checkpoint().unwrap();
    assert_eq!(stored(&world), 1);
    assert_eq!(found(&log, 0, 3_000), [2_999]);
    store.delete_partition(key(0)).unwrap();
    assert_eq!(stored(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn damaged_entry_makes_the_state_store_be_built_again() {
    let mut world = World::new(5);
    let (store, _) = many(&world, 20).await;
    store.close().unwrap();
    world.crash(CrashKind::Kill);
    let (key, mut value) = world.state.scan(ColumnFamily::Aborted, &[]).unwrap()[0].clone();
    value[3] ^= 1;
    let mut changes = sprawl_log::state::WriteBatch::default();
    changes.put(ColumnFamily::Aborted, &key, value);
    world.state.write(changes).unwrap();
    let (_, report) = world.open();
    assert!(report.state_rebuilt);
}
