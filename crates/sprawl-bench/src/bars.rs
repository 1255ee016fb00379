//! Which bars were to be reached, and were they? Medians against medians of the same run.

use crate::plan::{Case, Variant};
use crate::samples::{Metric, Samples};
use crate::stats::{short, summarise};

/// One bar: what is compared, and the outcome.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) bar: String,
    pub(crate) found: Option<f64>,
    pub(crate) wanted: f64,
    pub(crate) sense: Sense,
    pub(crate) unit: &'static str,
}

/// On which side of the bar the good lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sense {
    AtLeast,
    AtMost,
}

impl Verdict {
    /// "met", "missed", or "not measured".
    pub(crate) fn word(&self) -> &'static str {
        match self.found {
            None => "not measured",
            Some(found) if self.is_met_by(found) => "met",
            Some(_) => "**missed**",
        }
    }

    fn is_met_by(&self, found: f64) -> bool {
        match self.sense {
            Sense::AtLeast => found >= self.wanted,
            Sense::AtMost => found <= self.wanted,
        }
    }

    /// The bar and what was found, for the table.
    pub(crate) fn numbers(&self) -> (String, String) {
        let sign = match self.sense {
            Sense::AtLeast => ">=",
            Sense::AtMost => "<=",
        };
        let found = self
            .found
            .map_or_else(|| "-".to_owned(), |v| short(v) + self.unit);
        (format!("{sign} {}{}", self.wanted, self.unit), found)
    }
}

/// One cell of the results: a case on a server.
type Cell = (Case, Option<Variant>, Metric);

const KAFKA: Option<Variant> = Some(Variant::Kafka);
const FLUSH: Option<Variant> = Some(Variant::KafkaFlush);
const ASYNC: Option<Variant> = Some(Variant::SprawlAsync);
const FSYNC: Option<Variant> = Some(Variant::SprawlFsync);

/// Judges every bar.
pub(crate) fn judge(samples: &Samples) -> Vec<Verdict> {
    let mut judge = Judge {
        samples,
        verdicts: Vec::new(),
    };
    judge.produce(Case::Produce1k, "1 KiB");
    judge.produce(Case::Produce100b, "100 B");
    judge.partitions();
    judge.consume();
    judge.latency();
    judge.restart_and_memory();
    judge.transactions();
    judge.share();
    judge.compaction();
    judge.idle_groups();
    judge.disk();
    judge.verdicts
}

struct Judge<'a> {
    samples: &'a Samples,
    verdicts: Vec<Verdict>,
}

impl Judge<'_> {
    fn produce(&mut self, case: Case, size: &str) {
        let (cpu, speed) = (Metric::CpuSecondsPerGib, Metric::MibPerSecond);
        self.at_least(
            format!("produce {size}, async: bytes per broker CPU second, times Kafka's"),
            2.0,
            self.ratio((case, KAFKA, cpu), (case, ASYNC, cpu)),
        );
        self.at_least(
            format!("produce {size}, async: throughput, times Kafka's"),
            1.0,
            self.ratio((case, ASYNC, speed), (case, KAFKA, speed)),
        );
        self.at_least(
            format!("produce {size}, fsync: throughput, times Kafka's without fsync"),
            0.9,
            self.ratio((case, FSYNC, speed), (case, KAFKA, speed)),
        );
        self.at_least(
            format!("produce {size}, fsync: throughput, times Kafka's with one fsync per batch"),
            5.0,
            self.ratio((case, FSYNC, speed), (case, FLUSH, speed)),
        );
    }

    fn partitions(&mut self) {
        for (variant, mode) in [(ASYNC, "async"), (FSYNC, "fsync")] {
            let many = (Case::Produce1000p, variant, Metric::MibPerSecond);
            let few = (Case::Produce1k, variant, Metric::MibPerSecond);
            let bar = format!("1,000 partitions, {mode}: throughput, times our own with 16");
            self.at_least(bar, 0.9, self.ratio(many, few));
        }
    }

    fn consume(&mut self) {
        let cpu = Metric::CpuSecondsPerGib;
        for (case, from) in [(Case::ConsumeMemory, "memory"), (Case::ConsumeDisk, "disk")] {
            let bar = format!("consume from {from}: bytes per broker CPU second, times Kafka's");
            self.at_least(bar, 2.0, self.ratio((case, KAFKA, cpu), (case, FSYNC, cpu)));
        }
    }

    fn latency(&mut self) {
        let p99 = |variant| (Case::EndToEnd, variant, Metric::P99Ms);
        for (variant, mode, wanted) in [(ASYNC, "async", 0.5), (FSYNC, "fsync", 1.0)] {
            let bar = format!("end to end at 20 MB/s, {mode}: p99, times Kafka's without fsync");
            self.at_most(bar, wanted, "x", self.ratio(p99(variant), p99(KAFKA)));
        }
    }

    fn restart_and_memory(&mut self) {
        let restart = |variant| (Case::Restart, variant, Metric::SecondsToAck);
        let bar = "restart after kill -9: first acknowledged record".to_owned();
        self.at_most(bar, 1.0, " s", self.median(restart(FSYNC)));
        let bar = "restart after kill -9: time, times Kafka's".to_owned();
        self.at_most(bar, 0.2, "x", self.ratio(restart(FSYNC), restart(KAFKA)));
        let rest = self.median((Case::Memory, FSYNC, Metric::RestMib));
        self.at_most("memory at rest".to_owned(), 60.0, " MiB", rest);
        let many = self.median((Case::Memory, FSYNC, Metric::ThousandPartitionsMib));
        self.at_most(
            "memory with 1,000 partitions".to_owned(),
            150.0,
            " MiB",
            many,
        );
        let start = self.median((Case::Start, FSYNC, Metric::Seconds));
        let bar = "start to first accepted request, empty".to_owned();
        self.at_most(bar, 300.0, " ms", start.map(|seconds| seconds * 1000.0));
    }

    fn transactions(&mut self) {
        let cell = |variant, metric| (Case::Transactions, variant, metric);
        let rivals = [
            (ASYNC, "async", KAFKA, "Kafka's"),
            (FSYNC, "fsync", KAFKA, "Kafka's without fsync"),
            (FSYNC, "fsync", FLUSH, "Kafka's with one fsync per batch"),
        ];
        for (ours, mode, theirs, whose) in rivals {
            let cpu = Metric::CpuMsPerTransaction;
            self.at_least(
                format!("transactions, {mode}: committed per broker CPU second, times {whose}"),
                1.5,
                self.ratio(cell(theirs, cpu), cell(ours, cpu)),
            );
            let p99 = Metric::P99Ms;
            self.at_most(
                format!("transactions, {mode}: p99 of a commit, times {whose}"),
                0.5,
                "x",
                self.ratio(cell(ours, p99), cell(theirs, p99)),
            );
        }
    }

    fn share(&mut self) {
        let cell = |variant| (Case::Share, variant, Metric::CpuSecondsPerGib);
        let rivals = [
            (ASYNC, "async", "Kafka's"),
            (FSYNC, "fsync", "Kafka's without fsync"),
        ];
        for (ours, mode, whose) in rivals {
            let bar = format!("share consume, {mode}: bytes per broker CPU second, times {whose}");
            self.at_least(bar, 1.5, self.ratio(cell(KAFKA), cell(ours)));
        }
    }

    fn idle_groups(&mut self) {
        let added = |metric| self.median((Case::IdleGroups, FSYNC, metric));
        let (memory, cpu) = (added(Metric::GroupsMib), added(Metric::GroupsCpuPercent));
        let bar = "10,000 idle groups: memory added".to_owned();
        self.at_most(bar, 50.0, " MiB", memory);
        let bar = "10,000 idle groups: processor time added, of a core".to_owned();
        self.at_most(bar, 2.0, " %", cpu);
    }

    fn compaction(&mut self) {
        let case = Case::Compaction;
        let cpu = Metric::CpuSecondsPerGib;
        self.at_least(
            "compaction: bytes per broker CPU second, times Kafka's".to_owned(),
            2.0,
            self.ratio((case, KAFKA, cpu), (case, FSYNC, cpu)),
        );
        for (variant, mode) in [(ASYNC, "async"), (FSYNC, "fsync")] {
            let beside = (case, variant, Metric::BesideMibPerSecond);
            let alone = (case, variant, Metric::AloneMibPerSecond);
            let kept = self.ratio(beside, alone);
            let lost = kept.map(|kept| (1.0 - kept) * 100.0);
            let bar = format!("produce beside a compaction, {mode}: throughput lost");
            self.at_most(bar, 15.0, " %", lost);
        }
    }

    fn disk(&mut self) {
        let durable = (Case::Produce1k, FSYNC, Metric::MibPerSecond);
        let alone = (Case::Disk, None, Metric::BufferedMibPerSecond);
        let bar = "payload written durably, of 1 MiB writes each with fdatasync".to_owned();
        self.at_least(bar, 0.7, self.ratio(durable, alone));
    }

    fn at_least(&mut self, bar: String, wanted: f64, found: Option<f64>) {
        let sense = Sense::AtLeast;
        self.verdicts.push(Verdict {
            bar,
            found,
            wanted,
            sense,
            unit: "x",
        });
    }

    fn at_most(&mut self, bar: String, wanted: f64, unit: &'static str, found: Option<f64>) {
        let sense = Sense::AtMost;
        self.verdicts.push(Verdict {
            bar,
            found,
            wanted,
            sense,
            unit,
        });
    }

    fn median(&self, (case, variant, metric): Cell) -> Option<f64> {
        summarise(&self.samples.values(case, variant, metric)).map(|summary| summary.median)
    }

    fn ratio(&self, above: Cell, below: Cell) -> Option<f64> {
        let (above, below) = (self.median(above)?, self.median(below)?);
        (below > 0.0).then(|| above / below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Scale;
    use crate::samples::Sample;
    use std::collections::BTreeMap;

    fn verdict_of(bar: &str, cells: &[(Case, Option<Variant>, Metric, f64)]) -> Verdict {
        let samples = cells
            .iter()
            .map(|&(case, variant, metric, value)| Sample {
                case,
                variant,
                round: 0,
                metric,
                value,
            })
            .collect();
        let samples = Samples {
            machine: BTreeMap::new(),
            scale: Scale::quick(),
            samples,
        };
        let verdicts = judge(&samples);
        verdicts
            .into_iter()
            .find(|verdict| verdict.bar.starts_with(bar))
            .unwrap()
    }

    #[test]
    fn half_the_processor_time_is_twice_the_bytes_per_second_of_it() {
        let cpu = Metric::CpuSecondsPerGib;
        let bar = "produce 1 KiB, async: bytes";
        let met = [
            (Case::Produce1k, KAFKA, cpu, 4.0),
            (Case::Produce1k, ASYNC, cpu, 2.0),
        ];
        let verdict = verdict_of(bar, &met);
        assert_eq!((verdict.found, verdict.word()), (Some(2.0), "met"));
        let missed = [
            (Case::Produce1k, KAFKA, cpu, 4.0),
            (Case::Produce1k, ASYNC, cpu, 2.1),
        ];
        assert_eq!(verdict_of(bar, &missed).word(), "**missed**");
    }

    #[test]
    fn what_a_producer_loses_is_a_share_of_what_it_has_alone() {
        let cells = [
            (Case::Compaction, FSYNC, Metric::AloneMibPerSecond, 200.0),
            (Case::Compaction, FSYNC, Metric::BesideMibPerSecond, 160.0),
        ];
        let verdict = verdict_of("produce beside a compaction, fsync", &cells);
        assert_eq!(verdict.word(), "**missed**");
        assert_eq!(
            verdict.numbers(),
            ("<= 15 %".to_owned(), "20.0 %".to_owned())
        );
    }

    #[test]
    fn a_commit_is_judged_against_kafka_with_and_without_fsync() {
        let case = Case::Transactions;
        let cells = [
            (case, KAFKA, Metric::P99Ms, 2.0),
            (case, FLUSH, Metric::P99Ms, 8.0),
            (case, FSYNC, Metric::P99Ms, 3.0),
        ];
        let bar = "transactions, fsync: p99 of a commit, times Kafka's without";
        assert_eq!(verdict_of(bar, &cells).word(), "**missed**");
        let bar = "transactions, fsync: p99 of a commit, times Kafka's with one";
        assert_eq!(verdict_of(bar, &cells).word(), "met");
    }

    #[test]
    fn a_bar_without_its_samples_is_not_measured() {
        let verdict = verdict_of("memory at rest", &[]);
        assert_eq!(verdict.word(), "not measured");
        assert_eq!(verdict.numbers(), ("<= 60 MiB".to_owned(), "-".to_owned()));
    }

    #[test]
    fn a_lower_bar_is_met_from_below() {
        let cells = [(Case::Start, FSYNC, Metric::Seconds, 0.25)];
        let verdict = verdict_of("start to first", &cells);
        assert_eq!(
            (verdict.word(), verdict.numbers().1.as_str()),
            ("met", "250 ms")
        );
    }
}
