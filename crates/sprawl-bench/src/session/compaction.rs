//! What compaction costs, and what it costs producers beside it.
//!
//! A topic of one partition is filled while its dirty ratio lets nobody compact it; lowering the
//! ratio starts the cleaner, and the files of the partition tell when it is done. The first topic
//! is compacted on an idle server, whose processor time is then the compaction's; the second beside
//! a producer at full speed, whose throughput is compared with the same load alone.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use sprawl_conformance::server::Server;

use super::{GIB, Load, MIB, PARTITIONS, Session, sync_disk};
use crate::driver;
use crate::plan::Case;
use crate::process;
use crate::samples::Metric;

/// Small records, so that a key comes four times.
const RECORD_BYTES: u64 = 256;
const RECORDS_PER_KEY: u64 = 4;
const SETTINGS: &[&str] = &[
    "cleanup.policy=compact",
    "segment.bytes=67108864",
    "file.delete.delay.ms=0",
];
const HELD: &str = "min.cleanable.dirty.ratio=1.0";
const RELEASED: &str = "min.cleanable.dirty.ratio=0.01";
/// Three of four records go, but for the active segment; half is enough to tell.
const RECLAIMED_SHARE: f64 = 0.5;
const POLL: Duration = Duration::from_millis(50);
/// The round is over when the folder has not changed for this long.
const QUIET: Duration = Duration::from_secs(2);
const WAIT_MAX: Duration = Duration::from_secs(120);
/// Processor time after which the cleaner is known to be at work on an idle server.
const AT_WORK_SECONDS: f64 = 0.1;

/// A filled topic.
struct Keyed {
    topic: &'static str,
    /// The partition's folder.
    folder: PathBuf,
    /// What is in it before it is compacted.
    full_bytes: u64,
}

impl Session<'_> {
    /// Measures `compaction`.
    pub(super) fn compaction(&mut self, server: &Server) -> Result<()> {
        if !self.wants(Case::Compaction) {
            return Ok(());
        }
        let first = self.fill_keyed(server, "keyed-1")?;
        let second = self.fill_keyed(server, "keyed-2")?;
        self.compact_alone(server, &first)?;
        self.compact_beside(server, &second)
    }

    fn fill_keyed(&mut self, server: &Server, topic: &'static str) -> Result<Keyed> {
        let flush = self.setup.variant.topic_config();
        let configs = SETTINGS.iter().copied().chain([HELD]).chain(flush);
        let configs: Vec<&str> = configs.collect();
        let driver = self.setup.driver;
        let before = partition_folders(&self.setup.folder)?;
        driver.create_topic(&server.bootstrap(), topic, 1, &configs)?;
        let records = self.setup.scale.large_bytes / RECORD_BYTES;
        let keys = (records / RECORDS_PER_KEY).to_string();
        let (records, record_bytes) = (records.to_string(), RECORD_BYTES.to_string());
        let arguments = [
            "produce",
            "--topic",
            topic,
            "--partitions=1",
            "--record-bytes",
            &record_bytes,
            "--records",
            &records,
            "--keys",
            &keys,
        ];
        self.sent_bytes += self.setup.scale.large_bytes;
        driver.load(&server.bootstrap(), driver::SETTINGS, &arguments)?;
        process::settled_cpu_seconds(server.pid())?;
        let after = partition_folders(&self.setup.folder)?;
        let mut new = after.difference(&before);
        let (Some(folder), None) = (new.next(), new.next()) else {
            bail!("the one partition of {topic} has no folder of its own");
        };
        Ok(Keyed {
            topic,
            folder: folder.clone(),
            full_bytes: bytes_within(folder)?,
        })
    }

    fn release(&self, server: &Server, topic: &str) -> Result<()> {
        let flush = self.setup.variant.topic_config();
        let configs = SETTINGS.iter().copied().chain([RELEASED]).chain(flush);
        let configs: Vec<&str> = configs.collect();
        let driver = self.setup.driver;
        driver.configure_topic(&server.bootstrap(), topic, &configs)
    }

    fn compact_alone(&mut self, server: &Server, keyed: &Keyed) -> Result<()> {
        process::settled_cpu_seconds(server.pid())?;
        sync_disk()?;
        let before = process::cpu_seconds(server.pid())?;
        self.release(server, keyed.topic)?;
        let began = await_start(server, before)?;
        let ended = self.await_compacted(keyed)?;
        let used = process::settled_cpu_seconds(server.pid())? - before;
        let bytes = self.setup.scale.large_bytes as f64;
        let seconds = seconds_between(began, ended);
        let case = Case::Compaction;
        self.push(case, Metric::MibPerSecond, bytes / MIB / seconds);
        self.push(case, Metric::CpuSecondsPerGib, used / (bytes / GIB));
        let peak = process::memory_mib(server.pid(), "VmHWM")?;
        self.push(case, Metric::PeakMib, peak);
        Ok(())
    }

    fn compact_beside(&mut self, server: &Server, keyed: &Keyed) -> Result<()> {
        let load = Load::large("large", PARTITIONS, self.setup.scale.large_bytes);
        let speed = |seconds: f64| load.bytes as f64 / MIB / seconds;
        let case = Case::Compaction;
        process::settled_cpu_seconds(server.pid())?;
        sync_disk()?;
        let alone = self.send(server, &load)?;
        process::settled_cpu_seconds(server.pid())?;
        sync_disk()?;
        let before = process::cpu_seconds(server.pid())?;
        self.release(server, keyed.topic)?;
        await_start(server, before)?;
        let began = SystemTime::now();
        let beside = self.send(server, &load)?;
        let sent = seconds_between(began, SystemTime::now());
        let ended = self.await_compacted(keyed)?;
        let shared = seconds_between(began, ended).min(sent) / sent * 100.0;
        self.push(case, Metric::AloneMibPerSecond, speed(alone.seconds));
        self.push(case, Metric::BesideMibPerSecond, speed(beside.seconds));
        self.push(case, Metric::BesidePercent, shared);
        Ok(())
    }

    /// Waits until the partition is smaller by what compaction takes and its files stay as they
    /// are; returns when the last of them came or went.
    fn await_compacted(&self, keyed: &Keyed) -> Result<SystemTime> {
        let reclaimed = self.setup.scale.large_bytes as f64 * RECLAIMED_SHARE;
        let goal = keyed.full_bytes.saturating_sub(reclaimed as u64);
        let began = Instant::now();
        loop {
            let changed = std::fs::metadata(&keyed.folder)?.modified()?;
            let is_quiet = changed.elapsed().is_ok_and(|since| since > QUIET);
            if is_quiet && bytes_within(&keyed.folder)? <= goal {
                return Ok(changed);
            }
            ensure!(
                began.elapsed() < WAIT_MAX,
                "{} was not compacted within {} s",
                keyed.topic,
                WAIT_MAX.as_secs()
            );
            std::thread::sleep(POLL);
        }
    }
}

/// Waits until an idle server has work.
fn await_start(server: &Server, cpu_before: f64) -> Result<SystemTime> {
    let began = Instant::now();
    while process::cpu_seconds(server.pid())? - cpu_before < AT_WORK_SECONDS {
        ensure!(began.elapsed() < WAIT_MAX, "no compaction began");
        std::thread::sleep(POLL);
    }
    Ok(SystemTime::now())
}

fn seconds_between(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from)
        .map_or(0.0, |length| length.as_secs_f64())
}

/// The folders of all partitions, wherever a server keeps them.
fn partition_folders(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut folders = BTreeSet::new();
    for parent in ["data", "data/partitions"].map(|parent| folder.join(parent)) {
        if !parent.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&parent)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.insert(path);
            }
        }
    }
    Ok(folders)
}

/// Bytes on disk of the files in a folder. Files that vanish meanwhile count nothing.
fn bytes_within(folder: &Path) -> Result<u64> {
    const BLOCK_BYTES: u64 = 512;
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut bytes = 0;
    for entry in entries {
        if let Ok(file) = entry?.metadata() {
            bytes += file.blocks() * BLOCK_BYTES;
        }
    }
    Ok(bytes)
}
