//! What must pass before a change lands, in order. This is the only list of CI steps: `make test`
//! and `.ci/run` call it, and nothing else names a step.
//!
//! Cheap checks come first, so that a slip is told within a minute. The first failure ends the run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tidy;

/// One CI step: a name for `--step` and for the closing table, and what it does.
struct Step {
    name: &'static str,
    about: &'static str,
    action: Action,
}

enum Action {
    Cargo(&'static [&'static str]),
    CargoWithEnv(&'static [&'static str], (&'static str, &'static str)),
    /// A world of the simulator, and how many of its seeds.
    Seeds(&'static str, &'static str),
    Tidy,
    Deny,
    Fuzz,
}

enum Outcome {
    Passed,
    Skipped(&'static str),
}

const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "formatting",
        action: Action::Cargo(&["fmt", "--all", "--check"]),
    },
    Step {
        name: "tidy",
        about: "house rules, licences, sources",
        action: Action::Tidy,
    },
    Step {
        name: "deny",
        about: "cargo-deny with deny.toml, where it is installed",
        action: Action::Deny,
    },
    Step {
        name: "clippy",
        about: "lints, warnings are errors",
        action: Action::Cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    },
    Step {
        name: "test",
        about: "unit and integration tests of every crate",
        action: Action::Cargo(&["test", "--locked", "--workspace"]),
    },
    Step {
        name: "sim-log",
        about: "simulator: no seed finds a lost or changed record in the log",
        action: Action::Seeds("log", "100"),
    },
    Step {
        name: "sim-compaction",
        about: "simulator: no seed finds a lost or returned record in a compacted log",
        action: Action::Seeds("compaction", "100"),
    },
    Step {
        name: "sim-broker",
        about: "simulator: no seed finds a lost or changed record behind the broker",
        action: Action::Seeds("broker", "40"),
    },
    Step {
        name: "sim-transactions",
        about: "simulator: no seed finds a torn, lost or hanging transaction",
        action: Action::Seeds("transactions", "100"),
    },
    Step {
        name: "sim-delayed",
        about: "simulator: no seed finds a delayed record lost, doubled, early or out of order",
        action: Action::Seeds("delayed", "40"),
    },
    Step {
        name: "mutants",
        about: "simulator: the same seeds catch every known bug",
        action: Action::Cargo(&[
            "run",
            "--locked",
            "--package",
            "sprawl-sim",
            "--features",
            "mutants",
            "--",
            "mutants",
        ]),
    },
    Step {
        name: "fuzz",
        about: "fuzz targets on their seeds and damaged copies of them",
        action: Action::Fuzz,
    },
    Step {
        name: "doc",
        about: "documentation builds without warnings",
        action: Action::CargoWithEnv(
            &[
                "doc",
                "--locked",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ],
            // Private items are documented, so links to them lead somewhere.
            (
                "RUSTDOCFLAGS",
                "-D warnings -A rustdoc::private_intra_doc_links",
            ),
        ),
    },
];

/// Prints the steps in order.
pub(crate) fn list() {
    for step in STEPS {
        println!("{:<8} {}", step.name, step.about);
    }
}

/// Runs the steps in order, all of them when `only` is empty, and prints what each took.
pub(crate) fn run(root: &Path, only: &[String]) -> Result<()> {
    if let Some(unknown) = only
        .iter()
        .find(|name| STEPS.iter().all(|s| s.name != **name))
    {
        bail!("unknown step {unknown}: see `cargo xtask ci --list`");
    }
    let mut timings: Vec<(&str, Duration, &str)> = Vec::new();
    for step in STEPS {
        if !only.is_empty() && !only.iter().any(|name| name == step.name) {
            continue;
        }
        println!("==> {}: {}", step.name, step.about);
        let started = Instant::now();
        match run_action(root, &step.action) {
            Ok(Outcome::Passed) => timings.push((step.name, started.elapsed(), "passed")),
            Ok(Outcome::Skipped(why)) => timings.push((step.name, started.elapsed(), why)),
            Err(error) => {
                timings.push((step.name, started.elapsed(), "FAILED"));
                print_timings(&timings);
                return Err(error.context(format!("step {} failed", step.name)));
            }
        }
    }
    print_timings(&timings);
    Ok(())
}

fn run_action(root: &Path, action: &Action) -> Result<Outcome> {
    match action {
        Action::Cargo(arguments) => cargo(root, arguments, None),
        Action::CargoWithEnv(arguments, variable) => cargo(root, arguments, Some(*variable)),
        Action::Seeds(world, count) => {
            let seeds = ["run", "--locked", "--package", "sprawl-sim", "--", "seeds"];
            let which = ["--world", world, "--count", count];
            cargo(root, &[&seeds[..], &which[..]].concat(), None)
        }
        Action::Fuzz => {
            // In the target folder of the workspace, whose dependencies it shares.
            let target = std::env::var("CARGO_TARGET_DIR");
            let target = target.unwrap_or_else(|_| root.join("target").display().to_string());
            // No `--locked`: what the crates depend on is locked by the workspace.
            let arguments = ["test", "--manifest-path", "fuzz/Cargo.toml"];
            cargo(root, &arguments, Some(("CARGO_TARGET_DIR", &target)))
        }
        Action::Tidy => tidy::run(root).map(|()| Outcome::Passed),
        Action::Deny if cargo_deny_is_installed(root) => cargo(
            root,
            &[
                "deny",
                "--workspace",
                "check",
                "licenses",
                "sources",
                "bans",
            ],
            None,
        ),
        Action::Deny => Ok(Outcome::Skipped(
            "cargo-deny is absent; tidy checked licences and sources",
        )),
    }
}

fn cargo(root: &Path, arguments: &[&str], variable: Option<(&str, &str)>) -> Result<Outcome> {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root);
    if let Some((name, value)) = variable {
        command.env(name, value);
    }
    let status = command.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("`cargo {}` ended with {status}", arguments.join(" "));
    }
    Ok(Outcome::Passed)
}

fn cargo_deny_is_installed(root: &Path) -> bool {
    let quiet = Command::new("cargo")
        .args(["deny", "--version"])
        .current_dir(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}

fn print_timings(timings: &[(&str, Duration, &str)]) {
    let total: Duration = timings.iter().map(|(_, took, _)| *took).sum();
    println!("\nstep        seconds  result");
    for (name, took, result) in timings {
        println!("{name:<10} {:>8.1}  {result}", took.as_secs_f64());
    }
    println!("{:<10} {:>8.1}", "total", total.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_name_is_unique() {
        let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }

    #[test]
    fn an_unknown_step_is_refused_by_name() {
        let error = run(Path::new("."), &["no-such-step".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("no-such-step"));
    }
}
