//! What runs during a rebalance drill, and what is done to it? A server, hosts full of members, and
//! one history of them all.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::RebalanceOptions;
use super::history::{Described, History};
use super::host::{Host, Program, Protocol};
use crate::crash::{pause, wall_ms};
use crate::server::{self, Server};
use crate::{clients, run, setup, wait};

pub(super) const GROUP: &str = "rebalance-drill";
const TOPIC: &str = "rebalance-drill";
/// How long a member may be silent, and how often it beats. Kafka's defaults are 45 s and 5 s:
/// times would show nothing but them.
const SESSION_MS: u64 = 6_000;
const HEARTBEAT_MS: u64 = 1_000;
/// How long a host is stopped: past its members' sessions.
pub(super) const STOPPED_FOR: Duration = Duration::from_millis(SESSION_MS + 4_000);
/// Nothing has changed for so long, and everything is in order: at rest.
const QUIET_MS: u64 = 3_000;
/// A phase must come to rest within this time.
const REST_WAIT_MAX: Duration = Duration::from_secs(90);
const POLL_MS: u64 = 50;
/// A JVM full of consumers without traffic.
const JAVA_HEAP: &str = "-Xmx160m";

/// Everything that runs during a drill.
pub(super) struct Site<'a> {
    options: &'a RebalanceOptions<'a>,
    pub(super) folder: PathBuf,
    python: PathBuf,
    java: Command,
    addr: SocketAddr,
    server: Option<Server>,
    pub(super) hosts: Vec<Host>,
    pub(super) history: History,
}

impl<'a> Site<'a> {
    /// Starts the server and makes the topic.
    pub(super) fn prepare(options: &'a RebalanceOptions<'a>) -> Result<Self> {
        let folder = run::results_folder(&options.drill.peer).join("rebalance-drill");
        if folder.is_dir() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let mut site = Self {
            options,
            folder,
            python: clients::python_clients()?,
            java: clients::lone_java_program("rebalance/Rebalance.java", "Rebalance")?,
            addr: server::free_addr()?,
            server: None,
            hosts: options.size.hosts(),
            history: History::default(),
        };
        site.start_server()?;
        let partitions = options.size.partitions.to_string();
        let mut open = site.program(Program::Python);
        finish(open.args(["open", TOPIC, &partitions]))?;
        Ok(site)
    }

    fn start_server(&mut self) -> Result<()> {
        let (session, heartbeat) = (SESSION_MS.to_string(), HEARTBEAT_MS.to_string());
        let mut settings = vec![
            ("group.consumer.session.timeout.ms", session.as_str()),
            ("group.consumer.min.session.timeout.ms", session.as_str()),
            ("group.consumer.heartbeat.interval.ms", heartbeat.as_str()),
            (
                "group.consumer.min.heartbeat.interval.ms",
                heartbeat.as_str(),
            ),
        ];
        settings.extend(&self.options.drill.settings);
        let peer = &self.options.drill.peer;
        let mut server = run::launch_server(peer, &self.folder, &settings, Some(self.addr))?;
        server.wait_ready()?;
        self.server = Some(server);
        Ok(())
    }

    /// `kill -9` of the server, and its next start.
    pub(super) fn kill_server(&mut self) -> Result<()> {
        self.server
            .take()
            .context("the server is not running")?
            .kill()?;
        self.start_server()
    }

    /// Processor time of the server's present process.
    pub(super) fn server_cpu(&self) -> Result<Option<(u32, Duration)>> {
        let Some(server) = &self.server else {
            return Ok(None);
        };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid()))?;
        // After the command's name, which may hold spaces: user and system time are the 12th and
        // 13th field, in ticks of 10 ms.
        let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
        let ticks = after.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.collect::<Result<Vec<_>, _>>()?.iter().sum();
        Ok(Some((server.pid(), Duration::from_millis(ticks * 10))))
    }

    /// The program of members, without its own arguments.
    fn program(&self, program: Program) -> Command {
        let mut command = match program {
            Program::Python => {
                let mut command = Command::new(&self.python);
                command.arg(setup::repository().join("conformance/rebalance/rebalance.py"));
                command
            }
            Program::Java => {
                let mut command = Command::new(self.java.get_program());
                command
                    .args(["-XX:+UseSerialGC", JAVA_HEAP])
                    .args(self.java.get_args());
                command
            }
        };
        command
            .env("BOOTSTRAP", self.addr.to_string())
            .env("SESSION_MS", SESSION_MS.to_string())
            .env("HEARTBEAT_MS", HEARTBEAT_MS.to_string());
        command
    }

    pub(super) fn start_host(&mut self, index: usize) -> Result<()> {
        let command = self.program(self.hosts[index].program);
        self.hosts[index].start(command, (GROUP, TOPIC), &self.folder)
    }

    pub(super) fn kill_host(&mut self, index: usize) -> Result<()> {
        self.hosts[index].kill(&mut self.history)
    }

    /// Has all members of a host leave and starts it again, with another protocol perhaps.
    pub(super) fn restart_host(&mut self, index: usize, protocol: Protocol) -> Result<()> {
        self.hosts[index].ask_to_end()?;
        self.hosts[index].wait_ended(&mut self.history)?;
        self.hosts[index].protocol = protocol;
        self.start_host(index)
    }

    /// Ends the hosts that `chosen` names, all at once.
    pub(super) fn end_hosts(&mut self, chosen: impl Fn(&Host) -> bool) -> Result<()> {
        let chosen = |host: &&mut Host| host.is_running() && chosen(host);
        for host in self.hosts.iter_mut().filter(|host| chosen(host)) {
            host.ask_to_end()?;
        }
        for host in self.hosts.iter_mut().filter(|host| host.wanted == 0) {
            host.wait_ended(&mut self.history)?;
        }
        Ok(())
    }

    /// Takes over what hosts have written.
    pub(super) fn read(&mut self) -> Result<()> {
        for host in &mut self.hosts {
            host.read(&mut self.history)?;
        }
        Ok(())
    }

    /// Waits until everybody is there and has something.
    pub(super) fn wait_for_assignments(&mut self) -> Result<()> {
        let wanted: usize = self.hosts.iter().map(|host| host.wanted).sum();
        wait::until("the first members", REST_WAIT_MAX, || {
            self.read()?;
            let present = &self.history.present;
            let all_have = present.values().all(|one| !one.partitions.is_empty());
            Ok((present.len() == wanted && all_have).then_some(()))
        })
    }

    /// Waits until everybody is there and every partition has one owner, for a while, and the
    /// coordinator says the same; returns how long after `since_ms` the last change was, or why
    /// there is no rest.
    pub(super) fn wait_for_rest(
        &mut self,
        since_ms: u64,
        group_type: &str,
    ) -> Result<Result<Duration, String>> {
        let started = Instant::now();
        let wanted = self.hosts.iter().map(|host| host.wanted).sum();
        loop {
            self.read()?;
            let changed_ms = (self.history.changed_us / 1_000).max(since_ms);
            let mut unrest = self.history.unrest(wanted, self.options.size.partitions);
            if unrest.is_none() && wall_ms().saturating_sub(changed_ms) >= QUIET_MS {
                unrest = self.disagreement(group_type)?;
                if unrest.is_none() {
                    return Ok(Ok(Duration::from_millis(changed_ms - since_ms)));
                }
            }
            if started.elapsed() > REST_WAIT_MAX {
                return Ok(Err(unrest.unwrap_or_else(|| "it never stayed".to_owned())));
            }
            pause(POLL_MS);
        }
    }

    /// Where the coordinator says something else than the members.
    fn disagreement(&mut self, group_type: &str) -> Result<Option<String>> {
        let file = self.folder.join("described");
        let mut describe = self.program(Program::Java);
        finish(describe.args(["describe", GROUP]).arg(&file))?;
        let described = Described::parse(&std::fs::read_to_string(file)?)?;
        // What members wrote while the coordinator was asked.
        self.read()?;
        if (described.group_type.as_str(), described.state.as_str()) != (group_type, "Stable") {
            let (group_type, state) = (described.group_type, described.state);
            return Ok(Some(format!("the group is {group_type} and {state}")));
        }
        Ok(described.differs_from(&self.history))
    }

    /// Ends everything and reads what is committed.
    pub(super) fn close(mut self) -> Result<(History, PathBuf)> {
        for host in &mut self.hosts {
            if host.is_running() {
                host.signal(Signal::CONT)?;
            }
        }
        self.end_hosts(|_| true)?;
        let file = self.folder.join("committed");
        let partitions = self.options.size.partitions.to_string();
        let mut committed = self.program(Program::Python);
        finish(
            committed
                .args(["committed", GROUP, TOPIC, &partitions])
                .arg(&file),
        )?;
        self.history.add(&std::fs::read_to_string(file)?)?;
        if let Some(server) = self.server.take() {
            server.stop()?;
        }
        Ok((self.history, self.folder))
    }
}

/// Runs a program to its end.
fn finish(command: &mut Command) -> Result<()> {
    let output = command.output().context("cannot start a program")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {said}", output.status);
    }
    Ok(())
}
