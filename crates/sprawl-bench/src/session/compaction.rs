//! What compaction costs, and what it costs producers beside it.
//!
//! A topic of one partition is filled while its dirty ratio lets nobody compact it; lowering the
//! ratio starts the cleaner, and the folder's size tells when it is done. The first topic is
//! compacted on an idle server, whose processor time is then the compaction's; the second beside a
//! producer at full speed, whose throughput is compared with the same load alone.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

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
const POLL: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(600);

impl Session<'_> {
    /// Measures `compaction`.
    pub(super) fn compaction(&mut self, server: &Server) -> Result<()> {
        if !self.wants(Case::Compaction) {
            return Ok(());
        }
        for topic in ["keyed-1", "keyed-2"] {
            self.fill_keyed(server, topic)?;
        }
        self.compact_alone(server)?;
        self.compact_beside(server)
    }

    fn fill_keyed(&mut self, server: &Server, topic: &str) -> Result<()> {
        let flush = self.setup.variant.topic_config();
        let configs = SETTINGS.iter().copied().chain([HELD]).chain(flush);
        let configs: Vec<&str> = configs.collect();
        let driver = self.setup.driver;
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
        driver
            .load(&server.bootstrap(), driver::SETTINGS, &arguments)
            .map(drop)
    }

    fn release(&self, server: &Server, topic: &str) -> Result<()> {
        let flush = self.setup.variant.topic_config();
        let configs = SETTINGS.iter().copied().chain([RELEASED]).chain(flush);
        let configs: Vec<&str> = configs.collect();
        let driver = self.setup.driver;
        driver.configure_topic(&server.bootstrap(), topic, &configs)
    }

    fn compact_alone(&mut self, server: &Server) -> Result<()> {
        process::settled_cpu_seconds(server.pid())?;
        sync_disk()?;
        let full = driver::folder_bytes(&self.setup.folder)?;
        let before = process::cpu_seconds(server.pid())?;
        let began = Instant::now();
        self.release(server, "keyed-1")?;
        self.await_reclaimed(full, began)?;
        let seconds = began.elapsed().as_secs_f64();
        let used = process::settled_cpu_seconds(server.pid())? - before;
        let bytes = self.setup.scale.large_bytes as f64;
        self.push(
            Case::Compaction,
            Metric::MibPerSecond,
            bytes / MIB / seconds,
        );
        self.push(
            Case::Compaction,
            Metric::CpuSecondsPerGib,
            used / (bytes / GIB),
        );
        let peak = process::memory_mib(server.pid(), "VmHWM")?;
        self.push(Case::Compaction, Metric::PeakMib, peak);
        Ok(())
    }

    fn compact_beside(&mut self, server: &Server) -> Result<()> {
        let load = Load::large("large", PARTITIONS, self.setup.scale.large_bytes);
        let speed = |seconds: f64| load.bytes as f64 / MIB / seconds;
        process::settled_cpu_seconds(server.pid())?;
        sync_disk()?;
        let alone = self.send(server, &load)?;
        process::settled_cpu_seconds(server.pid())?;
        sync_disk()?;
        let full = driver::folder_bytes(&self.setup.folder)?;
        let began = Instant::now();
        self.release(server, "keyed-2")?;
        let beside = self.send(server, &load)?;
        self.await_reclaimed(full + load.bytes, began)?;
        let case = Case::Compaction;
        self.push(case, Metric::AloneMibPerSecond, speed(alone.seconds));
        self.push(case, Metric::BesideMibPerSecond, speed(beside.seconds));
        Ok(())
    }

    /// Waits until the data folder is smaller than it was by what compaction takes.
    fn await_reclaimed(&self, full: u64, began: Instant) -> Result<()> {
        let reclaimed = self.setup.scale.large_bytes as f64 * RECLAIMED_SHARE;
        let goal = full.saturating_sub(reclaimed as u64);
        while driver::folder_bytes(&self.setup.folder)? > goal {
            ensure!(began.elapsed() < WAIT_MAX, "nothing was compacted away");
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}
