//! What is a running server, whichever it is? A child process that answers ApiVersions on a
//! loopback port.
//!
//! Invariant: a [`Server`] that is dropped is killed, so that no test leaves a process behind.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

const READY_WAIT_MAX: Duration = Duration::from_secs(60);
const STOP_WAIT_MAX: Duration = Duration::from_secs(60);
const PROBE_WAIT_MAX: Duration = Duration::from_secs(2);
const LOG_TAIL_LINES: usize = 20;
/// An ApiVersions answer lists about 75 keys of 6 bytes.
const PROBE_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// One server process that accepts Kafka requests.
#[derive(Debug)]
pub struct Server {
    child: Child,
    kafka_addr: SocketAddr,
    http_addr: Option<SocketAddr>,
    log: PathBuf,
}

impl Server {
    /// Starts `command` with its output appended to `log`; does not wait until it serves.
    pub fn launch(mut command: Command, kafka_addr: SocketAddr, log: &Path) -> Result<Self> {
        let out = open_log(log)?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().context("cannot share the log file")?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        Ok(Self {
            child,
            kafka_addr,
            http_addr: None,
            log: log.to_path_buf(),
        })
    }

    /// Notes where the server answers `/metrics`.
    #[must_use]
    pub fn with_http(mut self, addr: SocketAddr) -> Self {
        self.http_addr = Some(addr);
        self
    }

    /// Waits until the server answers on its address, or reports why it ended.
    pub fn wait_ready(&mut self) -> Result<()> {
        let addr = self.kafka_addr;
        wait::until("the server to answer ApiVersions", READY_WAIT_MAX, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status} before it answered");
            }
            Ok(answers(addr).is_ok().then_some(()))
        })
        .with_context(|| format!("last lines of {}:\n{}", self.log.display(), tail(&self.log)))
    }

    /// Host and port, as clients take it.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.kafka_addr.to_string()
    }

    /// Where its metrics are read, if anywhere.
    #[must_use]
    pub fn metrics_url(&self) -> Option<String> {
        self.http_addr.map(|addr| format!("http://{addr}/metrics"))
    }

    /// Process id, for `/proc/PID/...`.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file with everything that the process printed.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// True while the process lives.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Sends SIGTERM and waits for the process to end by itself.
    pub fn stop(mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("the child has no process id")?, Signal::TERM)?;
        wait::until("the server to stop after SIGTERM", STOP_WAIT_MAX, || {
            Ok(self.child.try_wait()?)
        })
    }

    /// Sends SIGKILL and reaps: what `kill -9` leaves behind is on the disk.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends ApiVersions version 0 to `addr` and checks that a whole answer without an error comes
/// back.
pub fn answers(addr: SocketAddr) -> Result<()> {
    const CORRELATION_ID: [u8; 4] = [0, 0, 0, 7];
    let mut stream = TcpStream::connect_timeout(&addr, PROBE_WAIT_MAX)?;
    stream.set_read_timeout(Some(PROBE_WAIT_MAX))?;
    let mut request = vec![0, 0, 0, 10, 0, 18, 0, 0];
    request.extend(CORRELATION_ID);
    request.extend([0xff, 0xff]); // null client id
    stream.write_all(&request)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = u32::from_be_bytes(size) as usize;
    ensure!(
        (10..=PROBE_ANSWER_BYTES_MAX).contains(&size),
        "ApiVersions answer of {size} bytes"
    );
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer)?;
    ensure!(
        answer.starts_with(&CORRELATION_ID),
        "answer to another request"
    );
    ensure!(
        answer.get(4..6) == Some(&[0, 0]),
        "ApiVersions answered with an error code"
    );
    Ok(())
}

/// A loopback address whose port nobody holds at this moment.
pub fn free_addr() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free loopback port")?;
    Ok(listener.local_addr()?)
}

/// The last lines of a log, for an error message.
#[must_use]
pub fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}

fn open_log(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    options
        .open(log)
        .with_context(|| format!("cannot open {}", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_that_ends_before_answering_is_reported_with_its_output() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo port taken; exit 3"]);
        let log = folder.path().join("server.log");
        let mut server = Server::launch(command, free_addr().unwrap(), &log).unwrap();
        let error = server.wait_ready().unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("port taken") && text.contains("exit status: 3"),
            "{text}"
        );
    }

    #[test]
    fn silence_on_the_port_is_not_an_answer() {
        assert!(answers(free_addr().unwrap()).is_err());
    }
}
