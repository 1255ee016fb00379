//! From samples to `docs/benchmarks.md` and its plots: bars first, then every figure, then how.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::bars;
use crate::driver::{MANY_SETTINGS, SETTINGS, SHARE_CONSUMERS};
use crate::plan::{Case, Scale, Variant};
use crate::plot::{self, Bar, Group};
use crate::samples::{Metric, Samples};
use crate::session::{GROUP_PARTITIONS, GROUPS, PRODUCERS, SHARE_DIVISOR, TRANSACTION_RECORDS};
use crate::stats::{short, summarise};

const MIB: u64 = 1024 * 1024;

/// Tables in the order of the report: a case, its heading, its columns.
const TABLES: &[(Case, &str, &[Metric])] = &[
    (
        Case::Produce1k,
        "Produce 1 KiB, 16 partitions, acks=all",
        PRODUCE,
    ),
    (
        Case::Produce100b,
        "Produce 100 B, 16 partitions, acks=all",
        PRODUCE,
    ),
    (
        Case::Produce1000p,
        "Produce 1 KiB, 1,000 partitions, acks=all",
        PRODUCE,
    ),
    (
        Case::PerfTool,
        "Kafka's own producer tool, 1 KiB, 16 partitions",
        PERF_TOOL,
    ),
    (Case::ConsumeMemory, "Consume from memory", CONSUME),
    (
        Case::ConsumeDisk,
        "Consume from disk (restarted, page cache dropped)",
        CONSUME,
    ),
    (
        Case::EndToEnd,
        "End to end, 20 MB/s of 1 KiB records",
        LATENCY,
    ),
    (
        Case::Restart,
        "Restart after kill -9",
        &[Metric::LogGib, Metric::Seconds, Metric::SecondsToAck],
    ),
    (
        Case::Memory,
        "Memory",
        &[Metric::RestMib, Metric::ThousandPartitionsMib],
    ),
    (Case::Start, "Start, nothing stored", &[Metric::Seconds]),
    (
        Case::Compaction,
        "Compaction: 256 B records, four of each key, one partition",
        COMPACTION,
    ),
    (
        Case::Transactions,
        "Transactions of 100 records of 1 KiB, 16 partitions",
        TRANSACTIONS,
    ),
    (
        Case::Share,
        "Share group, 1 KiB records, 16 partitions",
        &[
            Metric::MibPerSecond,
            Metric::RecordsPerSecond,
            Metric::CpuSecondsPerGib,
        ],
    ),
    (Case::IdleGroups, "10,000 idle groups", IDLE_GROUPS),
];
const TRANSACTIONS: &[Metric] = &[
    Metric::TransactionsPerSecond,
    Metric::CpuMsPerTransaction,
    Metric::P50Ms,
    Metric::P99Ms,
    Metric::P999Ms,
    Metric::WholeP50Ms,
    Metric::WholeP99Ms,
    Metric::DriverCpuSecondsPerGib,
];
const IDLE_GROUPS: &[Metric] = &[
    Metric::WithoutGroupsMib,
    Metric::WithGroupsMib,
    Metric::GroupsMib,
    Metric::WithoutGroupsCpuPercent,
    Metric::WithGroupsCpuPercent,
    Metric::GroupsCpuPercent,
];
const COMPACTION: &[Metric] = &[
    Metric::MibPerSecond,
    Metric::CpuSecondsPerGib,
    Metric::PeakMib,
    Metric::AloneMibPerSecond,
    Metric::BesideMibPerSecond,
    Metric::BesidePercent,
];
const PRODUCE: &[Metric] = &[
    Metric::MibPerSecond,
    Metric::CpuSecondsPerGib,
    Metric::P50Ms,
    Metric::P99Ms,
    Metric::P999Ms,
    Metric::PeakMib,
    Metric::DriverCpuSecondsPerGib,
];
const PERF_TOOL: &[Metric] = &[
    Metric::MibPerSecond,
    Metric::CpuSecondsPerGib,
    Metric::P50Ms,
    Metric::P99Ms,
    Metric::P999Ms,
];
const CONSUME: &[Metric] = &[
    Metric::MibPerSecond,
    Metric::CpuSecondsPerGib,
    Metric::DriverCpuSecondsPerGib,
];
const LATENCY: &[Metric] = &[
    Metric::P50Ms,
    Metric::P99Ms,
    Metric::P999Ms,
    Metric::CpuSecondsPerGib,
];

/// Plots: file name, title, metric, cases.
const PLOTS: &[(&str, &str, Metric, &[Case])] = &[
    (
        "throughput",
        "Payload throughput, MiB/s (more is better)",
        Metric::MibPerSecond,
        &[
            Case::Produce1k,
            Case::Produce100b,
            Case::Produce1000p,
            Case::ConsumeMemory,
            Case::ConsumeDisk,
        ],
    ),
    (
        "cpu",
        "Broker CPU seconds per GiB of payload (less is better)",
        Metric::CpuSecondsPerGib,
        &[
            Case::Produce1k,
            Case::Produce100b,
            Case::Produce1000p,
            Case::ConsumeMemory,
            Case::ConsumeDisk,
        ],
    ),
    (
        "latency",
        "End-to-end p99 at 20 MB/s, ms (less is better)",
        Metric::P99Ms,
        &[Case::EndToEnd],
    ),
    (
        "restart",
        "Seconds from start after kill -9 to the first acknowledged record (less is better)",
        Metric::SecondsToAck,
        &[Case::Restart],
    ),
    (
        "transactions",
        "Broker CPU ms per transaction of 100 records (less is better)",
        Metric::CpuMsPerTransaction,
        &[Case::Transactions],
    ),
    (
        "commit",
        "p99 of a commit, ms (less is better)",
        Metric::P99Ms,
        &[Case::Transactions],
    ),
    (
        "share",
        "Broker CPU seconds per GiB, share group and compaction (less is better)",
        Metric::CpuSecondsPerGib,
        &[Case::Share, Case::Compaction],
    ),
    (
        "groups",
        "MiB that 10,000 idle groups add (less is better)",
        Metric::GroupsMib,
        &[Case::IdleGroups],
    ),
];

/// Writes the report and the plots under `docs/` of the checkout.
pub(crate) fn write(samples: &Samples, notes: &Path) -> Result<()> {
    let root = sprawl_conformance::setup::repository();
    let plots = root.join("docs/benchmarks");
    std::fs::create_dir_all(&plots)?;
    for (name, title, metric, cases) in PLOTS {
        let svg = plot::chart(title, &groups(samples, *metric, cases));
        std::fs::write(plots.join(format!("{name}.svg")), svg)?;
    }
    let notes = std::fs::read_to_string(notes).unwrap_or_default();
    let path = root.join("docs/benchmarks.md");
    std::fs::write(&path, markdown(samples, &notes)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

fn groups(samples: &Samples, metric: Metric, cases: &[Case]) -> Vec<Group> {
    let bar = |case: Case, variant: &Variant| {
        let values = samples.values(case, Some(*variant), metric);
        summarise(&values).map(|summary| Bar {
            variant: *variant,
            summary,
        })
    };
    let group = |case: &Case| {
        let bars = Variant::value_variants()
            .iter()
            .filter_map(|v| bar(*case, v))
            .collect();
        Group {
            label: label(*case).to_owned(),
            bars,
        }
    };
    cases
        .iter()
        .map(group)
        .filter(|group| !group.bars.is_empty())
        .collect()
}

fn label(case: Case) -> &'static str {
    match case {
        Case::Produce1k => "produce 1 KiB, 16 partitions",
        Case::Produce100b => "produce 100 B, 16 partitions",
        Case::Produce1000p => "produce 1 KiB, 1,000 partitions",
        Case::ConsumeMemory => "consume from memory",
        Case::ConsumeDisk => "consume from disk",
        Case::EndToEnd => "end to end",
        Case::Restart => "restart",
        Case::Memory => "memory",
        Case::Start => "start",
        Case::PerfTool => "Kafka's producer tool",
        Case::Compaction => "compaction",
        Case::Transactions => "transactions",
        Case::Share => "share group",
        Case::IdleGroups => "10,000 idle groups",
        Case::Disk => "disk",
    }
}

fn heading(metric: Metric) -> &'static str {
    match metric {
        Metric::MibPerSecond => "MiB/s",
        Metric::RecordsPerSecond => "records/s",
        Metric::CpuSecondsPerGib => "broker CPU s/GiB",
        Metric::P50Ms => "p50 ms",
        Metric::P99Ms => "p99 ms",
        Metric::P999Ms => "p99.9 ms",
        Metric::PeakMib => "peak RSS MiB",
        Metric::RestMib => "at rest MiB",
        Metric::ThousandPartitionsMib => "1,000 partitions MiB",
        Metric::AloneMibPerSecond => "produce alone MiB/s",
        Metric::BesideMibPerSecond => "produce beside it MiB/s",
        Metric::BesidePercent => "of that beside it %",
        Metric::TransactionsPerSecond => "transactions/s",
        Metric::CpuMsPerTransaction => "broker CPU ms/transaction",
        Metric::WholeP50Ms => "whole p50 ms",
        Metric::WholeP99Ms => "whole p99 ms",
        Metric::WithoutGroupsMib => "RSS without MiB",
        Metric::WithGroupsMib => "RSS with MiB",
        Metric::GroupsMib => "added MiB",
        Metric::WithoutGroupsCpuPercent => "CPU without, % of a core",
        Metric::WithGroupsCpuPercent => "CPU with, % of a core",
        Metric::GroupsCpuPercent => "added, % of a core",
        Metric::Seconds => "first answer s",
        Metric::SecondsToAck => "first ack s",
        Metric::LogGib => "on disk GiB",
        Metric::BufferedMibPerSecond => "buffered MiB/s",
        Metric::DirectMibPerSecond => "direct MiB/s",
        Metric::DriverCpuSecondsPerGib => "driver CPU s/GiB",
    }
}

fn markdown(samples: &Samples, notes: &str) -> Result<String> {
    let mut text = String::from("# Benchmarks: Sprawl beside Apache Kafka\n\n");
    introduction(&mut text, samples)?;
    text.push_str("\n## Bars\n\n| what | bar | found | |\n|---|---|---|---|\n");
    for verdict in bars::judge(samples) {
        let (wanted, found) = verdict.numbers();
        writeln!(
            text,
            "| {} | {wanted} | {found} | {} |",
            verdict.bar,
            verdict.word()
        )?;
    }
    if !notes.is_empty() {
        write!(text, "\n{}\n", notes.trim_end())?;
    }
    text.push_str("\n## Figures\n\nMedian over the rounds, in brackets the range.\n");
    for (name, title, metric, cases) in PLOTS {
        if !groups(samples, *metric, cases).is_empty() {
            write!(text, "\n![{title}](benchmarks/{name}.svg)\n")?;
        }
    }
    for (case, title, metrics) in TABLES {
        table(&mut text, samples, *case, title, metrics)?;
    }
    disk(&mut text, samples)?;
    method(&mut text, samples)?;
    Ok(text)
}

fn introduction(text: &mut String, samples: &Samples) -> Result<()> {
    let about = |key: &str| samples.machine.get(key).map_or("unknown", String::as_str);
    let rounds = samples
        .samples
        .iter()
        .map(|sample| sample.round + 1)
        .max()
        .unwrap_or(0);
    writeln!(
        text,
        "`make bench` writes this page. Run of {} at {}: {rounds} rounds, servers alternating \
         within \
         each, one at a time. Apache Kafka {} ({}), {}, {} memory, Linux {}. Server and load \
         generator \
         share these cores, so throughput is bounded by what both cost together.",
        about("date"),
        about("commit"),
        about("kafka"),
        about("java"),
        about("cpu"),
        about("memory"),
        about("kernel"),
    )?;
    Ok(())
}

fn table(
    text: &mut String,
    samples: &Samples,
    case: Case,
    title: &str,
    metrics: &[Metric],
) -> Result<()> {
    let mut rows = String::new();
    for variant in Variant::value_variants() {
        let cells: Vec<_> = metrics
            .iter()
            .map(|metric| summarise(&samples.values(case, Some(*variant), *metric)))
            .collect();
        if cells.iter().all(Option::is_none) {
            continue;
        }
        write!(rows, "| {} |", variant.title())?;
        for cell in cells {
            match cell {
                Some(s) if s.count > 1 => write!(
                    rows,
                    " {} ({} - {}) |",
                    short(s.median),
                    short(s.min),
                    short(s.max)
                )?,
                Some(s) => write!(rows, " {} |", short(s.median))?,
                None => rows.push_str(" - |"),
            }
        }
        rows.push('\n');
    }
    if rows.is_empty() {
        return Ok(());
    }
    write!(text, "\n### {title}\n\n| server |")?;
    for metric in metrics {
        write!(text, " {} |", heading(*metric))?;
    }
    write!(text, "\n|---|{}\n{rows}", "---|".repeat(metrics.len()))?;
    Ok(())
}

fn disk(text: &mut String, samples: &Samples) -> Result<()> {
    let of = |metric| summarise(&samples.values(Case::Disk, None, metric));
    if let (Some(buffered), Some(direct)) = (
        of(Metric::BufferedMibPerSecond),
        of(Metric::DirectMibPerSecond),
    ) {
        write!(
            text,
            "\n### The disk alone\n\nSequential writes of 1 MiB, each followed by fdatasync: {} \
             MiB/s \
             through the page cache, {} MiB/s past it.\n",
            short(buffered.median),
            short(direct.median)
        )?;
    }
    Ok(())
}

fn method(text: &mut String, samples: &Samples) -> Result<()> {
    let scale = &samples.scale;
    let mib = |bytes: u64| bytes / MIB;
    write!(
        text,
        "\n## Method\n\n\
         - Driver: librdkafka through `bench-driver`, its defaults with {} (1,000 partitions: {}; \
         end to end: linger.ms=1), acks=all, \
         no compression, records that do not compress, 16 records to a partition before the next \
         has its turn. The second opinion is \
         Kafka's `ProducerPerformance` (batch.size=262144, linger.ms=5, buffer.memory=128 MiB).\n\
         - Kafka: its own defaults, one process as broker and controller, 1 GiB heap. \"fsync per \
         batch\" is the \
         topic setting flush.messages=1.\n\
         - A fresh server and data directory per server and round. {} MiB are sent before \
         anything is measured, \
         then {} MiB of 1 KiB records, {} MiB of 100 B records, {} MiB over 1,000 partitions; an \
         eighth of each for \
         Kafka with an fsync per batch.\n\
         - Broker CPU: user and system time of the server process from /proc, read before the \
         load and again \
         when the server has come to rest, so that work behind the acknowledgement counts. The \
         kernel's own \
         write-back of dirty pages is charged to no process: that favours Kafka.\n\
         - Latency of a produce: from the send call to the delivery report, at full load, so it \
         is mostly the \
         client's queue. End to end: from the send call to the poll that returns the record, at a \
         fixed rate, \
         {} s after {} s of warm-up.\n\
         - Restart: at least {} MiB sent, the last of it right before kill -9; the clock runs \
         from the start of the \
         new process.\n\
         - From disk: the server is stopped, the page cache dropped, the server started, then \
         read.\n",
        SETTINGS.join(", "),
        MANY_SETTINGS.join(", "),
        mib(scale.warm_up_bytes),
        mib(scale.large_bytes),
        mib(scale.small_bytes),
        mib(scale.large_bytes),
        scale.seconds,
        scale.warm_up_seconds,
        mib(scale.restart_bytes),
    )?;
    method_of_newer_cases(text, scale)
}

fn method_of_newer_cases(text: &mut String, scale: &Scale) -> Result<()> {
    let mib = |bytes: u64| bytes / MIB;
    write!(
        text,
        "\
         - Transactions: {PRODUCERS} producers of librdkafka, each with a thread, commit \
         transactions of {TRANSACTION_RECORDS} records of 1 KiB \
         as fast as they are answered, for {} s after {} s of warm-up. A commit is timed from the \
         call to its return after every \
         record was acknowledged, a whole transaction from its begin; librdkafka waits 100 ms \
         before it asks again when the last \
         transaction's markers are not written yet. Our \"async\" is what compares with Kafka, \
         which acknowledges from the page \
         cache; our \"fsync\" compares with Kafka where every batch is synced, the coordinator's \
         too (log.flush.interval.messages=1).\n\
         - Share group: {SHARE_CONSUMERS} consumers of Kafka's `ShareConsumerPerformance` read and \
         acknowledge {} MiB of 1 KiB records, \
         after a quarter of that in another group for warm-up.\n\
         - Compaction: {} MiB of 256 B records in one partition, four of each key on average, \
         compacted once on an idle server and once \
         beside a producer of {} MiB of 1 KiB records; the files tell when it is over. The \
         cleaner looks for work every 500 ms.\n\
         - Idle groups: {GROUPS} groups with {GROUP_PARTITIONS} committed offsets each and no \
         member, on a fresh server; resident memory and \
         10 s of processor time, less the same with one group.\n",
        scale.seconds,
        scale.warm_up_seconds,
        mib(scale.large_bytes / SHARE_DIVISOR),
        mib(scale.large_bytes),
        mib(scale.large_bytes),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Sample;
    use std::collections::BTreeMap;

    fn samples(values: &[f64]) -> Samples {
        let sample = |(round, value): (usize, &f64)| Sample {
            case: Case::Produce1k,
            variant: Some(Variant::Kafka),
            round: round as u32,
            metric: Metric::MibPerSecond,
            value: *value,
        };
        let samples = values.iter().enumerate().map(sample).collect();
        Samples {
            machine: BTreeMap::new(),
            scale: Scale::full(),
            samples,
        }
    }

    #[test]
    fn a_table_has_the_median_and_the_range_and_only_measured_servers() {
        let text = markdown(&samples(&[100.0, 300.0, 200.0]), "").unwrap();
        assert!(text.contains("| Kafka | 200 (100 - 300) | - |"), "{text}");
        assert!(!text.contains("| Sprawl fsync |"), "{text}");
    }

    #[test]
    fn every_bar_is_listed_even_if_nothing_was_measured() {
        let text = markdown(&samples(&[]), "").unwrap();
        assert_eq!(
            text.matches("| not measured |").count(),
            bars::judge(&samples(&[])).len()
        );
    }

    #[test]
    fn notes_stand_below_the_bars() {
        let text = markdown(&samples(&[1.0]), "## Missed\n\nwhy\n").unwrap();
        assert!(text.find("## Missed") < text.find("## Figures"));
    }
}
