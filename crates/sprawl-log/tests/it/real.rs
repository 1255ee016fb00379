//! The same store on RocksDB and real files.

use std::path::Path;
use std::sync::Arc;

use sprawl_io::Io;
use sprawl_log::state::{ColumnFamily, StateCondition, WriteBatch};
use sprawl_log::{
    FlushMode, LogSettings, LogStore, NoObserver, OpenError, RecoveryReport, RocksStore, STATE_DIR,
    StateStore, tools,
};
use sprawl_model::Offset;

use crate::world::{batches, config, fill, key, read_all, settings};

fn open(
    io: &Io,
    dir: &Path,
    settings: LogSettings,
) -> Result<(LogStore, RecoveryReport), OpenError> {
    let (state, _) = RocksStore::open(Arc::clone(&io.disk), &dir.join(STATE_DIR))?;
    LogStore::open(
        io.clone(),
        dir.to_owned(),
        settings,
        Arc::new(state),
        &NoObserver,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn real_store_survives_a_stop_and_a_death() {
    let dir = tempfile::tempdir().unwrap();
    let io = Io::real();
    let (store, report) = open(&io, dir.path(), settings()).unwrap();
    assert!(!report.state_rebuilt);
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 300, 2000).await;
    let before = read_all(&log, Offset(0), 9000).unwrap();
    store.abandon();
    drop((log, store));
    let (store, report) = open(&io, dir.path(), settings()).unwrap();
    assert!(!report.was_clean);
    assert_eq!(report.damaged, []);
    let log = store.partition(key(0)).unwrap();
    assert!(read_all(&log, Offset(0), 9000).unwrap() == before);
    fill(&log, 50, 2000).await;
    store.close().unwrap();
    drop((log, store));
    let state =
        RocksStore::open_read_only(Arc::clone(&io.disk), &dir.path().join(STATE_DIR)).unwrap();
    let checked = tools::verify(&io, dir.path(), &state, &NoObserver).unwrap();
    assert_eq!(checked.problems, []);
    assert_eq!(checked.batch_count, 350);
    let mut dumped = 0;
    tools::dump(&io, dir.path(), &state, &mut |_| dumped += 1).unwrap();
    assert!(dumped > 350);
    drop(state);
    let (store, report) = open(&io, dir.path(), settings()).unwrap();
    assert!(report.was_clean);
    let log = store.partition(key(0)).unwrap();
    assert_eq!(
        batches(&read_all(&log, Offset(0), 9000).unwrap()).len(),
        350
    );
    store.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_partitions_are_written_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let io = Io::real();
    let (store, _) = open(&io, dir.path(), settings()).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for partition in 0..20 {
        let store = store.clone();
        tasks.spawn(async move {
            let mode = if partition % 2 == 0 {
                FlushMode::Fsync
            } else {
                FlushMode::Async
            };
            let log = store
                .open_partition(key(partition), config(partition, mode))
                .unwrap();
            fill(&log, 60, 1500).await;
            assert_eq!(batches(&read_all(&log, Offset(0), 7000).unwrap()).len(), 60);
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    store.close().unwrap();
    drop(store);
    let (store, report) = open(&io, dir.path(), settings()).unwrap();
    assert!(report.was_clean);
    for log in store.partitions() {
        assert_eq!(batches(&read_all(&log, Offset(0), 7000).unwrap()).len(), 60);
    }
    store.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused_and_a_damaged_state_store_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let io = Io::real();
    let (store, _) = open(&io, dir.path(), settings()).unwrap();
    let log = store
        .open_partition(key(0), config(0, FlushMode::Fsync))
        .unwrap();
    fill(&log, 20, 2000).await;
    let other = Arc::new(sprawl_log::MemoryStore::default());
    let refused = LogStore::open(
        io.clone(),
        dir.path().to_owned(),
        settings(),
        other,
        &NoObserver,
    );
    assert!(matches!(refused, Err(OpenError::Locked { .. })));
    store.close().unwrap();
    drop((log, store));
    let state_dir = dir.path().join(STATE_DIR);
    io.disk.remove_file(&state_dir.join("CURRENT")).unwrap();
    for entry in io.disk.read_dir(&state_dir).unwrap() {
        if entry.name.starts_with("MANIFEST") {
            io.disk.remove_file(&state_dir.join(&entry.name)).unwrap();
        }
    }
    let current = io.disk.open(
        &state_dir.join("CURRENT"),
        sprawl_io::disk::OpenMode::CreateNew,
    );
    current
        .unwrap()
        .write_at(&[std::io::IoSlice::new(b"MANIFEST-999999\n")], 0)
        .unwrap();
    let (state, condition) = RocksStore::open(Arc::clone(&io.disk), &state_dir).unwrap();
    assert!(matches!(condition, StateCondition::PutAside { .. }));
    let (store, report) = LogStore::open(
        io.clone(),
        dir.path().to_owned(),
        settings(),
        Arc::new(state),
        &NoObserver,
    )
    .unwrap();
    assert!(report.state_rebuilt);
    let log = store.partition(key(0)).unwrap();
    assert_eq!(batches(&read_all(&log, Offset(0), 9000).unwrap()).len(), 20);
    store.close().unwrap();
}

#[test]
fn rocks_store_keeps_flushed_batches_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let io = Io::real();
    let path = dir.path().join("state");
    let (store, condition) = RocksStore::open(Arc::clone(&io.disk), &path).unwrap();
    assert_eq!(condition, StateCondition::Sound);
    let mut changes = WriteBatch::default();
    for n in 0..100_u8 {
        changes.put(ColumnFamily::Index, &[1, n], vec![n]);
    }
    changes.put(ColumnFamily::Index, &[2], vec![]);
    changes.put(ColumnFamily::Segment, &[1, 1], vec![]);
    store.write(changes).unwrap();
    store.flush().unwrap();
    drop(store);
    let (store, _) = RocksStore::open(Arc::clone(&io.disk), &path).unwrap();
    let pairs = store.scan(ColumnFamily::Index, &[1]).unwrap();
    assert_eq!(pairs.len(), 100);
    assert!(pairs.is_sorted());
    assert_eq!(
        store.get(ColumnFamily::Index, &[1, 7]).unwrap(),
        Some(vec![7])
    );
    store.reset().unwrap();
    assert_eq!(store.scan(ColumnFamily::Index, &[]).unwrap(), vec![]);
}

#[test]
fn state_is_stored_without_a_codec_so_that_any_build_opens_it() {
    let dir = tempfile::tempdir().unwrap();
    let io = Io::real();
    let path = dir.path().join(STATE_DIR);
    for round in 0..2_u8 {
        let (store, condition) = RocksStore::open(Arc::clone(&io.disk), &path).unwrap();
        assert_eq!(condition, StateCondition::Sound);
        let mut batch = WriteBatch::default();
        batch.put(ColumnFamily::Index, &[round], vec![7; 10_000]);
        store.write(batch).unwrap();
        store.flush().unwrap();
        for key in 0..=round {
            let value = store.get(ColumnFamily::Index, &[key]).unwrap();
            assert_eq!(value, Some(vec![7; 10_000]));
        }
    }
    let files = io.disk.read_dir(&path).unwrap();
    let options = files
        .iter()
        .rfind(|entry| entry.name.starts_with("OPTIONS-"))
        .unwrap();
    let options = io.disk.read(&path.join(&options.name), 1 << 20).unwrap();
    let options = String::from_utf8(options).unwrap();
    let compression = options
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("compression="));
    assert_eq!(compression, Some("compression=kNoCompression"));
}
