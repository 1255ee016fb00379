//! What is measured, on whom, and how much of it?

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;

/// One line of the table of bars, or what several lines share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Case {
    /// 1 KiB records, 16 partitions, acks=all.
    #[value(name = "produce-1k")]
    #[serde(rename = "produce-1k")]
    Produce1k,
    /// 100 B records, 16 partitions, acks=all.
    #[value(name = "produce-100b")]
    #[serde(rename = "produce-100b")]
    Produce100b,
    /// 1 KiB records over 1,000 partitions.
    #[value(name = "produce-1000p")]
    #[serde(rename = "produce-1000p")]
    Produce1000p,
    /// Reading what was just written.
    ConsumeMemory,
    /// Reading after a restart with the page cache dropped.
    ConsumeDisk,
    /// 20 MB/s of 1 KiB records, sent and read at once.
    EndToEnd,
    /// Serving again after kill -9.
    Restart,
    /// Resident memory, at rest and with 1,000 partitions.
    Memory,
    /// From process start to the first accepted request, nothing stored.
    Start,
    /// Kafka's own producer tool as a second opinion on `produce-1k`.
    PerfTool,
    /// Compacting 1 GiB of a million keys, alone and beside a producer.
    Compaction,
    /// Transactions of 100 records, committed one after the other by each producer.
    Transactions,
    /// Reading and acknowledging in a share group.
    Share,
    /// 10,000 groups that nobody uses.
    IdleGroups,
    /// What the disk does without any server.
    Disk,
}

/// One server in one mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Variant {
    /// Apache Kafka as it comes: the page cache holds what is acknowledged.
    Kafka,
    /// Apache Kafka with one fsync per batch (`flush.messages=1`).
    KafkaFlush,
    /// Sprawl, topics in `async` mode.
    SprawlAsync,
    /// Sprawl, topics in `fsync` mode, the default.
    SprawlFsync,
}

impl Variant {
    /// The name used in files and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::KafkaFlush => "kafka-flush",
            Self::SprawlAsync => "sprawl-async",
            Self::SprawlFsync => "sprawl-fsync",
        }
    }

    /// The name used in tables and plots.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Kafka => "Kafka",
            Self::KafkaFlush => "Kafka, fsync per batch",
            Self::SprawlAsync => "Sprawl async",
            Self::SprawlFsync => "Sprawl fsync",
        }
    }

    /// The topic setting that selects the mode.
    pub(crate) fn topic_config(self) -> Option<&'static str> {
        match self {
            Self::Kafka => None,
            Self::KafkaFlush => Some("flush.messages=1"),
            Self::SprawlAsync => Some("sprawl.flush=async"),
            Self::SprawlFsync => Some("sprawl.flush=fsync"),
        }
    }

    /// The same as the server's default, which the topics of its coordinators follow.
    pub(crate) fn server_setting(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Kafka => None,
            Self::KafkaFlush => Some(("log.flush.interval.messages", "1")),
            Self::SprawlAsync => Some(("sprawl.flush", "async")),
            Self::SprawlFsync => Some(("sprawl.flush", "fsync")),
        }
    }

    /// True for the servers under comparison, false for the yardstick.
    pub(crate) fn is_sprawl(self) -> bool {
        matches!(self, Self::SprawlAsync | Self::SprawlFsync)
    }

    /// Whether a case is measured on this server.
    pub(crate) fn takes(self, case: Case) -> bool {
        match self {
            Self::KafkaFlush => matches!(
                case,
                Case::Produce1k | Case::Produce100b | Case::Transactions
            ),
            // What a group costs at rest does not depend on how its offsets were written.
            Self::SprawlAsync => !matches!(case, Case::Disk | Case::IdleGroups),
            Self::Kafka | Self::SprawlFsync => case != Case::Disk,
        }
    }
}

/// How much is sent; everything else about a case is fixed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scale {
    /// Sent before anything is measured, so that a JIT compiler has seen the path.
    pub(crate) warm_up_bytes: u64,
    /// Payload of `produce-1k`, `produce-1000p`, `perf-tool` and of each part of `compaction`; half
    /// of it is that of `share`.
    pub(crate) large_bytes: u64,
    /// Payload of `produce-100b`.
    pub(crate) small_bytes: u64,
    /// Divides the payload for the server that syncs each batch.
    pub(crate) flush_divisor: u64,
    /// Seconds of `end-to-end` and `transactions` that are not counted.
    pub(crate) warm_up_seconds: u64,
    /// Seconds of `end-to-end` and `transactions` that are counted.
    pub(crate) seconds: u64,
    /// Log size before `kill -9`: topped up to this.
    pub(crate) restart_bytes: u64,
}

impl Scale {
    /// The scale of the report.
    pub(crate) fn full() -> Self {
        Self {
            warm_up_bytes: 384 * MIB,
            large_bytes: 1024 * MIB,
            small_bytes: 256 * MIB,
            flush_divisor: 8,
            warm_up_seconds: 5,
            seconds: 15,
            restart_bytes: 2048 * MIB,
        }
    }

    /// About a quarter of it.
    pub(crate) fn quick() -> Self {
        Self {
            warm_up_bytes: 128 * MIB,
            large_bytes: 256 * MIB,
            small_bytes: 64 * MIB,
            flush_divisor: 8,
            warm_up_seconds: 3,
            seconds: 5,
            restart_bytes: 512 * MIB,
        }
    }
}

/// What was named on the command line, or everything.
pub(crate) fn or_all<T: ValueEnum + Copy>(named: &[T]) -> Vec<T> {
    if named.is_empty() {
        T::value_variants().to_vec()
    } else {
        named.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_command_line_and_in_files_agree() {
        for variant in Variant::value_variants() {
            let argument = variant.to_possible_value().unwrap();
            assert_eq!(argument.get_name(), variant.name());
            assert_eq!(serde_json::to_value(variant).unwrap(), variant.name());
        }
        for case in Case::value_variants() {
            let argument = case.to_possible_value().unwrap();
            assert_eq!(serde_json::to_value(case).unwrap(), argument.get_name());
        }
    }

    #[test]
    fn nothing_named_means_everything() {
        assert_eq!(or_all::<Variant>(&[]).len(), 4);
        assert_eq!(or_all(&[Variant::Kafka]), [Variant::Kafka]);
    }
}
