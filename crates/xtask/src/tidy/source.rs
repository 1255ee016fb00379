//! Does a Rust file open with the question it answers, and fit the page?

use super::Violation;

/// Width of the page, in characters.
pub(crate) const COLUMNS_MAX: usize = 100;

/// Checks the opening and the line width of one file.
pub(crate) fn check(name: &str, text: &str, violations: &mut Vec<Violation>) {
    if !text.starts_with("//! ") {
        violations.push(Violation {
            rule: "module-docs",
            place: name.to_owned(),
            line: 1,
            measure: 1,
            message: "open with `//!`: the question answered, invariants, source".to_owned(),
        });
    }
    for (index, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS_MAX && !is_text_row(line) {
            violations.push(Violation {
                rule: "width",
                place: name.to_owned(),
                line: index + 1,
                measure: columns,
                message: format!("{columns} columns, at most {COLUMNS_MAX}"),
            });
        }
    }
}

/// A row of code that carries a text, such as an error message: breaking the text would make it
/// harder to find, and rustfmt leaves it alone.
fn is_text_row(line: &str) -> bool {
    line.contains('"') && !line.trim_start().starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<&'static str> {
        let mut violations = Vec::new();
        check("a.rs", text, &mut violations);
        violations
            .into_iter()
            .map(|violation| violation.rule)
            .collect()
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(rules("use std::fs;\n"), ["module-docs"]);
        assert_eq!(rules("//! What is it?\nuse std::fs;\n"), Vec::<&str>::new());
    }

    #[test]
    fn a_line_past_the_page_is_found_in_characters_not_bytes() {
        let wide = format!("//! {}\n", "é".repeat(97));
        assert_eq!(rules(&wide), ["width"]);
        let text = format!("    let a = \"{}\";\n", "x".repeat(100));
        assert!(rules(&format!("//! What?\n{text}")).is_empty());
        let fits = format!("//! {}\n", "é".repeat(96));
        assert!(rules(&fits).is_empty());
    }
}
