//! The foreign load generators: librdkafka through `bench-driver`, and Kafka's own producer tool.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use sprawl_conformance::{clients, kafka, setup};

/// librdkafka settings of every load: its defaults but for the ones a report must name.
pub(crate) const SETTINGS: &[&str] = &["linger.ms=5"];

/// The same over 1,000 partitions: with 5 ms the client would send one request per record or two,
/// and the load would measure nothing but requests.
pub(crate) const MANY_SETTINGS: &[&str] = &["linger.ms=100"];

/// How many records wait for their acknowledgement at once.
pub(crate) const WINDOW: u64 = 100_000;

/// The same over 1,000 partitions: 400 for each. With fewer the client cuts batches of 100 KiB at
/// the most, a request each, and spends half as much again on a record (2.2 for 1.5 CPU s/GiB).
pub(crate) const MANY_WINDOW: u64 = 400_000;

/// What one load measured, as `bench-driver` prints it.
#[derive(Debug, Deserialize)]
pub(crate) struct Measured {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) errors: u64,
    pub(crate) driver_cpu_seconds: f64,
    pub(crate) latency: Option<Latency>,
    /// Of whole transactions, where `latency` is that of their commits.
    pub(crate) whole: Option<Latency>,
}

/// Percentiles in ms.
#[derive(Debug, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
}

/// The built `bench-driver`.
#[derive(Debug)]
pub(crate) struct Driver {
    binary: PathBuf,
}

impl Driver {
    /// Builds it, which compiles librdkafka the first time.
    pub(crate) fn build() -> Result<Self> {
        let root = setup::repository();
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let status = Command::new("cargo")
            .args(["build", "--quiet", "--release", "--locked"])
            .arg("--manifest-path")
            .arg(root.join("bench-driver/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .status()
            .context("cannot start cargo")?;
        ensure!(
            status.success(),
            "building bench-driver ended with {status}"
        );
        Ok(Self {
            binary: target.join("release/bench-driver"),
        })
    }

    /// Creates a topic and waits for its leaders.
    pub(crate) fn create_topic(
        &self,
        bootstrap: &str,
        name: &str,
        partitions: u32,
        configs: &[&str],
    ) -> Result<()> {
        let partitions = partitions.to_string();
        let mut arguments = vec!["topic", "--name", name, "--partitions", &partitions];
        for config in configs {
            arguments.extend(["--config", config]);
        }
        self.call(bootstrap, &[], &arguments).map(drop)
    }

    /// Replaces all settings of a topic.
    pub(crate) fn configure_topic(
        &self,
        bootstrap: &str,
        name: &str,
        configs: &[&str],
    ) -> Result<()> {
        let mut arguments = vec!["configure", "--name", name];
        for config in configs {
            arguments.extend(["--config", config]);
        }
        self.call(bootstrap, &[], &arguments).map(drop)
    }

    /// Runs one load and returns what it measured; a load with errors is an error.
    pub(crate) fn load(
        &self,
        bootstrap: &str,
        settings: &[&str],
        arguments: &[&str],
    ) -> Result<Measured> {
        let output = self.call(bootstrap, settings, arguments)?;
        let line = output.lines().last().unwrap_or_default();
        let measured: Measured = serde_json::from_str(line)
            .with_context(|| format!("bench-driver {arguments:?} printed {output:?}"))?;
        ensure!(
            measured.errors == 0,
            "{arguments:?}: {} errors",
            measured.errors
        );
        Ok(measured)
    }

    fn call(&self, bootstrap: &str, settings: &[&str], arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(["--bootstrap", bootstrap]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        run(command.args(arguments))
    }
}

/// Throughput and latency that Kafka's own `ProducerPerformance` reports.
#[derive(Debug, PartialEq)]
pub(crate) struct PerfTool {
    pub(crate) records_per_second: f64,
    pub(crate) mib_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
}

/// Runs Kafka's producer tool with 1 KiB records.
pub(crate) fn perf_tool(bootstrap: &str, topic: &str, records: u64) -> Result<PerfTool> {
    let classpath = setup::java_tools()?;
    let mut command = Command::new("java");
    command
        .args(["-Xmx512m", "-cp", &classpath])
        .arg(kafka::log_setting())
        .arg("org.apache.kafka.tools.ProducerPerformance")
        .args(["--topic", topic, "--num-records", &records.to_string()])
        .args([
            "--record-size",
            "1024",
            "--throughput",
            "-1",
            "--producer-props",
        ])
        .arg(format!("bootstrap.servers={bootstrap}"))
        .args([
            "acks=all",
            "batch.size=262144",
            "linger.ms=5",
            "buffer.memory=134217728",
        ]);
    let output = run(&mut command)?;
    let last = output.lines().rfind(|line| line.contains("99.9th"));
    last.and_then(parse_perf_tool)
        .with_context(|| format!("no result in {output:?}"))
}

/// Parses the closing line: every number stands before its unit.
fn parse_perf_tool(line: &str) -> Option<PerfTool> {
    let before = |unit: &str| {
        let text = line.split_once(unit)?.0;
        let start = text
            .rfind(|c: char| !c.is_ascii_digit() && c != '.')
            .map_or(0, |at| at + 1);
        text.get(start..)?.parse().ok()
    };
    Some(PerfTool {
        records_per_second: before(" records/sec")?,
        mib_per_second: before(" MB/sec")?,
        p50_ms: before(" ms 50th")?,
        p99_ms: before(" ms 99th")?,
        p999_ms: before(" ms 99.9th")?,
    })
}

/// What Kafka's `ShareConsumerPerformance` read.
#[derive(Debug, PartialEq)]
pub(crate) struct ShareRead {
    pub(crate) records: u64,
    pub(crate) seconds: f64,
}

/// Consumers of one share group that Kafka's tool runs.
pub(crate) const SHARE_CONSUMERS: u32 = 2;

/// Reads and acknowledges so many records with consumers of one share group, by Kafka's own tool.
pub(crate) fn share_perf_tool(
    bootstrap: &str,
    topic: &str,
    group: &str,
    records: u64,
) -> Result<ShareRead> {
    /// Longer than a run: the tool gives up after this time, not only after so long a silence.
    const TIMEOUT_MS: &str = "120000";
    let classpath = setup::java_tools()?;
    let mut command = Command::new("java");
    command
        .args(["-Xmx512m", "-cp", &classpath])
        .arg(kafka::log_setting())
        .arg("org.apache.kafka.tools.ShareConsumerPerformance")
        .args(["--bootstrap-server", bootstrap, "--topic", topic])
        .args(["--group", group, "--num-records", &records.to_string()])
        .args(["--threads", &SHARE_CONSUMERS.to_string()])
        .args(["--timeout", TIMEOUT_MS, "--hide-header"]);
    let output = run(&mut command)?;
    let last = output.lines().last().unwrap_or_default();
    parse_share_perf_tool(last).with_context(|| format!("no result in {output:?}"))
}

/// Parses the closing line: start, end, MB, MB a second, records a second, records, ms.
fn parse_share_perf_tool(line: &str) -> Option<ShareRead> {
    let fields: Vec<&str> = line.split(", ").collect();
    let [_, _, _, _, _, records, ms] = fields.as_slice() else {
        return None;
    };
    Some(ShareRead {
        records: records.parse().ok()?,
        seconds: ms.parse::<f64>().ok()? / 1000.0,
    })
}

/// Has a server made ready by what only Kafka's own client can ask for.
pub(crate) fn fixture(bootstrap: &str, arguments: &[&str]) -> Result<()> {
    let mut command = clients::lone_java_program("bench/Fixture.java", "Fixture")?;
    run(command.args(arguments).env("BOOTSTRAP", bootstrap)).map(drop)
}

/// Bytes under a folder.
pub(crate) fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut command = Command::new("du");
    let output = run(command.args(["-s", "-B1"]).arg(folder))?;
    let size = output.split_whitespace().next().unwrap_or_default();
    size.parse()
        .with_context(|| format!("du printed {output:?}"))
}

/// Runs a command; what it printed, or an error with everything it said.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_of_kafkas_tool_is_read() {
        let line = "1000000 records sent, 98765.4 records/sec (96.45 MB/sec), 12.34 ms avg latency, \
                    345.00 ms max latency, 8 ms 50th, 40 ms 95th, 90 ms 99th, 130 ms 99.9th.";
        let expected = PerfTool {
            records_per_second: 98765.4,
            mib_per_second: 96.45,
            p50_ms: 8.0,
            p99_ms: 90.0,
            p999_ms: 130.0,
        };
        assert_eq!(parse_perf_tool(line), Some(expected));
        assert_eq!(parse_perf_tool("nothing was sent"), None);
    }

    #[test]
    fn the_closing_line_of_kafkas_share_tool_is_read() {
        let line = "2026-11-24 10:00:00:000, 2026-11-24 10:00:02:500, 48.8281, 19.5313, 20000.0000, \
                    50000, 2500";
        let expected = ShareRead {
            records: 50_000,
            seconds: 2.5,
        };
        assert_eq!(parse_share_perf_tool(line), Some(expected));
        assert_eq!(parse_share_perf_tool("WARNING: Exiting"), None);
    }
}
