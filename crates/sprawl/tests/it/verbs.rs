//! The verbs that need no group.

use crate::node::{Node, sprawl};

fn node() -> (tempfile::TempDir, Node) {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    (dir, node)
}

#[test]
fn without_a_broker_the_error_says_what_to_do() {
    let output = sprawl(&["topic", "list", "-b", "127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = "sprawl: cannot connect to 127.0.0.1:1: connection refused; \
                    start a broker with `sprawl start`, or pass --bootstrap-server HOST:PORT\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
}

#[test]
fn a_topic_lives_from_create_to_delete() {
    let (_dir, node) = node();
    node.run(&[
        "topic",
        "create",
        "t",
        "-p",
        "2",
        "--config",
        "retention.ms=3600000",
    ]);
    assert!(
        node.refused(&["topic", "create", "t"])
            .contains("TOPIC_ALREADY_EXISTS")
    );
    node.run(&["topic", "create", "t", "--if-not-exists"]);
    node.run(&["topic", "create", "u", "--validate-only"]);
    let list: serde_json::Value =
        serde_json::from_str(&node.run(&["topic", "list", "--json"])).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(
        (&list[0]["name"], &list[0]["partition_count"]),
        (&"t".into(), &2.into())
    );

    node.run(&[
        "topic",
        "alter",
        "t",
        "-p",
        "3",
        "--config",
        "max.message.bytes=2000",
    ]);
    let described = node.run(&["topic", "describe", "t", "--json"]);
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    assert_eq!(described[0]["partitions"].as_array().unwrap().len(), 3);
    assert_eq!(described[0]["configs"]["max.message.bytes"], "2000");
    node.run(&[
        "topic",
        "alter",
        "t",
        "--delete-config",
        "max.message.bytes",
    ]);
    let described = node.run(&["topic", "describe", "t"]);
    assert!(
        described.contains("settings: retention.ms=3600000"),
        "{described}"
    );
    assert!(
        node.refused(&["topic", "alter", "t", "--config", "no.such=1"])
            .contains("no.such")
    );

    node.run(&["topic", "delete", "t"]);
    let error = node.refused(&["topic", "describe", "t"]);
    assert!(error.contains("UNKNOWN_TOPIC_OR_PARTITION"), "{error}");
}

#[test]
fn keys_headers_timestamps_and_nulls_come_back_as_written() {
    let (_dir, node) = node();
    node.run(&["topic", "create", "t"]);
    let args = [
        "produce", "t", "-K", ":", "-H", "a=1", "-H", "a=2", "-T", "1000", "-Z",
    ];
    assert!(node.output(&args, "k1:v1\nk2:\nplain\n").status.success());
    let format = r"%t %p %o %k %K %s %S %T %h\n";
    let text = node.run(&["consume", "t", "-e", "-f", format, "-Z", "~"]);
    let expected = "t 0 0 k1 2 v1 2 1000 a=1,a=2\n\
                    t 0 1 k2 2 ~ -1 1000 a=1,a=2\n\
                    t 0 2 ~ -1 plain 5 1000 a=1,a=2\n";
    assert_eq!(text, expected);
}

#[test]
fn every_codec_is_written_and_read() {
    let (_dir, node) = node();
    node.run(&["topic", "create", "t"]);
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for codec in codecs {
        let line = format!("{codec}\n").repeat(100);
        assert!(
            node.output(&["produce", "t", "-z", codec], &line)
                .status
                .success()
        );
    }
    let text = node.run(&["consume", "t", "-e"]);
    let expected: String = codecs
        .map(|codec| format!("{codec}\n").repeat(100))
        .concat();
    assert_eq!(text, expected);
}

#[test]
fn json_lines_copy_a_topic() {
    let (_dir, node) = node();
    node.run(&["topic", "create", "a", "b"]);
    assert!(
        node.output(&["produce", "a", "-K", ":", "-H", "h=x"], "k:1\nl:2\n")
            .status
            .success()
    );
    let lines = node.run(&["consume", "a", "-e", "-J"]);
    assert!(
        node.output(&["produce", "b", "-J"], &lines)
            .status
            .success()
    );
    let copy = node.run(&["consume", "b", "-e", "-J"]);
    assert_eq!(copy.replace("\"topic\":\"b\"", "\"topic\":\"a\""), lines);
}

#[test]
fn reading_starts_and_stops_where_asked() {
    let (_dir, node) = node();
    node.run(&["topic", "create", "t"]);
    for second in 0..10 {
        let timestamp = (second * 1000).to_string();
        let line = format!("{second}\n");
        assert!(
            node.output(&["produce", "t", "-T", &timestamp], &line)
                .status
                .success()
        );
    }
    let read = |args: &[&str]| {
        let all: Vec<&str> = ["consume", "t", "-q"].iter().chain(args).copied().collect();
        node.run(&all).replace('\n', "")
    };
    assert_eq!(read(&["-e"]), "0123456789");
    assert_eq!(read(&["-o", "7", "-e"]), "789");
    assert_eq!(read(&["-o", "-3", "-e"]), "789");
    assert_eq!(read(&["-o", "end", "-e"]), "");
    assert_eq!(read(&["-o", "2", "-c", "3"]), "234");
    assert_eq!(read(&["-o", "s@4000", "-o", "e@6000"]), "45");
    assert_eq!(read(&["-o", "s@1970-01-01T00:00:08", "-e"]), "89");
    assert_eq!(read(&["-p", "0", "-c", "1"]), "0");
    assert!(
        node.refused(&["consume", "t", "-p", "7"])
            .contains("not partition 7")
    );
}

#[test]
fn a_record_above_the_limit_is_refused_with_the_setting_to_raise() {
    let (_dir, node) = node();
    node.run(&["topic", "create", "t", "--config", "max.message.bytes=1000"]);
    let output = node.output(&["produce", "t"], &"x".repeat(2000));
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("MESSAGE_TOO_LARGE") && stderr.contains("max.message.bytes"),
        "{stderr}"
    );
}

#[test]
fn settings_are_shown_with_their_source() {
    let (_dir, node) = node();
    node.run(&["topic", "create", "t"]);
    node.run(&[
        "config",
        "alter",
        "--topic",
        "t",
        "--set",
        "retention.ms=7200000",
    ]);
    let changed = node.run(&["config", "describe", "--topic", "t", "--changed"]);
    let line = changed.lines().nth(1).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(
        cells,
        ["retention.ms", "7200000", "DYNAMIC_TOPIC_CONFIG", "no"]
    );
    node.run(&[
        "config",
        "alter",
        "--topic",
        "t",
        "--delete",
        "retention.ms",
    ]);
    let changed = node.run(&["config", "describe", "--topic", "t", "--changed"]);
    assert_eq!(changed.lines().count(), 1, "{changed}");
}

#[test]
fn a_closed_pipe_ends_a_reader_without_an_error() {
    let (_dir, node) = node();
    node.run(&["topic", "create", "t"]);
    let lines = "line\n".repeat(50_000);
    assert!(
        node.output(&["produce", "t", "-q"], &lines)
            .status
            .success()
    );
    let mut reader = node.command(&["consume", "t", "-e", "-q"]).spawn().unwrap();
    drop(reader.stdout.take());
    let output = reader.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn completions_name_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let output = sprawl(&["completions", shell]).output().unwrap();
        assert!(output.status.success());
        assert!(
            String::from_utf8(output.stdout)
                .unwrap()
                .contains("reset-offsets"),
            "{shell}"
        );
    }
}

#[test]
fn quotas_features_and_the_quorum_are_shown_and_changed() {
    let (_dir, node) = node();
    let shown =
        |args: &[&str]| -> serde_json::Value { serde_json::from_str(&node.run(args)).unwrap() };
    let who = ["quota", "alter", "--client-id", "c", "--user", "<default>"];
    let set = [&who[..], &["--set", "producer_byte_rate=1000"]].concat();
    node.run(&set);
    let quotas = shown(&["quota", "list", "--json"]);
    assert_eq!(quotas[0]["quotas"]["producer_byte_rate"], 1000.0);
    assert_eq!(quotas[0]["entity"]["client-id"], "c");
    assert!(quotas[0]["entity"]["user"].is_null());
    assert!(node.run(&["quota", "list"]).contains("producer_byte_rate"));
    let wrong = [&who[..], &["--set", "producer_byte_rate=-1"]].concat();
    assert!(node.refused(&wrong).contains("INVALID_REQUEST"));
    let delete = [&who[..], &["--delete", "producer_byte_rate"]].concat();
    node.run(&delete);
    assert_eq!(
        shown(&["quota", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        0
    );

    let features = shown(&["feature", "list", "--json"]);
    let found = features.as_array().unwrap().iter();
    let metadata = found
        .into_iter()
        .find(|one| one["name"] == "metadata.version")
        .unwrap();
    assert_eq!(metadata["finalized"], metadata["supported_max"]);
    let lower = ["feature", "downgrade", "metadata.version=8", "--dry-run"];
    assert!(node.refused(&lower).contains("INVALID_UPDATE_VERSION"));

    let quorum = shown(&["quorum", "describe", "--json"]);
    assert_eq!(
        (&quorum["leader_id"], &quorum["nodes"][0]["role"]),
        (&0.into(), &"voter".into())
    );
}
