//! Does a partition ever have two owners while a large group changes all the time? The drill: many
//! members of one group come, go, are killed, fall silent, and change their protocol.
//!
//! Members are librdkafka's and Kafka's own. Some begin with the classic protocol; when members of
//! the consumer protocol join, the group is converted under way (KIP-848), and the classic members
//! are restarted with the new protocol one host after the other while the rest churns and the
//! server is killed. Then some go back, and at last only these are left: the group is a classic one
//! again. Each phase must come to rest; how long that takes is the measurement. [`judge`] then goes
//! over what every member wrote down.

pub mod history;
mod host;
pub mod judge;
mod report;
mod site;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::crash::{DrillOptions, pause, wall_ms};
use crate::row::{Outcome, Row};
use host::{Host, Program, Protocol};
use judge::{Promise, Verdict};
use site::{STOPPED_FOR, Site};

pub use report::{keep, record, table};

const ROUND_MS: std::ops::Range<u64> = 300..1_800;
/// One round of this many restarts a host of classic members with the new protocol.
const MIGRATE_EVERY: u64 = 3;
const STOPPED_HOSTS_MAX: usize = 2;
const PYTHON_MEMBERS_A_HOST: usize = 12;
const JAVA_MEMBERS_A_HOST: usize = 17;
/// Restarted as a whole: small, so that there is something to migrate for a while.
const CLASSIC_MEMBERS_A_HOST: usize = 5;
/// One member of so many is Kafka's own client.
const JAVA_ONE_OF: usize = 6;
const LEAVE_MAX: usize = 4;

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Members of the consumer protocol.
    pub members: usize,
    /// Members that begin with the classic protocol.
    pub classic: usize,
    /// Partitions of the topic; at least as many as all members.
    pub partitions: u32,
    /// Rounds of the churn.
    pub rounds: u64,
}

impl Size {
    /// The whole drill.
    pub const FULL: Self = Self {
        members: 200,
        classic: 50,
        partitions: 500,
        rounds: 40,
    };
    /// What continuous integration has time for.
    pub const SMALL: Self = Self {
        members: 20,
        classic: 5,
        partitions: 60,
        rounds: 8,
    };

    /// Refuses numbers with which there is nothing to see.
    pub fn check(self) -> Result<()> {
        let all = self.members + self.classic;
        ensure!(
            self.members >= 2 && self.classic >= 2,
            "expected at least 2 members of each protocol"
        );
        ensure!(
            usize::try_from(self.partitions)? >= all,
            "expected at least {all} partitions, one a member, found {}",
            self.partitions
        );
        Ok(())
    }

    /// The hosts that members of these numbers live in.
    fn hosts(self) -> Vec<Host> {
        let mut hosts = Vec::new();
        for (protocol, count, python_max) in [
            (Protocol::Classic, self.classic, CLASSIC_MEMBERS_A_HOST),
            (Protocol::Consumer, self.members, PYTHON_MEMBERS_A_HOST),
        ] {
            let java = count.div_ceil(JAVA_ONE_OF);
            let java_max = python_max.max(JAVA_MEMBERS_A_HOST.min(java.div_ceil(2)));
            for (program, of_program, max) in [
                (Program::Java, java, java_max),
                (Program::Python, count - java, python_max),
            ] {
                let mut left = of_program;
                while left > 0 {
                    let planned = left.min(max);
                    left -= planned;
                    let name = format!("{}-{:?}-{}", protocol.name(), program, hosts.len());
                    hosts.push(Host::new(name.to_lowercase(), program, protocol, planned));
                }
            }
        }
        hosts
    }
}

/// What to drill.
#[derive(Clone, Debug)]
pub struct RebalanceOptions<'a> {
    /// Server, seed and settings; its rounds are not used.
    pub drill: DrillOptions<'a>,
    /// How many members and partitions.
    pub size: Size,
}

/// How long one phase took to come to rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// Members afterwards.
    pub members: usize,
    /// From the last thing that was done to the last change that a member saw.
    pub stable_ms: u64,
    /// Processor time of the server over the whole phase; none where it was killed in it.
    pub server_cpu_ms: Option<u64>,
    /// How long the whole phase took.
    pub whole_ms: u64,
}

/// What came of a drill.
#[derive(Debug)]
pub struct Drill {
    /// The server: `sprawl` or `kafka`.
    pub peer: &'static str,
    /// Which promises were kept.
    pub verdict: Verdict,
    /// Times to rest.
    pub phases: Vec<Phase>,
    /// What was done.
    pub deeds: Deeds,
    /// Histories, and the server's data and log; kept when something is wrong.
    pub folder: PathBuf,
}

/// How much was done to it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Deeds {
    /// Members that joined after the beginning of the churn.
    pub joined: usize,
    /// Members that left.
    pub left: usize,
    /// Members killed.
    pub killed: usize,
    /// Members that fell silent past their session.
    pub silent: usize,
    /// Members that changed their protocol.
    pub migrated: usize,
    /// Kills of the server.
    pub server_kills: usize,
}

impl std::fmt::Display for Deeds {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "members: {} joined, {} left, {} killed, {} fell silent, {} changed their protocol; \
             {} kills of the server",
            self.joined, self.left, self.killed, self.silent, self.migrated, self.server_kills
        )
    }
}

/// Runs the drill, telling `tell` of each step.
pub fn drill(options: &RebalanceOptions<'_>, tell: &dyn Fn(&str)) -> Result<Drill> {
    let mut course = Course {
        site: Site::prepare(options)?,
        options,
        tell,
        phases: Vec::new(),
        deeds: Deeds::default(),
        stopped: Vec::new(),
    };
    course.run()?;
    let Course {
        site,
        phases,
        deeds,
        ..
    } = course;
    let (history, folder) = site.close()?;
    Ok(Drill {
        peer: options.drill.peer.name(),
        verdict: judge::judge(&history),
        phases,
        deeds,
        folder,
    })
}

impl Drill {
    /// The drill as rows of the results, one a promise.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let rows = Promise::ALL.into_iter();
        let mut rows: Vec<Row> = rows
            .map(|promise| row(promise.name(), self.verdict.breaches(promise)))
            .collect();
        if let Some(last) = rows.last_mut().filter(|row| row.reason.is_empty()) {
            let times = self.phases.iter();
            let times: Vec<String> = times
                .map(|phase| format!("{} {} ms", phase.name, phase.stable_ms))
                .collect();
            last.reason = times.join(", ");
        }
        rows
    }
}

/// The row of a drill that came to no verdict.
#[must_use]
pub fn no_verdict(error: &anyhow::Error) -> Row {
    row(Promise::ComesToRest.name(), vec![format!("{error:#}")])
}

fn row(case: &str, broken: Vec<String>) -> Row {
    Row {
        client: "rebalance-drill".to_owned(),
        version: "librdkafka and kafka-clients".to_owned(),
        case: case.to_owned(),
        result: if broken.is_empty() {
            Outcome::Passed
        } else {
            Outcome::Failed
        },
        reason: broken.join("; "),
    }
}

/// A drill under way.
struct Course<'a> {
    site: Site<'a>,
    options: &'a RebalanceOptions<'a>,
    tell: &'a dyn Fn(&str),
    phases: Vec<Phase>,
    deeds: Deeds,
    /// Hosts that are stopped, and when they go on.
    stopped: Vec<(usize, Instant)>,
}

/// What a phase does; the time to rest counts from its end, or from the moment that it returns.
type Act<'a> = fn(&mut Course<'a>) -> Result<Option<u64>>;

impl<'a> Course<'a> {
    /// Every phase in turn, until one does not come to rest.
    fn run(&mut self) -> Result<()> {
        let phases: [(&'static str, &str, Act<'a>); 6] = [
            ("classic members join", "Classic", Self::classic_join),
            ("consumer members join", "Consumer", Self::consumer_join),
            ("churn and upgrade", "Consumer", Self::churn),
            ("server killed", "Consumer", Self::server_killed),
            ("half go back", "Consumer", Self::go_back),
            ("only classic left", "Classic", Self::only_classic),
        ];
        let count = phases.len();
        for (index, (name, group_type, act)) in phases.into_iter().enumerate() {
            (self.tell)(&format!("{} {name}", bar(index, count)));
            if !self.phase(name, group_type, act)? {
                break;
            }
        }
        Ok(())
    }

    /// Runs a phase; says whether it came to rest.
    fn phase(&mut self, name: &'static str, group_type: &str, act: Act<'a>) -> Result<bool> {
        let (started, cpu_before) = (Instant::now(), self.site.server_cpu()?);
        let since_ms = act(self)?.unwrap_or_else(wall_ms);
        let rest = match self.site.wait_for_rest(since_ms, group_type)? {
            Ok(rest) => rest,
            Err(reason) => {
                (self.tell)(&format!("no rest: {reason}"));
                self.site
                    .history
                    .unsettled
                    .push(format!("{name}: {reason}"));
                return Ok(false);
            }
        };
        let phase = Phase {
            name,
            members: self.site.hosts.iter().map(|host| host.wanted).sum(),
            stable_ms: whole_ms(rest),
            server_cpu_ms: used(cpu_before, self.site.server_cpu()?),
            whole_ms: whole_ms(started.elapsed()),
        };
        (self.tell)(&format!(
            "{} members at rest {} ms after the last deed; the whole took {} ms",
            phase.members, phase.stable_ms, phase.whole_ms
        ));
        self.phases.push(phase);
        Ok(true)
    }

    fn of(&self, is_chosen: impl Fn(&Host) -> bool) -> Vec<usize> {
        let hosts = self.site.hosts.iter().enumerate();
        hosts
            .filter(|(_, host)| is_chosen(host))
            .map(|(index, _)| index)
            .collect()
    }

    /// Members of Kafka's own client come first, so that one of them leads the group: librdkafka's
    /// assignor writes data of its own into assignments, and Kafka converts no such group.
    fn classic_join(&mut self) -> Result<Option<u64>> {
        let leads = |host: &Host| host.program == Program::Java;
        for index in self.of(|host| host.protocol == Protocol::Classic && leads(host)) {
            self.site.start_host(index)?;
        }
        self.site.wait_for_assignments()?;
        let since_ms = wall_ms();
        for index in self.of(|host| host.protocol == Protocol::Classic && !leads(host)) {
            self.site.start_host(index)?;
        }
        Ok(Some(since_ms))
    }

    fn consumer_join(&mut self) -> Result<Option<u64>> {
        let since_ms = wall_ms();
        for index in self.of(|host| host.protocol == Protocol::Consumer) {
            self.site.start_host(index)?;
        }
        Ok(Some(since_ms))
    }

    fn server_killed(&mut self) -> Result<Option<u64>> {
        let since_ms = wall_ms();
        self.deeds.server_kills += 1;
        self.site.kill_server()?;
        Ok(Some(since_ms))
    }

    /// Every second host that was migrated goes back to the classic protocol.
    fn go_back(&mut self) -> Result<Option<u64>> {
        let was_classic = self.of(|host| host.name.starts_with(Protocol::Classic.name()));
        for index in was_classic.into_iter().skip(1).step_by(2) {
            self.site.restart_host(index, Protocol::Classic)?;
            self.deeds.migrated += self.site.hosts[index].planned;
        }
        Ok(None)
    }

    fn only_classic(&mut self) -> Result<Option<u64>> {
        self.site
            .end_hosts(|host| host.protocol == Protocol::Consumer)?;
        Ok(None)
    }

    /// Rounds chosen by the seed, until every classic host has the new protocol and every host all
    /// its members.
    fn churn(&mut self) -> Result<Option<u64>> {
        let rounds = self.options.size.rounds;
        for round in 0..rounds {
            let dice = xxh3_64_with_seed(&round.to_le_bytes(), self.options.drill.seed);
            pause(ROUND_MS.start + dice % (ROUND_MS.end - ROUND_MS.start));
            self.resume(Instant::now())?;
            self.site.read()?;
            let deed = if round == rounds / 2 {
                self.server_killed()?;
                "the server was killed".to_owned()
            } else if round % MIGRATE_EVERY == 0 {
                self.migrate_next()?
            } else {
                self.upset(dice >> 16)?
            };
            let at = bar(usize::try_from(round + 1)?, usize::try_from(rounds)?);
            (self.tell)(&format!("{at} {deed}"));
        }
        while let Some((_, until)) = self.stopped.first() {
            let left = until.saturating_duration_since(Instant::now());
            pause(whole_ms(left));
            self.resume(Instant::now())?;
        }
        for index in 0..self.site.hosts.len() {
            let host = &mut self.site.hosts[index];
            let missing = host.planned - host.wanted;
            if missing > 0 {
                host.join(missing)?;
                self.deeds.joined += missing;
            }
        }
        while !self
            .of(|host| host.protocol == Protocol::Classic)
            .is_empty()
        {
            self.migrate_next()?;
        }
        Ok(None)
    }

    /// Lets hosts go on whose time is over.
    fn resume(&mut self, now: Instant) -> Result<()> {
        while let Some((index, until)) = self.stopped.first().copied() {
            if until > now {
                break;
            }
            self.stopped.remove(0);
            self.site.hosts[index].signal(Signal::CONT)?;
        }
        Ok(())
    }

    /// Restarts the next host of classic members with the new protocol.
    fn migrate_next(&mut self) -> Result<String> {
        let classic = self.of(|host| host.protocol == Protocol::Classic);
        let Some(index) = classic.first().copied() else {
            return Ok("everybody is migrated".to_owned());
        };
        self.site.restart_host(index, Protocol::Consumer)?;
        let host = &self.site.hosts[index];
        self.deeds.migrated += host.planned;
        Ok(format!("{} has the new protocol", host.name))
    }

    /// Does something to one host of the consumer protocol.
    fn upset(&mut self, dice: u64) -> Result<String> {
        let stopped: Vec<usize> = self.stopped.iter().map(|(index, _)| *index).collect();
        let mut able = self.of(|host| host.protocol == Protocol::Consumer && host.is_running());
        able.retain(|index| !stopped.contains(index));
        let Some(index) = pick(&able, dice) else {
            return Ok("nobody is able to do anything".to_owned());
        };
        let host = &mut self.site.hosts[index];
        let (name, here) = (host.name.clone(), host.wanted);
        let missing = host.planned - host.wanted;
        match (dice >> 16) % 6 {
            0 | 1 if host.program == Program::Python && missing > 0 => {
                host.join(missing)?;
                self.deeds.joined += missing;
                Ok(format!("{missing} members of {name} joined"))
            }
            0..=2 if host.program == Program::Python && here > 1 => {
                let count = 1 + usize::try_from(dice >> 24)? % LEAVE_MAX.min(here - 1);
                host.leave(count)?;
                self.deeds.left += count;
                Ok(format!("{count} members of {name} left"))
            }
            0..=2 => {
                let protocol = host.protocol;
                self.site.restart_host(index, protocol)?;
                self.deeds.left += here;
                self.deeds.joined += here;
                Ok(format!("{here} members of {name} left and came back"))
            }
            3 if stopped.len() < STOPPED_HOSTS_MAX => {
                host.signal(Signal::STOP)?;
                self.stopped.push((index, Instant::now() + STOPPED_FOR));
                self.deeds.silent += here;
                Ok(format!("{here} members of {name} fell silent"))
            }
            _ => {
                self.site.kill_host(index)?;
                self.site.start_host(index)?;
                self.deeds.killed += here;
                self.deeds.joined += self.site.hosts[index].planned;
                Ok(format!("{here} members of {name} were killed"))
            }
        }
    }
}

fn pick(from: &[usize], dice: u64) -> Option<usize> {
    let count = u64::try_from(from.len()).ok().filter(|count| *count > 0)?;
    from.get(usize::try_from(dice % count).ok()?).copied()
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Processor time between two readings of one process.
fn used(before: Option<(u32, Duration)>, after: Option<(u32, Duration)>) -> Option<u64> {
    let ((pid_before, before), (pid, after)) = before.zip(after)?;
    (pid_before == pid).then(|| whole_ms(after.saturating_sub(before)))
}

/// How far a drill is.
fn bar(done: usize, count: usize) -> String {
    const WIDTH: usize = 20;
    let filled = WIDTH * done / count.max(1);
    format!("[{:<WIDTH$}] {done}/{count}", "#".repeat(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_hold_every_member_of_both_clients() {
        for size in [Size::FULL, Size::SMALL] {
            let hosts = size.hosts();
            let planned = |protocol| {
                let of = hosts.iter().filter(|host| host.protocol == protocol);
                of.map(|host| host.planned).sum::<usize>()
            };
            assert_eq!(planned(Protocol::Consumer), size.members);
            assert_eq!(planned(Protocol::Classic), size.classic);
            for protocol in [Protocol::Consumer, Protocol::Classic] {
                for program in [Program::Python, Program::Java] {
                    let has = |host: &Host| host.protocol == protocol && host.program == program;
                    assert!(hosts.iter().any(has), "{size:?} {protocol:?} {program:?}");
                }
            }
            let all = u32::try_from(size.members + size.classic).unwrap();
            assert!(size.partitions >= all, "every member gets something");
        }
    }

    #[test]
    fn bar_fills() {
        assert_eq!(bar(0, 4), "[                    ] 0/4");
        assert_eq!(bar(4, 4), "[####################] 4/4");
    }
}
