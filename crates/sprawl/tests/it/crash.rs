//! Crash drill: kill -9 at five moments under load; nothing acknowledged is lost, doubled or
//! reordered.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use crate::node::{Node, wait_for};

/// How long the node lives after each start; uneven, so that kills meet every state of the journal.
const LIVES_MS: [u64; 5] = [400, 730, 350, 910, 540];

const RECORD_COUNT: u32 = 8000;

#[test]
fn acknowledged_records_survive_kills_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path(), &[]);
    node.run(&["topic", "create", "t", "-p", "3"]);
    let args = [
        "produce",
        "t",
        "-K",
        ":",
        "--rate",
        "2000",
        "--linger-ms",
        "1",
        "--print-acks",
        "-q",
    ];
    let mut writer = node
        .command(&args)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = writer.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        for number in 0..RECORD_COUNT {
            writeln!(input, "{number}:{number}").unwrap();
        }
    });
    let output = std::thread::spawn(move || writer.wait_with_output().unwrap());
    for life_ms in LIVES_MS {
        std::thread::sleep(Duration::from_millis(life_ms));
        assert!(
            !output.is_finished(),
            "the writer ended before the kills did"
        );
        let (kafka, http) = node.kill();
        node = Node::start_on(dir.path(), &kafka, &http, &[]);
    }
    feeder.join().unwrap();
    wait_for("the writer ends", || output.is_finished());
    let output = output.join().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let acked = String::from_utf8(output.stdout).unwrap();
    let mut acked: Vec<u32> = acked
        .lines()
        .map(|line| line.rsplit('\t').next().unwrap().parse().unwrap())
        .collect();
    acked.sort_unstable();
    assert_eq!(acked, (0..RECORD_COUNT).collect::<Vec<_>>());
    check_log(&node);
}

/// Every number is there once, ascending in each partition.
fn check_log(node: &Node) {
    let text = node.run(&["consume", "t", "-e", "-f", "%p %s\\n"]);
    let mut partitions: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for line in text.lines() {
        let (partition, number) = line.split_once(' ').unwrap();
        partitions
            .entry(partition)
            .or_default()
            .push(number.parse().unwrap());
    }
    assert_eq!(partitions.len(), 3);
    for (partition, numbers) in &partitions {
        assert!(
            numbers.is_sorted(),
            "records of partition {partition} are out of order"
        );
    }
    let mut all: Vec<u32> = partitions.into_values().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (0..RECORD_COUNT).collect::<Vec<_>>());
}
