//! Does the tree obey the house rules that no compiler lint checks?
//!
//! Each rule turns text into violations and is tested on text that breaks it. The exceptions file
//! grants a violation by rule and place up to a measured number; an exception that is unneeded or
//! more generous than needed is itself a violation, so the file can only shrink.

mod exceptions;
mod levels;
mod size;
mod source;
mod supply;
mod words;
mod wrap;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use exceptions::Exceptions;

/// One place that breaks one rule. `measure` is what the exceptions file compares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    /// `path` or `path:item`, stable under edits elsewhere in the file.
    pub(crate) place: String,
    pub(crate) line: usize,
    pub(crate) measure: usize,
    pub(crate) message: String,
}

/// Checks every rule and fails with all violations printed.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut violations = Vec::new();
    let metadata = cargo_metadata(root)?;
    levels::check(&metadata, &mut violations);
    supply::check(
        &metadata,
        &fs::read_to_string(root.join("deny.toml"))?,
        &mut violations,
    )?;

    let mut file_count = 0;
    for path in tracked_files(root)? {
        let name = path.to_string_lossy().replace('\\', "/");
        let Ok(text) = fs::read_to_string(root.join(&path)) else {
            continue;
        };
        check_file(&name, &text, &mut violations);
        file_count += 1;
    }

    let exceptions_path = root.join("crates/xtask/tidy-exceptions.txt");
    let exceptions = Exceptions::parse(&fs::read_to_string(exceptions_path)?)?;
    let mut remaining = exceptions.apply(violations);
    remaining.sort();
    for violation in &remaining {
        println!(
            "{}:{}: {}: {}",
            violation.place, violation.line, violation.rule, violation.message
        );
    }
    ensure!(
        remaining.is_empty(),
        "{} violations of the house rules",
        remaining.len()
    );
    println!(
        "tidy: {file_count} files, {} exceptions",
        exceptions.count()
    );
    Ok(())
}

/// Refills overlong comments in every Rust file and prints the files that changed.
pub(crate) fn wrap_comments(root: &Path) -> Result<()> {
    for path in tracked_files(root)? {
        let full = root.join(&path);
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let Ok(text) = fs::read_to_string(&full) else {
            continue;
        };
        let wrapped = wrap::wrap(&text);
        if wrapped != text {
            fs::write(&full, wrapped)
                .with_context(|| format!("cannot write {}", full.display()))?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

fn check_file(name: &str, text: &str, violations: &mut Vec<Violation>) {
    // Data sets and captured bytes are not prose of ours.
    if name.starts_with("examples/data") || name.contains("/fixtures/") || name == "LICENSE" {
        return;
    }
    words::check(name, text, violations);
    if name.ends_with(".rs") {
        source::check(name, text, violations);
        size::check(name, text, violations);
    }
}

/// Files that git knows or would add: an uncommitted new file is checked too.
fn tracked_files(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "--deduplicate",
        ])
        .current_dir(root)
        .output()
        .context("cannot start git")?;
    if !output.status.success() {
        bail!(
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let listing = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    Ok(listing
        .lines()
        .filter(|line| is_text(line))
        .map(PathBuf::from)
        .collect())
}

fn is_text(name: &str) -> bool {
    const ENDINGS: [&str; 12] = [
        ".rs", ".toml", ".md", ".txt", ".sh", ".py", ".js", ".java", ".go", ".yml", ".json",
        "Makefile",
    ];
    name == ".ci/run" || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn cargo_metadata(root: &Path) -> Result<serde_json::Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root)
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")
}
