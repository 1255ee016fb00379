//! What came of one case of one client? A row; rows make the JSON, the page and the exit code.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It found what Kafka does.
    Passed,
    /// It found something else, or did not end.
    Failed,
    /// Not run, for the reason in the row.
    #[serde(alias = "out of scope")]
    OutOfScope,
}

/// One case of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the client, as in `clients::CLIENTS`.
    pub client: String,
    /// Version that the client says it has.
    pub version: String,
    /// Name of the case.
    pub case: String,
    /// How it ended.
    pub result: Outcome,
    /// Why it failed or was not run; empty when it passed.
    pub reason: String,
}

/// The three numbers of the closing line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases out of scope here.
    pub skipped: usize,
}

impl Counts {
    /// Counts `rows`.
    #[must_use]
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut counts = Self::default();
        for row in rows {
            match row.result {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed => counts.failed += 1,
                Outcome::OutOfScope => counts.skipped += 1,
            }
        }
        counts
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Plan {
        plan: Vec<String>,
        version: String,
    },
    Case {
        case: String,
        result: Outcome,
        reason: String,
    },
}

/// Reads what a client program printed. A planned case without a result has failed; so has
/// everything when there is no plan.
#[must_use]
pub fn parse_output(client: &str, output: &str, how_it_ended: &str) -> Vec<Row> {
    let mut version = String::new();
    let mut planned = Vec::new();
    let mut rows = Vec::new();
    let row = |case: String, result, reason| Row {
        client: client.to_owned(),
        version: String::new(),
        case,
        result,
        reason,
    };
    for line in output.lines().filter(|line| line.starts_with('{')) {
        match serde_json::from_str(line) {
            Ok(Line::Plan {
                plan,
                version: named,
            }) => (planned, version) = (plan, named),
            Ok(Line::Case {
                case,
                result,
                reason,
            }) => rows.push(row(case, result, reason)),
            Err(error) => {
                let reason = format!("line not understood ({error}): {line}");
                rows.push(row("program-output".to_owned(), Outcome::Failed, reason));
            }
        }
    }
    if planned.is_empty() {
        let reason = format!("the program printed no plan and {how_it_ended}");
        rows.push(row("program-starts".to_owned(), Outcome::Failed, reason));
    }
    for case in planned {
        if !rows.iter().any(|row| row.case == case) {
            let reason = format!("no result: the program {how_it_ended}");
            rows.push(row(case, Outcome::Failed, reason));
        }
    }
    for row in &mut rows {
        row.version.clone_from(&version);
    }
    rows
}

/// Whether `newer` rows are all that there is of their clients now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Every case of each client was run; older rows of these clients are stale.
    WholeClients,
    /// Only some cases were run.
    SomeCases,
}

/// Puts `newer` rows in the place of older ones.
#[must_use]
pub fn merge(mut rows: Vec<Row>, newer: &[Row], coverage: Coverage) -> Vec<Row> {
    rows.retain(|old| {
        !newer.iter().any(|row| {
            let same_case = coverage == Coverage::WholeClients || old.case == row.case;
            old.client == row.client && same_case
        })
    });
    rows.extend_from_slice(newer);
    rows
}

/// Writes rows as JSON.
pub fn save(rows: &[Row], file: &Path) -> Result<()> {
    let mut text = serde_json::to_string_pretty(rows)?;
    text.push('\n');
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Reads rows back.
pub fn load(file: &Path) -> Result<Vec<Row>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"{"plan": ["a", "b"], "version": "1.2"}"#;

    fn check(output: &str, expected: &[(&str, Outcome)]) {
        let rows = parse_output("client", output, "ended with 1");
        let found: Vec<_> = rows
            .iter()
            .map(|row| (row.case.as_str(), row.result))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn planned_case_without_result_has_failed() {
        let output = format!(
            "{PLAN}\nnoise\n{}",
            r#"{"case":"a","result":"passed","reason":""}"#
        );
        check(&output, &[("a", Outcome::Passed), ("b", Outcome::Failed)]);
    }

    #[test]
    fn program_without_a_plan_has_failed() {
        check("Traceback", &[("program-starts", Outcome::Failed)]);
    }

    #[test]
    fn both_spellings_of_out_of_scope_are_read() {
        let output = format!(
            "{PLAN}\n{}\n{}",
            r#"{"case":"a","result":"out of scope","reason":"x"}"#,
            r#"{"case":"b","result":"out_of_scope","reason":"x"}"#
        );
        check(
            &output,
            &[("a", Outcome::OutOfScope), ("b", Outcome::OutOfScope)],
        );
    }

    #[test]
    fn newer_row_takes_the_place_of_the_older_one() {
        let old = parse_output("client", PLAN, "ended");
        let newer = r#"{"case":"a","result":"passed","reason":""}"#;
        let newer = parse_output("client", &format!("{PLAN}\n{newer}"), "ended");
        let part = parse_output("client", r#"{"plan":["a"],"version":""}"#, "ended");
        let whole = merge(old.clone(), &part, Coverage::WholeClients);
        assert_eq!(
            whole.len(),
            1,
            "the case that is no longer there is dropped"
        );
        let merged = merge(old, &newer[..1], Coverage::SomeCases);
        assert_eq!(
            Counts::of(&merged).to_string(),
            "1 passed, 1 failed, 0 skipped"
        );
    }

    #[test]
    fn closing_line_has_the_plain_form() {
        let rows = parse_output("client", PLAN, "ended");
        assert_eq!(
            Counts::of(&rows).to_string(),
            "0 passed, 2 failed, 0 skipped"
        );
    }
}
