//! Which cases pass against Apache Kafka already, but wait for a part of the broker that is not
//! there yet?
//!
//! `conformance/not_yet.json` names them, `*` for a whole client. They are not run against Sprawl
//! unless asked for by name, and the page says what they wait for. Invariant: nothing waits that
//! was not proved.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::row::{Outcome, Row};
use crate::setup;

/// One part of the broker and the cases that wait for it.
#[derive(Clone, Debug, Deserialize)]
pub struct Waiting {
    /// Why they wait, as the page says it.
    pub reason: String,
    /// Each a `client/case`.
    pub cases: Vec<String>,
}

/// Reads the list of the checkout.
pub fn load() -> Result<Vec<Waiting>> {
    let file = setup::repository().join("conformance/not_yet.json");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
}

/// The proved rows of `client` that wait, out of scope for the reason they wait; of a client that
/// waits as a whole also those that are out of scope anyway.
#[must_use]
pub fn rows(client: &str, proved: &[Row], waiting: &[Waiting]) -> Vec<Row> {
    let reason = |case: &str| {
        let name = format!("{client}/{case}");
        let waits = |part: &&Waiting| part.cases.contains(&name);
        waiting.iter().find(waits).map(|part| part.reason.clone())
    };
    let whole = reason("*");
    let wait = |row: &Row| match row.result {
        Outcome::Passed => Some(Row {
            result: Outcome::OutOfScope,
            reason: whole.clone().or_else(|| reason(&row.case))?,
            ..row.clone()
        }),
        Outcome::OutOfScope if whole.is_some() => Some(row.clone()),
        Outcome::OutOfScope | Outcome::Failed => None,
    };
    proved
        .iter()
        .filter(|row| row.client == client)
        .filter_map(wait)
        .collect()
}

/// Names of the other proved cases of `client`, for a run without those that wait.
#[must_use]
pub fn others(client: &str, proved: &[Row], waiting: &[Row]) -> Vec<String> {
    let own = waiting.iter().filter(|row| row.client == client);
    let waits: BTreeSet<&str> = own.map(|row| row.case.as_str()).collect();
    proved
        .iter()
        .filter(|row| row.client == client && !waits.contains(row.case.as_str()))
        .map(|row| row.case.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, result: Outcome) -> Row {
        Row {
            client: "kcat".to_owned(),
            version: "1".to_owned(),
            case: case.to_owned(),
            result,
            reason: String::new(),
        }
    }

    #[test]
    fn only_proved_cases_wait_and_the_others_run() {
        let proved = [
            row("a", Outcome::Passed),
            row("b", Outcome::Passed),
            row("c", Outcome::OutOfScope),
        ];
        let waiting = [Waiting {
            reason: "later".to_owned(),
            cases: ["kcat/a", "kcat/c", "kcat/d"].map(str::to_owned).to_vec(),
        }];
        let rows = rows("kcat", &proved, &waiting);
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].case.as_str(), rows[0].reason.as_str()),
            ("a", "later")
        );
        assert_eq!(others("kcat", &proved, &rows), ["b", "c"]);
        let mut of_another = row("b", Outcome::OutOfScope);
        of_another.client = "sarama".to_owned();
        assert_eq!(others("kcat", &proved, &[of_another]), ["a", "b", "c"]);
    }

    #[test]
    fn whole_client_can_wait() {
        let proved = [row("a", Outcome::Passed), row("b", Outcome::OutOfScope)];
        let waiting = [Waiting {
            reason: "later".to_owned(),
            cases: vec!["kcat/*".to_owned()],
        }];
        let rows = rows("kcat", &proved, &waiting);
        assert!(rows.len() == 2 && others("kcat", &proved, &rows).is_empty());
    }

    #[test]
    fn list_of_the_checkout_is_read_and_names_only_proved_cases() {
        let proved = crate::row::load(&crate::run::proved_file()).unwrap();
        for case in load().unwrap().into_iter().flat_map(|part| part.cases) {
            let (client, case) = case.split_once('/').unwrap();
            let known = |row: &Row| row.client == client && (case == "*" || row.case == case);
            assert!(proved.iter().any(known), "{client}/{case}");
        }
    }
}
