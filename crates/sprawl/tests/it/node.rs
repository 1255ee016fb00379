//! A broker process and the commands that talk to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The binary under test.
pub(crate) const SPRAWL: &str = env!("CARGO_BIN_EXE_sprawl");

/// How long anything may take before the test fails; a shared machine may be slow.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

/// A command with nothing of the caller's environment that changes what it does.
pub(crate) fn sprawl(args: &[&str]) -> Command {
    let mut command = Command::new(SPRAWL);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SPRAWL_") {
            command.env_remove(name);
        }
    }
    command.args(args);
    command
}

/// A running broker; killed when dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) dir: PathBuf,
    pub(crate) kafka: String,
    pub(crate) http: String,
}

impl Node {
    /// Starts a broker on free ports with data in `dir`.
    pub(crate) fn start(dir: &Path, extra: &[&str]) -> Self {
        Self::start_on(dir, "127.0.0.1:0", "127.0.0.1:0", extra)
    }

    pub(crate) fn start_on(dir: &Path, kafka: &str, http: &str, extra: &[&str]) -> Self {
        let data_dir = dir.join("data");
        let data_dir = data_dir.to_str().unwrap();
        let args = [
            "start",
            "--data-dir",
            data_dir,
            "--kafka-addr",
            kafka,
            "--http-addr",
            http,
        ];
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.join("node.log"))
            .unwrap();
        let mut child = sprawl(&args)
            .args(extra)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut banner = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut banner).unwrap();
        let after = |label: &str| {
            let found = banner.split_once(label).unwrap_or_else(|| {
                let log = std::fs::read_to_string(dir.join("node.log")).unwrap();
                panic!("no {label:?} in banner {banner:?}; log: {log}")
            });
            found.1.split([',', '\n']).next().unwrap().to_owned()
        };
        let (kafka, http) = (after("Kafka on "), after("HTTP on http://"));
        Self {
            child,
            dir: dir.to_owned(),
            kafka,
            http,
        }
    }

    /// Runs a command against this broker and returns its standard output.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = self.output(args, "");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{args:?}: {}: {stderr}",
            output.status
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail and returns its standard error.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let output = self.output(args, "");
        assert_eq!(
            output.status.code(),
            Some(1),
            "{args:?} did not fail with 1"
        );
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs a command with `input` as its standard input.
    pub(crate) fn output(&self, args: &[&str], input: &str) -> Output {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// Prepares a command against this broker with its output kept.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = sprawl(args);
        command.env("SPRAWL_BOOTSTRAP_SERVER", &self.kafka);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Fetches a path over HTTP: status code and body.
    pub(crate) fn http(&self, path: &str) -> (u16, String) {
        let mut stream = std::net::TcpStream::connect(&self.http).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// Asks the broker to stop and returns its exit code and how long that took.
    pub(crate) fn stop(mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        signal(&self.child, "-TERM");
        let status = self.child.wait().unwrap();
        (status.code(), start.elapsed())
    }

    /// Kills the broker without warning and returns its addresses.
    pub(crate) fn kill(mut self) -> (String, String) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.kafka.clone(), self.http.clone())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a signal to one process.
pub(crate) fn signal(child: &Child, signal: &str) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([signal, &id])
            .status()
            .unwrap()
            .success()
    );
}

/// Waits until `done` is true.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < WAIT_MAX, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
