//! README's five-minute tour is true: its commands are those of `examples/tour.sh`, and that script
//! succeeds.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::node::{Node, SPRAWL};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The lines of the code blocks under the tour's heading.
fn readme_commands() -> Vec<String> {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let tour = readme
        .split_once("\n## Five-minute tour\n")
        .expect("README has the tour")
        .1;
    let tour = tour.split("\n## ").next().unwrap();
    let blocks = tour
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines).map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_script_runs_the_commands_of_the_readme_in_order() {
    let script = std::fs::read_to_string(repository().join("examples/tour.sh")).unwrap();
    let mut script = script.lines();
    let commands = readme_commands();
    assert!(
        commands.len() > 15,
        "README's tour has {} commands",
        commands.len()
    );
    for command in commands {
        assert!(
            script.any(|line| line == command),
            "not in tour.sh, or out of order: {command}"
        );
    }
}

#[test]
fn the_tour_shows_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    // A first node finds two free ports for the one that the script starts.
    let (kafka, http) = Node::start(&dir.path().join("."), &[]).kill();
    let bin = Path::new(SPRAWL).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin.to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let output = Command::new("bash")
        .arg(repository().join("examples/tour.sh"))
        .env("PATH", path)
        .env("TMPDIR", dir.path())
        .env("SPRAWL_KAFKA_ADDR", &kafka)
        .env("SPRAWL_HTTP_ADDR", http)
        .env("SPRAWL_BOOTSTRAP_SERVER", &kafka)
        .env_remove("SPRAWL_DATA_DIR")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(
        stdout.contains("every acknowledged record is there, once"),
        "{stdout}\n{stderr}"
    );
}
