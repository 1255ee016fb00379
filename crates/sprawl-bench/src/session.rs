//! One server, one round: from an empty folder through every case to the second restart.
//!
//! Only one server runs at a time. Before each load the disk's dirty pages are written out, so that
//! nobody pays for an earlier load; processor time is read after the server has come to rest, so
//! that work behind the acknowledgement counts. The kernel's own write-back of a server's dirty
//! pages is charged to nobody, which favours servers that leave it to the page cache.

mod compaction;
mod groups;
mod share;
mod transactions;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use sprawl_conformance::kafka::{KafkaOptions, KafkaServer};
use sprawl_conformance::server::Server;
use sprawl_conformance::sprawl::{SprawlOptions, SprawlServer};

use crate::driver::{self, Driver, MANY_SETTINGS, MANY_WINDOW, Measured, SETTINGS, WINDOW};
use crate::plan::{Case, Scale, Variant};
use crate::process;
use crate::samples::{Metric, Sample, Samples};

pub(crate) use groups::{GROUP_PARTITIONS, GROUPS};
pub(crate) use share::DIVISOR as SHARE_DIVISOR;
pub(crate) use transactions::{PRODUCERS, RECORDS as TRANSACTION_RECORDS};

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
const MIB: f64 = 1024.0 * 1024.0;
const LARGE_RECORD_BYTES: u64 = 1024;
const SMALL_RECORD_BYTES: u64 = 100;
const PARTITIONS: u32 = 16;
const MANY_PARTITIONS: u32 = 1000;
/// Kafka gets this part of the bytes over [`MANY_PARTITIONS`].
const MANY_DIVISOR_KAFKA: u64 = 8;
/// Memory is read this long after the last change.
const REST: Duration = Duration::from_secs(3);
const END_TO_END_BYTES_PER_SECOND: u64 = 20_000_000;
/// Latency loads batch less.
const END_TO_END_SETTINGS: &[&str] = &["linger.ms=1"];
/// The heap that Kafka's start script gives a broker.
const KAFKA_HEAP_MIB: u32 = 1024;
const CLEANER_BACKOFF: (&str, &str) = ("log.cleaner.backoff.ms", "500");

/// What one session needs to know.
pub(crate) struct Setup<'a> {
    pub(crate) variant: Variant,
    pub(crate) cases: &'a [Case],
    pub(crate) scale: &'a Scale,
    pub(crate) driver: &'a Driver,
    pub(crate) folder: PathBuf,
    pub(crate) sprawl: &'a Path,
    pub(crate) round: u32,
}

/// Runs every case that was asked for on a fresh server.
pub(crate) fn run(setup: &Setup<'_>, samples: &mut Samples) -> Result<()> {
    remove_folder(&setup.folder)?;
    let mut session = Session {
        setup,
        samples,
        sent_bytes: 0,
    };
    let server = session.start_empty()?;
    session.memory(&server)?;
    session.idle_groups(&server)?;
    session.produce_cases(&server)?;
    session.end_to_end(&server)?;
    session.perf_tool(&server)?;
    session.transactions(&server)?;
    session.share(&server)?;
    session.compaction(&server)?;
    let server = session.restart(server)?;
    session.consume_from_disk(server)?;
    remove_folder(&setup.folder)
}

struct Session<'a> {
    setup: &'a Setup<'a>,
    samples: &'a mut Samples,
    sent_bytes: u64,
}

impl Session<'_> {
    fn wants(&self, case: Case) -> bool {
        self.setup.cases.contains(&case) && self.setup.variant.takes(case)
    }

    fn push(&mut self, case: Case, metric: Metric, value: f64) {
        let variant = Some(self.setup.variant);
        let round = self.setup.round;
        self.samples.push(Sample {
            case,
            variant,
            round,
            metric,
            value,
        });
    }

    fn start(&self) -> Result<Server> {
        // The cleaner looks for work more often than by default, so that waiting costs little.
        let settings = self
            .wants(Case::Compaction)
            .then_some(CLEANER_BACKOFF)
            .into_iter()
            .chain(self.setup.variant.server_setting());
        if self.setup.variant.is_sprawl() {
            let options = SprawlOptions::new(self.setup.sprawl, &self.setup.folder);
            let options = settings.fold(options, |options, (name, value)| options.set(name, value));
            SprawlServer::start(&options)
        } else {
            let mut options = KafkaOptions::new(&self.setup.folder);
            options.heap_mib = KAFKA_HEAP_MIB;
            let options = settings.fold(options, |options, (name, value)| options.set(name, value));
            KafkaServer::start(&options)
        }
    }

    /// Starts on nothing. Kafka's formatting of its storage is not counted: its second start is.
    fn start_empty(&mut self) -> Result<Server> {
        let mut began = Instant::now();
        let mut server = self.start()?;
        if self.wants(Case::Start) {
            if !self.setup.variant.is_sprawl() {
                server.stop()?;
                began = Instant::now();
                server = self.start()?;
            }
            self.push(Case::Start, Metric::Seconds, began.elapsed().as_secs_f64());
        }
        Ok(server)
    }

    fn memory(&mut self, server: &Server) -> Result<()> {
        let many = self.wants(Case::Produce1000p);
        if self.wants(Case::Memory) {
            std::thread::sleep(REST);
            let rest = process::memory_mib(server.pid(), "VmRSS")?;
            self.push(Case::Memory, Metric::RestMib, rest);
        }
        if many || self.wants(Case::Memory) {
            self.create_topic(server, "many", MANY_PARTITIONS)?;
        }
        if self.wants(Case::Memory) {
            std::thread::sleep(REST);
            let with_topic = process::memory_mib(server.pid(), "VmRSS")?;
            self.push(Case::Memory, Metric::ThousandPartitionsMib, with_topic);
        }
        Ok(())
    }

    fn produce_cases(&mut self, server: &Server) -> Result<()> {
        let scale = self.setup.scale;
        let divisor = match self.setup.variant {
            Variant::KafkaFlush => scale.flush_divisor,
            _ => 1,
        };
        let large = scale.large_bytes / divisor;
        self.create_topic(server, "large", PARTITIONS)?;
        self.send(
            server,
            &Load::large("large", PARTITIONS, scale.warm_up_bytes / divisor),
        )?;
        if self.wants(Case::Produce1k) {
            let load = Load::large("large", PARTITIONS, large);
            self.measure_send(server, Case::Produce1k, &load)?;
        }
        if self.wants(Case::ConsumeMemory) {
            let read = self.read(server, "large")?;
            self.push_load(Case::ConsumeMemory, &read);
        }
        if self.wants(Case::Produce100b) {
            self.create_topic(server, "small", PARTITIONS)?;
            self.send(
                server,
                &Load::small("small", scale.small_bytes / divisor / 4),
            )?;
            let load = Load::small("small", scale.small_bytes / divisor);
            self.measure_send(server, Case::Produce100b, &load)?;
        }
        if self.wants(Case::Produce1000p) {
            // Kafka takes about two minutes of processor time per GiB here; no bar rests on it.
            let divisor = match self.setup.variant {
                Variant::Kafka | Variant::KafkaFlush => MANY_DIVISOR_KAFKA,
                Variant::SprawlAsync | Variant::SprawlFsync => 1,
            };
            let warm_up = scale.warm_up_bytes / divisor;
            self.send(server, &Load::large("many", MANY_PARTITIONS, warm_up))?;
            let load = Load::large("many", MANY_PARTITIONS, scale.large_bytes / divisor);
            self.measure_send(server, Case::Produce1000p, &load)?;
        }
        Ok(())
    }

    fn end_to_end(&mut self, server: &Server) -> Result<()> {
        if !self.wants(Case::EndToEnd) {
            return Ok(());
        }
        self.create_topic(server, "end-to-end", PARTITIONS)?;
        sync_disk()?;
        let scale = self.setup.scale;
        let numbers = [
            PARTITIONS as u64,
            LARGE_RECORD_BYTES,
            END_TO_END_BYTES_PER_SECOND,
            scale.warm_up_seconds,
            scale.seconds,
        ]
        .map(|number| number.to_string());
        let [partitions, record_bytes, rate, warm_up, seconds] = &numbers;
        let arguments = [
            "end-to-end",
            "--topic=end-to-end",
            "--partitions",
            partitions,
            "--record-bytes",
            record_bytes,
            "--rate-bytes",
            rate,
            "--warm-up-seconds",
            warm_up,
            "--seconds",
            seconds,
        ];
        let before = process::cpu_seconds(server.pid())?;
        let driver = self.setup.driver;
        let measured = driver.load(&server.bootstrap(), END_TO_END_SETTINGS, &arguments)?;
        let used = process::settled_cpu_seconds(server.pid())? - before;
        let all_seconds = (scale.warm_up_seconds + scale.seconds) as f64;
        let all_gib = END_TO_END_BYTES_PER_SECOND as f64 * all_seconds / GIB;
        self.sent_bytes += (all_gib * GIB) as u64;
        self.push(Case::EndToEnd, Metric::CpuSecondsPerGib, used / all_gib);
        self.push_latency(Case::EndToEnd, &measured);
        Ok(())
    }

    fn perf_tool(&mut self, server: &Server) -> Result<()> {
        if !self.wants(Case::PerfTool) {
            return Ok(());
        }
        self.create_topic(server, "perf-tool", PARTITIONS)?;
        sync_disk()?;
        let records = self.setup.scale.large_bytes / LARGE_RECORD_BYTES;
        let before = process::cpu_seconds(server.pid())?;
        let measured = driver::perf_tool(&server.bootstrap(), "perf-tool", records)?;
        let used = process::settled_cpu_seconds(server.pid())? - before;
        let gib = (records * LARGE_RECORD_BYTES) as f64 / GIB;
        self.sent_bytes += records * LARGE_RECORD_BYTES;
        self.push(
            Case::PerfTool,
            Metric::MibPerSecond,
            measured.mib_per_second,
        );
        self.push(
            Case::PerfTool,
            Metric::RecordsPerSecond,
            measured.records_per_second,
        );
        self.push(Case::PerfTool, Metric::CpuSecondsPerGib, used / gib);
        self.push(Case::PerfTool, Metric::P50Ms, measured.p50_ms);
        self.push(Case::PerfTool, Metric::P99Ms, measured.p99_ms);
        self.push(Case::PerfTool, Metric::P999Ms, measured.p999_ms);
        Ok(())
    }

    /// Kills the server while its last writes are fresh and times the way back.
    fn restart(&mut self, server: Server) -> Result<Server> {
        if !self.wants(Case::Restart) {
            return Ok(server);
        }
        let missing = self
            .setup
            .scale
            .restart_bytes
            .saturating_sub(self.sent_bytes);
        let last = missing.max(64 * 1024 * 1024);
        self.send(&server, &Load::large("large", PARTITIONS, last))?;
        let log_gib = driver::folder_bytes(&self.setup.folder)? as f64 / GIB;
        server.kill()?;
        let began = Instant::now();
        let server = self.start()?;
        let answered = began.elapsed().as_secs_f64();
        self.send(
            &server,
            &Load::large("large", PARTITIONS, LARGE_RECORD_BYTES),
        )?;
        let acknowledged = began.elapsed().as_secs_f64();
        self.push(Case::Restart, Metric::LogGib, log_gib);
        self.push(Case::Restart, Metric::Seconds, answered);
        self.push(Case::Restart, Metric::SecondsToAck, acknowledged);
        Ok(server)
    }

    fn consume_from_disk(&mut self, server: Server) -> Result<()> {
        if !self.wants(Case::ConsumeDisk) {
            return Ok(());
        }
        server.stop()?;
        if let Err(error) = drop_caches() {
            println!("  consume-disk is left out: only root can drop the page cache ({error})");
            return Ok(());
        }
        let server = self.start()?;
        let read = self.read(&server, "large")?;
        self.push_load(Case::ConsumeDisk, &read);
        Ok(())
    }

    fn create_topic(&self, server: &Server, name: &str, partitions: u32) -> Result<()> {
        let config = self.setup.variant.topic_config();
        let configs: Vec<&str> = config.into_iter().collect();
        self.setup
            .driver
            .create_topic(&server.bootstrap(), name, partitions, &configs)
    }

    /// Sends a load without measuring it.
    fn send(&mut self, server: &Server, load: &Load) -> Result<Measured> {
        let numbers = [
            u64::from(load.partitions),
            load.record_bytes,
            load.records(),
            load.window(),
        ]
        .map(|number| number.to_string());
        let [partitions, record_bytes, records, window] = &numbers;
        let arguments = [
            "produce",
            "--topic",
            load.topic,
            "--partitions",
            partitions,
            "--record-bytes",
            record_bytes,
            "--records",
            records,
            "--window",
            window,
        ];
        self.sent_bytes += load.bytes;
        self.setup
            .driver
            .load(&server.bootstrap(), load.settings(), &arguments)
    }

    fn measure_send(&mut self, server: &Server, case: Case, load: &Load) -> Result<()> {
        process::settled_cpu_seconds(server.pid())?;
        sync_disk()?;
        let before = process::cpu_seconds(server.pid())?;
        let measured = self.send(server, load)?;
        let used = process::settled_cpu_seconds(server.pid())? - before;
        let peak = process::memory_mib(server.pid(), "VmHWM")?;
        self.push_load(
            case,
            &Cost {
                measured,
                cpu_seconds: used,
            },
        );
        self.push(case, Metric::PeakMib, peak);
        Ok(())
    }

    /// Reads as many records as the measured produce wrote.
    fn read(&mut self, server: &Server, topic: &str) -> Result<Cost> {
        let records = (self.setup.scale.large_bytes / LARGE_RECORD_BYTES).to_string();
        let partitions = PARTITIONS.to_string();
        let arguments = [
            "consume",
            "--topic",
            topic,
            "--partitions",
            &partitions,
            "--records",
            &records,
        ];
        process::settled_cpu_seconds(server.pid())?;
        let before = process::cpu_seconds(server.pid())?;
        let measured = self
            .setup
            .driver
            .load(&server.bootstrap(), &[], &arguments)?;
        let cpu_seconds = process::settled_cpu_seconds(server.pid())? - before;
        Ok(Cost {
            measured,
            cpu_seconds,
        })
    }

    fn push_load(&mut self, case: Case, cost: &Cost) {
        let measured = &cost.measured;
        let gib = measured.bytes as f64 / GIB;
        self.push(
            case,
            Metric::MibPerSecond,
            measured.bytes as f64 / MIB / measured.seconds,
        );
        self.push(
            case,
            Metric::RecordsPerSecond,
            measured.records as f64 / measured.seconds,
        );
        self.push(case, Metric::CpuSecondsPerGib, cost.cpu_seconds / gib);
        self.push(
            case,
            Metric::DriverCpuSecondsPerGib,
            measured.driver_cpu_seconds / gib,
        );
        self.push_latency(case, measured);
    }

    fn push_latency(&mut self, case: Case, measured: &Measured) {
        if let Some(latency) = &measured.latency {
            self.push(case, Metric::P50Ms, latency.p50_ms);
            self.push(case, Metric::P99Ms, latency.p99_ms);
            self.push(case, Metric::P999Ms, latency.p999_ms);
        }
    }
}

/// What a load measured, and the server's processor seconds for it.
struct Cost {
    measured: Measured,
    cpu_seconds: f64,
}

struct Load {
    topic: &'static str,
    partitions: u32,
    record_bytes: u64,
    bytes: u64,
}

impl Load {
    fn large(topic: &'static str, partitions: u32, bytes: u64) -> Self {
        Self {
            topic,
            partitions,
            record_bytes: LARGE_RECORD_BYTES,
            bytes,
        }
    }

    fn small(topic: &'static str, bytes: u64) -> Self {
        Self {
            topic,
            partitions: PARTITIONS,
            record_bytes: SMALL_RECORD_BYTES,
            bytes,
        }
    }

    fn settings(&self) -> &'static [&'static str] {
        if self.partitions == MANY_PARTITIONS {
            MANY_SETTINGS
        } else {
            SETTINGS
        }
    }

    fn window(&self) -> u64 {
        if self.partitions == MANY_PARTITIONS {
            MANY_WINDOW
        } else {
            WINDOW
        }
    }

    fn records(&self) -> u64 {
        (self.bytes / self.record_bytes).max(1)
    }
}

fn sync_disk() -> Result<()> {
    driver::run(&mut Command::new("sync")).map(drop)
}

/// Empties the page cache, which only root may do.
fn drop_caches() -> Result<()> {
    sync_disk()?;
    std::fs::write("/proc/sys/vm/drop_caches", "3").context("/proc/sys/vm/drop_caches")
}

fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => {
            ensure!(!folder.is_dir(), "{} is still there", folder.display());
            Ok(())
        }
    }
}
