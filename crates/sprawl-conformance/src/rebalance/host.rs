//! How do many members live in few processes? A host is one process with members of one protocol;
//! it is told to add members, to close some, to end, or it is stopped, or killed.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::history::History;
use crate::crash::read_from;
use crate::wait;

/// Members close one after the other; each waits for the coordinator.
const END_WAIT_MAX: Duration = Duration::from_secs(90);

/// What a host is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// librdkafka; takes members in and lets them go while it runs.
    Python,
    /// Kafka's own client.
    Java,
}

/// What members of a host speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Classic,
    Consumer,
}

impl Protocol {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

/// A place for members, from one process of it to the next.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) program: Program,
    pub(super) protocol: Protocol,
    /// How many members it has when everybody is there.
    pub(super) planned: usize,
    /// How many it should have now.
    pub(super) wanted: usize,
    incarnation: u64,
    running: Option<Running>,
}

/// One process of a host.
#[derive(Debug)]
struct Running {
    child: Child,
    history: PathBuf,
    /// How much of the history was read.
    position: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Host {
    pub(super) fn new(name: String, program: Program, protocol: Protocol, planned: usize) -> Self {
        Self {
            name,
            program,
            protocol,
            planned,
            wanted: 0,
            incarnation: 0,
            running: None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The name of this process; its members begin with it.
    fn process_name(&self) -> String {
        format!("{}-{}", self.name, self.incarnation)
    }

    /// Starts a process with all planned members. `command` lacks the member's own arguments.
    pub(super) fn start(
        &mut self,
        mut command: Command,
        (group, topic): (&str, &str),
        folder: &Path,
    ) -> Result<()> {
        self.incarnation += 1;
        self.wanted = self.planned;
        let name = self.process_name();
        let history = folder.join(format!("{name}.history"));
        let errors = File::create(folder.join(format!("{name}.err")))?;
        let child = command
            .args(["members", group, topic, &name, self.protocol.name()])
            .arg(self.planned.to_string())
            .arg(&history)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        self.running = Some(Running {
            child,
            history,
            position: 0,
        });
        Ok(())
    }

    /// Reads what was written since the last time; a host that ended by itself is an error.
    pub(super) fn read(&mut self, into: &mut History) -> Result<()> {
        let name = self.process_name();
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        running.read(into)?;
        if let Some(status) = running.child.try_wait()? {
            anyhow::bail!("{name} ended with {status}; see {name}.err");
        }
        Ok(())
    }

    /// Lets `count` more members join.
    pub(super) fn join(&mut self, count: usize) -> Result<()> {
        self.wanted += count;
        self.say(&format!("join {count}"))
    }

    /// Has the `count` oldest members leave.
    pub(super) fn leave(&mut self, count: usize) -> Result<()> {
        self.wanted -= count;
        self.say(&format!("leave {count}"))
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let running = self.running.as_mut().context("the host is not running")?;
        let input = running.child.stdin.as_mut();
        writeln!(input.context("the host has no input")?, "{line}")?;
        Ok(())
    }

    /// Asks all members to leave; [`Self::wait_ended`] waits for it.
    pub(super) fn ask_to_end(&mut self) -> Result<()> {
        self.wanted = 0;
        self.say("end")
    }

    /// Waits until the process has ended by itself, and reads its last lines.
    pub(super) fn wait_ended(&mut self, into: &mut History) -> Result<()> {
        let name = self.process_name();
        let Some(mut running) = self.running.take() else {
            return Ok(());
        };
        drop(running.child.stdin.take());
        let status = wait::until("the members of a host to leave", END_WAIT_MAX, || {
            Ok(running.child.try_wait()?)
        })
        .with_context(|| name.clone())?;
        running.read(into)?;
        anyhow::ensure!(status.success(), "{name} ended with {status}");
        Ok(())
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self, into: &mut History) -> Result<()> {
        let name = self.process_name();
        self.wanted = 0;
        let Some(mut running) = self.running.take() else {
            return Ok(());
        };
        running.child.kill()?;
        running.child.wait()?;
        running.read(into)?;
        into.forget_host(&name);
        Ok(())
    }

    /// Stops the process, or lets it go on.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let running = self.running.as_ref().context("the host is not running")?;
        let pid = i32::try_from(running.child.id())
            .ok()
            .and_then(Pid::from_raw);
        kill_process(pid.context("the host has no process id")?, signal)?;
        Ok(())
    }
}

impl Running {
    fn read(&mut self, into: &mut History) -> Result<()> {
        let text = read_from(&self.history, self.position)?;
        let read = into.add(&text);
        let size = read.with_context(|| self.history.display().to_string())?;
        self.position += size as u64;
        Ok(())
    }
}
