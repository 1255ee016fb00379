//! What a share group costs: records handed out, acknowledged, and remembered as done.
//!
//! Kafka's own tool is the load, since no other client has share groups: consumers of one group
//! read every record of a topic from its start and acknowledge what they were given with their next
//! poll. The groups read from the first record because their configuration says so.

use anyhow::{Result, ensure};

use sprawl_conformance::server::Server;

use super::{LARGE_RECORD_BYTES, Load, MIB, PARTITIONS, Session, sync_disk};
use crate::driver;
use crate::plan::Case;
use crate::process;
use crate::samples::Metric;

const TOPIC: &str = "shared";
/// Divides the payload of `produce-1k`.
pub(crate) const DIVISOR: u64 = 2;

impl Session<'_> {
    /// Measures `share`.
    pub(super) fn share(&mut self, server: &Server) -> Result<()> {
        if !self.wants(Case::Share) {
            return Ok(());
        }
        self.create_topic(server, TOPIC, PARTITIONS)?;
        let bytes = self.setup.scale.large_bytes / DIVISOR;
        self.send(server, &Load::large(TOPIC, PARTITIONS, bytes))?;
        let records = bytes / LARGE_RECORD_BYTES;
        for (group, count) in [("warm-up", records / 4), ("measured", records)] {
            driver::fixture(&server.bootstrap(), &["from-start", group])?;
            process::settled_cpu_seconds(server.pid())?;
            sync_disk()?;
            let before = process::cpu_seconds(server.pid())?;
            let read = driver::share_perf_tool(&server.bootstrap(), TOPIC, group, count)?;
            let used = process::settled_cpu_seconds(server.pid())? - before;
            ensure!(
                read.records >= count,
                "{} of {count} records came to group {group}",
                read.records
            );
            if count == records {
                let mib = (read.records * LARGE_RECORD_BYTES) as f64 / MIB;
                let case = Case::Share;
                self.push(case, Metric::MibPerSecond, mib / read.seconds);
                self.push(
                    case,
                    Metric::RecordsPerSecond,
                    read.records as f64 / read.seconds,
                );
                self.push(case, Metric::CpuSecondsPerGib, used / (mib / 1024.0));
            }
        }
        Ok(())
    }
}
