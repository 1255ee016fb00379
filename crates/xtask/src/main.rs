//! Automation: the one list of CI steps and the house rules.
//!
//! `cargo xtask setup [GROUP]`, `cargo xtask ci [--step NAME]`, `cargo xtask tidy`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::string_slice,
    reason = "a developer's tool: never simulated, speaks to a terminal, cuts at positions it found"
)]

mod ci;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", about = "Automation: the CI steps, the house rules")]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Installs system packages: run, test, conformance or bench.
    Setup {
        #[arg(default_value = "test")]
        group: String,
    },
    /// Runs every CI step, or the named ones, and prints what each took.
    Ci {
        /// Only this step; may be repeated.
        #[arg(long = "step", value_name = "NAME")]
        steps: Vec<String>,
        /// Prints the steps and stops.
        #[arg(long)]
        list: bool,
    },
    /// Checks the house rules: levels, module docs, sizes, words, licences.
    Tidy {
        /// Refills comments that are too wide, then stops.
        #[arg(long)]
        wrap: bool,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    let root = workspace_root()?;
    match verb {
        Verb::Setup { group } => setup(&root, &group),
        Verb::Ci { list: true, .. } => {
            ci::list();
            Ok(())
        }
        Verb::Ci { steps, .. } => ci::run(&root, &steps),
        Verb::Tidy { wrap: true } => tidy::wrap_comments(&root),
        Verb::Tidy { wrap: false } => tidy::run(&root),
    }
}

fn setup(root: &Path, group: &str) -> Result<()> {
    let status = Command::new("sh")
        .args(["setup/setup.sh", group])
        .current_dir(root)
        .status()
        .context("cannot start sh")?;
    ensure!(status.success(), "setup of group {group} failed");
    Ok(())
}

/// The checkout this tool was built in: two levels above its own manifest.
fn workspace_root() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest
        .ancestors()
        .nth(2)
        .context("xtask lies in crates/xtask")?;
    Ok(root.to_path_buf())
}
