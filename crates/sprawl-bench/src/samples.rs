//! Everything that was measured, raw: medians are taken when the report is written, never before.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::plan::{Case, Scale, Variant};

/// What a number is, with its unit. The names are those of the JSON file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    /// Payload MiB per second, by the driver's clock.
    MibPerSecond,
    /// Records per second.
    RecordsPerSecond,
    /// User and system seconds of the server process per GiB of payload.
    CpuSecondsPerGib,
    /// Median latency, ms.
    P50Ms,
    /// 99th percentile, ms.
    P99Ms,
    /// 99.9th percentile, ms.
    P999Ms,
    /// Highest resident memory of the server process so far, MiB.
    PeakMib,
    /// Resident memory without topics, MiB.
    RestMib,
    /// Resident memory with one topic of 1,000 partitions, MiB.
    ThousandPartitionsMib,
    /// Seconds until a request was answered.
    Seconds,
    /// Seconds until a record was acknowledged.
    SecondsToAck,
    /// GiB in the data directory.
    LogGib,
    /// Sequential writes of 1 MiB, each followed by fdatasync, through the page cache.
    BufferedMibPerSecond,
    /// The same past the page cache.
    DirectMibPerSecond,
    /// User and system seconds of the driver per GiB of payload.
    DriverCpuSecondsPerGib,
    /// Payload MiB per second of a producer alone.
    AloneMibPerSecond,
    /// Payload MiB per second of a producer beside a compaction.
    BesideMibPerSecond,
    /// How much of that producer's time the compaction was under way, percent.
    BesidePercent,
    /// Transactions committed per second.
    TransactionsPerSecond,
    /// User and system milliseconds of the server process per transaction.
    CpuMsPerTransaction,
    /// Median of a whole transaction, ms.
    WholeP50Ms,
    /// 99th percentile of a whole transaction, ms.
    WholeP99Ms,
    /// Resident memory before the idle groups came, MiB.
    WithoutGroupsMib,
    /// Resident memory with the idle groups, MiB.
    WithGroupsMib,
    /// What the idle groups added to it, MiB.
    GroupsMib,
    /// Percent of a core that the idle server used before the groups came.
    WithoutGroupsCpuPercent,
    /// Percent of a core with the idle groups.
    WithGroupsCpuPercent,
    /// What the idle groups added to it, percent of a core.
    GroupsCpuPercent,
}

/// One number of one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) case: Case,
    /// `None` for what is measured without a server.
    pub(crate) variant: Option<Variant>,
    pub(crate) round: u32,
    pub(crate) metric: Metric,
    pub(crate) value: f64,
}

/// A run: where it ran, and its numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Samples {
    pub(crate) machine: BTreeMap<String, String>,
    pub(crate) scale: Scale,
    pub(crate) samples: Vec<Sample>,
}

impl Samples {
    /// An empty run on this machine.
    pub(crate) fn describe_machine(scale: &Scale) -> Result<Self> {
        let mut machine = BTreeMap::new();
        let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
        let model = field(&cpu, "model name").unwrap_or_default();
        let cores = cpu.matches("processor\t").count();
        machine.insert("cpu".to_owned(), format!("{cores} x {model}"));
        let memory = std::fs::read_to_string("/proc/meminfo")?;
        machine.insert(
            "memory".to_owned(),
            field(&memory, "MemTotal").unwrap_or_default(),
        );
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
        machine.insert("kernel".to_owned(), kernel.trim().to_owned());
        machine.insert("java".to_owned(), output("java", &["-version"])?);
        machine.insert(
            "kafka".to_owned(),
            sprawl_conformance::setup::kafka_version()?,
        );
        machine.insert(
            "commit".to_owned(),
            output("git", &["rev-parse", "--short", "HEAD"])?,
        );
        machine.insert("date".to_owned(), output("date", &["--utc", "--iso-8601"])?);
        Ok(Self {
            machine,
            scale: scale.clone(),
            samples: Vec::new(),
        })
    }

    /// Reads the samples of an earlier run.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("no samples in {}: run first", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Writes this run; earlier samples of cases and servers that this run lacks are kept.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let mut merged = self.clone();
        if let Ok(earlier) = Self::load(path) {
            let is_new = |old: &Sample| {
                self.samples
                    .iter()
                    .any(|new| new.case == old.case && new.variant == old.variant)
            };
            merged
                .samples
                .extend(earlier.samples.into_iter().filter(|old| !is_new(old)));
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(&merged)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Adds one number and shows it.
    pub(crate) fn push(&mut self, sample: Sample) {
        println!(
            "  {:?} {:?} {:.3}",
            sample.case, sample.metric, sample.value
        );
        self.samples.push(sample);
    }

    /// The values of one metric over all rounds.
    pub(crate) fn values(&self, case: Case, variant: Option<Variant>, metric: Metric) -> Vec<f64> {
        let matches = |s: &&Sample| s.case == case && s.variant == variant && s.metric == metric;
        self.samples
            .iter()
            .filter(matches)
            .map(|sample| sample.value)
            .collect()
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// First line of what a command prints.
fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    let text = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    Ok(String::from_utf8_lossy(&text)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(case: Case, variant: Variant, value: f64) -> Sample {
        Sample {
            case,
            variant: Some(variant),
            round: 0,
            metric: Metric::Seconds,
            value,
        }
    }

    fn run(samples: Vec<Sample>) -> Samples {
        Samples {
            machine: BTreeMap::new(),
            scale: Scale::quick(),
            samples,
        }
    }

    #[test]
    fn a_second_run_replaces_its_cases_and_keeps_the_others() {
        let folder = std::env::temp_dir().join(format!("sprawl-bench-{}", std::process::id()));
        let path = folder.join("samples.json");
        let first = [
            sample(Case::Start, Variant::Kafka, 1.0),
            sample(Case::Restart, Variant::Kafka, 2.0),
        ];
        run(first.to_vec()).save(&path).unwrap();
        run(vec![sample(Case::Start, Variant::Kafka, 3.0)])
            .save(&path)
            .unwrap();
        let merged = Samples::load(&path).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let values = |case| merged.values(case, Some(Variant::Kafka), Metric::Seconds);
        assert_eq!(values(Case::Start), [3.0]);
        assert_eq!(values(Case::Restart), [2.0]);
    }
}
