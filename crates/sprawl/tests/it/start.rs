//! Starting, refusing to start, and stopping.

use std::time::Duration;

use crate::node::{Node, sprawl};

/// Runs `start` with a free port each, expects exit code 1, and returns the one line it says.
fn refusal(args: &[&str]) -> String {
    let mut all = vec!["start", "--log-level", "error"];
    all.extend_from_slice(args);
    let output = sprawl(&all).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
    assert_eq!(
        stderr.lines().count(),
        1,
        "expected one line, found {stderr:?}"
    );
    stderr
}

const FREE: [&str; 4] = ["--kafka-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"];

fn with_free_ports<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().copied().chain(FREE).collect()
}

#[test]
fn a_node_serves_and_sigterm_stops_it_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    assert_eq!(node.http("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(node.http("/readyz"), (200, "ready\n".to_owned()));
    node.run(&["cluster", "info"]);
    let (status, metrics) = node.http("/metrics");
    assert_eq!(status, 200);
    assert!(
        metrics.contains("# TYPE sprawl_request_bytes_total counter"),
        "{metrics}"
    );
    let (code, took) = node.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_stop_with_a_waiting_client_is_clean_too() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    node.run(&["topic", "create", "t"]);
    let mut reader = node.command(&["consume", "t", "-q"]).spawn().unwrap();
    let (code, took) = node.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    reader.kill().unwrap();
    reader.wait().unwrap();
}

#[test]
fn a_second_node_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    let data_dir = node.dir.join("data");
    let line = refusal(&with_free_ports(&[
        "--data-dir",
        data_dir.to_str().unwrap(),
    ]));
    assert!(line.contains(data_dir.to_str().unwrap()), "{line}");
    node.run(&["cluster", "info"]);
}

#[test]
fn ports_in_use_are_named_with_the_flag_to_change() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    let other = dir.path().join("other");
    let other = other.to_str().unwrap();
    let (kafka, http) = (node.kafka.as_str(), node.http.as_str());
    let line = refusal(&[
        "--data-dir",
        other,
        "--kafka-addr",
        kafka,
        "--http-addr",
        "127.0.0.1:0",
    ]);
    assert!(
        line.contains(kafka) && line.contains("--kafka-addr"),
        "{line}"
    );
    let line = refusal(&[
        "--data-dir",
        other,
        "--kafka-addr",
        "127.0.0.1:0",
        "--http-addr",
        http,
    ]);
    assert!(
        line.contains(http) && line.contains("--http-addr"),
        "{line}"
    );
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let below = file.join("data");
    let line = refusal(&with_free_ports(&["--data-dir", below.to_str().unwrap()]));
    assert!(line.contains(below.to_str().unwrap()), "{line}");
}

#[test]
fn settings_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let refused = |setting: &str| {
        let args = ["--data-dir", data_dir.to_str().unwrap(), "--set", setting];
        refusal(&with_free_ports(&args))
    };
    let line = refused("num.partitons=3");
    assert!(
        line.contains("num.partitons") && line.contains("num.partitions"),
        "{line}"
    );
    let line = refused("num.partitions=many");
    assert!(
        line.contains("num.partitions") && line.contains("many"),
        "{line}"
    );
    let line = refused("group.min.session.timeout.ms=2000000");
    assert!(line.contains("group.min.session.timeout.ms"), "{line}");
}

#[test]
fn flags_win_over_environment_which_wins_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sprawl.toml");
    let text = "num.partitions = 2\nlog.retention.ms = 1000000\nlog.segment.bytes = 2000000\n";
    std::fs::write(&file, text).unwrap();
    let data_dir = dir.path().join("data");
    let mut command = sprawl(&[
        "start",
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--config",
        file.to_str().unwrap(),
        "--set",
        "num.partitions=5",
        "--set",
        "no.such.setting=1",
    ]);
    // The last setting shows that the file was read and merged: the refusal names it and nothing
    // else.
    command
        .env("SPRAWL_SET_LOG_RETENTION_MS", "3000000")
        .args(FREE);
    let stderr = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(stderr.contains("no.such.setting"), "{stderr}");

    let extra = [
        "--config",
        file.to_str().unwrap(),
        "--set",
        "num.partitions=5",
    ];
    let node = Node::start(dir.path(), &extra);
    let configs = node.run(&["config", "describe", "--broker", "0", "--changed", "--json"]);
    let configs: serde_json::Value = serde_json::from_str(&configs).unwrap();
    let value = |name: &str| {
        let entries = configs.as_array().unwrap();
        entries
            .iter()
            .find(|entry| entry["name"] == name)
            .map(|entry| entry["value"].clone())
    };
    assert_eq!(value("num.partitions"), Some("5".into()));
    assert_eq!(value("log.segment.bytes"), Some("2000000".into()));
}

#[test]
fn json_logs_are_json() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &["--log-format", "json"]);
    assert_eq!(node.stop().0, Some(0));
    let log = std::fs::read_to_string(dir.path().join("node.log")).unwrap();
    let mut messages = Vec::new();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        messages.push(line["message"].as_str().unwrap_or_default().to_owned());
    }
    assert!(messages.contains(&"started".to_owned()), "{messages:?}");
    assert!(messages.contains(&"stopped".to_owned()), "{messages:?}");
}
