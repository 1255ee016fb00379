//! Where does what we build on come from, under which licence, and is any of it there twice?
//!
//! Reads deny.toml, so that `cargo deny` and this rule can never disagree about what is allowed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::Violation;

const RULE: &str = "supply";
const PLACE: &str = "Cargo.lock";

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    sources: Sources,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    skip: Vec<Skip>,
}

#[derive(Deserialize)]
struct Skip {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

/// Checks licence, source and uniqueness of every package that a Linux build resolves.
pub(crate) fn check(
    metadata: &Value,
    deny_toml: &str,
    violations: &mut Vec<Violation>,
) -> Result<()> {
    let deny: Deny = toml::from_str(deny_toml).context("deny.toml")?;
    let used = resolved_ids(metadata);
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let packages = metadata["packages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for package in packages {
        let text = |field: &str| package[field].as_str().unwrap_or_default();
        if !used.contains(text("id")) {
            continue;
        }
        let (name, version) = (text("name"), text("version"));
        versions.entry(name).or_default().insert(version);
        if !is_allowed(text("license"), &deny.licenses.allow) {
            let licence = text("license");
            violations.push(violation(format!("{name} {version}: licence {licence:?}")));
        }
        let source = package["source"].as_str();
        if let Some(source) = source
            && !deny
                .sources
                .allow_registry
                .iter()
                .any(|known| source.ends_with(known.as_str()))
        {
            violations.push(violation(format!(
                "{name} {version}: unknown source {source}"
            )));
        }
    }
    check_duplicates(&versions, &deny.bans.skip, violations);
    Ok(())
}

fn check_duplicates(
    versions: &BTreeMap<&str, BTreeSet<&str>>,
    skips: &[Skip],
    violations: &mut Vec<Violation>,
) {
    for (name, found) in versions.iter().filter(|(_, found)| found.len() > 1) {
        if !skips.iter().any(|skip| skip.name == **name) {
            let message = format!("{name} is there as {found:?}: unify, or note it in deny.toml");
            violations.push(violation(message));
        }
    }
    for skip in skips {
        if versions
            .get(skip.name.as_str())
            .is_none_or(|found| found.len() < 2)
        {
            let message = format!(
                "{} is no longer there twice: drop it from deny.toml",
                skip.name
            );
            violations.push(violation(message));
        }
        if skip.reason.is_empty() {
            violations.push(violation(format!(
                "{}: the duplicate needs its reason",
                skip.name
            )));
        }
    }
}

fn resolved_ids(metadata: &Value) -> BTreeSet<&str> {
    let nodes = metadata["resolve"]["nodes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    nodes
        .iter()
        .filter_map(|node| node["id"].as_str())
        .collect()
}

/// Evaluates an SPDX expression against the allowed licences: AND binds tighter than OR, the old
/// slash means OR. An empty or unreadable expression is not allowed.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        tokens: &tokens,
        allowed,
    };
    parser.either() == Some(true) && parser.tokens.is_empty()
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    allowed: &'a BTreeSet<String>,
}

impl Parser<'_> {
    fn either(&mut self) -> Option<bool> {
        let mut value = self.both()?;
        while self.take("OR") {
            value |= self.both()?;
        }
        Some(value)
    }

    fn both(&mut self) -> Option<bool> {
        let mut value = self.one()?;
        while self.take("AND") {
            value &= self.one()?;
        }
        Some(value)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let value = self.either()?;
            return self.take(")").then_some(value);
        }
        let (name, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        if !self.take("WITH") {
            return Some(self.allowed.contains(*name));
        }
        let (exception, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(self.allowed.contains(&format!("{name} WITH {exception}")))
    }

    fn take(&mut self, wanted: &str) -> bool {
        match self.tokens.split_first() {
            Some((token, rest)) if *token == wanted => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

fn violation(message: String) -> Violation {
    Violation {
        rule: RULE,
        place: PLACE.to_owned(),
        line: 1,
        measure: 1,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DENY: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"]
        [sources]
        allow-registry = ["https://github.com/rust-lang/crates.io-index"]
        [bans]
        skip = [{ crate = "syn", reason = "derive macros" }]
    "#;
    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

    fn messages(packages: &[(&str, &str, &str, &str)]) -> Vec<String> {
        let id = |name: &str, version: &str| format!("{name}@{version}");
        let listed: Vec<_> = packages
            .iter()
            .map(|(name, version, license, source)| {
                json!({ "id": id(name, version), "name": name, "version": version,
                        "license": license, "source": source })
            })
            .collect();
        let nodes: Vec<_> = packages
            .iter()
            .map(|(name, version, ..)| json!({ "id": id(name, version) }))
            .collect();
        let metadata = json!({ "packages": listed, "resolve": { "nodes": nodes } });
        let mut violations = Vec::new();
        check(&metadata, DENY, &mut violations).unwrap();
        violations
            .into_iter()
            .map(|violation| violation.message)
            .collect()
    }

    #[test]
    fn a_licence_that_is_not_listed_is_found() {
        let found = messages(&[
            ("syn", "1.0.0", "MIT", REGISTRY),
            ("syn", "2.0.0", "MIT", REGISTRY),
            ("viral", "1.0.0", "GPL-3.0-only", REGISTRY),
        ]);
        assert_eq!(found, ["viral 1.0.0: licence \"GPL-3.0-only\""]);
    }

    #[test]
    fn a_source_outside_the_registry_is_found() {
        let found = messages(&[
            ("syn", "1.0.0", "MIT", REGISTRY),
            ("syn", "2.0.0", "MIT", "git+https://example.org/syn"),
        ]);
        assert_eq!(
            found,
            ["syn 2.0.0: unknown source git+https://example.org/syn"]
        );
    }

    #[test]
    fn a_duplicate_without_a_note_is_found() {
        let found = messages(&[
            ("syn", "1.0.0", "MIT", REGISTRY),
            ("syn", "2.0.0", "MIT", REGISTRY),
            ("rand", "0.8.0", "MIT", REGISTRY),
            ("rand", "0.9.0", "MIT", REGISTRY),
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("rand is there as"), "{found:?}");
    }

    #[test]
    fn a_note_about_a_duplicate_that_is_gone_is_found() {
        let found = messages(&[("syn", "2.0.0", "MIT", REGISTRY)]);
        assert_eq!(
            found,
            ["syn is no longer there twice: drop it from deny.toml"]
        );
    }

    #[test]
    fn spdx_expressions_follow_precedence_and_exceptions() {
        let deny: Deny = toml::from_str(DENY).unwrap();
        let allowed = |expression| is_allowed(expression, &deny.licenses.allow);
        assert!(allowed("GPL-3.0-only OR MIT"));
        assert!(allowed("MIT/GPL-3.0-only"));
        assert!(allowed("(MIT OR GPL-3.0-only) AND Unicode-3.0"));
        assert!(allowed("Apache-2.0 WITH LLVM-exception"));
        assert!(!allowed("MIT AND GPL-3.0-only"));
        assert!(!allowed("GPL-2.0-only WITH Classpath-exception-2.0"));
        assert!(!allowed(""));
        assert!(!allowed("(MIT"));
    }
}
