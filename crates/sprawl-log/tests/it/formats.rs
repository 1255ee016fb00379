//! What version 1 wrote is read by every later version: a whole data directory as fixtures.
//!
//! `UPDATE_FIXTURES=1` writes them again, for a new version under a new name only.

use std::path::{Path, PathBuf};

use sprawl_io::disk::OpenMode;
use sprawl_log::state::{ColumnFamily, WriteBatch};
use sprawl_log::{FlushMode, NoObserver, StateStore, tools};
use sprawl_model::Offset;

use crate::world::{DIR, World, append, batch, config, fill, key, read_all};

const FAMILIES: [ColumnFamily; 6] = [
    ColumnFamily::Store,
    ColumnFamily::Partition,
    ColumnFamily::Segment,
    ColumnFamily::Index,
    ColumnFamily::Snapshot,
    ColumnFamily::Aborted,
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

/// Makes a directory with a sealed segment, an active one, and frames in the journal alone.
async fn make() -> World {
    let mut world = World::new(1);
    world.settings.journal_file_bytes = 48 << 10;
    world.settings.journal_bytes_max = 48 << 10;
    let (store, _) = world.open();
    let mut small = config(0, FlushMode::Fsync);
    small.segment_bytes = 3000;
    let log = store.open_partition(key(0), small).unwrap();
    fill(&log, 6, 700).await;
    log.delete_records(Offset(1)).unwrap();
    log.save_snapshot("producers", Offset(6), b"snapshot".to_vec());
    store.checkpoint().unwrap();
    for offset in [6, 8] {
        append(&log, &batch(offset, 2, 100))
            .unwrap()
            .durable()
            .await
            .unwrap();
    }
    store.abandon();
    world
}

#[allow(clippy::disallowed_methods, reason = "fixtures are real files")]
fn save(world: &World) {
    for (path, _) in world.handles.disk.files() {
        let name = path
            .strip_prefix(DIR)
            .unwrap()
            .to_string_lossy()
            .replace('/', "__");
        if name != "lock" {
            let bytes = world.handles.disk.bytes(&path).unwrap();
            std::fs::write(fixtures().join(format!("v1-{name}")), bytes).unwrap();
        }
    }
    let mut lines = String::new();
    for family in FAMILIES {
        for (key, value) in world.state.scan(family, &[]).unwrap() {
            lines += &format!("{} {} {}\n", family as u8, hex(&key), hex(&value));
        }
    }
    std::fs::write(fixtures().join("v1-state.txt"), lines).unwrap();
}

#[allow(clippy::disallowed_methods, reason = "fixtures are real files")]
fn load(world: &World) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        let Some(name) = name.strip_prefix("v1-") else {
            continue;
        };
        count += 1;
        if name == "state.txt" {
            let mut changes = WriteBatch::default();
            for line in std::str::from_utf8(&bytes).unwrap().lines() {
                let fields: Vec<&str> = line.split(' ').collect();
                let family = FAMILIES[fields[0].parse::<usize>().unwrap() - 1];
                changes.put(family, &unhex(fields[1]), unhex(fields[2]));
            }
            world.state.write(changes).unwrap();
            world.state.flush().unwrap();
            continue;
        }
        let path = Path::new(DIR).join(name.replace("__", "/"));
        world
            .io
            .disk
            .create_dir_all(path.parent().unwrap())
            .unwrap();
        let file = world.io.disk.open(&path, OpenMode::ReadWrite).unwrap();
        file.write_at(&[std::io::IoSlice::new(&bytes)], 0).unwrap();
    }
    count
}

#[tokio::test(start_paused = true)]
async fn a_data_directory_of_version_1_is_read() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        save(&make().await);
    }
    let world = World::new(2);
    assert!(load(&world) >= 4, "journal, two segments, state");
    let report =
        tools::verify(&world.io, Path::new(DIR), world.state.as_ref(), &NoObserver).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.frame_count, 2);
    let (store, report) = world.open();
    assert!(!report.state_rebuilt);
    assert_eq!((report.damaged.len(), report.lost.len()), (0, 0));
    assert_eq!(report.replayed_count, 2);
    let log = store.partition(key(0)).unwrap();
    assert_eq!((log.log_start(), log.log_end()), (Offset(1), Offset(10)));
    assert_eq!(
        log.load_snapshot("producers"),
        Some((Offset(6), b"snapshot".to_vec()))
    );
    let mut expected: Vec<u8> = Vec::new();
    for offset in 1..6 {
        expected.extend_from_slice(&batch(offset, 1, 700));
    }
    expected.extend_from_slice(&batch(6, 2, 100));
    expected.extend_from_slice(&batch(8, 2, 100));
    assert!(read_all(&log, Offset(1), 2000).unwrap() == expected);
}
