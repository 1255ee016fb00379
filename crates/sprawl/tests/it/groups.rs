//! Groups from the command line.

use crate::node::{Node, wait_for};

fn lag(node: &Node, group: &str) -> serde_json::Value {
    serde_json::from_str(&node.run(&["group", "describe", group, "--json"])).unwrap()
}

fn numbers(count: u32) -> String {
    (0..count).map(|number| format!("{number}\n")).collect()
}

#[test]
fn a_group_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &["--set", "group.initial.rebalance.delay.ms=0"]);
    node.run(&["topic", "create", "t", "-p", "2"]);
    assert!(
        node.output(&["produce", "t"], &numbers(100))
            .status
            .success()
    );
    let first = node.run(&["consume", "t", "-G", "g", "-c", "30"]);
    assert_eq!(first.lines().count(), 30);
    assert_eq!(lag(&node, "g")["total_lag"], 70);
    let second = node.run(&["consume", "t", "-G", "g", "-e"]);
    let mut all: Vec<u32> = first
        .lines()
        .chain(second.lines())
        .map(|line| line.parse().unwrap())
        .collect();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    let after = lag(&node, "g");
    assert_eq!(
        (&after["total_lag"], &after["state"]),
        (&0.into(), &"Empty".into())
    );
}

#[test]
fn a_reset_is_shown_first_and_done_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &["--set", "group.initial.rebalance.delay.ms=0"]);
    node.run(&["topic", "create", "t"]);
    for (time, text) in [("1000", "a\nb\n"), ("2000", "c\n"), ("3000", "d\n")] {
        assert!(
            node.output(&["produce", "t", "-T", time], text)
                .status
                .success()
        );
    }
    node.run(&["consume", "t", "-G", "g", "-e"]);
    let reset = |args: &[&str]| {
        let all: Vec<&str> = ["group", "reset-offsets", "g", "--topic", "t", "--json"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let changes: serde_json::Value = serde_json::from_str(&node.run(&all)).unwrap();
        changes[0]["new_offset"].as_i64().unwrap()
    };
    assert_eq!(reset(&["--to-earliest"]), 0);
    assert_eq!(
        lag(&node, "g")["total_lag"],
        0,
        "a dry run changed something"
    );
    assert_eq!(reset(&["--to-datetime", "2000"]), 2);
    assert_eq!(reset(&["--shift-by", "-1"]), 3);
    assert_eq!(reset(&["--to-offset", "99"]), 4);
    assert_eq!(reset(&["--to-latest"]), 4);
    assert_eq!(reset(&["--to-offset", "1", "--execute"]), 1);
    assert_eq!(lag(&node, "g")["total_lag"], 3);
    assert_eq!(node.run(&["consume", "t", "-G", "g", "-e"]), "b\nc\nd\n");
}

#[test]
fn a_group_with_members_is_neither_reset_nor_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &["--set", "group.initial.rebalance.delay.ms=0"]);
    node.run(&["topic", "create", "t"]);
    let mut member = node
        .command(&["consume", "t", "-G", "g", "-q"])
        .spawn()
        .unwrap();
    let described = || node.output(&["group", "describe", "g", "--json"], "");
    wait_for("the member joined", || {
        let text = String::from_utf8(described().stdout).unwrap();
        text.contains("\"state\": \"Stable\"")
    });
    assert!(node.run(&["group", "list"]).contains("Stable"));
    let reset = [
        "group",
        "reset-offsets",
        "g",
        "--topic",
        "t",
        "--to-earliest",
        "--execute",
    ];
    assert!(node.refused(&reset).contains("stop them first"));
    assert!(
        node.refused(&["group", "delete", "g"])
            .contains("NON_EMPTY_GROUP")
    );

    crate::node::signal(&member, "-TERM");
    assert!(member.wait().unwrap().success());
    assert_eq!(lag(&node, "g")["state"], "Empty");
    node.run(&["group", "delete", "g"]);
    assert!(
        node.refused(&["group", "describe", "g"])
            .contains("there is no group g")
    );
}
