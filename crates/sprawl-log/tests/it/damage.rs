//! Bytes that were on stable storage and changed there are reported and never cut silently.

use std::path::Path;

use sprawl_io::disk::OpenMode;
use sprawl_io::sim::CrashKind;
use sprawl_log::{
    AtLeastOne, DamageRange, FlushMode, LogStore, NoObserver, ReadError, ReadRequest, tools,
};
use sprawl_model::Offset;

use crate::world::{DIR, World, append, batch, batches, config, fill, key, read_all};

const JOURNAL: &str = "/data/journal/00000001.journal";

/// Opens a store whose write-behind side never gets to anything, so that all is in the journal.
async fn journal_only(world: &mut World) -> LogStore {
    world.settings.run_bytes_min = 1 << 30;
    world.settings.run_age_max = std::time::Duration::from_secs(3600);
    world.settings.checkpoint_idle = std::time::Duration::from_secs(3600);
    world.open().0
}

/// Overwrites bytes of a file between two processes.
fn overwrite(world: &World, path: &str, position: u64, bytes: &[u8]) {
    let file = world
        .io
        .disk
        .open(Path::new(path), OpenMode::ReadWrite)
        .unwrap();
    file.write_at(&[std::io::IoSlice::new(bytes)], position)
        .unwrap();
    file.sync_data().unwrap();
}

/// Returns where in a file `needle` stands.
fn find(world: &World, path: &str, needle: &[u8]) -> u64 {
    let bytes = world.handles.disk.bytes(Path::new(path)).unwrap();
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap() as u64
}

#[tokio::test(start_paused = true)]
async fn flipped_payload_in_the_middle_of_the_journal_loses_that_batch_only_and_is_reported() {
    let mut world = World::new(1);
    let store = journal_only(&mut world).await;
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    let other = store
        .open_partition(key(1), config(1, FlushMode::Fsync))
        .unwrap();
    fill(&log, 3, 500).await;
    let lost = batch(3, 2, 500);
    append(&log, &lost).unwrap().durable().await.unwrap();
    fill(&other, 2, 500).await;
    fill(&log, 2, 500).await;
    let at = find(&world, JOURNAL, &lost[..61]) + 100;
    world.crash(CrashKind::PowerCut);
    overwrite(&world, JOURNAL, at, b"?");
    let (store, report) = world.open();
    let range = DamageRange {
        from: Offset(3),
        to: Offset(5),
    };
    assert_eq!(report.damaged.len(), 1);
    assert_eq!(
        (report.damaged[0].key, report.damaged[0].range),
        (key(0), range)
    );
    assert_eq!(report.lost.len(), 1);
    assert_eq!(report.torn, None);
    let log = store.partition(key(0)).unwrap();
    assert_eq!(log.log_end(), Offset(7));
    let request = ReadRequest {
        offset: Offset(0),
        bytes_max: 1 << 20,
        at_least_one: AtLeastOne::Yes,
        end: log.log_end(),
    };
    let before_the_gap = log.read(request).unwrap();
    assert_eq!(before_the_gap.next_offset, Offset(3));
    assert!(matches!(
        read_all(&log, Offset(3), 1000),
        Err(ReadError::Damaged {
            from: Offset(3),
            to: Offset(5)
        })
    ));
    assert_eq!(batches(&read_all(&log, Offset(5), 1000).unwrap()).len(), 2);
    assert_eq!(store.partition(key(1)).unwrap().log_end(), Offset(2));
    fill(&log, 1, 10).await;
    store.close().unwrap();
    // The damage is remembered, and the damaged journal file is kept beside the others.
    world.crash(CrashKind::Kill);
    let (store, report) = world.open();
    assert_eq!(report.damaged.len(), 1, "{:?}", report.damaged);
    let log = store.partition(key(0)).unwrap();
    assert_eq!(log.damage(), [range]);
    // What the journal held before the lost batch went to a segment, too.
    let before_the_gap = log.read(request).unwrap();
    assert_eq!(before_the_gap.next_offset, Offset(3));
    assert_eq!(log.log_start(), Offset(0));
    let kept = world.handles.disk.files();
    assert!(
        kept.iter()
            .any(|(path, _)| path.to_string_lossy().contains(".damaged-"))
    );
}

/// Seed 7 of the simulator's compaction world, when it was new.
#[tokio::test(start_paused = true)]
async fn a_first_segment_whose_name_a_power_cut_took_comes_back_from_the_journal() {
    let mut world = World::new(3);
    world.settings.checkpoint_bytes = 1 << 20;
    world.settings.checkpoint_idle = std::time::Duration::from_secs(3600);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 60, 1000).await;
    sprawl_io::time::sleep(std::time::Duration::from_secs(2)).await;
    let before = read_all(&log, Offset(0), 4000).unwrap();
    let segments: Vec<_> = world
        .handles
        .disk
        .files()
        .into_iter()
        .map(|file| file.0)
        .collect();
    let first = segments
        .iter()
        .find(|path| path.ends_with("00000000000000000000.log"));
    let first = first.unwrap().clone();
    assert!(
        segments
            .iter()
            .filter(|path| path.extension().is_some_and(|e| e == "log"))
            .count()
            > 2
    );
    store.abandon();
    world.crash(CrashKind::Kill);
    world.io.disk.remove_file(&first).unwrap();
    let (store, report) = world.open();
    assert_eq!((report.damaged.len(), report.lost.len()), (0, 0));
    let log = store.partition(key(0)).unwrap();
    assert_eq!((log.log_start(), log.log_end()), (Offset(0), Offset(60)));
    assert!(read_all(&log, Offset(0), 4000).unwrap() == before);
}

#[tokio::test(start_paused = true)]
async fn flipped_frame_header_is_found_by_the_frames_behind_it() {
    let mut world = World::new(2);
    let store = journal_only(&mut world).await;
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 6, 300).await;
    let third = batch(2, 1, 300);
    let at = find(&world, JOURNAL, &third[..40]) - 40;
    world.crash(CrashKind::PowerCut);
    overwrite(&world, JOURNAL, at, &[0xAA; 8]);
    let (store, report) = world.open();
    let lost: Vec<_> = report
        .lost
        .iter()
        .map(|lost| (lost.first_lsn, lost.end_lsn))
        .collect();
    assert_eq!(lost, [(3, 4)]);
    assert_eq!(report.lost[0].batch, None);
    let log = store.partition(key(0)).unwrap();
    assert_eq!(
        log.damage(),
        [DamageRange {
            from: Offset(2),
            to: Offset(3)
        }]
    );
    assert_eq!(log.log_end(), Offset(6));
}

#[tokio::test(start_paused = true)]
async fn torn_last_group_is_cut_and_is_no_damage() {
    let mut world = World::new(3);
    let store = journal_only(&mut world).await;
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 4, 300).await;
    let last = batch(3, 1, 300);
    let at = find(&world, JOURNAL, &last[61..]);
    world.crash(CrashKind::PowerCut);
    overwrite(&world, JOURNAL, at + 20, &[0; 200]);
    let (store, report) = world.open();
    assert_eq!((report.damaged.len(), report.lost.len()), (0, 0));
    assert!(report.torn.is_some());
    let log = store.partition(key(0)).unwrap();
    assert_eq!(log.log_end(), Offset(3));
    fill(&log, 2, 300).await;
    world.crash(CrashKind::PowerCut);
    let (store, report) = world.open();
    assert_eq!((report.damaged.len(), report.lost.len()), (0, 0));
    assert_eq!(store.partition(key(0)).unwrap().log_end(), Offset(5));
}

#[tokio::test(start_paused = true)]
async fn shortened_segment_is_reported_and_the_log_goes_on_behind_it() {
    let mut world = World::new(4);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 10, 700).await;
    store.close().unwrap();
    world.crash(CrashKind::Kill);
    let (path, size) = world
        .handles
        .disk
        .files()
        .into_iter()
        .find(|(path, _)| path.extension().is_some_and(|extension| extension == "log"))
        .unwrap();
    world
        .io
        .disk
        .open(&path, OpenMode::ReadWrite)
        .unwrap()
        .set_size(size - 5000)
        .unwrap();
    let (store, report) = world.open();
    assert_eq!(report.damaged.len(), 1);
    let range = report.damaged[0].range;
    assert_eq!(range.to, Offset(10));
    let log = store.partition(key(0)).unwrap();
    assert_eq!(log.log_end(), Offset(10));
    fill(&log, 3, 700).await;
    store.checkpoint().unwrap();
    assert_eq!(batches(&read_all(&log, Offset(10), 5000).unwrap()).len(), 3);
    assert!(read_all(&log, range.from, 5000).is_err());
}

#[tokio::test(start_paused = true)]
async fn lost_state_store_is_built_again_from_segments_and_journal() {
    let mut world = World::new(5);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 60, 900).await;
    store.checkpoint().unwrap();
    fill(&log, 5, 900).await;
    let before = read_all(&log, Offset(0), 4000).unwrap();
    world.crash(CrashKind::PowerCut);
    world.state = std::sync::Arc::default();
    let (store, report) = world.open();
    assert!(report.state_rebuilt);
    assert_eq!(report.damaged, []);
    let log = store.partition(key(0)).unwrap();
    assert!(read_all(&log, Offset(0), 4000).unwrap() == before);
    store.close().unwrap();
    drop((log, store));
    world.crash(CrashKind::Kill);
    let report = verify(&world);
    assert_eq!(report.problems, []);
    assert_eq!(report.batch_count, 65);
    assert!(report.index_entry_count > 5);
}

#[tokio::test(start_paused = true)]
async fn verify_finds_every_flipped_bit_in_segments() {
    let mut world = World::new(6);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 60, 900).await;
    store.close().unwrap();
    world.crash(CrashKind::Kill);
    let clean = world.handles.disk.image();
    assert_eq!(verify(&world).problems, []);
    for _ in 0..60 {
        let flips = world.handles.disk.flip_bits(".log", 1);
        let found = verify(&world);
        // Behind the last batch of the active segment a bit makes a torn tail of the padding.
        let is_found = !found.problems.is_empty() || !found.torn_tails.is_empty();
        assert!(is_found, "{flips:?}");
        world.handles.disk.crash(CrashKind::Kill);
        world.handles.disk.load(&clean);
        world.io = world.handles.restart();
    }
}

fn verify(world: &World) -> tools::VerifyReport {
    tools::verify(&world.io, Path::new(DIR), world.state.as_ref(), &NoObserver).unwrap()
}

#[tokio::test(start_paused = true)]
async fn bad_header_met_when_a_segment_is_sealed_takes_that_range_offline_and_nothing_else() {
    let mut world = World::new(7);
    let (store, _) = world.open();
    for partition in 0..2 {
        let log = store
            .open_partition(key(partition), config(partition, FlushMode::Fsync))
            .unwrap();
        fill(&log, 10, 1000).await;
    }
    store.close().unwrap();
    world.crash(CrashKind::Kill);
    let fourth = batch(3, 1, 1000);
    let path = Path::new("/data/partitions").join(format!("{}-0", key(0).topic_id));
    let path = path.join("00000000000000000000.log");
    let path = path.to_str().unwrap();
    let at = find(&world, path, &fourth[..61]);
    overwrite(&world, path, at + 8, &[0xff; 4]);
    let (store, report) = world.open();
    assert_eq!(report.damaged, []);
    for partition in 0..2 {
        let log = store
            .open_partition(key(partition), config(partition, FlushMode::Fsync))
            .unwrap();
        fill(&log, 40, 1000).await;
    }
    store.checkpoint().unwrap();
    assert_eq!(store.status().offline, None);
    let range = DamageRange {
        from: Offset(3),
        to: store.partition(key(0)).unwrap().damage()[0].to,
    };
    let check = |store: &LogStore| {
        let log = store.partition(key(0)).unwrap();
        assert_eq!(log.damage(), [range]);
        assert!(read_all(&log, range.from, 5000).is_err());
        let behind = read_all(&log, range.to, 5000).unwrap();
        assert_eq!(batches(&behind).len() as i64, 50 - range.to.0);
        let other = store.partition(key(1)).unwrap();
        let whole = read_all(&other, Offset(0), 5000).unwrap();
        assert_eq!(batches(&whole).len(), 50);
    };
    check(&store);
    store.close().unwrap();
    world.crash(CrashKind::Kill);
    let (store, report) = world.open();
    assert_eq!(report.damaged.len(), 1);
    check(&store);
}

#[tokio::test(start_paused = true)]
async fn hole_between_segments_is_filled_from_the_journal_when_the_state_store_is_lost() {
    lose_segment_and_state(1).await;
}

/// Seed 257 of the simulator's log world.
#[tokio::test(start_paused = true)]
async fn lost_first_segment_comes_back_from_the_journal_when_the_state_store_is_lost() {
    lose_segment_and_state(0).await;
}

/// Takes the name of one of some segments and the state store, as a power cut may.
async fn lose_segment_and_state(index: usize) {
    let mut world = World::new(8);
    world.settings.checkpoint_bytes = 1 << 40;
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 60, 1000).await;
    sprawl_io::time::sleep(std::time::Duration::from_secs(1)).await;
    let before = read_all(&log, Offset(0), 5000).unwrap();
    world.crash(CrashKind::Kill);
    let segments: Vec<_> = world.handles.disk.files().into_iter().collect();
    let segments: Vec<_> = segments
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    assert!(segments.len() > 2);
    world.io.disk.remove_file(&segments[index].0).unwrap();
    world.state = std::sync::Arc::default();
    let (store, report) = world.open();
    assert!(report.state_rebuilt);
    assert_eq!(report.damaged, []);
    let log = store.partition(key(0)).unwrap();
    assert!(read_all(&log, Offset(0), 5000).unwrap() == before);
    store.close().unwrap();
    world.crash(CrashKind::PowerCut);
    assert_eq!(verify(&world).problems, []);
    let (store, report) = world.open();
    assert_eq!(report.damaged, []);
    let log = store.partition(key(0)).unwrap();
    assert!(read_all(&log, Offset(0), 5000).unwrap() == before);
}
