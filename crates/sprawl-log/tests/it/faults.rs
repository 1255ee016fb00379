//! Failed writes, failed syncs and full disks (I28): no acknowledgement, nothing written on.

use std::time::Duration;

use sprawl_io::disk::OpenMode;
use sprawl_io::sim::{CrashKind, OpKind};
use sprawl_log::{AppendError, FlushError, FlushMode};
use sprawl_model::Offset;

use crate::world::{World, append, batch, batches, config, fill, key, read_all};

#[tokio::test(start_paused = true)]
async fn failed_sync_acknowledges_nothing_and_takes_the_store_offline() {
    let mut world = World::new(1);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 2, 100).await;
    world.handles.disk.fail_nth(OpKind::Sync, 1);
    let failed = append(&log, &batch(2, 1, 100)).unwrap().durable().await;
    assert!(matches!(failed, Err(FlushError::Offline { .. })));
    assert_eq!(log.durable_end(), Offset(2));
    let refused = append(&log, &batch(3, 1, 100));
    assert!(matches!(refused, Err(AppendError::Offline { .. })));
    assert!(store.status().offline.is_some());
    let count = world.handles.disk.operation_count();
    sprawl_io::time::sleep(Duration::from_secs(60)).await;
    assert!(store.close().is_err());
    assert_eq!(
        world.handles.disk.operation_count(),
        count,
        "nothing is written any more"
    );
    world.crash(CrashKind::PowerCut);
    let (store, _) = world.open();
    let end = store.partition(key(0)).unwrap().log_end();
    assert!(end == Offset(2) || end == Offset(3));
}

#[tokio::test(start_paused = true)]
async fn failed_journal_write_tells_every_waiter() {
    let world = World::new(2);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Async))
        .unwrap();
    fill(&log, 1, 100).await;
    world.handles.disk.fail_nth(OpKind::Write, 1);
    let waiting: Vec<_> = (1..5)
        .map(|offset| append(&log, &batch(offset, 1, 100)).unwrap())
        .collect();
    for one in waiting {
        assert!(matches!(
            one.durable().await,
            Err(FlushError::Offline { .. })
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn full_disk_refuses_appends_keeps_what_was_acknowledged_and_recovers_when_space_returns() {
    let mut world = World::new(3);
    world.settings.disk_full_percent = 101;
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 10, 900).await;
    world.handles.disk.limit_free_bytes(Some(0));
    fill(&log, 20, 900).await;
    sprawl_io::time::sleep(Duration::from_secs(2)).await;
    assert!(
        store.status().offline.is_none(),
        "a full disk is no broken disk"
    );
    assert!(store.status().dirty_bytes > 0);
    world.handles.disk.limit_free_bytes(None);
    sprawl_io::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(store.status().dirty_bytes, 0);
    fill(&log, 5, 900).await;
    world.crash(CrashKind::PowerCut);
    let (store, report) = world.open();
    assert_eq!(report.damaged, []);
    let log = store.partition(key(0)).unwrap();
    assert_eq!(batches(&read_all(&log, Offset(0), 5000).unwrap()).len(), 35);
}

#[tokio::test(start_paused = true)]
async fn appends_are_refused_above_the_disk_limit_and_accepted_below() {
    let mut world = World::new(4);
    world.settings.ballast_bytes = 64 << 10;
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 1, 100).await;
    sprawl_io::time::sleep(Duration::from_secs(2)).await;
    let ballast = std::path::Path::new("/data/ballast");
    assert_eq!(world.io.disk.size(ballast).unwrap(), Some(64 << 10));
    world.handles.disk.limit_free_bytes(Some(100));
    sprawl_io::time::sleep(Duration::from_secs(2)).await;
    let refused = append(&log, &batch(1, 1, 100));
    assert!(matches!(refused, Err(AppendError::DiskFull { .. })));
    world.handles.disk.limit_free_bytes(None);
    sprawl_io::time::sleep(Duration::from_secs(2)).await;
    fill(&log, 1, 100).await;
}

#[tokio::test(start_paused = true)]
async fn full_journal_waits_for_a_checkpoint_and_goes_on() {
    let mut world = World::new(5);
    world.settings.checkpoint_bytes = 1 << 40;
    world.settings.journal_file_bytes = 32 << 10;
    world.settings.journal_bytes_max = 96 << 10;
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    let pending: Vec<_> = (0..200)
        .map(|offset| append(&log, &batch(offset, 1, 3000)).unwrap())
        .collect();
    for one in pending {
        one.durable().await.unwrap();
    }
    let files = world.handles.disk.files();
    let journal: u64 = files
        .iter()
        .filter(|(path, _)| {
            path.extension()
                .is_some_and(|extension| extension == "journal")
        })
        .map(|(_, size)| size)
        .sum();
    assert!(journal <= 96 << 10, "{journal} bytes of journal");
    world.crash(CrashKind::PowerCut);
    let (store, _) = world.open();
    let log = store.partition(key(0)).unwrap();
    assert_eq!(
        batches(&read_all(&log, Offset(0), 9000).unwrap()).len(),
        200
    );
}

#[tokio::test(start_paused = true)]
async fn batch_larger_than_a_journal_file_gets_a_file_of_its_own() {
    let mut world = World::new(6);
    world.settings.journal_file_bytes = 32 << 10;
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 2, 100).await;
    fill(&log, 1, 300_000).await;
    fill(&log, 2, 100).await;
    let before = read_all(&log, Offset(0), 1 << 20).unwrap();
    world.crash(CrashKind::PowerCut);
    let (store, _) = world.open();
    let log = store.partition(key(0)).unwrap();
    assert!(read_all(&log, Offset(0), 1 << 20).unwrap() == before);
}

#[tokio::test(start_paused = true)]
async fn failed_sync_of_a_segment_ends_the_checkpoint_and_the_store() {
    let mut world = World::new(7);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Async))
        .unwrap();
    fill(&log, 5, 500).await;
    world.handles.disk.fail_nth(OpKind::Sync, 1);
    assert!(store.checkpoint().is_err());
    assert!(store.status().offline.is_some());
    assert!(matches!(
        append(&log, &batch(5, 1, 10)),
        Err(AppendError::Offline { .. })
    ));
    world.crash(CrashKind::Kill);
    let (store, report) = world.open();
    assert_eq!(report.damaged, []);
    assert_eq!(store.partition(key(0)).unwrap().log_end(), Offset(5));
}

#[tokio::test(start_paused = true)]
async fn replay_of_more_than_the_memory_limit_stays_below_it() {
    let mut world = World::new(8);
    world.settings.checkpoint_bytes = 1 << 40;
    world.settings.checkpoint_idle = Duration::from_secs(3600);
    world.settings.journal_bytes_max = 8 << 20;
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 300, 3000).await;
    world.crash(CrashKind::PowerCut);
    world.settings.hot_bytes_max = 256 << 10;
    let (store, report) = world.open();
    assert!(report.frame_count == 300);
    assert!(store.status().dirty_bytes <= 200 << 10);
    let log = store.partition(key(0)).unwrap();
    assert_eq!(
        batches(&read_all(&log, Offset(0), 9000).unwrap()).len(),
        300
    );
}

#[tokio::test(start_paused = true)]
async fn recovered_frame_whose_sync_had_failed_survives_a_power_cut() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let (store, _) = world.open();
        let log = store
            .open_partition(key(0), config(0, FlushMode::Fsync))
            .unwrap();
        fill(&log, 2, 3000).await;
        world.handles.disk.fail_nth(OpKind::Sync, 1);
        let failed = append(&log, &batch(2, 1, 3000)).unwrap().durable().await;
        assert!(failed.is_err());
        // Only the process is new: it reads the frame from the page cache.
        world.crash(CrashKind::Kill);
        let (store, _) = world.open();
        assert_eq!(store.partition(key(0)).unwrap().log_end(), Offset(3));
        // No checkpoint came in between, so that the journal alone holds the frames.
        world.crash(CrashKind::PowerCut);
        let (store, report) = world.open();
        assert_eq!((report.damaged, report.lost), (vec![], vec![]), "{seed}");
        let log = store.partition(key(0)).unwrap();
        assert_eq!(log.log_end(), Offset(3), "{seed}");
        assert_eq!(batches(&read_all(&log, Offset(0), 9000).unwrap()).len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn segment_whose_sync_failed_is_written_again_before_the_journal_lets_go() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let (store, _) = world.open();
        let log = store
            .open_partition(key(0), config(0, FlushMode::Async))
            .unwrap();
        fill(&log, 5, 3000).await;
        world.handles.disk.fail_nth(OpKind::Sync, 1);
        assert!(store.checkpoint().is_err());
        world.crash(CrashKind::Kill);
        let (store, _) = world.open();
        store.checkpoint().unwrap();
        world.crash(CrashKind::PowerCut);
        let (store, report) = world.open();
        assert_eq!(report.damaged, [], "{seed}");
        let log = store.partition(key(0)).unwrap();
        assert_eq!(batches(&read_all(&log, Offset(0), 9000).unwrap()).len(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn segments_of_a_process_that_died_after_a_clean_start_survive_its_successors_power_cut() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.settings.checkpoint_bytes = 1 << 40;
        let (store, _) = world.open();
        store
            .open_partition(key(0), config(0, FlushMode::Fsync))
            .unwrap();
        store.close().unwrap();
        world.crash(CrashKind::Kill);
        let (store, _) = world.open();
        let log = store
            .open_partition(key(0), config(0, FlushMode::Fsync))
            .unwrap();
        fill(&log, 30, 3000).await;
        sprawl_io::time::sleep(Duration::from_secs(1)).await;
        world.crash(CrashKind::Kill);
        let (store, report) = world.open();
        assert!(!report.was_clean);
        store.checkpoint().unwrap();
        world.crash(CrashKind::PowerCut);
        let (store, report) = world.open();
        assert_eq!(report.damaged, [], "{seed}");
        let log = store.partition(key(0)).unwrap();
        assert_eq!(batches(&read_all(&log, Offset(0), 9000).unwrap()).len(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn group_that_found_no_space_is_written_later_and_the_chain_holds() {
    let mut world = World::new(9);
    world.settings.disk_full_percent = 101;
    world.settings.checkpoint_bytes = 1 << 40;
    world.settings.run_age_max = Duration::from_secs(3600);
    world.settings.checkpoint_idle = Duration::from_secs(3600);
    let (store, _) = world.open();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 2, 1000).await;
    // As on a file system that copies on write: even bytes inside a file need room.
    let path = std::path::Path::new("/data/journal/00000001.journal");
    let file = world.io.disk.open(path, OpenMode::ReadWrite).unwrap();
    let size = file.size().unwrap();
    file.set_size(16 << 10).unwrap();
    world.handles.disk.limit_free_bytes(Some(0));
    let waiting = append(&log, &batch(2, 1, 3000)).unwrap();
    let also = append(&log, &batch(3, 1, 9000)).unwrap();
    sprawl_io::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(log.durable_end(), Offset(2));
    assert_eq!(store.status().offline, None);
    world.handles.disk.limit_free_bytes(None);
    file.set_size(size).unwrap();
    waiting.durable().await.unwrap();
    also.durable().await.unwrap();
    fill(&log, 2, 1000).await;
    world.crash(CrashKind::PowerCut);
    let (store, report) = world.open();
    assert_eq!((report.damaged, report.lost), (vec![], vec![]));
    let log = store.partition(key(0)).unwrap();
    assert_eq!(batches(&read_all(&log, Offset(0), 9000).unwrap()).len(), 6);
}
