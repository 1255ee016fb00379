//! Targets for what is read from the disk: a data directory with one file of any content is opened
//! by the shipped code on a simulated disk.
//!
//! Opening returns or fails, never panics; every partition it brings back can be read to its end or
//! says why not.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprawl_io::disk::OpenMode;
use sprawl_io::sim::{CrashKind, SimHandles};
use sprawl_io::{Disk, Io};
use sprawl_log::{
    AtLeastOne, FlushMode, LogSettings, LogStore, MemoryStore, NoObserver, Part, PartitionConfig,
    PartitionLog, ReadRequest,
};
use sprawl_model::batch::{BatchBuilder, BatchHeader, BatchOptions};
use sprawl_model::{
    LeaderEpoch, Offset, PartitionId, PartitionKey, TenantId, TopicId, TopicPartition,
};

use crate::corpus::Target;

const DIR: &str = "/data";
const JOURNAL_FILE: &str = "journal/00000001.journal";
const SEGMENT_FILE: &str =
    "partitions/6f1c24a0-0000-4000-8000-000000000001-0/00000000000000000000.log";

/// The largest file a target makes, in bytes.
const FILE_BYTES_MAX: usize = 64 << 10;
const READ_BYTES_MAX: usize = 8 << 10;
/// Files have whole blocks, as those written with direct I/O do.
const BLOCK_BYTES: usize = 4096;

/// A journal file of any content, with no state beside it.
pub fn journal(data: &[u8]) {
    open_with(JOURNAL_FILE, &whole_blocks(data));
}

/// The first segment of a partition with any content, with neither journal nor state beside it.
pub fn segment(data: &[u8]) {
    let size = data.len().min(FILE_BYTES_MAX);
    open_with(SEGMENT_FILE, &data[..size]);
}

/// How many records a store brings back from `file` alone; `None` where it does not open.
pub fn records_in(target: &Target, content: &[u8]) -> Option<i64> {
    let file = if target.name == "journal" {
        JOURNAL_FILE
    } else {
        SEGMENT_FILE
    };
    open_with(file, content)
}

/// The targets of this file, with files that the store itself wrote as seeds.
pub fn targets() -> Vec<Target> {
    let files = written_files();
    let named = |suffix: &str| {
        let matching = files.iter().filter(|(path, _)| path.ends_with(suffix));
        matching
            .map(|(_, content)| content.clone())
            .collect::<Vec<_>>()
    };
    vec![
        Target {
            name: "journal",
            body: journal,
            seeds: named(".journal"),
        },
        Target {
            name: "segment",
            body: segment,
            seeds: named(".log"),
        },
    ]
}

fn whole_blocks(data: &[u8]) -> Vec<u8> {
    let mut content = data[..data.len().min(FILE_BYTES_MAX)].to_vec();
    content.resize(content.len().next_multiple_of(BLOCK_BYTES), 0);
    content
}

/// Opens a data directory with one file and reads everything; returns how many records there are.
fn open_with(file: &str, content: &[u8]) -> Option<i64> {
    simulated(async |io, handles| {
        let path = Path::new(DIR).join(file);
        put_file(io.disk.as_ref(), &path, content).expect("the simulated disk has room");
        let opened = open(&io).ok();
        let counts = opened.iter().flat_map(LogStore::partitions).map(|log| {
            read_all(&log);
            log.log_end().0.saturating_sub(log.log_start().0)
        });
        let count = counts.sum();
        sprawl_io::time::sleep(Duration::from_millis(100)).await;
        handles.crash(CrashKind::Kill);
        opened.map(|_| count)
    })
}

/// Runs `script` in a simulated world.
fn simulated<T>(script: impl AsyncFnOnce(Io, SimHandles) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system");
    runtime.block_on(async {
        let (io, handles) = Io::simulated(1);
        script(io, handles).await
    })
}

fn put_file(disk: &dyn Disk, path: &Path, content: &[u8]) -> std::io::Result<()> {
    disk.create_dir_all(path.parent().unwrap_or(path))?;
    let file = disk.open(path, OpenMode::ReadWrite)?;
    if content.is_empty() {
        Ok(())
    } else {
        file.write_at(&[IoSlice::new(content)], 0)
    }
}

fn open(io: &Io) -> Result<LogStore, sprawl_log::OpenError> {
    let settings = LogSettings {
        journal_file_bytes: FILE_BYTES_MAX as u64,
        journal_bytes_max: 4 * FILE_BYTES_MAX as u64,
        run_age_max: Duration::from_millis(20),
        write_behind_interval: Duration::from_millis(10),
        ballast_bytes: 0,
        ..LogSettings::default()
    };
    let state: Arc<MemoryStore> = Arc::default();
    LogStore::open(io.clone(), PathBuf::from(DIR), settings, state, &NoObserver)
        .map(|(store, _)| store)
}

/// Reads a partition until its end or an error.
fn read_all(log: &PartitionLog) {
    let (mut offset, end) = (log.log_start(), log.log_end());
    assert!(offset <= end, "a log starts before it ends");
    while offset < end {
        let bytes_max = READ_BYTES_MAX;
        let request = ReadRequest {
            offset,
            bytes_max,
            at_least_one: AtLeastOne::Yes,
            end,
        };
        let Ok(read) = log.read(request) else {
            return;
        };
        assert!(
            read.next_offset > offset,
            "a read below the end makes progress"
        );
        let mut size = 0;
        for part in &read.parts {
            size += match part {
                Part::Memory(bytes) => bytes.len(),
                Part::File(range) => match range.load() {
                    Ok(bytes) => bytes.len(),
                    Err(_) => return,
                },
            };
        }
        assert_eq!(size, read.size, "a read is as long as it says");
        offset = read.next_offset;
    }
}

/// Has the store write a journal and a segment and returns all its files.
fn written_files() -> Vec<(String, Vec<u8>)> {
    simulated(async |io, handles| {
        let store = open(&io).expect("an empty directory opens");
        let key = PartitionKey {
            tenant: TenantId::DEFAULT,
            topic_id: TopicId(uuid::uuid!("6f1c24a0-0000-4000-8000-000000000001")),
            partition: PartitionId(0),
        };
        let name = TopicPartition {
            topic: "t".to_owned(),
            partition: key.partition,
        };
        let config = PartitionConfig {
            flush: FlushMode::Fsync,
            ..PartitionConfig::new(name)
        };
        let log = store
            .open_partition(key, config)
            .expect("a new partition opens");
        for size in [1, 50, 700, 3000] {
            let batch = batch_at(log.log_end(), size);
            let header = BatchHeader::parse(&batch).expect("a built batch parses");
            let pending = log.append(batch, &header).expect("the log has room");
            pending.durable().await.expect("the disk works");
            sprawl_io::time::sleep(Duration::from_millis(100)).await;
        }
        let files = handles.disk.files();
        handles.crash(CrashKind::Kill);
        files
            .into_iter()
            .filter_map(|(path, _)| {
                let content = handles.disk.bytes(&path)?;
                Some((path.to_str()?.to_owned(), content))
            })
            .collect()
    })
}

fn batch_at(base_offset: Offset, size: usize) -> Bytes {
    let options = BatchOptions {
        base_offset,
        leader_epoch: LeaderEpoch(0),
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new(options);
    for timestamp in [1000, 1001] {
        let value = vec![7; size];
        builder
            .push(timestamp, Some(b"key"), Some(&value), &[])
            .expect("the record is small");
    }
    builder.build().freeze()
}
