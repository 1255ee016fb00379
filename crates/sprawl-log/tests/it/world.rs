//! A data directory in a simulated world, and what is checked of it everywhere.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprawl_io::Io;
use sprawl_io::sim::{CrashKind, SimHandles};
use sprawl_log::{
    AtLeastOne, FlushMode, LogSettings, LogStore, MemoryStore, NoObserver, OpenError, Part,
    PartitionConfig, PartitionLog, Pending, ReadError, ReadRequest, RecoveryReport,
};
use sprawl_model::batch::{BatchBuilder, BatchHeader, BatchOptions};
use sprawl_model::{
    LeaderEpoch, Offset, PartitionId, PartitionKey, TenantId, TopicId, TopicPartition,
};

pub(crate) const DIR: &str = "/data";

/// Small limits, so that a short script meets every kind of write.
pub(crate) fn settings() -> LogSettings {
    LogSettings {
        journal_file_bytes: 128 << 10,
        journal_bytes_max: 512 << 10,
        checkpoint_bytes: 96 << 10,
        hot_bytes_max: 1 << 20,
        clean_bytes_max: 24 << 10,
        run_bytes_min: 8 << 10,
        run_bytes_max: 16 << 10,
        run_age_max: Duration::from_millis(200),
        write_behind_interval: Duration::from_millis(20),
        index_interval_bytes: 2 << 10,
        ballast_bytes: 0,
        ..LogSettings::default()
    }
}

pub(crate) fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        tenant: TenantId::DEFAULT,
        topic_id: TopicId("6f1c24a0-0000-4000-8000-000000000001".parse().unwrap()),
        partition: PartitionId(partition),
    }
}

pub(crate) fn config(partition: i32, flush: FlushMode) -> PartitionConfig {
    let name = TopicPartition {
        topic: "t".to_owned(),
        partition: PartitionId(partition),
    };
    PartitionConfig {
        segment_bytes: 24 << 10,
        retention_ms: None,
        flush,
        ..PartitionConfig::new(name)
    }
}

/// Builds a batch of `count` records of about `size` bytes; the contents follow from the arguments.
pub(crate) fn batch(base_offset: i64, count: i64, size: usize) -> Bytes {
    batch_at(base_offset, count, size, 1_000_000 + base_offset * 10)
}

pub(crate) fn batch_at(base_offset: i64, count: i64, size: usize, timestamp: i64) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset: Offset(base_offset),
        leader_epoch: LeaderEpoch(0),
        ..BatchOptions::default()
    });
    for n in 0..count {
        let value: Vec<u8> = (0..size)
            .map(|i| (base_offset + n + i as i64) as u8)
            .collect();
        builder
            .push(timestamp + n, Some(b"key"), Some(&value), &[])
            .unwrap();
    }
    builder.build().freeze()
}

/// A simulated machine with one data directory.
pub(crate) struct World {
    pub(crate) io: Io,
    pub(crate) handles: SimHandles,
    pub(crate) state: Arc<MemoryStore>,
    pub(crate) settings: LogSettings,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let (io, handles) = Io::simulated(seed);
        Self {
            io,
            handles,
            state: Arc::default(),
            settings: settings(),
        }
    }

    pub(crate) fn try_open(&self) -> Result<(LogStore, RecoveryReport), OpenError> {
        let (io, dir) = (self.io.clone(), PathBuf::from(DIR));
        LogStore::open(
            io,
            dir,
            self.settings.clone(),
            Arc::clone(&self.state) as _,
            &NoObserver,
        )
    }

    pub(crate) fn open(&self) -> (LogStore, RecoveryReport) {
        self.try_open().unwrap()
    }

    /// Ends the process and starts the next one.
    pub(crate) fn crash(&mut self, kind: CrashKind) {
        self.handles.crash(kind);
        self.state.lose_unflushed();
        self.io = self.handles.restart();
    }
}

/// Appends a batch and checks that its offsets are next.
pub(crate) fn append(
    log: &Arc<PartitionLog>,
    batch: &Bytes,
) -> Result<Pending, sprawl_log::AppendError> {
    let header = BatchHeader::parse(batch).unwrap();
    log.append(batch.clone(), &header)
}

/// Appends `count` batches of one record and waits for each.
pub(crate) async fn fill(log: &Arc<PartitionLog>, count: usize, size: usize) {
    for _ in 0..count {
        let next = batch(log.log_end().0, 1, size);
        append(log, &next).unwrap().durable().await.unwrap();
    }
}

/// Reads everything from `offset` to the log end, in steps of at most `bytes_max`.
pub(crate) fn read_all(
    log: &PartitionLog,
    offset: Offset,
    bytes_max: usize,
) -> Result<Vec<u8>, ReadError> {
    let mut all = Vec::new();
    let mut offset = offset;
    while offset < log.log_end() {
        let request = ReadRequest {
            offset,
            bytes_max,
            at_least_one: AtLeastOne::Yes,
            end: log.log_end(),
        };
        let read = log.read(request)?;
        assert!(
            read.next_offset > offset,
            "a read below the end makes progress"
        );
        let before = all.len();
        for part in &read.parts {
            match part {
                Part::Memory(bytes) => all.extend_from_slice(bytes),
                Part::File(range) => all.extend_from_slice(&range.load().unwrap()),
            }
        }
        assert_eq!(all.len() - before, read.size);
        assert!(read.size <= bytes_max || read.parts.len() == 1);
        offset = read.next_offset;
    }
    Ok(all)
}

/// Splits a read into its batches.
pub(crate) fn batches(bytes: &[u8]) -> Vec<&[u8]> {
    let batches = sprawl_model::batch::Batches::new(bytes);
    batches.map(|batch| batch.unwrap().1).collect()
}
