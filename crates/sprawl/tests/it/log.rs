//! `sprawl log` on a real data directory.

use crate::node::{Node, sprawl};

fn tool(args: &[&str]) -> (Option<i32>, String, String) {
    let output = sprawl(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_stopped_directory_is_checked_and_dumped_and_a_served_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    node.run(&["topic", "create", "t", "-p", "2"]);
    let lines: String = (0..500).map(|number| format!("{number}\n")).collect();
    assert!(
        node.output(&["produce", "t", "-q"], &lines)
            .status
            .success()
    );
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let (code, _, stderr) = tool(&["log", "verify", data]);
    assert_eq!(code, Some(1), "a served directory was opened");
    assert!(stderr.contains(data), "{stderr}");
    assert_eq!(node.stop().0, Some(0));

    let (code, stdout, stderr) = tool(&["log", "verify", data, "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&report["partition_count"], &report["record_count"]),
        (&2.into(), &500.into())
    );
    let (code, stdout, _) = tool(&["log", "verify", data]);
    assert_eq!((code, stdout.lines().last()), (Some(0), Some("no damage")));

    let (code, stdout, _) = tool(&["log", "dump", data, "--json"]);
    assert_eq!(code, Some(0));
    let dumped = stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let in_batches = dumped.filter(|line| line["kind"] == "batch");
    let records: i64 = in_batches
        .map(|b| b["header"]["record_count"].as_i64().unwrap())
        .sum();
    assert_eq!(records, 500);
    assert!(
        tool(&["log", "dump", data])
            .1
            .starts_with("checkpoint  next lsn ")
    );
}

#[test]
fn a_flipped_bit_in_a_segment_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    node.run(&["topic", "create", "t"]);
    assert!(
        node.output(&["produce", "t", "-q"], &"some text\n".repeat(500))
            .status
            .success()
    );
    assert_eq!(node.stop().0, Some(0));
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let dump = tool(&["log", "dump", data, "--json"]).1;
    let batch = dump
        .lines()
        .find(|line| line.contains("\"kind\":\"batch\""))
        .unwrap();
    let batch: serde_json::Value = serde_json::from_str(batch).unwrap();
    let segment = batch["path"].as_str().unwrap();
    let mut bytes = std::fs::read(segment).unwrap();
    bytes[usize::try_from(batch["position"].as_u64().unwrap()).unwrap() + 100] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    let (code, stdout, stderr) = tool(&["log", "verify", data]);
    assert_eq!(code, Some(1));
    assert!(
        stdout.contains(segment) && stderr.contains("problems found"),
        "{stdout}{stderr}"
    );
}

#[test]
fn a_directory_that_holds_no_data_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, stderr) = tool(&["log", "verify", dir.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is not a data directory"), "{stderr}");
}
