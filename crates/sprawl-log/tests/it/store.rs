//! Reads, look-ups, retention, waiting: what works without any fault.

use std::sync::Arc;
use std::time::Duration;

use sprawl_io::sim::CrashKind;
use sprawl_log::{
    AppendError, AtLeastOne, FlushError, FlushMode, LogError, OpenError, PRODUCER_SNAPSHOT, Part,
    ReadError, ReadRequest,
};
use sprawl_model::batch::BatchHeader;
use sprawl_model::{LeaderEpoch, Offset};
use tokio::sync::Notify;

use crate::world::{World, append, batch, batch_at, batches, config, fill, key, read_all};

#[tokio::test(start_paused = true)]
async fn every_offset_reads_the_same_from_memory_and_from_segments() {
    let mut world = World::new(1);
    world.settings.clean_bytes_max = 0;
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Async))
        .unwrap();
    for n in 0..80 {
        let next = batch(log.log_end().0, 1 + n % 4, 200 + (n * 331 % 3000) as usize);
        append(&log, &next).unwrap().durable().await.unwrap();
    }
    let end = log.log_end();
    let from_memory = read_all(&log, Offset(0), 2500).unwrap();
    store.checkpoint().unwrap();
    sprawl_io::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(store.status().hot_bytes, 0);
    for bytes_max in [1, 700, 2500, 10_000, 1 << 20] {
        assert!(
            read_all(&log, Offset(0), bytes_max).unwrap() == from_memory,
            "{bytes_max}"
        );
    }
    for offset in 0..end.0 {
        let request = ReadRequest {
            offset: Offset(offset),
            bytes_max: 3000,
            at_least_one: AtLeastOne::Yes,
            end,
        };
        let read = log.read(request).unwrap();
        let Part::File(range) = &read.parts[0] else {
            panic!("it is not in memory")
        };
        let bytes = range.load().unwrap();
        let first = BatchHeader::parse(&bytes).unwrap();
        assert!(first.base_offset.0 <= offset && offset <= first.last_offset().0);
        let last = batches(&bytes)
            .last()
            .map(|last| BatchHeader::parse(last).unwrap())
            .unwrap();
        assert_eq!(last.next_offset(), read.next_offset);
    }
    let bounded = ReadRequest {
        offset: Offset(0),
        bytes_max: 1 << 20,
        at_least_one: AtLeastOne::Yes,
        end: Offset(1),
    };
    assert_eq!(log.read(bounded).unwrap().next_offset, Offset(1));
    let small = ReadRequest {
        bytes_max: 10,
        at_least_one: AtLeastOne::No,
        ..bounded
    };
    assert_eq!(log.read(small).unwrap().size, 0);
    let at_end = ReadRequest {
        offset: end,
        end,
        ..bounded
    };
    assert_eq!(log.read(at_end).unwrap().size, 0);
    let beyond = ReadRequest {
        offset: Offset(end.0 + 1),
        ..bounded
    };
    assert!(matches!(
        log.read(beyond),
        Err(ReadError::OutOfRange { .. })
    ));
    let headers: Vec<_> = log
        .headers_from(Offset(3))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(headers[0].base_offset <= Offset(3) && headers[0].next_offset() > Offset(3));
    assert!(
        headers
            .windows(2)
            .all(|pair| pair[0].next_offset() == pair[1].base_offset)
    );
    assert_eq!(headers.last().unwrap().next_offset(), end);
}

#[tokio::test(start_paused = true)]
async fn timestamps_are_looked_up_down_to_the_record() {
    let world = World::new(2);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Async))
        .unwrap();
    assert_eq!(log.max_timestamp(), None);
    for n in 0..40 {
        let next = batch_at(n * 3, 3, 900, 10_000 + n * 100);
        append(&log, &next).unwrap().durable().await.unwrap();
    }
    for _ in 0..2 {
        let find = |timestamp| {
            let found = log.offset_for_timestamp(timestamp, log.log_end()).unwrap();
            found.map(|found| (found.offset.0, found.timestamp))
        };
        assert_eq!(find(0), Some((0, 10_000)));
        assert_eq!(find(10_001), Some((1, 10_001)));
        assert_eq!(find(10_003), Some((3, 10_100)));
        assert_eq!(find(12_502), Some((77, 12_502)));
        assert_eq!(find(13_902), Some((119, 13_902)));
        assert_eq!(find(13_903), None);
        assert_eq!(log.offset_for_timestamp(10_101, Offset(4)).unwrap(), None);
        assert_eq!(log.max_timestamp().unwrap().offset, Offset(119));
        store.checkpoint().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_waits_until_something_is_durable() {
    let world = World::new(3);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    let notify = Arc::new(Notify::new());
    assert!(log.notify_beyond(Offset(0), &notify));
    assert!(log.notify_beyond(Offset(0), &notify));
    let pending = append(&log, &batch(0, 1, 10)).unwrap();
    assert_eq!(log.durable_end(), Offset(0));
    notify.notified().await;
    assert_eq!(log.durable_end(), Offset(1));
    assert_eq!(pending.durable().await.unwrap().into_inner(), Offset(0));
    assert!(!log.notify_beyond(Offset(0), &notify));
    for _ in 0..1000 {
        assert!(log.notify_beyond(Offset(1), &Arc::new(Notify::new())));
    }
}

#[tokio::test(start_paused = true)]
async fn retention_by_time_size_and_delete_records_moves_the_log_start() {
    let mut world = World::new(4);
    let (store, _) = world.open();
    let now = world.io.clock.wall_ms();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    for n in 0..100 {
        let timestamp = now - 1_000_000 + n * 1000;
        append(&log, &batch_at(n, 1, 1000, timestamp))
            .unwrap()
            .durable()
            .await
            .unwrap();
    }
    store.checkpoint().unwrap();
    store.apply_retention().unwrap();
    assert_eq!(log.log_start(), Offset(0));
    let mut limited = config(0, FlushMode::Fsync);
    limited.retention_ms = Some(950_000);
    log.set_config(limited.clone());
    store.apply_retention().unwrap();
    let start = log.log_start();
    assert!(start > Offset(20) && start < Offset(60), "{start}");
    assert_eq!(
        batches(&read_all(&log, start, 5000).unwrap()).len() as i64,
        100 - start.0
    );
    limited.retention_bytes = Some(30_000);
    log.set_config(limited);
    store.apply_retention().unwrap();
    assert!(log.size_bytes() >= 30_000 && log.size_bytes() < 60_000);
    assert_eq!(log.delete_records(Offset(90)).unwrap(), Offset(90));
    assert!(matches!(
        log.delete_records(Offset(101)),
        Err(LogError::OutOfRange { .. })
    ));
    assert_eq!(log.delete_records(Offset(80)).unwrap(), Offset(90));
    assert!(matches!(
        read_all(&log, Offset(89), 100),
        Err(ReadError::OutOfRange { .. })
    ));
    world.crash(CrashKind::PowerCut);
    let (store, report) = world.open();
    assert_eq!(report.damaged, []);
    let log = store.partition(key(0)).unwrap();
    assert_eq!((log.log_start(), log.log_end()), (Offset(90), Offset(100)));
}

#[tokio::test(start_paused = true)]
async fn an_expired_log_keeps_its_end() {
    let mut world = World::new(5);
    let (store, _) = world.open();
    let mut expired = config(0, FlushMode::Fsync);
    expired.retention_ms = Some(1000);
    let log = store.open_partition(key(0), expired).unwrap();
    fill(&log, 30, 1000).await;
    store.checkpoint().unwrap();
    store.apply_retention().unwrap();
    assert_eq!((log.log_start(), log.log_end()), (Offset(30), Offset(30)));
    assert_eq!(log.size_bytes(), 0);
    world.crash(CrashKind::PowerCut);
    let (store, report) = world.open();
    assert_eq!(report.damaged, []);
    let log = store.partition(key(0)).unwrap();
    assert_eq!((log.log_start(), log.log_end()), (Offset(30), Offset(30)));
    store.checkpoint().unwrap();
    // Even without the state store the end is known, by the name of the empty segment. Where the
    // log started is not: what the journal still holds comes back rather than being lost.
    world.state = Arc::default();
    world.crash(CrashKind::PowerCut);
    let (store, report) = world.open();
    assert_eq!(report.damaged, []);
    let log = store.partition(key(0)).unwrap();
    assert_eq!((log.log_start(), log.log_end()), (Offset(0), Offset(30)));
    assert!(!read_all(&log, Offset(0), 100).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_kept_when_what_they_cover_is_and_the_hook_is_asked_at_checkpoints() {
    let mut world = World::new(6);
    let (store, _) = world.open();
    store.set_checkpoint_hook(Box::new(|log| Some((log.log_end(), b"hook".to_vec()))));
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 3, 100).await;
    log.save_snapshot("mine", Offset(3), b"three".to_vec());
    assert_eq!(
        log.load_snapshot("mine"),
        Some((Offset(3), b"three".to_vec()))
    );
    store.checkpoint().unwrap();
    fill(&log, 1, 100).await;
    log.save_snapshot("mine", Offset(4), b"four".to_vec());
    world.crash(CrashKind::Kill);
    let (store, _) = world.open();
    let log = store.partition(key(0)).unwrap();
    assert_eq!(log.log_end(), Offset(4));
    assert_eq!(
        log.load_snapshot("mine"),
        Some((Offset(3), b"three".to_vec()))
    );
    assert_eq!(
        log.load_snapshot(PRODUCER_SNAPSHOT),
        Some((Offset(3), b"hook".to_vec()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_leaves_memory_mode_acknowledges_after_its_memory_is_safe() {
    let mut world = World::new(7);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Memory))
        .unwrap();
    fill(&log, 5, 500).await;
    log.set_config(config(0, FlushMode::Fsync));
    fill(&log, 2, 500).await;
    world.crash(CrashKind::PowerCut);
    let (store, report) = world.open();
    assert_eq!(report.damaged, []);
    assert_eq!(store.partition(key(0)).unwrap().log_end(), Offset(7));
}

#[tokio::test(start_paused = true)]
async fn misuse_is_refused_and_writes_nothing() {
    let world = World::new(8);
    let (store, _) = world.open();
    assert!(matches!(world.try_open(), Err(OpenError::Locked { .. })));
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 1, 100).await;
    let gap = append(&log, &batch(5, 1, 100));
    assert!(matches!(
        gap,
        Err(AppendError::OutOfOrder {
            expected: Offset(1),
            found: Offset(5)
        })
    ));
    let next = batch(1, 1, 100);
    let header = BatchHeader::parse(&next).unwrap();
    let short = log.append(next.slice(..next.len() - 1), &header);
    assert!(matches!(short, Err(AppendError::SizeMismatch { .. })));
    assert_eq!(log.log_end(), Offset(1));
    assert!(matches!(
        store.delete_partition(key(9)),
        Err(LogError::UnknownPartition { .. })
    ));
    let pending = append(&log, &next).unwrap();
    store.delete_partition(key(0)).unwrap();
    assert!(matches!(
        pending.durable().await,
        Err(FlushError::Deleted { .. })
    ));
    assert!(matches!(
        append(&log, &batch(2, 1, 1)),
        Err(AppendError::Deleted { .. })
    ));
    store.close().unwrap();
    assert!(matches!(
        store.open_partition(key(1), config(1, FlushMode::Fsync)),
        Err(LogError::Closed)
    ));
}

#[tokio::test(start_paused = true)]
async fn leader_epochs_end_where_the_next_begins() {
    let mut world = World::new(9);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    assert_eq!(log.epoch_end(LeaderEpoch(0)), None);
    for (offset, epoch) in [(0, 0), (1, 0), (2, 3), (3, 5), (4, 5)] {
        let mut next = bytes::BytesMut::from(&batch(offset, 1, 50)[..]);
        sprawl_model::batch::set_leader_epoch(&mut next, LeaderEpoch(epoch));
        append(&log, &next.freeze())
            .unwrap()
            .durable()
            .await
            .unwrap();
    }
    for round in 0..2 {
        let log = store.partition(key(0)).unwrap();
        let end = |epoch| {
            log.epoch_end(LeaderEpoch(epoch))
                .map(|(epoch, end)| (epoch.0, end.0))
        };
        assert_eq!(end(0), Some((0, 2)));
        assert_eq!(end(1), Some((0, 2)));
        assert_eq!(end(3), Some((3, 3)));
        assert_eq!(end(5), Some((5, 5)));
        assert_eq!(end(6), None);
        if round == 0 {
            sprawl_io::time::sleep(Duration::from_secs(2)).await;
        }
    }
    world.crash(CrashKind::Kill);
    let (store, _) = world.open();
    let log = store.partition(key(0)).unwrap();
    assert_eq!(
        log.epoch_end(LeaderEpoch(4)),
        Some((LeaderEpoch(3), Offset(3)))
    );
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(5)));
}
