//! A compacted topic as clients see it: the last record of every key, and nobody is disturbed.

use std::time::Duration;

use sprawl_model::batch::BatchOptions;

use super::data::*;
use super::*;

/// Values are large, so that a segment of the smallest size that a topic may ask for fills soon.
const VALUE_BYTES: usize = 50_000;
const ROUND_COUNT: i64 = 60;

fn compacted(ratio: &str) -> CreatableTopic {
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("min.cleanable.dirty.ratio", ratio),
    ];
    let configs = configs.map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
    });
    topic("t", 1, 1).with_configs(configs.to_vec())
}

/// Writes one record to one of two keys; the value begins with its offset.
async fn write(node: &mut Node, offset: i64) {
    let key = ["even", "odd"][usize::from(offset % 2 == 1)];
    let value = format!("{offset:0VALUE_BYTES$}");
    let options = BatchOptions::default();
    let batch = batch_of(options, Some(key), &[value.as_str()]);
    assert_eq!(node.append("t", batch).await, (NONE, offset));
}

/// Reads everything, as a consumer does, and returns the offsets; values are checked.
async fn offsets(node: &mut Node) -> Vec<i64> {
    let mut found = Vec::new();
    let mut offset = 0;
    loop {
        let partition = node.read("t", offset).await;
        assert_eq!(partition.error_code, NONE);
        let records = records_of(&partition);
        let Some((last, _)) = records.last() else {
            return found;
        };
        offset = last + 1;
        for (offset, value) in records {
            assert_eq!(value.trim_start_matches('0').parse().unwrap_or(0), offset);
            found.push(offset);
        }
    }
}

#[test]
fn superseded_records_go_and_their_offsets_are_read_past() {
    simulate(async {
        let mut node = Node::start(&[("log.cleaner.backoff.ms", "1000")]).await;
        node.create_one(compacted("0.01")).await;
        for offset in 0..ROUND_COUNT {
            write(&mut node, offset).await;
        }
        assert_eq!(offsets(&mut node).await.len(), 60);
        sprawl_io::time::sleep(Duration::from_secs(120)).await;
        for life in ["running", "restarted"] {
            node = node.kill_and_restart().await;
            let found = offsets(&mut node).await;
            assert!(found.len() < 30, "{life}: {found:?}");
            assert_eq!(found.last(), Some(&(ROUND_COUNT - 1)), "{life}");
            assert!(found.is_sorted());
        }
    });
}

#[test]
fn nothing_goes_below_the_dirty_ratio_or_without_the_cleaner() {
    simulate(async {
        for (enabled, ratio) in [("false", "0.01"), ("true", "1.0")] {
            let settings = [
                ("log.cleaner.backoff.ms", "1000"),
                ("log.cleaner.enable", enabled),
            ];
            let mut node = Node::start(&settings).await;
            node.create_one(compacted(ratio)).await;
            for offset in 0..ROUND_COUNT {
                write(&mut node, offset).await;
            }
            sprawl_io::time::sleep(Duration::from_secs(120)).await;
            node = node.kill_and_restart().await;
            assert_eq!(offsets(&mut node).await.len(), 60);
            // The ratio may change while the broker runs.
            let change = ("min.cleanable.dirty.ratio", 0, Some("0.01"));
            node.alter(resource_type::TOPIC, "t", change).await;
            sprawl_io::time::sleep(Duration::from_secs(120)).await;
            node = node.kill_and_restart().await;
            let count = offsets(&mut node).await.len();
            assert_eq!(count < 30, enabled == "true", "{enabled}: {count}");
        }
    });
}
