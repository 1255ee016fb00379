//! Log directories, credentials, access rules and client metrics from the command line.

use crate::node::Node;

fn node() -> (tempfile::TempDir, Node) {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    (dir, node)
}

fn json(node: &Node, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&node.run(args)).unwrap()
}

#[test]
fn log_directories_are_shown_with_their_partitions() {
    let (_dir, node) = node();
    node.run(&["topic", "create", "a", "b", "-p", "2"]);
    let written = node.output(&["produce", "a"], &"x".repeat(10_000));
    assert!(written.status.success());
    let shown = json(&node, &["log-dir", "describe", "--topic", "a", "--json"]);
    assert_eq!(shown.as_array().unwrap().len(), 1);
    assert_eq!(shown[0]["broker"], 0);
    assert!(shown[0]["disk_bytes"].as_i64() > shown[0]["disk_free_bytes"].as_i64());
    let partitions = shown[0]["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 2);
    assert!(partitions.iter().all(|partition| partition["topic"] == "a"));
    let sizes = partitions.iter().map(|found| found["size_bytes"].as_i64());
    assert!(sizes.flatten().sum::<i64>() > 10_000, "{shown}");
    let table = node.run(&["log-dir", "describe", "--broker", "0"]);
    let path = node.dir.join("data");
    assert!(table.starts_with("broker 0  ") && table.contains(path.to_str().unwrap()));
    assert_eq!(table.lines().count(), 2 + 4, "{table}");
    let refused = node.refused(&["log-dir", "describe", "--broker", "7"]);
    assert!(refused.contains("no broker 7"), "{refused}");
    let refused = node.refused(&["log-dir", "describe", "--topic", "c"]);
    assert!(refused.contains("no partition of c"), "{refused}");
}

#[test]
fn passwords_are_set_listed_and_taken_away() {
    let (dir, node) = node();
    let set = |args: &[&str], password: &str| {
        let all = [&["scram", "set"], args].concat();
        node.output(&all, password)
    };
    assert!(set(&["alice"], "secret\n").status.success());
    let stronger = [
        "alice",
        "--mechanism",
        "scram-sha-512",
        "--iterations",
        "8192",
    ];
    assert!(set(&stronger, "secret").status.success());
    let file = dir.path().join("password");
    std::fs::write(&file, "hunter2\nnot this\n").unwrap();
    let from_file = ["bob", "--password-file", file.to_str().unwrap()];
    assert!(set(&from_file, "").status.success());
    let listed = json(&node, &["scram", "list", "--json"]);
    let rows = listed.as_array().unwrap().iter();
    let rows: Vec<_> = rows
        .map(|row| (&row["user"], &row["mechanism"], &row["iterations"]))
        .map(|(user, mechanism, count)| format!("{user} {mechanism} {count}"))
        .collect();
    assert_eq!(
        rows,
        [
            "\"alice\" \"SCRAM-SHA-256\" 4096",
            "\"alice\" \"SCRAM-SHA-512\" 8192",
            "\"bob\" \"SCRAM-SHA-256\" 4096",
        ]
    );
    assert!(!node.run(&["scram", "list"]).contains("secret"));

    let refused = String::from_utf8(set(&["carol"], "\n").stderr).unwrap();
    assert!(refused.contains("no password"), "{refused}");
    let weak = set(&["carol", "--iterations", "10"], "secret");
    let refused = String::from_utf8(weak.stderr).unwrap();
    assert!(refused.contains("UNACCEPTABLE_CREDENTIAL"), "{refused}");

    node.run(&["scram", "delete", "bob"]);
    let refused = node.refused(&["scram", "list", "bob"]);
    assert!(refused.contains("`sprawl scram list` shows"), "{refused}");
    assert!(
        node.refused(&["scram", "delete", "bob"])
            .contains("RESOURCE_NOT_FOUND")
    );
}

#[test]
fn a_cluster_without_an_authorizer_says_so_when_asked_for_rules() {
    let (_dir, node) = node();
    let create = ["acl", "create", "--allow", "User:a", "--operation", "read"];
    let about = [&create[..], &["--topic", "t"]].concat();
    let delete = ["acl", "delete", "--topic", "t", "--principal", "User:a"];
    for args in [&["acl", "list"][..], &about, &delete] {
        let refused = node.refused(args);
        assert!(refused.contains("SECURITY_DISABLED"), "{args:?}: {refused}");
        assert!(
            refused.contains("keeps no access rules"),
            "{args:?}: {refused}"
        );
    }
    assert!(node.refused(&create).contains("--topic, --group"));
    let nobody = [
        "acl",
        "create",
        "--allow",
        "a",
        "--operation",
        "read",
        "--cluster",
    ];
    assert!(node.refused(&nobody).contains("User:NAME"));
    assert!(
        node.refused(&["acl", "delete", "--topic", "t"])
            .contains("--all")
    );
}

#[test]
fn client_metrics_subscriptions_are_settings() {
    let (_dir, node) = node();
    let name = ["--client-metrics", "producers"];
    let alter = [&["config", "alter"], &name[..]].concat();
    let set = [
        "--set",
        "metrics=org.apache.kafka.producer.",
        "--set",
        "interval.ms=60000",
    ];
    node.run(&[&alter[..], &set].concat());
    let describe = [&["config", "describe"], &name[..], &["--changed"]].concat();
    let changed = node.run(&describe);
    assert_eq!(changed.lines().count(), 3, "{changed}");
    assert!(
        changed.contains("DYNAMIC_CLIENT_METRICS_CONFIG"),
        "{changed}"
    );
    let refused = node.refused(&[&alter[..], &["--set", "interval.ms=5"]].concat());
    assert!(refused.contains("INVALID_REQUEST"), "{refused}");
}
