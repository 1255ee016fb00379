//! Compaction: what stays, what goes, and that no crash shows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sprawl_io::sim::CrashKind;
use sprawl_log::{
    AbortedTxn, AtLeastOne, CleanerSettings, CompactionBounds, CompactionConfig, CompactionGuard,
    CompactionStats, FlushMode, LastOfProducer, LogStore, NoObserver, Part, PartitionConfig,
    PartitionLog, ReadRequest, tools,
};
use sprawl_model::batch::{BatchBuilder, BatchHeader, BatchOptions, Records, payload, verify_crc};
use sprawl_model::compression::Codec;
use sprawl_model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

use crate::world::{DIR, World, append, batches, config, key, read_all};

/// Leaves the bounds to the test; the stable end is the durable end.
#[derive(Clone, Default)]
struct Guard(Arc<Mutex<CompactionBounds>>);

impl CompactionGuard for Guard {
    fn stable_end(&self, partition: &PartitionLog) -> Option<Offset> {
        let limit = self.0.lock().unwrap().stable_end;
        let end = partition.durable_end();
        Some(if limit > Offset(0) {
            limit.min(end)
        } else {
            end
        })
    }

    fn bounds(&self, partition: &PartitionLog) -> Option<CompactionBounds> {
        Some(CompactionBounds {
            stable_end: self.stable_end(partition)?,
            ..self.0.lock().unwrap().clone()
        })
    }
}

fn compacted(segment_bytes: u32) -> PartitionConfig {
    PartitionConfig {
        segment_bytes,
        compaction: Some(CompactionConfig {
            dirty_ratio_min: 0.01,
            ..CompactionConfig::default()
        }),
        ..config(0, FlushMode::Fsync)
    }
}

fn open(world: &World, segment_bytes: u32) -> (LogStore, Arc<PartitionLog>, Guard) {
    let (store, report) = world.open();
    assert_eq!((report.damaged.len(), report.lost.len()), (0, 0));
    let log = store
        .open_partition(key(0), compacted(segment_bytes))
        .unwrap();
    let guard = Guard::default();
    store.set_compaction_guard(Box::new(guard.clone()));
    (store, log, guard)
}

/// A record to write: key and value.
type Pair = (u32, Option<u32>);

fn build(options: BatchOptions, timestamp: i64, pairs: &[Pair]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (n, (key, value)) in (0..).zip(pairs) {
        let value = value.map(|value| [value.to_be_bytes(); 40].concat());
        let key = key.to_be_bytes();
        let pushed = builder.push(timestamp + n, Some(&key), value.as_deref(), &[]);
        pushed.unwrap();
    }
    builder.build().freeze()
}

async fn write(log: &Arc<PartitionLog>, codec: Codec, pairs: &[Pair]) {
    let base_offset = log.log_end();
    let options = BatchOptions {
        codec,
        base_offset,
        leader_epoch: LeaderEpoch(0),
        ..BatchOptions::default()
    };
    let batch = build(options, 1_000_000 + base_offset.0, pairs);
    append(log, &batch).unwrap().durable().await.unwrap();
}

/// Offset, timestamp, key and first value number of every record.
type Found = (i64, i64, u32, Option<u32>);

fn records(bytes: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    for batch in batches(bytes) {
        verify_crc(batch).unwrap();
        let header = BatchHeader::parse(batch).unwrap();
        let records = payload(batch, 1 << 20).unwrap();
        for record in Records::new(&header, &records) {
            let record = record.unwrap();
            if header.attributes.is_control() {
                continue;
            }
            let number = |bytes: &[u8]| u32::from_be_bytes(*bytes.first_chunk().unwrap());
            let (key, value) = (number(record.key.unwrap()), record.value.map(number));
            found.push((record.offset.0, record.timestamp, key, value));
        }
    }
    found
}

fn all(log: &PartitionLog) -> Vec<Found> {
    records(&read_all(log, log.log_start(), 5_000).unwrap())
}

/// Returns the last record of every key, in offset order.
fn last_of_each(records: &[Found]) -> Vec<Found> {
    let last: BTreeMap<u32, Found> = records.iter().map(|one| (one.2, *one)).collect();
    let mut last: Vec<Found> = last.into_values().collect();
    last.sort_unstable();
    last
}

/// Writes `count` batches of four records over 50 keys, in all codecs.
async fn fill(log: &Arc<PartitionLog>, count: u32) {
    for n in 0..count {
        let pair = |i: u32| ((n * 7 + i * 13) % 50, Some(n * 4 + i));
        let codec = Codec::ALL[(n % 5) as usize];
        write(log, codec, &[pair(0), pair(1), pair(2), pair(3)]).await;
    }
}

fn compact(store: &LogStore) -> Vec<CompactionStats> {
    store.checkpoint().unwrap();
    store.compact().unwrap()
}

/// Drops what is in memory, so that reads go to segments.
async fn cool(store: &LogStore) {
    store.checkpoint().unwrap();
    sprawl_io::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(store.status().hot_bytes, 0);
}

fn cold_world() -> World {
    let mut world = World::new(1);
    world.settings.clean_bytes_max = 0;
    world
}

fn files(world: &World) -> Vec<String> {
    let files = world.handles.disk.files().into_iter();
    let names = files.map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned());
    names.filter(|name| name.contains(".log")).collect()
}

fn verify(world: &World) {
    let report =
        tools::verify(&world.io, Path::new(DIR), world.state.as_ref(), &NoObserver).unwrap();
    assert_eq!(report.problems, []);
}

#[tokio::test(start_paused = true)]
async fn compacted_records_are_no_longer_read_from_memory() {
    let world = World::new(1);
    let (store, log, _) = open(&world, 8_000);
    fill(&log, 200).await;
    let before = all(&log);
    let hot = store.status().hot_bytes;
    let rounds = compact(&store);
    assert_eq!(rounds.len(), 1);
    let to = rounds[0].to;
    let clean: Vec<Found> = before.iter().filter(|one| one.0 < to.0).copied().collect();
    let mut expected = last_of_each(&clean);
    expected.extend(before.iter().filter(|one| one.0 >= to.0));
    assert_eq!(all(&log), expected);
    let left = store.status().hot_bytes;
    assert!(
        left > 0 && left < hot,
        "{left} of {hot} bytes are in memory"
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_record_of_every_key_stays_at_its_offset() {
    let mut world = cold_world();
    let (store, log, _) = open(&world, 8_000);
    fill(&log, 200).await;
    cool(&store).await;
    let before = all(&log);
    let size = log.size_bytes();
    let rounds = compact(&store);
    assert_eq!(rounds.len(), 1);
    let (from, to) = (rounds[0].from, rounds[0].to);
    assert!(from == Offset(0) && to > Offset(700) && to < log.log_end());
    let clean: Vec<Found> = before.iter().filter(|one| one.0 < to.0).copied().collect();
    let mut expected = last_of_each(&clean);
    expected.extend(before.iter().filter(|one| one.0 >= to.0));
    assert_eq!(all(&log), expected);
    assert!(log.size_bytes() < size / 4);
    assert_eq!(store.compact().unwrap(), [], "nothing is dirty any more");

    // Every offset can be read from, and gives the next record that stayed.
    for offset in 0..log.log_end().0 {
        let bytes = read_all(&log, Offset(offset), 1).unwrap();
        let found = records(&bytes);
        let next = expected.iter().find(|one| one.0 >= offset).unwrap();
        assert!(found.iter().any(|one| one == next), "from {offset}");
    }
    let headers: Vec<_> = log
        .headers_from(Offset(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(headers.is_sorted_by(|one, two| one.next_offset() <= two.base_offset));
    assert_eq!(headers.last().unwrap().next_offset(), log.log_end());
    let newest = log.max_timestamp().unwrap();
    assert_eq!(newest.offset, Offset(expected.last().unwrap().0));
    for one in &expected {
        let found = log
            .offset_for_timestamp(one.1, log.log_end())
            .unwrap()
            .unwrap();
        let first = expected.iter().find(|other| other.1 >= one.1).unwrap();
        assert_eq!(found.offset.0, first.0);
    }

    // The same after a clean stop, after a crash, and without the state store.
    store.close().unwrap();
    verify(&world);
    let (store, log, _) = open(&world, 8_000);
    assert_eq!(all(&log), expected);
    store.abandon();
    world.crash(CrashKind::PowerCut);
    let (store, log, _) = open(&world, 8_000);
    assert_eq!(all(&log), expected);
    assert_eq!(
        store.compact().unwrap(),
        [],
        "how far it is clean is remembered"
    );
    store.abandon();
    world.crash(CrashKind::Kill);
    world.state = Arc::default();
    let (_store, log, _) = open(&world, 8_000);
    assert_eq!(all(&log), expected);
}

#[tokio::test(start_paused = true)]
async fn rounds_follow_each_other_and_merge_what_they_left() {
    let world = cold_world();
    let (store, log, _) = open(&world, 8_000);
    let mut expected = Vec::new();
    for round in 1..=4_u32 {
        fill(&log, 80 * round).await;
        cool(&store).await;
        let before = all(&log);
        let to = compact(&store)[0].to.0;
        let clean: Vec<Found> = before.iter().filter(|one| one.0 < to).copied().collect();
        expected = last_of_each(&clean);
        expected.extend(before.iter().filter(|one| one.0 >= to));
        assert_eq!(all(&log), expected);
    }
    let names = files(&world);
    assert!(
        names.iter().any(|name| name.contains(".4.log")),
        "{names:?}"
    );
    store.close().unwrap();
    verify(&world);
    let (_store, log, _) = open(&world, 8_000);
    assert_eq!(all(&log), expected);
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_stays_for_its_time_and_then_goes() {
    let world = cold_world();
    let (store, log, _) = open(&world, 2_000);
    write(&log, Codec::None, &[(1, Some(1)), (2, Some(2))]).await;
    write(&log, Codec::Lz4, &[(1, None), (3, Some(3))]).await;
    fill_with(&log, 100..140).await;
    cool(&store).await;
    assert_eq!(compact(&store).len(), 1);
    let kept: Vec<_> = all(&log).into_iter().filter(|one| one.2 < 100).collect();
    assert_eq!(
        kept,
        [
            (1, 1_000_001, 2, Some(2)),
            (2, 1_000_002, 1, None),
            (3, 1_000_003, 3, Some(3))
        ]
    );
    let day = CompactionConfig::default().delete_retention_ms;
    let day = Duration::from_millis(u64::try_from(day).unwrap());
    for (wait, tombstones) in [
        (day - Duration::from_secs(60), 1),
        (Duration::from_secs(120), 0),
    ] {
        sprawl_io::time::sleep(wait).await;
        fill_with(&log, 200..240).await;
        store.checkpoint().unwrap();
        assert_eq!(store.compact().unwrap().len(), 1);
        let kept = all(&log).into_iter().filter(|one| one.3.is_none());
        assert_eq!(kept.count(), tombstones, "after {wait:?}");
    }
}

async fn fill_with(log: &Arc<PartitionLog>, keys: std::ops::Range<u32>) {
    for key in keys {
        write(log, Codec::None, &[(key, Some(key))]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_crash_in_a_compaction_shows() {
    for kind in [CrashKind::Kill, CrashKind::PowerCut] {
        let mut operation = 0;
        loop {
            let mut world = World::new(operation);
            world.settings.clean_bytes_max = 0;
            let (store, log, _) = open(&world, 6_000);
            fill(&log, 60).await;
            cool(&store).await;
            compact(&store);
            fill(&log, 60).await;
            cool(&store).await;
            let before = all(&log);
            let now = world.handles.disk.operation_count();
            world.handles.disk.crash_at(now + operation, kind);
            let rounds = store.compact();
            let is_over = rounds.is_ok();
            store.abandon();
            world.crash(kind);
            if operation % 3 == 2 {
                world.state = Arc::default();
            }
            let (store, log, _) = open(&world, 6_000);
            let after = all(&log);
            assert_eq!(
                last_of_each(&after),
                last_of_each(&before),
                "{kind:?} {operation}"
            );
            assert!(after.iter().all(|one| before.contains(one)));
            assert!(
                files(&world)
                    .iter()
                    .all(|name| !name.ends_with(".cleaning"))
            );
            compact(&store);
            assert_eq!(last_of_each(&all(&log)), last_of_each(&before));
            store.close().unwrap();
            verify(&world);
            if is_over {
                break;
            }
            operation += 1;
        }
        assert!(operation > 10, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_sequence_of_an_active_producer_survives_its_records() {
    let world = cold_world();
    let (store, log, guard) = open(&world, 2_000);
    let options = |producer: i64, sequence: i32, base_offset: Offset| BatchOptions {
        base_offset,
        leader_epoch: LeaderEpoch(0),
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(2),
        base_sequence: Sequence(sequence),
        ..BatchOptions::default()
    };
    for (producer, sequence) in [(7, 0), (8, 0), (7, 2)] {
        let options = options(producer, sequence, log.log_end());
        let batch = build(options, 1, &[(1, Some(1)), (2, Some(2))]);
        append(&log, &batch).unwrap().durable().await.unwrap();
    }
    write(&log, Codec::None, &[(1, Some(9)), (2, Some(9))]).await;
    fill_with(&log, 100..120).await;
    cool(&store).await;
    guard.0.lock().unwrap().producers.insert(
        ProducerId(7),
        LastOfProducer {
            epoch: ProducerEpoch(2),
            last_data_offset: Some(Offset(5)),
        },
    );
    assert_eq!(compact(&store).len(), 1);
    let headers: Vec<_> = log
        .headers_from(Offset(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let of = |producer: i64| {
        let mut found = headers
            .iter()
            .filter(move |one| one.producer_id.0 == producer);
        (found.next(), found.next())
    };
    let (kept, other) = of(7);
    let kept = kept.unwrap();
    assert_eq!(other, None);
    assert_eq!((kept.base_offset, kept.record_count), (Offset(4), 0));
    assert_eq!(
        (kept.last_sequence(), kept.producer_epoch),
        (Sequence(3), ProducerEpoch(2))
    );
    assert_eq!(
        of(8),
        (None, None),
        "a producer that is not active any more"
    );
}

/// Appends a batch of a transaction, or its marker.
async fn write_txn(log: &Arc<PartitionLog>, producer: i64, content: Result<u32, bool>) -> Offset {
    let base_offset = log.log_end();
    let options = BatchOptions {
        base_offset,
        leader_epoch: LeaderEpoch(0),
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(0),
        transactional: true,
        control: content.is_err(),
        ..BatchOptions::default()
    };
    let batch = match content {
        Ok(key) => build(options, 5, &[(key, Some(key))]),
        Err(commits) => {
            let mut builder = BatchBuilder::new(options);
            let key = [0, 0, 0, u8::from(commits)];
            builder.push(5, Some(&key), Some(&[0; 6]), &[]).unwrap();
            builder.build().freeze()
        }
    };
    append(log, &batch).unwrap().durable().await.unwrap();
    base_offset
}

#[tokio::test(start_paused = true)]
async fn aborted_data_goes_at_once_and_markers_after_their_data_and_the_horizon() {
    let world = cold_world();
    let (store, log, guard) = open(&world, 2_000);
    write(&log, Codec::None, &[(1, Some(1))]).await;
    write_txn(&log, 5, Ok(1)).await;
    write_txn(&log, 6, Ok(2)).await;
    let aborted_at = write_txn(&log, 5, Err(false)).await;
    let committed_at = write_txn(&log, 6, Err(true)).await;
    guard.0.lock().unwrap().aborted = vec![AbortedTxn {
        producer_id: ProducerId(5),
        first_offset: Offset(1),
        last_offset: aborted_at,
        last_stable_offset: aborted_at.checked_add(1).unwrap(),
    }];
    fill_with(&log, 100..120).await;
    cool(&store).await;
    let markers = |log: &Arc<PartitionLog>| -> Vec<(i64, bool)> {
        let headers = log.headers_from(Offset(0)).unwrap().map(Result::unwrap);
        let control = headers.filter(|header| header.attributes.is_control());
        let marked = control.map(|one| (one.base_offset.0, one.attributes.has_delete_horizon()));
        marked.collect()
    };
    let low = |log: &Arc<PartitionLog>| -> Vec<(i64, u32)> {
        let low = all(log).into_iter().filter(|one| one.2 < 100);
        low.map(|one| (one.0, one.2)).collect()
    };
    assert_eq!(compact(&store).len(), 1);
    assert_eq!(
        low(&log),
        [(0, 1), (2, 2)],
        "the aborted value of key 1 hides nothing"
    );
    assert_eq!(
        markers(&log),
        [(aborted_at.0, false), (committed_at.0, false)]
    );

    // The aborted data is gone, so its marker gets a horizon; the committed data is not.
    fill_with(&log, 120..140).await;
    assert_eq!(compact(&store).len(), 1);
    assert_eq!(
        markers(&log),
        [(aborted_at.0, true), (committed_at.0, false)]
    );

    let day = CompactionConfig::default().delete_retention_ms;
    sprawl_io::time::sleep(Duration::from_millis(u64::try_from(day).unwrap())).await;
    fill_with(&log, 140..160).await;
    assert_eq!(compact(&store).len(), 1);
    assert_eq!(markers(&log), [(committed_at.0, false)]);
    assert_eq!(low(&log), [(0, 1), (2, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_keeps_the_segment_that_it_found() {
    let world = cold_world();
    let (store, log, _) = open(&world, 4_000);
    fill(&log, 60).await;
    cool(&store).await;
    let end = log.log_end();
    let read = log
        .read(ReadRequest {
            offset: Offset(0),
            bytes_max: 3_000,
            at_least_one: AtLeastOne::Yes,
            end,
        })
        .unwrap();
    let Part::File(range) = &read.parts[0] else {
        panic!("it is not in memory")
    };
    let before = range.load().unwrap();
    let headers = log.headers_from(Offset(0)).unwrap();
    assert_eq!(compact(&store).len(), 1);
    assert_eq!(range.load().unwrap(), before);
    assert!(headers.map(Result::unwrap).count() > 5);
}

#[tokio::test(start_paused = true)]
async fn a_small_offset_map_takes_several_rounds_and_the_same_way() {
    let world = cold_world();
    let (store, log, _) = open(&world, 4_000);
    store.set_cleaner(CleanerSettings {
        thread_count: 0,
        dedupe_bytes_max: 20 * 24,
        io_buffer_bytes: 100,
        ..CleanerSettings::default()
    });
    fill(&log, 100).await;
    cool(&store).await;
    let before = all(&log);
    let rounds = compact(&store);
    assert!(rounds.len() > 3, "{}", rounds.len());
    assert!(rounds.is_sorted_by(|one, two| one.to == two.from));
    assert!(rounds.iter().all(|one| one.key_count <= 18));
    assert_eq!(last_of_each(&all(&log)), last_of_each(&before));
    assert!(all(&log).len() < before.len() / 2);
    store.close().unwrap();
    verify(&world);
}

#[tokio::test(start_paused = true)]
async fn the_threads_compact_within_their_budget_and_end_at_close() {
    let mut world = cold_world();
    world.settings.checkpoint_idle = Duration::from_millis(200);
    let (store, log, guard) = open(&world, 4_000);
    guard.0.lock().unwrap().stable_end = Offset(100);
    fill(&log, 100).await;
    cool(&store).await;
    let before = all(&log);
    store.set_cleaner(CleanerSettings {
        thread_count: 2,
        backoff: Duration::from_secs(1),
        io_bytes_per_second_max: 10_000.0,
        io_buffer_bytes: 16 << 10,
        ..CleanerSettings::default()
    });
    sprawl_io::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(all(&log), before, "the budget holds it back");
    sprawl_io::time::sleep(Duration::from_secs(30)).await;
    let after = all(&log);
    assert!(after.len() < before.len());
    let above = |all: &[Found]| all.iter().filter(|one| one.0 >= 100).count();
    assert_eq!(
        above(&after),
        above(&before),
        "nothing above the stable end"
    );
    store.close().unwrap();
    verify(&world);
}

#[tokio::test(start_paused = true)]
async fn a_round_waits_once_for_the_checkpoint_that_makes_it_larger() {
    let mut world = cold_world();
    world.settings.checkpoint_idle = Duration::from_secs(3600);
    let (store, log, _) = open(&world, 4_000);
    fill(&log, 60).await;
    cool(&store).await;
    fill(&log, 60).await;
    sprawl_io::time::sleep(Duration::from_secs(3)).await;
    let before = all(&log);
    store.set_cleaner(CleanerSettings {
        backoff: Duration::from_secs(1),
        ..CleanerSettings::default()
    });
    sprawl_io::time::sleep(Duration::from_secs(30)).await;
    let after = all(&log);
    assert!(after.len() < before.len() / 3, "{} records", after.len());
    assert_eq!(last_of_each(&after), last_of_each(&before));
    let twice: Vec<String> = files(&world)
        .into_iter()
        .filter(|name| name.ends_with(".2.log"))
        .collect();
    assert_eq!(twice, [""; 0], "nothing was written twice");
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_is_not_copied_and_ends_the_compaction_of_its_log() {
    let world = cold_world();
    let (store, log, _) = open(&world, 4_000);
    fill(&log, 60).await;
    cool(&store).await;
    assert_eq!(
        world
            .handles
            .disk
            .flip_bits("00000000000000000000.log", 1)
            .len(),
        1
    );
    let names = files(&world);
    assert_eq!(compact(&store), []);
    assert_eq!(files(&world), names);
}

#[tokio::test(start_paused = true)]
async fn retention_takes_segments_that_compaction_emptied() {
    let world = cold_world();
    let (store, log, _) = open(&world, 1_000);
    for _ in 0..40 {
        write(&log, Codec::None, &[(1, Some(1))]).await;
    }
    cool(&store).await;
    assert_eq!(compact(&store).len(), 1);
    log.delete_records(Offset(39)).unwrap();
    store.apply_retention().unwrap();
    assert_eq!(log.log_start(), Offset(39));
    assert!(files(&world).len() <= 2, "{:?}", files(&world));
    let found: Vec<i64> = all(&log).iter().map(|one| one.0).collect();
    assert_eq!(found, [39]);
}
