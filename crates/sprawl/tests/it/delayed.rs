//! Delayed delivery with the real binary: kill -9 while records wait and while they are due, then
//! the verbs and the tools.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::node::{Node, sprawl, wait_for};

const RECORD_COUNT: i64 = 400;

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// JSON lines for `sprawl produce`, due over some seconds in no order.
fn lines(from_ms: i64) -> String {
    let line = |number: i64| {
        let due = from_ms + 1_500 + number * 7_919 % RECORD_COUNT * 10;
        format!(
            "{{\"key\":\"k{number}\",\"payload\":\"{number}\",\
             \"headers\":[\"sprawl.deliver-at\",\"{due}\"]}}\n"
        )
    };
    (0..RECORD_COUNT).map(line).collect()
}

#[test]
fn delayed_records_survive_kills_and_come_once_when_due() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path(), &[]);
    let on = "sprawl.delayed.delivery=true";
    node.run(&["topic", "create", "t", "-p", "1", "--config", on]);
    let output = node.output(&["produce", "t", "-J", "-q"], &lines(wall_ms()));
    assert!(output.status.success(), "{output:?}");
    let cancel = ["topic", "delayed", "t", "--cancel", "k399"];
    assert!(node.run(&cancel).contains("cancelled"), "k399 waits");
    for _ in 0..5 {
        std::thread::sleep(std::time::Duration::from_millis(700));
        let (kafka, http) = node.kill();
        node = Node::start_on(dir.path(), &kafka, &http, &[]);
    }
    wait_for("nothing waits", || {
        node.run(&["topic", "delayed", "t", "--json"])
            .contains("\"pending\": 0")
    });
    let text = node.run(&["consume", "t", "-e", "-f", "%s %T\\n"]);
    let found: Vec<(i64, i64)> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(number, time)| (number.parse().unwrap(), time.parse().unwrap()))
        .collect();
    let different: BTreeSet<i64> = found.iter().map(|(number, _)| *number).collect();
    assert_eq!(found.len(), different.len(), "one came twice");
    assert_eq!(different, (0..RECORD_COUNT - 1).collect());
    let places: Vec<i64> = found
        .iter()
        .map(|(number, _)| number * 7_919 % RECORD_COUNT)
        .collect();
    assert!(places.is_sorted(), "in order of due time");
    let (status, metrics) = node.http("/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("sprawl_delayed_records_pending 0"));
    node.stop();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let verified = sprawl(&["log", "verify", data]).output().unwrap();
    let verified = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.contains("hold delayed records"), "{verified}");
    let dumped = sprawl(&["log", "dump", data, "--json"]).output().unwrap();
    let dumped = String::from_utf8(dumped.stdout).unwrap();
    assert!(dumped.contains("\"delivery\":\"delayed\""), "held batches");
    assert!(dumped.contains("\"delivery\":\"released\""), "releases");
}

#[test]
fn cancelling_needs_the_setting() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    node.run(&["topic", "create", "t"]);
    let error = node.refused(&["topic", "delayed", "t", "--cancel", "k"]);
    assert!(error.contains("sprawl.delayed.delivery"), "{error}");
    let listed = node.run(&["topic", "delayed", "t"]);
    assert!(listed.starts_with("PARTITION"), "{listed}");
}
