//! Which violations are granted, up to which measure? The list may only shrink.
//!
//! One entry a line: `rule place measure`, `#` starts a comment. An entry must be needed and exact:
//! fixing the code means deleting or lowering the entry in the same change.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::Violation;

/// How many entries the file may hold. Lower it when an entry goes; never raise it.
const ENTRY_COUNT_MAX: usize = 0;

/// The granted violations by rule and place.
#[derive(Debug)]
pub(crate) struct Exceptions {
    granted: BTreeMap<(String, String), usize>,
}

impl Exceptions {
    /// Reads the exceptions file.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let exceptions = Self::parse_entries(text)?;
        let count = exceptions.count();
        ensure!(
            count == ENTRY_COUNT_MAX,
            "tidy-exceptions.txt has {count} entries, ENTRY_COUNT_MAX says {ENTRY_COUNT_MAX}: \
             the list may only shrink, and the number with it"
        );
        Ok(exceptions)
    }

    fn parse_entries(text: &str) -> Result<Self> {
        let mut granted = BTreeMap::new();
        for line in text.lines() {
            let entry = line.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            let fields: Vec<&str> = entry.split_whitespace().collect();
            let [rule, place, measure] = fields[..] else {
                anyhow::bail!("expected `rule place measure`, found {entry:?}");
            };
            let measure = measure
                .parse()
                .with_context(|| format!("measure of {entry:?}"))?;
            granted.insert((rule.to_owned(), place.to_owned()), measure);
        }
        Ok(Self { granted })
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> usize {
        self.granted.len()
    }

    /// Removes what is granted; adds a violation for each entry that is not exact.
    pub(crate) fn apply(&self, violations: Vec<Violation>) -> Vec<Violation> {
        let mut worst: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut remaining = Vec::new();
        for violation in violations {
            let key = (violation.rule.to_owned(), violation.place.clone());
            match self.granted.get(&key) {
                Some(limit) if violation.measure <= *limit => {
                    let entry = worst.entry(key).or_default();
                    *entry = violation.measure.max(*entry);
                }
                _ => remaining.push(violation),
            }
        }
        for (key, limit) in &self.granted {
            let needed = worst.get(key).copied().unwrap_or(0);
            if needed < *limit
                && !remaining
                    .iter()
                    .any(|v| v.rule == key.0 && v.place == key.1)
            {
                remaining.push(inexact(key, *limit, needed));
            }
        }
        remaining
    }
}

fn inexact(key: &(String, String), limit: usize, needed: usize) -> Violation {
    let (rule, place) = key;
    let advice = if needed == 0 {
        "is no longer needed: delete it".to_owned()
    } else {
        format!("is more generous than needed: lower it to {needed}")
    };
    Violation {
        rule: "exceptions",
        place: "crates/xtask/tidy-exceptions.txt".to_owned(),
        line: 1,
        measure: 1,
        message: format!("`{rule} {place} {limit}` {advice}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(measure: usize) -> Violation {
        Violation {
            rule: "fn-size",
            place: "a.rs:f".to_owned(),
            line: 7,
            measure,
            message: String::new(),
        }
    }

    fn remaining(entries: &str, violations: Vec<Violation>) -> Vec<String> {
        let exceptions = Exceptions::parse_entries(entries).unwrap();
        exceptions
            .apply(violations)
            .into_iter()
            .map(|v| format!("{}{}", v.rule, v.message))
            .collect()
    }

    #[test]
    fn an_exact_entry_grants_its_violation() {
        assert!(remaining("fn-size a.rs:f 90 # why", vec![violation(90)]).is_empty());
    }

    #[test]
    fn a_violation_past_its_entry_remains() {
        assert_eq!(
            remaining("fn-size a.rs:f 90", vec![violation(91)]),
            ["fn-size"]
        );
    }

    #[test]
    fn an_entry_that_is_no_longer_needed_fails() {
        let found = remaining("fn-size a.rs:f 90", vec![]);
        assert_eq!(
            found,
            ["exceptions`fn-size a.rs:f 90` is no longer needed: delete it"]
        );
    }

    #[test]
    fn an_entry_more_generous_than_needed_fails() {
        let found = remaining("fn-size a.rs:f 90", vec![violation(80)]);
        assert!(found[0].ends_with("lower it to 80"), "{found:?}");
    }

    #[test]
    fn the_list_may_not_grow() {
        let entries = "fn-size a.rs:f 90\n".to_owned();
        let too_many: String = (0..=ENTRY_COUNT_MAX)
            .map(|n| entries.replace('f', &n.to_string()))
            .collect();
        assert!(Exceptions::parse(&too_many).is_err());
    }
}
