//! A scripted workload is cut off at every single write, sync and rename, by a kill and by a power
//! cut. What was acknowledged is there afterwards, byte for byte, and a second crash changes
//! nothing (I26).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprawl_io::sim::CrashKind;
use sprawl_log::{FlushMode, LogStore, PartitionLog};
use sprawl_model::Offset;

use crate::world::{World, append, batch, config, key, read_all};

const MODES: [FlushMode; 3] = [FlushMode::Fsync, FlushMode::Async, FlushMode::Memory];
/// The partition that the script deletes.
const DOOMED: i32 = 3;

/// What a client remembers of one partition.
#[derive(Clone, Debug, Default)]
struct Remembered {
    batches: Vec<Bytes>,
    /// Batches acknowledged, counted from the first.
    acked_count: usize,
    log_start: i64,
}

/// What clients remember of the whole run.
#[derive(Clone, Debug, Default)]
struct Memory {
    partitions: BTreeMap<i32, Remembered>,
    is_deletion_asked: bool,
    is_deleted: bool,
    is_closed: bool,
}

impl Memory {
    fn of(&mut self, partition: i32) -> &mut Remembered {
        self.partitions.entry(partition).or_default()
    }
}

fn mode(partition: i32) -> FlushMode {
    if partition == DOOMED {
        FlushMode::Fsync
    } else {
        MODES[partition as usize]
    }
}

/// Runs the script until it ends or the disk fails; `None` means it failed.
async fn script(store: &LogStore, memory: &mut Memory, rounds: i64) -> Option<()> {
    for round in 0..rounds {
        for partition in 0..4 {
            if partition == DOOMED && memory.is_deletion_asked {
                continue;
            }
            let log = store
                .open_partition(key(partition), config(partition, mode(partition)))
                .ok()?;
            step(&log, memory.of(partition), round).await?;
        }
        if round % 4 == 2 {
            let log = store.partition(key(0))?;
            let before = Offset(log.durable_end().0 / 2);
            memory.of(0).log_start = log.delete_records(before).ok()?.0;
        }
        if round == 5 && !memory.is_deletion_asked {
            memory.is_deletion_asked = true;
            store.delete_partition(key(DOOMED)).ok()?;
            memory.is_deleted = true;
        }
        if round % 5 == 4 {
            sprawl_io::time::sleep(Duration::from_millis(300)).await;
        }
        if round == 7 {
            store.checkpoint().ok()?;
        }
    }
    store.close().ok()?;
    memory.is_closed = true;
    Some(())
}

/// Appends a few batches of several sizes at once and waits for all.
async fn step(log: &Arc<PartitionLog>, memory: &mut Remembered, round: i64) -> Option<()> {
    let mut pending = Vec::new();
    for n in 0..=round % 3 {
        let next = batch(log.log_end().0, 1 + n, 300 + (round * 977 % 5000) as usize);
        memory.batches.push(next.clone());
        pending.push(append(log, &next).ok()?);
    }
    for one in pending {
        one.durable().await.ok()?;
        memory.acked_count += 1;
    }
    Some(())
}

/// Compares what is there with what is remembered, and forgets what was allowed to be lost.
fn check(store: &LogStore, memory: &mut Memory, kind: CrashKind, what: &str) {
    for (partition, remembered) in &mut memory.partitions {
        let Some(log) = store.partition(key(*partition)) else {
            let is_gone = *partition == DOOMED && memory.is_deletion_asked;
            let is_owed = remembered.acked_count > 0 && is_kept(*partition, kind);
            assert!(is_gone || !is_owed, "{what}: partition {partition} is gone");
            *remembered = Remembered::default();
            continue;
        };
        assert!(
            *partition != DOOMED || !memory.is_deleted,
            "{what}: the deleted partition is back"
        );
        assert_eq!(log.damage(), [], "{what}: partition {partition}");
        assert_eq!(log.log_end(), log.durable_end(), "{what}");
        assert!(
            log.log_start().0 >= remembered.log_start,
            "{what}: log start fell"
        );
        let bytes = read_all(&log, log.log_start(), 9000).unwrap();
        let found = crate::world::batches(&bytes);
        let skipped = remembered.batches.iter().take_while(|batch| {
            sprawl_model::batch::BatchHeader::parse(batch)
                .unwrap()
                .next_offset()
                <= log.log_start()
        });
        let skipped = skipped.count();
        let kept = skipped + found.len();
        assert!(
            kept <= remembered.batches.len(),
            "{what}: more than was appended"
        );
        for (found, appended) in found.iter().zip(&remembered.batches[skipped..]) {
            assert!(found == appended, "{what}: partition {partition} changed");
        }
        if is_kept(*partition, kind) || memory.is_closed {
            let acked = remembered.acked_count;
            assert!(
                kept >= acked,
                "{what}: partition {partition} has {kept} of {acked} acked"
            );
        }
        remembered.batches.truncate(kept);
        remembered.acked_count = kept;
        remembered.log_start = log.log_start().0;
    }
}

fn is_kept(partition: i32, kind: CrashKind) -> bool {
    match mode(partition) {
        FlushMode::Fsync => true,
        FlushMode::Async => kind == CrashKind::Kill,
        FlushMode::Memory => false,
    }
}

/// Runs to a crash at one operation, recovers, goes on to a second crash, recovers and stops
/// cleanly.
async fn run(seed: u64, first: u64, second: u64, kind: CrashKind) {
    let what = format!("seed {seed}, crash at {first} then {second}, {kind:?}");
    let mut world = World::new(seed);
    let mut memory = Memory::default();
    for (n, at) in [first, second].into_iter().enumerate() {
        let started = world.handles.disk.operation_count();
        world.handles.disk.crash_at(started + at, kind);
        if let Ok((store, _)) = world.try_open() {
            if n > 0 {
                check(&store, &mut memory, kind, &what);
            }
            memory.is_closed = false;
            let rounds = if n == 0 { 10 } else { 4 };
            script(&store, &mut memory, rounds).await;
        }
        world.crash(kind);
    }
    let (store, report) = world.open();
    assert_eq!(report.damaged, [], "{what}");
    assert_eq!(report.lost, [], "{what}");
    check(&store, &mut memory, kind, &what);
    store.close().unwrap();
    world.crash(kind);
    memory.is_closed = true;
    let (store, report) = world.open();
    assert!(report.was_clean, "{what}");
    assert_eq!(report.frame_count, 0, "{what}");
    check(&store, &mut memory, CrashKind::Kill, &what);
}

/// Returns how many operations the whole script takes.
async fn operation_count() -> u64 {
    let world = World::new(1);
    let (store, _) = world.open();
    let mut memory = Memory::default();
    script(&store, &mut memory, 10)
        .await
        .expect("no fault was ordered");
    world.handles.disk.operation_count()
}

async fn run_all(kind: CrashKind) {
    let count = operation_count().await;
    assert!(
        count > 150,
        "the script does too little: {count} operations"
    );
    for at in 0..=count {
        run(at, at, 3 + at * 7 % 60, kind).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_acknowledged_is_lost_to_a_kill_at_any_operation() {
    run_all(CrashKind::Kill).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_synced_is_lost_to_a_power_cut_at_any_operation() {
    run_all(CrashKind::PowerCut).await;
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_one_trace() {
    let mut traces = Vec::new();
    for _ in 0..2 {
        let world = World::new(7);
        let (store, _) = world.open();
        let mut memory = Memory::default();
        script(&store, &mut memory, 10).await.unwrap();
        traces.push(world.handles.trace.hash());
    }
    assert_eq!(traces[0], traces[1]);
}
