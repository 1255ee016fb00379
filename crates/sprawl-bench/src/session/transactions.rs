//! What transactions cost, and how long a commit takes.
//!
//! Producers commit transactions of 100 records as fast as they are answered. A first run
//! that is not measured creates the topic of transactional ids and lets a JIT compiler see the
//! path. The setting that selects the variant is also the server's default here, so that the
//! coordinator's own topic is written as the records are.

use anyhow::Result;

use sprawl_conformance::server::Server;

use super::{Cost, LARGE_RECORD_BYTES, PARTITIONS, Session, sync_disk};
use crate::driver;
use crate::plan::Case;
use crate::process;
use crate::samples::Metric;

const TOPIC: &str = "transactions";
pub(crate) const RECORDS: u64 = 100;
/// librdkafka commits ten transactions a second with one producer, whatever the server: it finds
/// the markers of the last one missing and asks again after its `retry.backoff.ms`.
pub(crate) const PRODUCERS: u32 = 32;

impl Session<'_> {
    /// Measures `transactions`.
    pub(super) fn transactions(&mut self, server: &Server) -> Result<()> {
        if !self.wants(Case::Transactions) {
            return Ok(());
        }
        self.create_topic(server, TOPIC, PARTITIONS)?;
        let scale = self.setup.scale;
        self.commit(server, scale.warm_up_seconds)?;
        let cost = self.commit(server, scale.seconds)?;
        let measured = &cost.measured;
        let transactions = measured.records as f64 / RECORDS as f64;
        let case = Case::Transactions;
        self.push(
            case,
            Metric::TransactionsPerSecond,
            transactions / measured.seconds,
        );
        let used_ms = cost.cpu_seconds * 1000.0;
        self.push(case, Metric::CpuMsPerTransaction, used_ms / transactions);
        self.push_load(case, &cost);
        if let Some(whole) = &measured.whole {
            self.push(case, Metric::WholeP50Ms, whole.p50_ms);
            self.push(case, Metric::WholeP99Ms, whole.p99_ms);
        }
        Ok(())
    }

    fn commit(&mut self, server: &Server, seconds: u64) -> Result<Cost> {
        let numbers = [
            u64::from(PARTITIONS),
            LARGE_RECORD_BYTES,
            RECORDS,
            u64::from(PRODUCERS),
            seconds,
        ]
        .map(|number| number.to_string());
        let [partitions, record_bytes, records, producers, seconds] = &numbers;
        let arguments = [
            "transactions",
            "--topic",
            TOPIC,
            "--partitions",
            partitions,
            "--record-bytes",
            record_bytes,
            "--records",
            records,
            "--producers",
            producers,
            "--seconds",
            seconds,
        ];
        process::settled_cpu_seconds(server.pid())?;
        sync_disk()?;
        let before = process::cpu_seconds(server.pid())?;
        let driver = self.setup.driver;
        let measured = driver.load(&server.bootstrap(), driver::SETTINGS, &arguments)?;
        let cpu_seconds = process::settled_cpu_seconds(server.pid())? - before;
        self.sent_bytes += measured.bytes;
        Ok(Cost {
            measured,
            cpu_seconds,
        })
    }
}
