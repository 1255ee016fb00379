//! What groups cost that nobody uses: memory and processor time with 10,000 of them, less the same
//! without.
//!
//! A group here is what is left when its consumers are gone: committed offsets. One group comes
//! first, so that the topic of the offsets and the code that serves it are not charged to the
//! others.

use std::time::Duration;

use anyhow::Result;

use sprawl_conformance::server::Server;

use super::{REST, Session};
use crate::driver;
use crate::plan::Case;
use crate::process;
use crate::samples::Metric;

const TOPIC: &str = "grouped";
pub(crate) const GROUPS: u32 = 10_000;
/// Every group has an offset in each.
pub(crate) const GROUP_PARTITIONS: u32 = 4;
/// Processor time is watched this long: one tick of it is a thousandth of a core.
const WATCH: Duration = Duration::from_secs(10);

/// A server with nothing to do.
struct Idle {
    memory_mib: f64,
    cpu_percent: f64,
}

impl Session<'_> {
    /// Measures `idle-groups`.
    pub(super) fn idle_groups(&mut self, server: &Server) -> Result<()> {
        if !self.wants(Case::IdleGroups) {
            return Ok(());
        }
        self.create_topic(server, TOPIC, GROUP_PARTITIONS)?;
        self.commit_offsets(server, "first", 1)?;
        let without = watch(server)?;
        self.commit_offsets(server, "idle", GROUPS)?;
        let with = watch(server)?;
        let case = Case::IdleGroups;
        self.push(case, Metric::WithoutGroupsMib, without.memory_mib);
        self.push(case, Metric::WithGroupsMib, with.memory_mib);
        let memory = with.memory_mib - without.memory_mib;
        self.push(case, Metric::GroupsMib, memory);
        self.push(case, Metric::WithoutGroupsCpuPercent, without.cpu_percent);
        self.push(case, Metric::WithGroupsCpuPercent, with.cpu_percent);
        let cpu = with.cpu_percent - without.cpu_percent;
        self.push(case, Metric::GroupsCpuPercent, cpu);
        Ok(())
    }

    fn commit_offsets(&self, server: &Server, prefix: &str, count: u32) -> Result<()> {
        let (count, partitions) = (count.to_string(), GROUP_PARTITIONS.to_string());
        let arguments = ["groups", TOPIC, &partitions, prefix, &count];
        driver::fixture(&server.bootstrap(), &arguments)
    }
}

fn watch(server: &Server) -> Result<Idle> {
    process::settled_cpu_seconds(server.pid())?;
    std::thread::sleep(REST);
    let memory_mib = process::memory_mib(server.pid(), "VmRSS")?;
    let before = process::cpu_seconds(server.pid())?;
    std::thread::sleep(WATCH);
    let used = process::cpu_seconds(server.pid())? - before;
    Ok(Idle {
        memory_mib,
        cpu_percent: used / WATCH.as_secs_f64() * 100.0,
    })
}
