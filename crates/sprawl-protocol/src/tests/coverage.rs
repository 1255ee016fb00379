//! `docs/kip-coverage.md` says what the API table says.

use std::fmt::Write;

use crate::api::{ApiKey, VersionRange};

const DOCUMENT: &str = include_str!("../../../../docs/kip-coverage.md");

fn range(versions: VersionRange) -> String {
    match versions {
        VersionRange { min, max } if min == max => min.to_string(),
        VersionRange { min, max } => format!("{min}-{max}"),
    }
}

fn table() -> String {
    let mut table = String::from(
        "| key | API | advertised | served | flexible from | what the versions brought |\n\
         |---|---|---|---|---|---|\n",
    );
    for key in ApiKey::ALL {
        let flexible = key
            .flexible_from()
            .map_or("never".to_owned(), |first| first.to_string());
        writeln!(
            table,
            "| {} | {} | {} | {} | {flexible} | {} |",
            key.number(),
            key.name(),
            range(key.advertised()),
            range(key.served()),
            key.note()
        )
        .unwrap();
    }
    table
}

#[test]
fn document_has_the_table_of_apis_as_it_is() {
    let expected = table();
    assert!(
        DOCUMENT.contains(&expected),
        "docs/kip-coverage.md is stale; its table must be:\n\n{expected}"
    );
}
