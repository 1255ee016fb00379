//! What does a server process cost: processor seconds and resident memory, from `/proc`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Ticks of `/proc/PID/stat`: `USER_HZ` is 100 on every Linux port that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;
const SETTLE_PAUSE: Duration = Duration::from_millis(500);
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(6);
/// A process that uses less of one core than this has finished its work: the JVM idles at 1 to 2 %.
const IDLE_SHARE: f64 = 0.04;

/// User and system seconds that `pid` has used so far, all threads.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    parse_cpu_seconds(&stat).with_context(|| format!("unreadable /proc/{pid}/stat: {stat}"))
}

/// Waits until `pid` idles, so that work behind the acknowledgement counts too, and returns its
/// processor seconds.
pub(crate) fn settled_cpu_seconds(pid: u32) -> Result<f64> {
    let started = Instant::now();
    let mut before = cpu_seconds(pid)?;
    loop {
        std::thread::sleep(SETTLE_PAUSE);
        let now = cpu_seconds(pid)?;
        let share = (now - before) / SETTLE_PAUSE.as_secs_f64();
        if share < IDLE_SHARE || started.elapsed() > SETTLE_WAIT_MAX {
            return Ok(now);
        }
        before = now;
    }
}

/// Resident memory in MiB: now (`VmRSS`) or at its highest (`VmHWM`).
pub(crate) fn memory_mib(pid: u32, field: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    parse_memory_mib(&status, field).with_context(|| format!("no {field} of process {pid}"))
}

fn parse_cpu_seconds(stat: &str) -> Option<f64> {
    // The command name is in parentheses and may hold anything; fields are counted after it.
    let after_name = stat.rsplit_once(')')?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn parse_memory_mib(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find(|line| line.starts_with(field))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_ticks_are_added_even_if_the_name_has_spaces() {
        let stat = "77 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 15";
        assert_eq!(parse_cpu_seconds(stat), Some(3.0));
    }

    #[test]
    fn memory_is_read_in_mib() {
        assert_eq!(
            parse_memory_mib("VmHWM:\t 4096 kB\nVmRSS:\t 2048 kB\n", "VmRSS"),
            Some(2.0)
        );
    }

    #[test]
    fn this_process_has_used_some_memory() {
        assert!(memory_mib(std::process::id(), "VmRSS").unwrap() > 0.5);
        assert!(cpu_seconds(std::process::id()).is_ok());
    }
}
